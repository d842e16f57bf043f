//! Every view: at its address, at 200 percent, on paper, in forced colours, by finger, in four languages.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{
    addresses::days_ago,
    everybody::covered,
    household::{CONSUMER, Household, METER, Plan},
    languages::overflow,
    looks::{pale, pictures, unfold},
    now::nothing_amiss,
};
use crate::{Test, browser::Browser};

pub const TESTS: &[Test] = &[
    ("the_address_of_every_view_survives_reload_link_and_back", survives),
    ("at_200_percent_every_view_scrolls_in_one_direction_only", zoomed),
    ("in_forced_colours_every_text_of_every_view_is_readable", forced),
    ("every_view_can_be_printed", printed),
    ("every_control_of_every_view_is_large_enough_for_a_finger", fingers),
    ("no_view_is_wider_than_its_screen_in_any_language", languages),
];

/// House with photovoltaics that knows its prices.
pub fn house() -> Household {
    let more = format!(
        "[[tariffs]]\nname = \"Basic\"\nsource = \"{METER}\"\nfrom = \"2020-01-01\"\nvat = 19\n\
         work_price = 0.32\nbase_price_per_month = 12.00\nfeed_in_price = 0.08\ninstalment_per_month = 95\n"
    );
    Household::start(&Plan { pv: true, more: &more, ..Plan::default() })
}

/// Address of each view, and of what each can show.
fn addresses() -> Vec<String> {
    let month = days_ago(40).first_of_month().unwrap();
    let (first, last) = (month.date(), month.last_of_month().unwrap().date());
    let (day, name) = (days_ago(9).date(), month.strftime("%Y-%m"));
    let mut all: Vec<_> = ["now", "history/day", "sources", "setup"].map(|view| format!("#{view}")).into();
    all.extend([
        format!("#history/hour/{day}T12:10"),
        format!("#history/day/{day}?show=phases"),
        format!("#history/week/{}-W{:02}", day.iso_week_date().year(), day.iso_week_date().week()),
        format!("#history/month/{name}?in=money"),
        format!("#history/month/{name}/{CONSUMER}?compare=before"),
        format!("#history/year/{}?compare=year", days_ago(400).year()),
        "#history/all".to_owned(),
        format!("#readings/{last}"),
        format!("#readings/{first}/{last}"),
        format!("#costs/{first}/{last}?price=0.25&base=10"),
        format!("#insights/be/{name}"),
    ]);
    all
}

/// Waits until a view has all that it shows.
fn await_view(browser: &Browser, address: &str) {
    let view = address.trim_start_matches('#').split(['/', '?']).next().unwrap().to_owned();
    browser.await_shown(&format!("view-{view}"));
    if ["history", "readings", "costs", "insights"].contains(&view.as_str()) {
        let at = format!("view-{view}");
        browser.until("an answer", || browser.attribute(&at, "data-ready").as_deref() == Some("true"));
    }
    match view.as_str() {
        "now" => browser.until("its tiles", || browser.shows("today-cost") && browser.shows("today-own")),
        "setup" => browser.await_shown("reach"),
        "sources" => browser.await_shown("add"),
        _ => {}
    }
}

/// Opens a view as a link does.
fn show(browser: &Browser, address: &str) {
    // A view that is shown already may still have its last answer.
    let body = "for (const view of document.querySelectorAll('.view:not(.now)')) delete view.dataset.ready; \
                location.hash = arguments[0];";
    browser.script(body, &[address.into()]);
    let is_there = || browser.script("return location.hash;", &[]) == address;
    browser.until("the address", is_there);
    await_view(browser, address);
}

/// What tells a view from others: its titles, what is chosen, and what is entered, but no number that goes on.
fn face(browser: &Browser) -> Json {
    let body = "const view = Array.from(document.querySelectorAll('.view')).find((it) => !it.hidden); \
                const css = 'h1, h2, h3, th, figcaption, [aria-pressed=true], [aria-current]'; \
                const seen = (css) => Array.from(view.querySelectorAll(css)).filter((it) => it.checkVisibility()); \
                const texts = seen(css).map((it) => it.textContent); \
                const fields = seen('input, select').map((it) => it.type === 'checkbox' ? it.checked : it.value); \
                return [view.dataset.test, texts, fields];";
    browser.script(body, &[])
}

fn survives() {
    let household = house();
    let browser = household.open("en-GB");
    for address in addresses() {
        show(&browser, &address);
        let seen = face(&browser);
        // A reload.
        browser.script("window.isOld = true; location.reload();", &[]);
        let is_new = "return !window.isOld && performance.getEntriesByName('interactive').length > 0;";
        browser.until("loaded again", || browser.script(is_new, &[]) == true);
        await_view(&browser, &address);
        browser.until(&format!("{address} after a reload"), || face(&browser) == seen);
        // A link to another view, and back.
        let other = if address == "#sources" { "#now" } else { "#sources" };
        show(&browser, other);
        browser.script("history.back();", &[]);
        browser.until("back", || browser.script("return location.hash;", &[]) == address.as_str());
        await_view(&browser, &address);
        browser.until(&format!("{address} after going back"), || face(&browser) == seen);
    }
    nothing_amiss(&browser, &household.url());
}

