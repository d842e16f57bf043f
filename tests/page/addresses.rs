//! Addresses of the history: reload, link, back button, dates, bars that open, swipes.

use jiff::{Timestamp, ToSpan as _, Zoned, tz::TimeZone};
use serde_json::json;

use super::{
    history::{drawn, range},
    household::{CONSUMER, Household, Plan, ZONE},
    now::nothing_amiss,
};
use crate::{
    Test,
    browser::{Browser, ENTER, LEFT, RIGHT},
};

pub const TESTS: &[Test] = &[
    ("an_address_survives_reload_link_and_the_back_button", survives),
    ("another_range_keeps_the_date", keeps_date),
    ("a_bar_opens_what_it_is_made_of", opens),
    ("a_date_is_chosen_in_a_native_field", fields),
    ("a_swipe_and_the_arrow_keys_step_to_the_neighbours", steps),
    ("range_and_meter_are_remembered", remembered),
    ("an_address_that_makes_no_sense_shows_the_current_day", nonsense),
];

fn hash(browser: &Browser) -> String {
    browser.script("return location.hash;", &[]).as_str().unwrap().to_owned()
}

/// Opens an address as a link does, and waits for its charts.
fn follow(browser: &Browser, household: &Household, address: &str) {
    household.show(browser, address);
    drawn(browser);
}

fn is_pressed(browser: &Browser, name: &str) -> bool {
    browser.attribute(name, "aria-pressed").as_deref() == Some("true")
}

fn is_checked(browser: &Browser, name: &str) -> bool {
    let body = "return document.querySelector(`[data-test=\"${arguments[0]}\"]`).checked;";
    browser.script(body, &[name.into()]) == true
}

/// Local date some days ago.
pub fn days_ago(days: i64) -> Zoned {
    let now = Timestamp::now().to_zoned(TimeZone::get(ZONE).unwrap());
    now.checked_sub(days.days()).unwrap().start_of_day().unwrap()
}

fn week(day: &Zoned) -> String {
    let week = day.date().iso_week_date();
    format!("{}-W{:02}", week.year(), week.week())
}

fn survives() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let browser = Browser::open("en-GB");
    let (day, month) = (days_ago(40), days_ago(100).strftime("%Y-%m").to_string());
    let addresses = [
        format!("#history/day/{}", day.date()),
        format!("#history/hour/{}T13:40", days_ago(5).date()),
        format!("#history/week/{}?compare=before", week(&day)),
        format!("#history/month/{month}/{CONSUMER}?compare=year"),
        format!("#history/year/{}//?show=tariffs", day.year()),
        "#history/all".to_owned(),
        "#history/month".to_owned(),
        "#history/day//outside".to_owned(),
    ];
    let mut shown = Vec::new();
    for address in &addresses {
        follow(&browser, &household, address);
        let seen = || (hash(&browser), browser.text("period"), browser.text("totals"));
        let before = seen();
        assert_eq!(before.0, *address, "a link stays as it was written");
        assert!(!before.1.is_empty() && !before.2.is_empty(), "{address}: {before:?}");
        browser.script("location.reload();", &[]);
        browser.until("loaded again", || {
            browser.script("return !!document.querySelector('main section');", &[]) == true
        });
        drawn(&browser);
        assert_eq!(
            (hash(&browser), browser.text("period")),
            (before.0.clone(), before.1.clone()),
            "{address}"
        );
        shown.push(before.1);
    }
    assert!(shown[3].contains(&days_ago(100).strftime("%B %Y").to_string()), "{shown:?}");
    follow(&browser, &household, &addresses[3]);
    assert!(is_pressed(&browser, "range-month") && is_checked(&browser, "compare-year"));
    assert_eq!(browser.script("return document.querySelector('[data-test=meter]').value;", &[]), CONSUMER);

    // Each step has an entry of its own, and leads back.
    follow(&browser, &household, "#history/day");
    let mut way = vec![(hash(&browser), browser.text("period"))];
    for step in ["range-week", "prev", "range-month", "compare", "prev", "today"] {
        browser.click(step);
        drawn(&browser);
        way.push((hash(&browser), browser.text("period")));
    }
    for pair in way.windows(2) {
        assert_ne!(pair[0].0, pair[1].0, "{way:?}");
    }
    browser.click("nav-now");
    browser.await_shown("view-now");
    for (address, period) in way.iter().rev() {
        browser.script("history.back();", &[]);
        browser.until("the address before", || hash(&browser) == *address);
        drawn(&browser);
        browser.until("its period", || browser.text("period") == *period);
        assert_eq!(is_checked(&browser, "compare"), address.contains("compare=before"), "{address}");
    }
    nothing_amiss(&browser, &household.url());
}

