//! Accessibility: phones and wall displays, light and dark, keyboards and screen readers.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::{Value as Json, json};
use simulator::{Pty, PushingMeter, Timing};

use super::{
    history::{drawn, range},
    household::{CONSUMER, Household, METER, Plan, telegram_of},
};
use crate::{
    Test,
    browser::{self, Browser, ENTER, ESCAPE, SPACE, TAB},
    program::*,
};

pub const TESTS: &[Test] = &[
    ("nothing_is_wider_than_the_screen", widths),
    ("every_text_has_enough_contrast", contrast),
    ("everything_works_with_the_keyboard", keys),
    ("everything_has_an_accessible_name", names),
    ("reduced_motion_is_respected", motion),
];

const VIEWS: [&str; 6] = ["now", "history", "readings", "costs", "insights", "sources"];
const SCHEMES: [&str; 2] = ["light", "dark"];

fn household(more: &str) -> Household {
    Household::start(&Plan { year: true, more, ..Plan::default() })
}

/// Second meter, with a long name, a thermometer, a publisher that fails, and an endpoint.
fn more_sources(folder: &Path) -> (PushingMeter, String) {
    let line = Pty::open().unwrap();
    let telegram = || seven_e_one(telegram_of("1EBZ0100000043", -1234.5, 1.0).into_bytes());
    let second = PushingMeter::start(line, Timing::default(), telegram).unwrap();
    std::fs::create_dir_all(folder.join("thermal_zone0")).unwrap();
    std::fs::write(folder.join("thermal_zone0/temp"), "48312\n").unwrap();
    std::fs::write(folder.join("thermal_zone0/type"), "cpu-thermal\n").unwrap();
    let text = format!(
        "{}[sources.machine]\nplugin = \"thermal\"\npath = \"{}\"\n\
         [publishers.the_database_of_the_whole_neighbourhood]\nplugin = \"webhook\"\nurl = \"http://127.0.0.1:{}/\"\n\
         [endpoints.evcc]\nplugin = \"vzlogger\"\nlisten = \"127.0.0.1:{}\"\n",
        d0("the_second_meter_in_the_granny_flat_upstairs", second.port()),
        folder.display(),
        test_servers::free_port(),
        test_servers::free_port(),
    );
    (second, text)
}

/// Shows a view and waits until everything in it is drawn.
fn show(browser: &Browser, view: &str) {
    let is_part = ["costs", "insights"].contains(&view);
    browser.click(&format!("nav-{}", if is_part { "readings" } else { view }));
    if is_part {
        browser.click(&format!("view-readings [data-test=to-{view}]"));
    }
    browser.await_shown(&format!("view-{view}"));
    if view == "history" {
        drawn(browser);
    }
    if is_part || view == "readings" {
        let at = format!("view-{view}");
        browser.until("an answer", || browser.attribute(&at, "data-ready").as_deref() == Some("true"));
    }
    if view == "sources" {
        browser.until("the tables", || browser.count(&format!("[data-test=\"table-{METER}\"]")) == 1);
    }
}

/// Opens everything that can be opened.
pub fn unfold(browser: &Browser) {
    browser.script("for (const it of document.querySelectorAll('details')) it.open = true;", &[]);
    // The page may create its content only now. A failed source has none.
    let empty = "return Array.from(document.querySelectorAll('details[open] tbody')) \
                 .filter((it) => it.checkVisibility() && !it.rows.length && !it.closest('[data-test=source-cellar]')).length;";
    browser.until("unfolded", || browser.script(empty, &[]) == 0);
}

fn fold(browser: &Browser) {
    browser.script("for (const it of document.querySelectorAll('details')) it.open = false;", &[]);
}

pub fn pictures() -> PathBuf {
    let folder = std::env::var_os("SMARTMETER_PICTURES");
    folder.map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("page"), PathBuf::from)
}

