//! Prices, windows and whole bills, worked out by hand.
#![allow(clippy::unwrap_used)] // a test

mod contracts;
mod invoices;
mod properties;

use jiff::{
    Timestamp,
    civil::{Date, date},
    tz::TimeZone,
};
use tariff::{
    Account, Bill, DaySet, Holidays, HourSet, KwhPrice, MonthSet, Number, Per, PriceBasis, QUARTER_HOUR,
    Standing, Tariff, TimedPrice, Window, local,
};

/// Central Europe's rule, written out: the tests need no time zone database.
fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn n(text: &str) -> Number {
    text.parse().unwrap()
}

fn second(day: Date) -> i64 {
    day.to_zoned(zone()).unwrap().timestamp().as_second()
}

/// The starts of all quarter-hours of some days.
fn quarters(from: Date, to: Date) -> impl Iterator<Item = i64> {
    (second(from)..second(to)).step_by(usize::try_from(QUARTER_HOUR).unwrap())
}

/// A tariff with one price.
fn single(from: Date, to: Option<Date>, price: &str) -> Tariff {
    Tariff {
        name: "basic".to_owned(),
        source: "grid".to_owned(),
        submeters: Vec::new(),
        from,
        to,
        currency: "EUR".to_owned(),
        vat: n("0.19"),
        prices: PriceBasis::Net,
        work: KwhPrice::Timed(TimedPrice::single(n(price))),
        levies: Vec::new(),
        base: None,
        feed_in: None,
        gas_factor: None,
        instalment: None,
        holidays: Holidays::default(),
    }
}

fn per(price: &str, per: Per) -> Option<Standing> {
    Some(Standing { price: n(price), per })
}

/// Each item as `kind amount price net`, then net, tax and total.
fn shown(bill: &Bill) -> Vec<String> {
    let item = |item: &tariff::Item| {
        let number =
            |number: Option<Number>| number.map_or("-".to_owned(), |number| number.normalize().to_string());
        format!("{} {} {} {}", item.kind, number(item.amount), number(item.price), item.net)
    };
    let sums = format!("{} + {} = {}", bill.net, bill.vat, bill.total);
    bill.items.iter().map(item).chain([sums]).collect()
}

/// Draws the same amount in each quarter-hour of an account's days.
fn draw(account: &mut Account<'_>, register: Option<u8>, amount: &str) {
    let (from, to) = account.days();
    for second in quarters(from, to) {
        assert!(account.draw(local(second, &zone()), register, n(amount), None));
    }
}

fn window(name: &str, price: &str, days: &str, hours: &[&str], months: &[&str]) -> Window {
    let hours = hours.iter().map(|hours| HourSet::parse(hours).unwrap());
    let months = months.iter().map(|months| MonthSet::parse(months).unwrap());
    Window {
        name: Some(name.to_owned()),
        price: n(price),
        days: if days.is_empty() { DaySet::ALL } else { DaySet::parse(days).unwrap() },
        hours: hours.reduce(HourSet::union).unwrap_or(HourSet::ALL),
        months: months.reduce(MonthSet::union).unwrap_or(MonthSet::ALL),
    }
}

#[test]
fn a_day_on_which_the_clocks_change_has_92_or_100_quarter_hours() {
    for (day, count) in [(date(2026, 3, 29), 92), (date(2026, 10, 25), 100), (date(2026, 7, 1), 96)] {
        assert_eq!(quarters(day, day.tomorrow().unwrap()).count(), count, "{day}");
    }
}

#[test]
fn a_window_holds_by_the_local_clock_also_where_that_leaves_out_or_repeats_an_hour() {
    let price = TimedPrice {
        otherwise: Some(n("0.30")),
        windows: vec![window("night", "0.20", "", &["02:00-03:00"], &[])],
    };
    let count = |day: Date| {
        let at = |second| price.at(local(second, &zone()), &Holidays::default()).unwrap().1;
        quarters(day, day.tomorrow().unwrap()).filter(|second| at(*second) == n("0.20")).count()
    };
    assert_eq!([count(date(2026, 3, 29)), count(date(2026, 10, 25)), count(date(2026, 7, 1))], [0, 8, 4]);
}

#[test]
fn a_holiday_is_no_day_of_the_week() {
    let holidays = Holidays { days: [date(2026, 10, 5)].into(), ..Holidays::default() };
    let weekdays = window("week", "0.30", "Mon-Fri", &[], &[]);
    let others = Window {
        days: DaySet::parse("Sat-Sun").unwrap().union(DaySet::parse("holiday").unwrap()),
        ..window("rest", "0.25", "", &[], &[])
    };
    let price = TimedPrice { otherwise: None, windows: vec![weekdays, others] };
    price.check(&holidays).unwrap();
    // A Monday each.
    for (day, expected) in [(date(2026, 10, 5), "0.25"), (date(2026, 10, 12), "0.30")] {
        let at = Timestamp::from_second(second(day)).unwrap();
        assert_eq!(price.at(zone().to_datetime(at), &holidays).unwrap().1, n(expected));
    }
}

#[test]
fn windows_that_leave_a_gap_or_overlap_are_found_with_the_first_such_time() {
    let check = |windows: Vec<Window>| {
        let coverage = TimedPrice { otherwise: None, windows }.check(&Holidays::default()).unwrap_err();
        (coverage.overlap, coverage.when)
    };
    let day = window("day", "0.30", "", &["06:00-22:00"], &[]);
    let night = |hours: &str, months: &str| window("night", "0.20", "", &[hours], &[months]);
    assert_eq!(check(vec![day.clone()]), (None, "Mon 00:00-06:00 in Jan".to_owned()));
    assert_eq!(
        check(vec![day.clone(), night("22:00-05:45", "Jan-Dec")]),
        (None, "Mon 05:45-06:00 in Jan".to_owned())
    );
    assert_eq!(
        check(vec![day.clone(), night("21:45-06:00", "Jan-Dec")]),
        (Some((0, 1)), "Mon 21:45-22:00 in Jan".to_owned())
    );
    assert_eq!(
        check(vec![day, night("22:00-06:00", "Feb-Dec")]),
        (None, "Mon 00:00-06:00 in Jan".to_owned())
    );
}