fn keeps_date() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let browser = Browser::open("en-GB");
    let day = days_ago(70);
    let address = format!("#history/day/{}", day.date());
    follow(&browser, &household, &address);
    for (name, wanted) in [
        ("month", format!("#history/month/{}", day.strftime("%Y-%m"))),
        ("week", format!("#history/week/{}", week(&day))),
        ("year", format!("#history/year/{}", day.year())),
        ("hour", format!("#history/hour/{}T00:00", day.date())),
        ("day", address.clone()),
    ] {
        range(&browser, name);
        assert_eq!(hash(&browser), wanted);
    }
    // The whole history has no date; after it comes the current period.
    range(&browser, "all");
    range(&browser, "day");
    assert_eq!(hash(&browser), "#history/day");
}

/// Place of a bar's middle on the screen, from that of the chart's middle.
fn bar(browser: &Browser, index: usize, count: usize) -> (i32, i32) {
    let body = "const svg = document.querySelector('[data-test=chart-energy] svg[role=img]'); \
                svg.scrollIntoView({block: 'center', behavior: 'instant'}); \
                const place = () => { const { left, width } = svg.querySelector('line.zero').getBoundingClientRect(); \
                return left + width * (arguments[0] + 0.5) / arguments[1]; }; \
                const frame = svg.parentElement; frame.scrollLeft += place() - frame.clientWidth / 2; \
                const box = svg.getBoundingClientRect(); \
                return Math.round(place() - (Math.max(0, box.left) + Math.min(innerWidth, box.right)) / 2);";
    let x = browser.script(body, &[index.into(), count.into()]).as_i64().unwrap();
    (i32::try_from(x).unwrap(), 20)
}

fn opens() {
    const CHART: &str = "chart-energy svg[role=img]";
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let browser = Browser::open("en-GB");
    let month = days_ago(60).first_of_month().unwrap();
    let days = usize::try_from(month.days_in_month()).unwrap();
    let tenth = format!("#history/day/{}-10", month.strftime("%Y-%m"));
    let address = format!("#history/month/{}", month.strftime("%Y-%m"));
    // A click of the mouse.
    follow(&browser, &household, &address);
    let (x, y) = bar(&browser, 9, days);
    browser.hover(CHART, x, y);
    browser.press_mouse();
    browser.until("the day", || hash(&browser) == tenth);
    drawn(&browser);
    // A day's bar opens its hour, in which nothing is finer.
    let (x, y) = bar(&browser, 13, 24);
    browser.hover(CHART, x, y);
    browser.press_mouse();
    browser.until("the hour", || hash(&browser) == tenth.replace("day", "hour") + "T13:00");
    browser.script("history.go(-2);", &[]);
    browser.until("the month", || hash(&browser) == address);
    drawn(&browser);
    // The keyboard.
    browser.script("document.querySelector('[data-test=chart-energy] svg[role=img]').focus();", &[]);
    browser.press(&RIGHT.repeat(10));
    browser.press(ENTER);
    browser.until("the day", || hash(&browser) == tenth);
    // A finger: the first tap shows the values.
    browser.size(400, 900);
    follow(&browser, &household, &address);
    let (x, y) = bar(&browser, 9, days);
    browser.tap(CHART, x, y);
    browser.until("the values", || browser.text("chart-energy .tooltip").contains("kWh"));
    assert_eq!(hash(&browser), address);
    browser.tap(CHART, x, y);
    browser.until("the day", || hash(&browser) == tenth);
    // A year opens its months.
    browser.size(1280, 900);
    let last = month.year() - 1;
    follow(&browser, &household, &format!("#history/year/{last}"));
    let (x, y) = bar(&browser, 11, 12);
    browser.hover(CHART, x, y);
    browser.press_mouse();
    browser.until("December", || hash(&browser) == format!("#history/month/{last}-12"));
}

