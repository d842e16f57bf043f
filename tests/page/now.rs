//! The view of the present: live, silent, failed, gone, not configured, simulated.

use std::time::Instant;

use super::{
    history::drawn,
    household::{CONSUMER, Household, IMAGE, METER, Plan, SCRIPT, reading, telegram_of},
};
use crate::{Test, browser::Browser, program::*};

pub const TESTS: &[Test] = &[
    ("a_reading_is_shown_as_soon_as_it_arrives", live),
    ("silence_and_its_end_are_shown", silent),
    ("the_cause_of_a_failed_source_is_shown", failed),
    ("the_page_finds_the_program_again", gone),
    ("without_a_source_the_page_shows_how_to_start", first_start),
    ("a_simulated_household_is_marked", simulated),
    ("the_page_is_german_for_german_browsers", german),
    ("names_and_texts_are_never_markup", markup),
];

/// Digits of a number without their grouping.
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Checks that the console is empty and that requests went to the program only.
pub fn nothing_amiss(browser: &Browser, household: &str) {
    assert_eq!(browser.console(), Vec::<serde_json::Value>::new());
    let strangers =
        |url: &String| !url.starts_with(household) && !url.starts_with("data:") && url != "about:blank";
    let requests = browser.requests();
    assert!(requests.len() > 3, "{requests:?}");
    assert_eq!(requests.iter().filter(|url| strangers(url)).collect::<Vec<_>>(), Vec::<&String>::new());
}

fn live() {
    let household = Household::start(&Plan::default());
    let browser = household.open("en-US");
    browser.until("the first reading", || digits(&browser.text("hero-power")).starts_with("459"));
    assert_eq!(browser.attribute("hero", "data-direction").as_deref(), Some("import"));
    assert!(browser.text("hero-direction").contains("from the grid"), "{}", browser.text("hero-direction"));
    let asked = || browser.requests().iter().filter(|url| url.ends_with("/data")).count();
    let before = asked();
    let mut longest = std::time::Duration::ZERO;
    for power in [-318.4, 712.0, -2345.6, 96.0] {
        let sent = Instant::now();
        household.send(&reading(power));
        let wanted = digits(&format!("{:.0}", power));
        browser.until("the next reading", || digits(&browser.text("hero-power")) == wanted);
        longest = longest.max(sent.elapsed());
        let direction = if power < 0.0 { "export" } else { "import" };
        assert_eq!(browser.attribute("hero", "data-direction").as_deref(), Some(direction));
        for (phase, share) in [("phase-L1", 0.5), ("phase-L2", 0.75), ("phase-L3", -0.25)] {
            let shown = browser.text(&format!("{phase} .value"));
            assert_eq!(digits(&shown), digits(&format!("{:.0}", power * share)), "{phase}: {shown}");
            let minus = shown.contains(['-', '−']);
            assert_eq!(minus, power * share < 0.0, "{phase}: {shown}");
        }
    }
    println!("live: a reading is seen at most {longest:.0?} after it was sent");
    assert_eq!(asked(), before, "it asked instead of listening");

    household.pulses(1);
    let power = || browser.text(&format!("consumer-{CONSUMER} .value"));
    browser.until("the consumer's power", || power().ends_with('W'));
    nothing_amiss(&browser, &household.url());
}

fn silent() {
    let plan = Plan { meter: "stale_after = \"3s\"\n", ..Plan::default() };
    let household = Household::start(&plan);
    let browser = Browser::open("en-US");
    browser.goto(&household.url());
    let stale = format!("stale-{METER}");
    for power in [1234.0, 567.0] {
        // It sends repeatedly, as meters do: a page that loads slowly would find it silent otherwise.
        browser.until("live", || {
            household.send(&reading(power));
            digits(&browser.text("hero-power")) == digits(&format!("{power:.0}"))
        });
        assert!(!browser.shows(&stale));
        browser.await_shown(&stale);
        let text = browser.text(&stale);
        assert!(text.to_lowercase().contains("no data since") && text.contains(':'), "{text}");
        // A number that may be wrong by now is not shown.
        browser.until("no number", || digits(&browser.text("hero-power")).is_empty());
        assert_eq!(browser.attribute("hero", "data-stale").as_deref(), Some("true"));
        assert_eq!(digits(&browser.text("phase-L1 .value")), "");
    }
    // The counter without pulses still shows its number.
    assert!(browser.shows(&format!("consumer-{CONSUMER}")));
    nothing_amiss(&browser, &household.url());
}

fn failed() {
    // The program's message has the port's name in it, which must not be markup either.
    let more = "[sources.cellar]\nplugin = \"d0\"\nport = \"/dev/<b>no-such-port</b>\"\n";
    let household = Household::silent(&Plan { more, ..Plan::default() });
    household.send(&reading(458.9));
    let browser = Browser::open("en-US");
    browser.goto(&household.url());
    browser.until("live", || digits(&browser.text("hero-power")) == "459");
    browser.await_shown("stale-cellar");
    browser.click("nav-sources");
    browser.await_shown("source-cellar");
    browser.until("the reason", || browser.text("reason-cellar").contains("/dev/<b>no-such-port</b>"));
    assert_ne!(browser.attribute("state-cellar", "data-state").as_deref(), Some("delivering"));
    browser.until("well", || {
        browser.attribute(&format!("state-{METER}"), "data-state").as_deref() == Some("delivering")
    });
    nothing_amiss(&browser, &household.url());
}

