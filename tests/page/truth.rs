//! Truth of the page: it shows no number, scale, name or cause that is not so.

use super::{
    charts::rows,
    household::{CONSUMER, Household, METER, Plan, reading},
    now::{digits, nothing_amiss},
    proxy::{Fault, Proxy},
};
use crate::{Test, browser::Browser, program::*};

pub const TESTS: &[Test] = &[
    ("the_last_hour_has_no_hole_after_a_return_to_the_tab", after_return),
    ("the_last_hour_has_no_hole_after_a_reconnection", after_reconnection),
    ("a_stopped_program_is_the_reason_and_not_an_old_fault", stopped),
    ("bars_say_their_scale_and_it_shrinks_again", scales),
    ("a_number_that_stays_gets_an_age", frozen),
    ("a_counter_without_pulses_shows_no_energy_as_power", no_pulse),
    ("the_alarm_names_what_needs_attention", alarm),
    ("a_source_that_works_with_a_problem_needs_attention", problem),
    ("without_a_source_the_page_does_not_say_that_all_is_well", no_source),
    ("names_and_units_are_those_of_the_source", names_and_units),
    ("endpoints_are_listed_with_their_address", endpoints),
];

/// Waits until the table of the last hour is that of the history, minute by minute. The oldest minutes do not count: the
/// page lets go of them with the next reading, the history with the clock.
fn until_complete(household: &Household, browser: &Browser) {
    const COMPARED: usize = 50;
    // The card is made anew when the page has the list of series, with its table closed.
    let body = "for (const details of document.querySelectorAll('.spark details')) details.open = true; \
                return Array.from(document.querySelectorAll('.spark tbody tr'), (row) => row.cells[1].textContent);";
    browser.until("the last hour without holes", || {
        let path = format!("/history/{METER}/CURRENT_POWER_SUM?from=-60m&step=1m");
        let means = household.program().get(&path).1["mean"].clone();
        let means = means.as_array().unwrap().iter().rev().filter_map(serde_json::Value::as_f64);
        let wanted: Vec<_> = means.map(|mean| format!("{mean:.0}")).take(COMPARED).collect();
        let shown: Vec<String> = serde_json::from_value(browser.script(body, &[])).unwrap();
        let shown: Vec<_> = shown.iter().map(|text| digits(text)).take(COMPARED).collect();
        wanted.len() == COMPARED && shown == wanted
    });
}

/// Sends telegrams that the page does not hear, and waits until they are recorded.
fn unheard(household: &Household) {
    for power in [1000.0, 2000.0, 3000.0] {
        household.send(&reading(power));
        let arrived = |data: &serde_json::Value| data[METER]["CURRENT_POWER_SUM"]["value"] == power;
        household.program().until("/data", "there", arrived);
    }
}

fn after_return() {
    let recorded = rows(1, 60, [9.0, 1.0, 1.0], |_| true);
    let household = Household::start(&Plan { recorded: &recorded, ..Plan::default() });
    let browser = household.open("en-US");
    browser.until("live", || digits(&browser.text("hero-power")) == "459");
    household.send(&reading(500.0));
    browser.until("live", || digits(&browser.text("hero-power")) == "500");
    browser.hide(true);
    unheard(&household);
    browser.hide(false);
    browser.until("live again", || digits(&browser.text("hero-power")) == "3000");
    until_complete(&household, &browser);
    nothing_amiss(&browser, &household.url());
}

fn after_reconnection() {
    let recorded = rows(1, 60, [9.0, 1.0, 1.0], |_| true);
    let household = Household::start(&Plan { recorded: &recorded, ..Plan::default() });
    let proxy = Proxy::start(&household);
    let browser = Browser::open("en-US");
    browser.goto(&proxy.url());
    browser.until("live", || digits(&browser.text("hero-power")) == "459");
    proxy.fail(Fault::Cut);
    browser.await_shown("offline");
    unheard(&household);
    proxy.fail(Fault::None);
    browser.until("live again", || digits(&browser.text("hero-power")) == "3000");
    until_complete(&household, &browser);
}