fn fields() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let browser = Browser::open("en-GB");
    household.show(&browser, "#history");
    drawn(&browser);
    let day = days_ago(33);
    let month = day.strftime("%Y-%m").to_string();
    for (name, kind, value) in [
        ("day", "date", day.date().to_string()),
        ("week", "week", week(&day)),
        ("month", "month", month),
        ("year", "number", (day.year() - 1).to_string()),
        ("hour", "datetime-local", format!("{}T13:40", day.date())),
    ] {
        household.show(&browser, &format!("#history/{name}"));
        drawn(&browser);
        assert_eq!(browser.attribute("date", "type").as_deref(), Some(kind), "{name}");
        let set = "const field = document.querySelector('[data-test=date]'); field.value = arguments[0]; \
                   field.dispatchEvent(new Event('change'));";
        browser.script(set, &[json!(value)]);
        drawn(&browser);
        assert_eq!(hash(&browser), format!("#history/{name}/{value}"));
        assert_eq!(browser.script("return document.querySelector('[data-test=date]').value;", &[]), value);
    }
    range(&browser, "all");
    assert!(!browser.shows("date"), "the whole history has no date");
}

fn steps() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let browser = Browser::open("en-GB");
    let day = days_ago(30);
    let of = |days: i64| format!("#history/day/{}", day.checked_add(days.days()).unwrap().date());
    follow(&browser, &household, &of(0));
    browser.script("document.activeElement.blur();", &[]);
    for (key, wanted) in [(LEFT, -1), (LEFT, -2), (RIGHT, -1)] {
        browser.press(key);
        browser.until("the neighbour", || hash(&browser) == of(wanted));
        drawn(&browser);
    }
    // In a chart the keys step through its values.
    browser.script("document.querySelector('[data-test=chart-energy] svg[role=img]').focus();", &[]);
    browser.press(RIGHT);
    browser.await_shown("chart-energy .tooltip");
    assert_eq!(hash(&browser), of(-1));
    browser.size(400, 900);
    follow(&browser, &household, &of(0));
    for at in ["totals", "chart-energy svg[role=img]"] {
        browser.swipe(at, 120, 0);
        browser.until("the day before", || hash(&browser) == of(-1));
        drawn(&browser);
        browser.swipe(at, -120, 0);
        browser.until("the day", || hash(&browser) == of(0));
        drawn(&browser);
    }
    // Not a swipe: a finger that goes down, and one that is short.
    browser.swipe("totals", 20, 0);
    browser.swipe("totals", 70, -60);
    assert_eq!(hash(&browser), of(0));
    // After the newest period there is none.
    follow(&browser, &household, "#history/day");
    browser.swipe("totals", -120, 0);
    assert_eq!(hash(&browser), "#history/day");
}

fn remembered() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let browser = Browser::open("en-GB");
    household.show(&browser, "#history");
    drawn(&browser);
    assert_eq!(hash(&browser), "#history/day");
    range(&browser, "month");
    let choose = "const field = document.querySelector('[data-test=meter]'); field.value = arguments[0]; \
                  field.dispatchEvent(new Event('change'));";
    browser.script(choose, &[json!(CONSUMER)]);
    drawn(&browser);
    for again in 0..2 {
        browser.click("nav-now");
        browser.await_shown("view-now");
        browser.click("nav-history");
        drawn(&browser);
        assert_eq!(hash(&browser), format!("#history/month//{CONSUMER}"), "{again}");
        // Also on another day.
        household.show(&browser, "");
    }
    // A link decides for itself.
    follow(&browser, &household, "#history/week");
    assert!(is_pressed(&browser, "range-week"));
    assert_ne!(browser.script("return document.querySelector('[data-test=meter]').value;", &[]), CONSUMER);
}

fn nonsense() {
    let household = Household::start(&Plan::default());
    let browser = Browser::open("en-GB");
    for address in [
        "#history/fortnight",
        "#history/day/2026-02-31",
        "#history/day/%E0%A4%A/%%?compare=%&show=<script>&in=gold",
        "#history/day/99999-01-01/nobody?compare=tomorrow",
    ] {
        follow(&browser, &household, address);
        assert!(is_pressed(&browser, "range-day"), "{address}");
        assert!(!browser.shows("history-error") && browser.shows("chart-energy"), "{address}");
    }
    nothing_amiss(&browser, &household.url());
}
