//! Views of the household: flow picture, meter readings, and what is worth knowing.

use jiff::{Span, Timestamp, Zoned, civil::Date, tz::TimeZone};
use serde_json::{Value as Json, json};

use super::{
    household::{CONSUMER, Household, METER, Plan, ZONE, reading},
    now::{digits, nothing_amiss},
    pv_house::{self, Counter},
};
use crate::{
    Test,
    browser::{self, Browser, ENTER, TAB},
};

pub const TESTS: &[Test] = &[
    ("the_flow_picture_shows_who_gives_power_and_who_takes_it", flow),
    ("the_flow_picture_takes_power_without_a_direction_beside_counters", undirected),
    ("without_production_there_is_no_flow_picture", no_flow),
    ("a_source_that_is_silent_leaves_the_household_s_power_unknown", silent_flow),
    ("own_power_of_today_is_that_of_the_balance", own_power),
    ("the_reading_of_31_december_is_one_tap_away_and_can_be_copied", december),
    ("readings_of_two_days_show_what_was_used_and_each_meter_swap", two_days),
    ("an_address_of_meter_readings_survives_reload_and_back", addresses),
    ("what_is_worth_knowing_leads_to_its_place_in_the_history", insights),
    ("the_household_s_views_work_with_the_keyboard", keys),
];

/// Source of one constant power in watts.
fn constant(name: &str, role: &str, power: f64, more: &str) -> String {
    format!(
        "[sources.{name}]\nplugin = \"exec\"\nmode = \"stream\"\nstale_after = \"1h\"\nrole = \"{role}\"\n{more}\
         command = [\"/bin/sh\", \"-c\", '''echo '{{\"power\":{{\"value\":{power:.1},\"unit\":\"W\"}}}}'; exec sleep 86400''']\n"
    )
}

pub fn zone() -> TimeZone {
    TimeZone::get(ZONE).unwrap()
}

pub fn now() -> Zoned {
    Timestamp::now().to_zoned(zone())
}

/// Waits until a view has its answer.
pub fn ready(browser: &Browser, view: &str) {
    let view = format!("view-{view}");
    browser.until("ready", || browser.attribute(&view, "data-ready").as_deref() == Some("true"));
}

pub fn show(household: &Household, browser: &Browser, address: &str) {
    household.show(browser, address);
    ready(browser, address.trim_start_matches('#').split(['/', '?']).next().unwrap());
}

pub fn hash(browser: &Browser) -> String {
    browser.script("return location.hash;", &[]).as_str().unwrap().to_owned()
}

/// Sets a field for a day, as the browser's own calendar does.
fn pick(browser: &Browser, field: &str, day: Date) {
    let body = "const e = document.querySelector(arguments[0]); e.value = arguments[1]; \
                e.dispatchEvent(new Event('change', {bubbles: true}));";
    browser.script(body, &[browser::selector(field).into(), day.to_string().into()]);
}

/// Text without the spaces that do not break.
pub fn plain(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ")
}

/// Value of a part of the flow picture.
fn drawn(browser: &Browser, part: &str) -> String {
    let body = "return document.querySelector(arguments[0])?.textContent ?? '';";
    let at = browser::selector(&format!("flow .of-{part} .value"));
    browser.script(body, &[at.into()]).as_str().unwrap().to_owned()
}

fn flow() {
    let more = constant("pv", "production", 2500.0, "") + &constant("battery", "storage", 600.0, "");
    let household = Household::start(&Plan { meter: "role = \"grid\"\n", more: &more, ..Plan::default() });
    let browser = household.open("en-US");
    browser.await_shown("flow");
    let way = |part: &str| browser.attribute(&format!("flow-{part}"), "data-way").unwrap_or_default();
    // What the household uses is what grid and sun give, less what the battery takes.
    for (grid, used, direction) in [(-318.0, 1582.0, "out"), (712.0, 2612.0, "in"), (0.0, 1900.0, "none")] {
        household.send(&reading(grid));
        let home = || digits(&drawn(&browser, "house"));
        browser.until("the household's power", || home() == format!("{used:.0}"));
        assert_eq!([way("grid"), way("production"), way("storage")], [direction, "in", "out"]);
        assert_eq!(digits(&drawn(&browser, "grid")), format!("{:.0}", f64::abs(grid)));
        let label = plain(&browser.attribute("flow", "aria-label").unwrap());
        let words = match direction {
            "out" => "to the grid: 318 W, solar: 2,500 W, battery charging: 600 W, Home: 1,582 W",
            "in" => "from the grid: 712 W, solar: 2,500 W, battery charging: 600 W, Home: 2,612 W",
            _ => "grid: 0 W, solar: 2,500 W, battery charging: 600 W, Home: 1,900 W",
        };
        assert_eq!(label, words);
    }
    let width = |part: &str| -> f64 {
        let width = browser.attribute(&format!("flow-{part} line"), "stroke-width").unwrap();
        width.parse().unwrap()
    };
    assert!(width("production") > width("storage") && width("storage") > width("grid"));
    nothing_amiss(&browser, &household.url());
}