fn gone() {
    let mut household = Household::start(&Plan::default());
    let browser = household.open("en-US");
    browser.until("live", || digits(&browser.text("hero-power")) == "459");
    assert!(!browser.shows("offline"));
    browser.script("window.loaded = 'once';", &[]);
    household.kill();
    browser.await_shown("offline");
    browser.until("no number", || digits(&browser.text("hero-power")).is_empty());
    household.start_again();
    household.send(&reading(765.4));
    browser.until("live again", || digits(&browser.text("hero-power")) == "765");
    browser.until("connected", || !browser.shows("offline"));
    // Events arrive again, not only answers to requests.
    for power in [321.0, 432.0] {
        household.send(&reading(power));
        browser.until("live on", || digits(&browser.text("hero-power")) == digits(&format!("{power:.0}")));
    }
    assert_eq!(browser.script("return window.loaded;", &[]), "once");
}

fn first_start() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let browser = Browser::open("en-US");
    browser.goto(&program.url("/"));
    browser.await_shown("first-start");
    assert!(browser.text("first-find").contains("Find my meter"), "{}", browser.text("first-start"));
    let loaded = browser.requests();
    assert!(
        !loaded.iter().any(|url| url.contains("setup")),
        "the setup is loaded before it is opened: {loaded:?}"
    );
    assert!(!browser.shows("hero") && !browser.shows("demo"));
    nothing_amiss(&browser, &program.url("/"));
}

fn simulated() {
    let program = Program::start(&["--demo", "--port", "0"]);
    let browser = Browser::open("en-US");
    browser.goto(&program.url("/"));
    browser.await_shown("demo");
    browser.await_shown("hero");
    browser.until("live", || !browser.text("hero-power").is_empty());
}

fn german() {
    let household = Household::start(&Plan::default());
    let browser = household.open("de-DE");
    browser.until("live", || digits(&browser.text("hero-power")) == "459");
    assert_eq!(browser.script("return document.documentElement.lang;", &[]), "de");
    assert!(browser.text("hero-direction").to_lowercase().contains("vom netz"));
    household.send(&reading(-1234.5));
    browser.until("fed in", || browser.text("hero-direction").to_lowercase().contains("ins netz"));
    // A point for thousands, or a decimal comma.
    let shown = browser.text("hero-power");
    assert!(["1.234", "1.235", "1,23", "1,235"].iter().any(|wanted| shown.contains(wanted)), "{shown}");
    for (view, word) in [("nav-history", "Verlauf"), ("nav-sources", "Quellen")] {
        assert_eq!(browser.text(view), word);
    }
    browser.click("nav-sources");
    browser.click(&format!("readings-{METER} summary"));
    browser.await_shown(&format!("table-{METER}"));
    let table = browser.text(&format!("table-{METER}"));
    assert!(table.contains("4.457,12345678"), "{table}");
    // No text is left in English.
    let english = ["Now", "History", "Sources", "since", "grid", "from the"];
    let text = browser.script("return document.body.innerText;", &[]);
    let text = text.as_str().unwrap();
    assert_eq!(english.iter().filter(|word| text.contains(**word)).collect::<Vec<_>>(), Vec::<&&str>::new());
}

fn markup() {
    let household = Household::silent(&Plan { year: true, ..Plan::default() });
    // A bracket would end the value in a telegram; none of these has one.
    let more = format!("1-0:0.2.0*255({IMAGE})\r\n1-0:14.7.0*255(50.02*<b>Hz</b>)\r\n!\r\n");
    household.send(&telegram_of(SCRIPT, 512.0, 0.0).replace("!\r\n", &more));
    household.program().until("/data", "read", |data| data[METER].is_object() && data[CONSUMER].is_object());
    let browser = household.open("en-US");
    browser.click("nav-sources");
    browser.click(&format!("readings-{METER} summary"));
    let table = || browser.text(&format!("table-{METER}"));
    browser
        .until("the texts, as text", || [SCRIPT, IMAGE, "<b>Hz</b>"].iter().all(|it| table().contains(it)));
    browser.click("nav-history");
    drawn(&browser);
    // Every power and energy in the journal can be chosen.
    let options = "return Array.from(document.querySelector('[data-test=meter]').options, (it) => it.value);";
    let options = browser.script(options, &[]);
    assert!(options.to_string().contains("<script>"), "{options}");
    for option in options.as_array().unwrap() {
        choose(&browser, option.as_str().unwrap());
        drawn(&browser);
    }
    for css in ["body script", "img[src='x']", "b", "[onerror]"] {
        assert_eq!(browser.count(css), 0, "{css} was made of a text");
    }
    let title = browser.script("return document.title;", &[]);
    assert!(title.as_str().is_some_and(|title| title.contains("smartmeter")), "{title}");
    nothing_amiss(&browser, &household.url());
    // The journal has names that contain markup.
    let series = household.program().text("/series");
    assert!(series.contains(SCRIPT) && series.contains("<b>1</b>"), "{series}");
}

/// Chooses a meter in the list.
fn choose(browser: &Browser, meter: &str) {
    let body = "const list = document.querySelector('[data-test=meter]'); list.value = arguments[0]; \
                for (const event of ['input', 'change']) list.dispatchEvent(new Event(event, {bubbles: true}));";
    browser.script(body, &[meter.into()]);
}