fn widths() {
    let folder = tempfile::tempdir().unwrap();
    let (_second, more) = more_sources(folder.path());
    let household = household(&more);
    let browser = household.open("de-DE");
    browser.await_shown("card-machine");
    // The power is known from the second pulse on.
    household.pulses(1);
    browser.until("all of it", || browser.text(&format!("consumer-{CONSUMER} .value")).ends_with('W'));
    let mut bad = Vec::new();
    for scheme in SCHEMES {
        browser.prefers(&[("prefers-color-scheme", scheme)]);
        for (width, height) in [(320, 640), (360, 800), (768, 1024), (1280, 900)] {
            browser.size(width, height);
            for view in VIEWS {
                show(&browser, view);
                if [360, 1280].contains(&width) {
                    browser.screenshot(&pictures().join(format!("{view}-{width}-{scheme}.png")));
                }
                unfold(&browser);
                browser.settle();
                let found = browser.script(include_str!("overflow.js"), &[width.into()]);
                if found != json!([]) {
                    bad.push(format!("{view} at {width}, {scheme}: {found:#}"));
                }
                fold(&browser);
            }
        }
    }
    println!("pictures: {}", pictures().display());
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

fn contrast() {
    let folder = tempfile::tempdir().unwrap();
    let (_second, mut more) = more_sources(folder.path());
    more += "[sources.cellar]\nplugin = \"d0\"\nport = \"/dev/no-such-port\"\n";
    let mut household = Household::silent(&Plan { year: true, more: &more, ..Plan::default() });
    household.send(&telegram_of("1EBZ0100000042", 458.9, 0.1));
    let browser = Browser::open("en-US");
    household.show(&browser, "");
    browser.await_shown("stale-cellar");
    let mut bad = BTreeSet::new();
    for scheme in SCHEMES {
        browser.prefers(&[("prefers-color-scheme", scheme)]);
        for view in VIEWS {
            show(&browser, view);
            unfold(&browser);
            pale(&browser, &format!("{scheme} {view}"), &mut bad);
        }
        browser.click(&format!("run-{CONSUMER}.reset_s0"));
        browser.await_shown("dialog");
        pale(&browser, &format!("{scheme} question"), &mut bad);
        browser.click("confirm");
        browser.await_shown("toast");
        pale(&browser, &format!("{scheme} message"), &mut bad);
    }
    household.kill();
    browser.await_shown("offline");
    for scheme in SCHEMES {
        browser.prefers(&[("prefers-color-scheme", scheme)]);
        for view in VIEWS {
            if !["costs", "insights"].contains(&view) {
                browser.click(&format!("nav-{view}"));
                browser.await_shown(&format!("view-{view}"));
                pale(&browser, &format!("{scheme} {view} without the program"), &mut bad);
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

/// Adds the texts without enough contrast to `bad`.
pub fn pale(browser: &Browser, what: &str, bad: &mut BTreeSet<String>) {
    // Colours in transition are not final.
    let still = "return document.getAnimations().every((it) => it.playState !== 'running' || \
                 it.effect.getComputedTiming().iterations === Infinity);";
    browser.until("calm", || browser.script(still, &[]) == true);
    let found = browser.script(include_str!("contrast.js"), &[]);
    assert!(found["seen"].as_u64() > Some(10), "{what}: {found}");
    bad.extend(found["bad"].as_array().unwrap().iter().map(|text| format!("{what}: {text}")));
}

fn keys() {
    let household = household("");
    let browser = household.open("en-US");
    for view in ["history", "sources", "now"] {
        let there = format!("nav-{view}");
        let mut steps = 0;
        while focused(&browser) != there {
            browser.press(TAB);
            steps += 1;
            assert!(steps < 200, "{there} is not reached");
        }
        browser.press(ENTER);
        browser.await_shown(&format!("view-{view}"));
        assert_eq!(browser.attribute(&there, "aria-current").as_deref(), Some("page"));
    }
    for view in VIEWS {
        show(&browser, view);
        unfold(&browser);
        reach_all(&browser, view);
    }
    show(&browser, "history");
    focus(&browser, "range-month");
    browser.press(ENTER);
    browser.until("chosen", || browser.attribute("range-month", "aria-pressed").as_deref() == Some("true"));
    focus(&browser, "compare");
    browser.press(SPACE);
    browser.until("compared", || browser.script("return document.activeElement.checked;", &[]) == true);
    show(&browser, "sources");
    fold(&browser);
    focus(&browser, &format!("readings-{METER} summary"));
    browser.press(ENTER);
    browser.await_shown(&format!("table-{METER}"));
    // A dialog keeps the focus and returns it afterwards.
    let asks = format!("run-{CONSUMER}.reset_s0");
    focus(&browser, &asks);
    browser.press(ENTER);
    browser.await_shown("dialog");
    let inside = browser.script("return !!document.activeElement.closest('dialog');", &[]);
    assert_eq!(inside, true, "the focus is behind the question");
    browser.press(ESCAPE);
    browser.until("no question", || !browser.shows("dialog"));
    assert_eq!(focused(&browser), asks, "the focus is lost");
}

fn focus(browser: &Browser, at: &str) {
    browser.script("document.querySelector(arguments[0]).focus();", &[browser::selector(at).into()]);
}

/// Element that has the focus.
fn focused(browser: &Browser) -> String {
    let hook = browser.script("return document.activeElement.getAttribute('data-test');", &[]);
    hook.as_str().unwrap_or_default().to_owned()
}

/// Goes through all controls with the Tab key, and checks that the focus is visible each time.
fn reach_all(browser: &Browser, view: &str) {
    let all = "const css = 'a[href], button, input, select, summary, [tabindex=\"0\"]'; \
               const all = Array.from(document.querySelectorAll(css)) \
               .filter((e) => e.checkVisibility({visibilityProperty: true}) && !e.disabled && e.tabIndex >= 0); \
               document.activeElement.blur(); scrollTo(0, 0); all.forEach((e, i) => e.dataset.seen = i); \
               return all.length;";
    let all = browser.script(all, &[]).as_u64().unwrap();
    let mut reached = BTreeSet::new();
    // The browser's own controls take a few presses too, and so do the parts of a date.
    let dates = browser.count("input[data-test=date]");
    for _ in 0..all + 4 + 6 * dates {
        browser.press(TAB);
        let now = "const e = document.activeElement, style = getComputedStyle(e); \
                   const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0; \
                   return [e.dataset.seen ?? null, ring || style.boxShadow !== 'none', e.outerHTML.slice(0, 120)];";
        let now = browser.script(now, &[]);
        if let Some(number) = now[0].as_str() {
            assert_eq!(now[1], true, "{view}: the focus is not to be seen at {}", now[2]);
            reached.insert(number.to_owned());
        }
    }
    let missed = "return Array.from(document.querySelectorAll('[data-seen]')) \
                  .filter((e) => !arguments[0].includes(e.dataset.seen) && e.checkVisibility()) \
                  .map((e) => e.outerHTML.slice(0, 120));";
    let missed = browser.script(missed, &[json!(reached)]);
    assert_eq!(missed, json!([]), "{view}: of {all} controls these are not reached");
}

/// Texts for screen readers: every control and every chart has a name, and each chart a table.
fn names() {
    let household = household("");
    let browser = household.open("de-DE");
    assert_eq!(browser.script("return document.documentElement.lang;", &[]), "de");
    browser.devtools("Accessibility.enable", json!({}));
    for view in VIEWS {
        show(&browser, view);
        unfold(&browser);
        let tree = browser.devtools("Accessibility.getFullAXTree", json!({}));
        let nodes: Vec<_> =
            tree["nodes"].as_array().unwrap().iter().filter(|it| it["ignored"] == false).collect();
        let role = |node: &Json| node["role"]["value"].as_str().unwrap_or_default().to_owned();
        let named =
            "button link checkbox radio textbox spinbutton combobox img image DisclosureTriangle dialog";
        let mut roles = BTreeSet::new();
        for node in nodes.iter().filter(|node| named.split(' ').any(|it| it == role(node))) {
            let name = node["name"]["value"].as_str().unwrap_or_default().trim();
            assert!(!name.is_empty(), "{view}: a {} without a name: {node:#}", role(node));
            roles.insert(role(node));
        }
        assert!(roles.contains("link"), "{view}: {roles:?}");
        assert!(nodes.iter().any(|node| role(node) == "heading"), "{view} has no heading");
        assert!(nodes.iter().any(|node| role(node) == "main"), "{view} has no main part");
        let bare = "const label = '[role=img][aria-label]'; \
                    return Array.from(document.querySelectorAll('[data-test^=chart-], [data-test=spark]')) \
                    .filter((e) => e.checkVisibility()).filter((e) => !(e.matches(label) || e.querySelector(label)) \
                    || !(e.closest('figure, section, article') ?? e).querySelector('table')) \
                    .map((e) => e.dataset.test);";
        assert_eq!(browser.script(bare, &[]), json!([]), "{view}: charts without a name or a table");
    }
    show(&browser, "history");
    range(&browser, "year");
    // Headers name columns and rows.
    assert!(browser.count("[data-test=chart-energy] th[scope=col]") >= 2);
}

fn motion() {
    let household = household("");
    let browser = Browser::open("en-US");
    browser.prefers(&[("prefers-reduced-motion", "reduce")]);
    household.show(&browser, "");
    for view in VIEWS {
        show(&browser, view);
        unfold(&browser);
        let moving = "const moves = (e) => ['transitionDuration', 'animationDuration'].some((of) => \
                      getComputedStyle(e)[of].split(',').some((time) => parseFloat(time) > 0.01)); \
                      return Array.from(document.querySelectorAll('body *')).filter(moves) \
                      .map((e) => `${e.tagName} .${e.getAttribute('class')}`).slice(0, 5);";
        assert_eq!(browser.script(moving, &[]), json!([]), "{view} moves");
    }
}