/// Source whose counters have codes, and whose power has none.
fn undirected_source(name: &str, role: &str, power: f64) -> String {
    let counters = "{\"in\":{\"value\":7,\"unit\":\"kWh\",\"obis\":\"1-0:1.8.0\"},\
                    \"out\":{\"value\":9,\"unit\":\"kWh\",\"obis\":\"1-0:2.8.0\"},\"power\"";
    constant(name, role, power, "").replace("{\"power\"", counters)
}

fn undirected() {
    let more =
        undirected_source("pv", "production", 900.0) + &undirected_source("battery", "storage", -1000.0);
    let household = Household::start(&Plan { meter: "role = \"grid\"\n", more: &more, ..Plan::default() });
    let browser = household.open("en-US");
    household.send(&reading(732.0));
    browser.await_shown("flow");
    browser.until("the household's power", || digits(&drawn(&browser, "house")) == "2632");
    let label = plain(&browser.attribute("flow", "aria-label").unwrap());
    assert_eq!(label, "from the grid: 732 W, solar: 900 W, battery discharging: 1,000 W, Home: 2,632 W");
    assert!(plain(&browser.text("card-pv")).contains("900 W"), "{}", browser.text("card-pv"));
    nothing_amiss(&browser, &household.url());
}

fn no_flow() {
    let household = Household::start(&Plan::default());
    let browser = household.open("en-US");
    browser.until("live", || digits(&browser.text("hero-power")) == "459");
    assert!(!browser.shows("flow") && !browser.shows("today-own"));
}

fn silent_flow() {
    let broken = "[sources.battery]\nplugin = \"d0\"\nport = \"/dev/no-such-port\"\nrole = \"storage\"\n";
    let more = constant("pv", "production", 2500.0, "") + broken;
    let household = Household::silent(&Plan { meter: "role = \"grid\"\n", more: &more, ..Plan::default() });
    household.send(&reading(100.0));
    let browser = Browser::open("en-US");
    browser.goto(&household.url());
    // A battery that was never read has no place in the picture; nothing is said about it.
    browser.await_shown("flow");
    browser.until("the sum", || digits(&drawn(&browser, "house")) == "2600");
    let mut household = household;
    household.kill();
    browser.await_shown("offline");
    browser.until("unknown", || drawn(&browser, "house") == "–");
    assert_eq!(drawn(&browser, "grid"), "–");
}

fn own_power() {
    let household = Household::start(&Plan { pv: true, meter: "role = \"grid\"\n", ..Plan::default() });
    let browser = household.open("en-US");
    browser.await_shown("today-own");
    let balance = household.program().get("/balance?from=-24h&per=day").1;
    let share = balance["self_sufficiency"].as_array().unwrap().last().unwrap().as_f64().unwrap();
    let shown: f64 = digits(&browser.text("today-own strong")).parse().unwrap();
    assert!((shown - share * 100.0).abs() <= 1.0, "{shown} in place of {share}");
    // The share follows from what the fixture recorded today.
    let rows = pv_house::rows(pv_house::end());
    let (from, to) = (now().start_of_day().unwrap(), now());
    let of = |counter| pv_house::amount(&rows, counter, &from, &to);
    let (drawn, fed, made) = (of(Counter::Import), of(Counter::Export), of(Counter::Pv));
    let used = drawn + made - fed;
    let wanted = 100.0 * (1.0 - drawn / used);
    // Just after midnight, nothing of today was recorded.
    assert!(used < 0.05 || (shown - wanted).abs() < 5.0, "{shown} in place of {wanted}");
    nothing_amiss(&browser, &household.url());
}

