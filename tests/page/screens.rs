//! A household with much to show, on a tablet at the wall and in letters twice as large.

use serde_json::{Value as Json, json};

use super::{
    addresses::days_ago,
    everybody::covered,
    household::{Household, METER, Plan},
    languages::overflow,
    looks::pictures,
};
use crate::{Test, browser::Browser};

pub const TESTS: &[Test] = &[
    ("a_kiosk_with_many_sources_fits_on_its_screen", kiosk),
    ("letters_twice_as_large_keep_names_and_units_whole", letters),
    ("colours_that_meet_in_one_chart_are_told_apart_also_in_forced_colours", colours),
];

/// House with photovoltaics, its costs and its prices, and with what else a household may have.
fn full_house() -> Household {
    let more = format!(
        "[[tariffs]]\nname = \"Basic\"\nsource = \"{METER}\"\nfrom = \"2020-01-01\"\nvat = 19\nwork_price = 0.32\n\
         base_price_per_month = 12.00\nfeed_in_price = 0.08\ninstalment_per_month = 95\n\
         [sources.money]\nplugin = \"cost\"\nlabel = \"Kosten\"\n[sources.sums]\nplugin = \"balance\"\nlabel = \"Bilanz\"\n\
         [sources.market]\nplugin = \"exec\"\nmode = \"stream\"\nstale_after = \"1h\"\nlabel = \"Börse\"\n\
         command = [\"/bin/sh\", \"-c\", '''echo '{{\"price\":{{\"value\":-1234.56789,\"unit\":\"EUR/MWh\"}}}}'; exec sleep 86400''']\n"
    );
    Household::start(&Plan { pv: true, meter: "role = \"grid\"\n", more: &more, ..Plan::default() })
}

fn kiosk() {
    let household = full_house();
    let browser = Browser::open("de-DE");
    for (width, height) in [(1280, 800), (1920, 1080)] {
        browser.size(width, height);
        household.show(&browser, "?kiosk");
        for at in ["flow", "today-cost", "spark"] {
            browser.await_shown(at);
        }
        browser.screenshot(&pictures().join(format!("kiosk-full-{width}.png")));
        let high = browser.script("return document.scrollingElement.scrollHeight;", &[]);
        assert!(high.as_u64() <= Some(height.into()), "{high} pixels in {height}");
        // What is shown is whole; a row without room is beyond the edge of its list.
        let cut = "return Array.from(document.querySelectorAll('.hero .figure, .hero .flows, .spark svg, .hero .tile, .phase, .consumer, .other')) \
                   .filter((e) => e.checkVisibility()).map((e) => [e, e.getBoundingClientRect()]) \
                   .filter(([e, box]) => box.left < (e.closest('.list') ?? document.body).getBoundingClientRect().right && (box.bottom > innerHeight + 0.5 || box.right > innerWidth + 0.5 || box.height < 10)) \
                   .map(([e, box]) => `${e.outerHTML.slice(0, 80)}: ${box.left} to ${box.right}, ${box.top} to ${box.bottom}`);";
        assert_eq!(browser.script(cut, &[]), json!([]), "at {width}");
        assert_eq!(covered(&browser), Vec::<Json>::new(), "at {width}");
        // The most important parts are there on every wall: a consumer goes before what else there is.
        let rows = "return Array.from(document.querySelectorAll('.consumer')) \
                    .filter((e) => e.getBoundingClientRect().left < e.parentElement.getBoundingClientRect().right).length;";
        assert_eq!(browser.script(rows, &[]), 3, "consumers at {width}");
        for at in ["hero-power", "flow", "today-import", "phase-L1"] {
            assert!(browser.shows(at), "{at} at {width}");
        }
    }
}

fn letters() {
    let household = full_house();
    let browser = Browser::open("de-DE");
    browser.size(390, 844);
    let month = days_ago(40).first_of_month().unwrap();
    let (first, last) = (month.date(), month.last_of_month().unwrap().date());
    let mut bad = Vec::new();
    for address in ["#now".to_owned(), format!("#costs/{first}/{last}")] {
        household.show(&browser, &address);
        browser.await_shown(if address == "#now" { "card-market" } else { "bill-total" });
        // These letters are the page's own: a query for the screen's width does not see them.
        browser.script("document.documentElement.style.fontSize = '200%';", &[]);
        let mut found = overflow(&browser, 390);
        let split = "const one = document.createElement('span'); one.textContent = 'M'; document.body.append(one); \
                     const high = one.getBoundingClientRect().height * 3; one.remove(); \
                     return Array.from(document.querySelectorAll('.other .name')) \
                     .filter((e) => e.getBoundingClientRect().height > high).map((e) => `split: ${e.textContent}`);";
        found.extend(browser.script(split, &[]).as_array().cloned().unwrap());
        browser.screenshot(&pictures().join(format!("letters-{}.png", &address[1..4])));
        if !found.is_empty() {
            bad.push(format!("{address}: {found:#?}"));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

fn colours() {
    let household = Household::start(&Plan::default());
    let browser = household.open("en-GB");
    let colours = "const list = document.createElement('p'); document.querySelector('main').append(list); \
                   return ['import', 'export', 'own', 'storage', 'charged', 'rest', 'c1', 'c2', 'c3'].map((name) => { \
                   const key = document.createElement('span'); key.className = `key ${name}`; list.append(key); \
                   return getComputedStyle(key, '::before').backgroundColor; });";
    for active in ["active", "none"] {
        browser.prefers(&[("forced-colors", active)]);
        let colours: Vec<String> = serde_json::from_value(browser.script(colours, &[])).unwrap();
        let different: std::collections::BTreeSet<_> = colours.iter().collect();
        assert_eq!(different.len(), colours.len(), "{active}: {colours:?}");
    }
}
