//! Four languages: each browser loads its own alone, and every text has room.

use serde_json::{Value as Json, json};

use super::{
    history::{drawn, range},
    household::{Household, Plan, reading},
    now::nothing_amiss,
};
use crate::{Test, browser::Browser};

pub const TESTS: &[Test] =
    &[("a_browser_loads_its_own_language_alone", own), ("in_every_language_all_texts_have_room", room)];

/// Locale of the browser, the page's language, and its words for the views and for the direction.
const LOCALES: [(&str, &str, [&str; 4]); 4] = [
    ("de-DE", "de", ["Jetzt", "Verlauf", "Quellen", "vom Netz"]),
    ("en-GB", "en", ["Now", "History", "Sources", "from the grid"]),
    ("fr-FR", "fr", ["En direct", "Historique", "Sources", "du réseau"]),
    ("nl-BE", "nl", ["Nu", "Historie", "Bronnen", "van het net"]),
];

fn own() {
    let household = Household::start(&Plan::default());
    let unknown = ("it-IT", "en", LOCALES[1].2);
    for (locale, language, words) in LOCALES.into_iter().chain([unknown]) {
        household.send(&reading(458.9));
        let browser = household.open(locale);
        browser.until("live", || browser.text("hero-power") == "459");
        assert_eq!(browser.script("return document.documentElement.lang;", &[]), language, "{locale}");
        let shown = ["nav-now", "nav-history", "nav-sources", "hero-direction"].map(|at| browser.text(at));
        assert_eq!(shown, words, "{locale}");
        let files = browser.requests();
        let loaded: Vec<_> = LOCALES
            .iter()
            .map(|(_, name, _)| *name)
            .filter(|name| files.iter().any(|url| url.contains(&format!("/page/{name}/"))))
            .collect();
        assert_eq!(loaded, [language], "{locale}");
        nothing_amiss(&browser, &household.url());
    }
}

fn room() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let mut bad = Vec::new();
    for (locale, language, _) in LOCALES {
        household.send(&reading(-1458.9));
        let browser = household.open(locale);
        for (width, height) in [(320, 640), (1280, 900)] {
            browser.size(width, height);
            for view in ["now", "sources", "history"] {
                browser.click(&format!("nav-{view}"));
                browser.await_shown(&format!("view-{view}"));
                let ranges: &[&str] =
                    if view == "history" { &["day", "week", "month", "year"] } else { &[""] };
                for kind in ranges {
                    if !kind.is_empty() {
                        range(&browser, kind);
                        drawn(&browser);
                    }
                    let found = overflow(&browser, width);
                    if !found.is_empty() {
                        bad.push(format!("{language}, {view} {kind} at {width}: {found:#?}"));
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// What is wider than the page, cut off, or outside of its drawing.
pub fn overflow(browser: &Browser, width: u32) -> Vec<Json> {
    browser.settle();
    let mut found = Vec::new();
    for script in [include_str!("overflow.js"), include_str!("drawing.js")] {
        found.extend(browser.script(script, &[json!(width)]).as_array().cloned().unwrap_or_default());
    }
    found
}