/// CSV of the days around New Year: the import each hour, the export before and after only.
fn new_year() -> (Date, String) {
    let last = Date::new(now().year() - 1, 12, 31).unwrap();
    let first = last.yesterday().unwrap().at(12, 0, 0, 0).to_zoned(zone()).unwrap();
    let mut text = "time,section,name,value,unit,obis\n".to_owned();
    for hour in 0..=72 {
        let time = first.checked_add(Span::new().hours(hour)).unwrap().timestamp();
        let import = 4000.125 + 0.5 * hour as f64;
        text += &format!("{time},{METER},POWER_IMPORT,{import:.4},kWh,1.8.0\n");
        if hour % 72 == 0 {
            text += &format!("{time},{METER},POWER_EXPORT,{:.1},kWh,2.8.0\n", 100 + hour);
        }
    }
    (last, text)
}

fn december() {
    let (last, recorded) = new_year();
    let household = Household::start(&Plan { recorded: &recorded, ..Plan::default() });
    let browser = Browser::open("de-DE");
    show(&household, &browser, "#readings");
    let today = browser.script("return document.querySelector('#readings-from').value;", &[]);
    assert_eq!(today, json!(now().date().to_string()));
    // The count of the S0 meter is read as well.
    browser.await_shown(&format!("registers-{CONSUMER}"));
    browser.click("readings-year");
    browser.until("its address", || hash(&browser) == format!("#readings/{last}"));
    let import = format!("register-{METER}-POWER_IMPORT");
    // 36 hours after the first reading.
    browser.until("the number", || plain(&browser.text(&format!("{import} .digits"))) == "4018,12500000 kWh");
    let export = plain(&browser.text(&format!("register-{METER}-POWER_EXPORT")));
    for part in ["≈ 13", "zwischen 100 kWh", "und 172 kWh"] {
        assert!(export.contains(part), "`{part}` is not in {export}");
    }
    // All digits, with the decimal sign of the reader, in either way that browsers have.
    let into = "window.copied = []; const to = (text) => { window.copied.push(text); }; \
                navigator.clipboard.writeText = async (text) => to(text); \
                document.addEventListener('copy', () => to(document.activeElement.value)); ";
    browser.script(into, &[]);
    browser.click(&format!("{import} [data-test=copy]"));
    browser.await_shown("toast");
    let refused = "navigator.clipboard.writeText = async () => { throw new Error('refused'); };";
    browser.script(refused, &[]);
    browser.click(&format!("{import} [data-test=copy]"));
    browser.until("copied twice", || browser.script("return window.copied.length;", &[]) == 2);
    assert_eq!(browser.script("return window.copied;", &[]), json!(["4018,12500000", "4018,12500000"]));
    nothing_amiss(&browser, &household.url());
}

