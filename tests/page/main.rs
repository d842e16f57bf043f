//! The live page in a real browser, served by the real program with a meter at a real line.
//!
//! Pictures are written to `target/tmp/page`, or to the folder in `SMARTMETER_PICTURES`. `SMARTMETER_LONG=1` measures
//! the tab's memory over two hours of live data at sixty times the speed, in place of a part of them.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test without the harness is not seen to be one"
)]

mod addresses;
mod browser;
mod charts;
mod commands;
mod costs;
mod everybody;
mod figures;
mod forms;
mod history;
mod home;
mod household;
mod languages;
mod looks;
mod nginx;
mod now;
mod past;
#[path = "../program/mod.rs"]
mod program;
mod proxy;
mod pv_house;
mod said;
mod screens;
mod setup;
mod take;
mod truth;
mod types;
mod views;
mod words;

use libtest_mimic::{Arguments, Trial};

/// Name and body of a test.
type Test = (&'static str, fn());

fn main() {
    let tests = [
        now::TESTS,
        history::TESTS,
        addresses::TESTS,
        past::TESTS,
        commands::TESTS,
        looks::TESTS,
        truth::TESTS,
        charts::TESTS,
        figures::TESTS,
        pv_house::TESTS,
        home::TESTS,
        costs::TESTS,
        setup::TESTS,
        forms::TESTS,
        languages::TESTS,
        everybody::TESTS,
        take::TESTS,
        views::TESTS,
        words::TESTS,
        said::TESTS,
        screens::TESTS,
    ]
    .concat();
    let in_browser = tests.into_iter().map(|test| (test, &[][..]));
    let behind_nginx = nginx::TESTS.iter().map(|test| (*test, &["nginx", "openssl"][..]));
    let beside_broker =
        forms::BROKER_TESTS.iter().map(|test| (*test, &["mosquitto", "mosquitto_passwd"][..]));
    let beside_influx = forms::INFLUX_TESTS.iter().map(|test| (*test, &["influxd"][..]));
    let all = in_browser.chain(behind_nginx).chain(beside_broker).chain(beside_influx);
    let trials = all.map(|((name, test), more)| {
        let needed = browser::NEEDED.iter().chain(more);
        let missing: Vec<_> = needed.copied().filter(|it| !test_servers::is_installed(it)).collect();
        let name = match missing.is_empty() {
            true => name.to_owned(),
            false => format!("{name} (needs {})", missing.join(" and ")),
        };
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(!missing.is_empty())
    });
    let checks = types::TESTS.iter().map(|(name, test)| {
        let missing = types::missing();
        let name = missing.map_or((*name).to_owned(), |what| format!("{name} (needs {what})"));
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.chain(checks).collect()).exit();
}