/// Goes through all views, and returns what is wrong with them.
fn through(browser: &Browser, mut look: impl FnMut(&str) -> Vec<Json>) -> Vec<String> {
    let mut bad = Vec::new();
    for address in addresses() {
        show(browser, &address);
        browser.settle();
        let found = look(&address);
        if !found.is_empty() {
            bad.push(format!("{address}: {:#}", json!(found)));
        }
    }
    bad
}

fn zoomed() {
    let household = house();
    let mut bad = Vec::new();
    // A screen of 1280 pixels at 200 percent, and at 400 (WCAG 2.2, 1.4.10); a phone whose user reads large letters.
    for (width, height, letters) in [(640, 450, 16), (320, 256, 16), (390, 844, 32)] {
        let browser = Browser::with_text_of("de-DE", letters);
        browser.size(width, height);
        household.show(&browser, "");
        let found = through(&browser, |address| {
            let name = address.trim_start_matches('#').replace(['/', '?', ':', '=', '&'], "-");
            browser.screenshot(&pictures().join(format!("zoom-{width}-{letters}-{name}.png")));
            [overflow(&browser, width), covered(&browser)].concat()
        });
        bad.extend(found.into_iter().map(|text| format!("{width}, {letters}: {text}")));
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

fn forced() {
    let household = house();
    let browser = Browser::open("en-US");
    browser.prefers(&[("forced-colors", "active")]);
    household.show(&browser, "");
    let mut pale_texts = BTreeSet::new();
    let bad = through(&browser, |address| {
        unfold(&browser);
        pale(&browser, address, &mut pale_texts);
        // What is drawn is seen, too.
        let shapes = "const ground = getComputedStyle(document.querySelector('.card')).backgroundColor; \
                      const paint = (e) => { const { fill, stroke, backgroundColor } = getComputedStyle(e); \
                      return e.matches('.bar') ? backgroundColor : fill === 'none' ? stroke : fill; }; \
                      return Array.from(document.querySelectorAll('rect.column, path.line, circle.dot, .bar')) \
                      .filter((e) => e.checkVisibility() && ground === paint(e)) \
                      .map((e) => e.outerHTML.slice(0, 80)).slice(0, 3);";
        browser.script(shapes, &[]).as_array().cloned().unwrap()
    });
    assert!(bad.is_empty() && pale_texts.is_empty(), "{bad:#?} {pale_texts:#?}");
}

fn printed() {
    let household = house();
    let browser = Browser::open("de-DE");
    browser.prefers(&[("prefers-color-scheme", "dark")]);
    // A4, without the margins of a printer, in the pixels of CSS.
    browser.size(718, 1040);
    household.show(&browser, "");
    let bad = through(&browser, |_| {
        browser.devtools("Emulation.setEmulatedMedia", json!({"media": "print"}));
        let wrong = "const bad = []; \
                     if (document.scrollingElement.scrollWidth > 718) bad.push('wider than the paper'); \
                     for (const e of document.querySelectorAll('button, select, a.button, .tabs a, summary, input')) \
                       if (e.checkVisibility() && e.getBoundingClientRect().width && !e.closest('.choice')) bad.push(e.outerHTML.slice(0, 60)); \
                     const { color } = getComputedStyle(document.querySelector('main')); \
                     if (color !== 'rgb(0, 0, 0)') bad.push(`text is ${color}`); \
                     const view = Array.from(document.querySelectorAll('.view')).find((it) => !it.hidden); \
                     if (view.innerText.trim().length < 20) bad.push('empty'); \
                     for (const box of document.querySelectorAll('.scroll')) \
                       if (box.checkVisibility() && box.scrollHeight > box.clientHeight + 1) bad.push('cut off'); \
                     return bad;";
        browser.settle();
        let found = browser.script(wrong, &[]).as_array().cloned().unwrap();
        browser.devtools("Emulation.setEmulatedMedia", json!({"media": ""}));
        found
    });
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

fn fingers() {
    let household = house();
    let browser = household.open("en-US");
    let mut bad = Vec::new();
    for (width, height) in [(320, 640), (412, 900), (1024, 768)] {
        browser.size(width, height);
        let found = through(&browser, |_| {
            // A link within a sentence is as high as its line (WCAG 2.2, 2.5.8).
            let small = "const inline = 'svg, .hint'; \
                         return Array.from(document.querySelectorAll('a, button, select, summary, input, [role=button]')) \
                         .filter((e) => e.checkVisibility() && !e.closest(inline)) \
                         .map((e) => [e, (e.closest('label') ?? e).getBoundingClientRect()]) \
                         .filter(([e, box]) => box.width > 0 && (box.height < 43.5 || box.width < 43.5)) \
                         .map(([e, box]) => `${e.tagName} ${e.dataset.test ?? ''} ${e.textContent.trim().slice(0, 30)}: ${box.width} x ${box.height}`);";
            browser.script(small, &[]).as_array().cloned().unwrap()
        });
        bad.extend(found.into_iter().map(|text| format!("{width}: {text}")));
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

fn languages() {
    let household = house();
    let mut bad = Vec::new();
    for locale in ["de-DE", "en-GB", "fr-FR", "nl-NL"] {
        let browser = household.open(locale);
        for (width, height) in [(320, 640), (768, 1024)] {
            browser.size(width, height);
            let found = through(&browser, |_| overflow(&browser, width));
            bad.extend(found.into_iter().map(|text| format!("{locale} at {width}: {text}")));
        }
        nothing_amiss(&browser, &household.url());
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