fn two_days() {
    let (last, recorded) = new_year();
    // The meter was replaced on New Year's Day at noon: the new one begins at 7.
    let swapped: String = recorded
        .lines()
        .map(|line| match line.split(',').collect::<Vec<_>>()[..] {
            [time, section, "POWER_IMPORT", value, unit, code] => {
                let value: f64 = value.parse().unwrap();
                let value = if value > 4024.2 { value - 4024.125 + 7.0 } else { value };
                format!("{time},{section},POWER_IMPORT,{value:.4},{unit},{code}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let household = Household::start(&Plan { recorded: &swapped, ..Plan::default() });
    let browser = Browser::open("en-GB");
    let next = last.tomorrow().unwrap();
    show(&household, &browser, &format!("#readings/{last}"));
    pick(&browser, "readings-to", next);
    browser.until("its address", || hash(&browser) == format!("#readings/{last}/{next}"));
    let table = format!("register-{METER}-POWER_IMPORT");
    browser.until("three rows", || browser.count(&format!("[data-test=\"{table}\"] tbody tr")) == 3);
    let text = plain(&browser.text(&table));
    // From 0:00 of the first to 24:00 of the last day: 48 hours, the numbers of the old and the new meter.
    for part in ["4006.12500000 kWh", "13.00000000 kWh", "23.5 kWh", "0:00", "24:00"] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    let swap = plain(&browser.text("swap"));
    assert!(swap.contains("4,024.125 kWh → 7.5 kWh"), "{swap}");
    browser.click("readings-bill");
    browser.until("the bill of these days", || hash(&browser) == format!("#costs/{last}/{next}"));
    ready(&browser, "costs");
    nothing_amiss(&browser, &household.url());
}

fn addresses() {
    let (last, recorded) = new_year();
    let household = Household::start(&Plan { recorded: &recorded, ..Plan::default() });
    let browser = Browser::open("en-US");
    let number = || plain(&browser.text(&format!("register-{METER}-POWER_IMPORT .digits")));
    show(&household, &browser, &format!("#readings/{last}"));
    browser.until("the number", || number() == "4018.12500000 kWh");
    browser.script("location.reload();", &[]);
    browser.until("the number again", || number() == "4018.12500000 kWh");
    let before = last.yesterday().unwrap();
    pick(&browser, "readings-from", before);
    browser.until("the day before", || number() == "4006.12500000 kWh");
    browser.script("history.back();", &[]);
    browser.until("the first day again", || number() == "4018.12500000 kWh");
    // What is not a day counts as today.
    show(&household, &browser, "#readings/2025-13-45");
    browser.until("the number of now", || number().starts_with("4457.1234"));
    for (from, view) in [("readings", "costs"), ("costs", "insights"), ("insights", "readings")] {
        browser.click(&format!("view-{from} [data-test=to-{view}]"));
        browser.await_shown(&format!("view-{view}"));
        let link = format!("view-{view} [data-test=to-{view}]");
        // The part is loaded when it is opened for the first time.
        let is_current = |at: &str| browser.attribute(at, "aria-current").as_deref() == Some("page");
        browser.until("its link is the current one", || is_current(&link) && is_current("nav-readings"));
    }
    nothing_amiss(&browser, &household.url());
}

fn insights() {
    let household = Household::start(&Plan { pv: true, meter: "role = \"grid\"\n", ..Plan::default() });
    let browser = Browser::open("en-GB");
    show(&household, &browser, "#insights");
    let answer = household.program().get("/insights").1;
    for (card, member) in
        [("standby", "standby"), ("peaks", "peaks"), ("greatest_day", "greatest_day"), ("voltage", "voltage")]
    {
        let is_there = !answer[member].is_null() && answer[member] != json!([]);
        assert!(is_there, "{member} is missing: {answer}");
        assert!(browser.shows(&format!("insight-{card}")), "{card}");
    }
    let watts = answer["standby"]["watts"].as_f64().unwrap();
    assert_eq!(digits(&browser.text("insight-standby .insight-figure")), format!("{watts:.0}"));
    let day = answer["greatest_day"]["day"].as_str().unwrap().to_owned();
    browser.click("insight-greatest_day a");
    browser.until("its day", || hash(&browser).starts_with(&format!("#history/day/{day}")));
    browser.script("history.back();", &[]);
    ready(&browser, "insights");
    // Each rule has an address.
    let rules: Vec<Json> = serde_json::from_value(answer["peaks"].clone()).unwrap();
    let rule = rules.last().unwrap()["rule"].as_str().unwrap().to_owned();
    let body = "const list = document.querySelector('[data-test=peak-rule]'); list.value = arguments[0]; \
                list.dispatchEvent(new Event('change', {bubbles: true}));";
    browser.script(body, &[rule.clone().into()]);
    browser.until("its address", || hash(&browser).starts_with(&format!("#insights/{rule}/")));
    nothing_amiss(&browser, &household.url());
}

fn keys() {
    let household = Household::start(&Plan::default());
    let browser = household.open("en-US");
    let focused = || browser.script("return document.activeElement.dataset.test ?? '';", &[]);
    let reach = |wanted: &str| {
        for _ in 0..60 {
            if focused() == wanted {
                return;
            }
            browser.press(TAB);
        }
        panic!("{wanted} is not reached");
    };
    reach("nav-readings");
    browser.press(ENTER);
    ready(&browser, "readings");
    reach("readings-year");
    browser.press(ENTER);
    browser.until("its address", || hash(&browser).ends_with("-12-31"));
    browser.script("document.activeElement.blur(); scrollTo(0, 0);", &[]);
    reach("to-costs");
    browser.press(ENTER);
    ready(&browser, "costs");
}
