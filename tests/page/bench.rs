//! Speed of the page in a real browser: its first picture, a reading from the meter's line to the screen, a year's charts.
//!
//! `cargo bench -p smartmeter --bench page` on a quiet machine. Each figure is the median; a limit that is missed ends
//! the run with an error.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    dead_code,
    reason = "a bench that shares its parts with the tests"
)]

mod browser;
mod household;
#[path = "../program/mod.rs"]
mod program;
mod pv_house;

use std::time::{SystemTime, UNIX_EPOCH};

use browser::Browser;
use household::{Household, Plan, reading};
use serde_json::json;

/// As of the tests; nothing here is one.
type Test = (&'static str, fn());

/// Limits in milliseconds.
const PAINT: f64 = 100.0;
const LIVE: f64 = 200.0;
const YEAR: f64 = 100.0;
const ROUNDS: usize = 15;

fn main() {
    if let Some(missing) = browser::NEEDED.iter().find(|it| !test_servers::is_installed(it)) {
        println!("the page is not measured: it needs {missing}");
        return;
    }
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let browser = household.open("en-GB");
    let figures = [
        ("first picture", paint(&household, &browser), PAINT),
        ("reading to screen", live(&household, &browser), LIVE),
        ("charts of a year", year(&household, &browser), YEAR),
    ];
    let mut is_good = true;
    for (what, mut times, limit) in figures {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let verdict = if median < limit { "ok" } else { "TOO SLOW" };
        println!(
            "{what:>18}: {median:6.1} ms (of {:.1} to {:.1}), limit {limit} ms: {verdict}",
            times[0],
            times[times.len() - 1]
        );
        is_good &= median < limit;
    }
    // An exit drops nothing: the program would go on, and keep its line.
    drop((browser, household));
    if !is_good {
        std::process::exit(1);
    }
}

/// Times from the request to the first picture with contents.
fn paint(household: &Household, browser: &Browser) -> Vec<f64> {
    let body = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null;";
    let measured = (0..ROUNDS).map(|_| {
        household.show(browser, "");
        browser.until("painted", || browser.script(body, &[]).is_number());
        browser.script(body, &[]).as_f64().unwrap()
    });
    measured.collect()
}

/// Times from the last byte of a telegram to the number in the page.
fn live(household: &Household, browser: &Browser) -> Vec<f64> {
    household.show(browser, "");
    let watch = "window.shown = []; const figure = document.querySelector('[data-test=hero-power]'); \
                 new MutationObserver(() => requestAnimationFrame(() => \
                 shown.push([figure.textContent, performance.timeOrigin + performance.now()]))) \
                 .observe(figure, {childList: true, characterData: true, subtree: true});";
    browser.script(watch, &[]);
    let measured = (0..ROUNDS).map(|round| {
        let power = 100 + round;
        household.send(&reading(power as f64));
        let sent = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0;
        let body = "return shown.find(([text]) => text === arguments[0])?.[1] ?? null;";
        let at = || browser.script(body, &[json!(power.to_string())]);
        browser.until("on the screen", || at().is_number());
        at().as_f64().unwrap() - sent
    });
    measured.collect()
}

/// Times of drawing a year, once its data are there.
fn year(household: &Household, browser: &Browser) -> Vec<f64> {
    household.show(browser, "#history/month");
    let ready = || browser.attribute("view-history", "data-ready").as_deref() == Some("true");
    let measured = (0..ROUNDS).map(|_| {
        browser.until("charts", ready);
        browser.script("performance.clearMeasures();", &[]);
        browser.click("range-year");
        let body = "return performance.getEntriesByName('chart').at(-1)?.duration ?? null;";
        browser.until("measured", || browser.script(body, &[]).is_number());
        let time = browser.script(body, &[]).as_f64().unwrap();
        browser.click("range-month");
        time
    });
    measured.collect()
}