fn stopped() {
    let mut household = Household::start(&Plan::default());
    household.send("/EBZ5DD32R06ETA_107\r\n\r\n1-0:1.8.0*255(rubbish*kWh\r\n!\r\n");
    let fault = |health: &serde_json::Value| health["sources"][METER]["last_error"]["message"].is_string();
    let health = household.program().until("/health", "a fault", fault);
    let fault = health["sources"][METER]["last_error"]["message"].as_str().unwrap().to_owned();
    household.send(&reading(459.9));
    let browser = household.open("en-US");
    browser.until("live", || digits(&browser.text("hero-power")) == "460");
    household.kill();
    browser.await_shown("offline");
    assert!(browser.text("offline").contains("smartmeter has been unreachable since"));
    browser.await_shown(&format!("stale-{METER}"));
    let text = browser.text(&format!("stale-{METER}"));
    assert!(text.starts_with("Last reading: ") && !text.contains(&fault), "{text}");
    browser.click("nav-sources");
    browser.until("the cause", || browser.text("summary") == "smartmeter cannot be reached.");
    for source in [METER, CONSUMER] {
        assert_eq!(browser.text(&format!("state-{source}")), "unknown");
        assert!(!browser.shows(&format!("reason-{source}")));
    }
    assert!(!browser.shows("journal") && !browser.shows("problems"));
    assert!(!browser.text("view-sources").contains("running since"));
}

fn scales() {
    let household = Household::start(&Plan::default());
    let browser = household.open("en-US");
    let scale = |wanted: &str| {
        browser.until(wanted, || browser.text("scale-phases").replace('\u{a0}', " ") == wanted)
    };
    let share =
        "return document.querySelector('[data-test=phase-L2] .bar').style.getPropertyValue('--share');";
    scale("Scale ±1 kW");
    household.send(&reading(6000.0));
    scale("Scale ±8 kW");
    assert_eq!(browser.script(share, &[]), "0.563");
    household.send(&reading(400.0));
    browser.until("the lower power", || browser.text("phase-L2 .value").starts_with("300"));
    // Ten minutes later the peak is forgotten.
    let later = "const real = performance.now.bind(performance); performance.now = () => real() + 660_000;";
    browser.script(later, &[]);
    household.send(&reading(400.0));
    scale("Scale ±1 kW");
    assert_eq!(browser.script(share, &[]), "0.300");
    household.pulses(1);
    browser.until("the consumer's scale", || browser.text("scale-consumers").starts_with("Scale up to "));
}

fn frozen() {
    let household = Household::start(&Plan::default());
    let browser = household.open("en-US");
    let age = format!("age-{METER}");
    for power in 501..508 {
        household.send(&reading(f64::from(power)));
        browser.until("live", || digits(&browser.text("hero-power")) == power.to_string());
    }
    browser.await_shown(&age);
    assert!(browser.text(&age).contains("ago"), "{}", browser.text(&age));
    // It is not stale yet.
    assert_eq!(digits(&browser.text("hero-power")), "507");
    assert!(!browser.shows(&format!("stale-{METER}")));
    household.send(&reading(600.0));
    browser.until("a new number", || digits(&browser.text("hero-power")) == "600" && !browser.shows(&age));
}

fn no_pulse() {
    let household = Household::silent(&Plan::default());
    let browser = household.open("en-US");
    browser.await_shown(&format!("consumer-{CONSUMER}"));
    let value = || browser.text(&format!("consumer-{CONSUMER} .value"));
    let note = || browser.text(&format!("today-{CONSUMER}"));
    browser.until("the reading", || note().contains("power not known yet, reading 0"));
    assert_eq!(value(), "–");
    household.pulses(1);
    household.program().until("/data", "counted", |data| data[CONSUMER]["pulses"] == 1);
    household.pulses(1);
    browser.until("the power", || value().ends_with('W'));
    assert!(!value().contains("kWh") && !note().contains("not known"), "{} {}", value(), note());
}

fn alarm() {
    let server = test_servers::free_port();
    let more = format!(
        "[publishers.far_away]\nplugin = \"webhook\"\nurl = \"http://127.0.0.1:{server}/readings\"\n"
    );
    let household = Household::silent(&Plan { more: &more, ..Plan::default() });
    household.send(&reading(458.9));
    let browser = household.open("en-US");
    browser.await_shown("alarm");
    let label = || browser.attribute("alarm", "aria-label").unwrap_or_default();
    browser.until("what the alarm is about", || label().contains("Far away"));
    browser.click("nav-sources");
    browser.until("named", || browser.text("problems") == "Far away: not working, retrying");
    assert_eq!(browser.text("summary"), "This needs attention:");
    assert!(!browser.text("reason-far_away").is_empty());

    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("gone");
    std::os::unix::fs::symlink("nowhere/at-all", &place).unwrap();
    let more = format!("[journal]\npath = \"{}/journal.db\"\n", place.display());
    let household = Household::start(&Plan { more: &more, ..Plan::default() });
    household.show(&browser, "");
    browser.await_shown("alarm");
    browser.click("nav-sources");
    browser.until("named", || browser.text("problems") == "History: cannot be stored safely");

    // A count without its file continues from the journal, and somebody must look at it.
    let recorded = rows(1, 3600, [1.0, 1.0, 9.0], |_| true);
    let household = Household::silent(&Plan { recorded: &recorded, ..Plan::default() });
    household.send(&reading(458.9));
    household.show(&browser, "");
    browser.await_shown("alarm");
    browser.click("nav-sources");
    browser.until("named", || browser.text("problems").contains("was lost or empty"));
    let reason = browser.text(&format!("reason-{CONSUMER}"));
    assert!(reason.contains("the last reading in the journal"), "{reason}");
}

fn problem() {
    let mut household = Household::start(&Plan::default());
    household.kill();
    household.damage_count();
    household.start_again();
    let browser = Browser::open("en-US");
    household.show(&browser, "#sources");
    browser.until("the problem", || browser.text("problems").contains("heat_pump.count was damaged"));
    assert!(browser.text("problems").starts_with("Heat pump: "), "{}", browser.text("problems"));
    assert_eq!(browser.text(&format!("state-{CONSUMER}")), "working, but needs attention");
    assert!(browser.text(&format!("reason-{CONSUMER}")).contains("was damaged"));
    browser.await_shown("alarm");
}

fn no_source() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), "");
    let browser = Browser::open("en-US");
    browser.goto(&program.url("/#sources"));
    browser.until("said", || browser.text("summary") == "No source is configured yet.");
    assert!(!browser.shows("alarm"));
}

fn names_and_units() {
    let folder = tempfile::tempdir().unwrap();
    for (number, kind) in ["cpu-thermal", "gpu"].iter().enumerate() {
        let zone = folder.path().join(format!("thermal_zone{number}"));
        std::fs::create_dir_all(&zone).unwrap();
        std::fs::write(zone.join("temp"), "48312\n").unwrap();
        std::fs::write(zone.join("type"), kind).unwrap();
    }
    let more = format!(
        "[sources.machine]\nplugin = \"thermal\"\npath = \"{}\"\n[journal]\nenabled = false\n",
        folder.path().display()
    );
    let household = Household::silent(&Plan { more: &more, ..Plan::default() });
    let browser = household.open("en-US");
    browser.await_shown("card-machine/zone1_gpu");
    // Each zone has a name of its own.
    assert_eq!(browser.text("card-machine .name"), "Zone0 cpu thermal");
    assert_eq!(browser.text("card-machine/zone1_gpu .name"), "Zone1 gpu");
    // A meter that never delivered is a meter.
    browser.await_shown(&format!("card-{METER}"));
    assert_eq!(browser.text(&format!("card-{METER} .name")), "Electricity meter");
    // Units are known without a journal.
    assert!(browser.text("card-machine .value").ends_with("°C"));
    browser.click("nav-sources");
    assert!(browser.text("source-machine h2").starts_with("Machine"));
    browser.click(&format!("readings-{CONSUMER} summary"));
    browser.until("units", || browser.text(&format!("table-{CONSUMER}")).contains("kWh"));
    browser.enter(&format!("arg-{CONSUMER}.set_s0-value"), "12.5");
    browser.click(&format!("run-{CONSUMER}.set_s0"));
    browser.until("the question", || browser.text("dialog-text").contains("12.5\u{a0}kWh"));
}

fn endpoints() {
    let port = test_servers::free_port();
    let more = format!("[endpoints.evcc]\nplugin = \"vzlogger\"\nlisten = \"127.0.0.1:{port}\"\n");
    let household = Household::start(&Plan { more: &more, ..Plan::default() });
    let browser = household.open("en-US");
    browser.click("nav-sources");
    browser.await_shown("endpoint-evcc");
    let card = browser.text("endpoint-evcc");
    assert!(card.contains(&format!("127.0.0.1:{port}")) && card.contains("working"), "{card}");
    assert_eq!(browser.text("summary"), "Everything is working.");
    nothing_amiss(&browser, &household.url());
}
