//! Bills that were worked out by hand. Each has its arithmetic.

use jiff::civil::date;
use tariff::{
    Account, Country, Holidays, KwhPrice, Levy, LevyPrice, Per, PriceBasis, Resolution, SpotPrice, Tariff,
    TimedPrice, settle, settle_gross,
};

use super::*;

/// A year with a change of the price on 1 July, and a base price per year.
///
/// First half: 181 days · 96 − 4 quarter-hours (29 March has 92) = 17,372; · 0.1 kWh = 1737.2 kWh.
/// Second half: 184 days · 96 + 4 (25 October has 100) = 17,668; · 0.1 kWh = 1766.8 kWh.
///
/// 1737.2 · 0.2521 = 437.94812 → 437.95; 1766.8 · 0.2689 = 475.09252 → 475.09.
/// Base: 120 € · 181/365 = 59.5068… → 59.51; 132 € · 184/365 = 66.5424… → 66.54.
/// Net 437.95 + 59.51 + 475.09 + 66.54 = 1039.09. Tax 19 %: 197.4271 → 197.43. Total 1236.52.
#[test]
fn one_price_that_changes_within_the_year() {
    let mut old = single(date(2025, 1, 1), Some(date(2026, 7, 1)), "0.2521");
    old.base = per("120", Per::Year);
    let mut new = single(date(2026, 7, 1), None, "0.2689");
    new.base = per("132", Per::Year);
    let mut accounts = [
        Account::new(&old, date(2026, 1, 1), date(2026, 7, 1)),
        Account::new(&new, date(2026, 7, 1), date(2027, 1, 1)),
    ];
    accounts.iter_mut().for_each(|account| draw(account, None, "0.1"));
    assert_eq!(
        shown(&settle(&accounts)),
        [
            "work 1737.2 0.2521 437.95",
            "base 0.49589 120 59.51",
            "work 1766.8 0.2689 475.09",
            "base 0.50411 132 66.54",
            "vat 1039.09 19 197.43",
            "1039.09 + 197.43 = 1236.52",
        ]
    );
}

/// A bill that somebody checks with prices with tax: 597.368 · 0.3125 + 12.90 = 199.5775 → 199.58.
///
/// Net 597.368 · 0.3125 / 1.19 = 156.8718… → 156.87; 12.90 / 1.19 = 10.8403… → 10.84: together 167.71, of which the tax
/// is 31.86. The total has one cent more, so the tax has.
#[test]
fn the_total_of_gross_prices_is_their_sum_rounded_once() {
    let mut tariff = single(date(2026, 1, 1), None, "0.3125");
    tariff.prices = PriceBasis::Gross;
    tariff.base = per("12.90", Per::Month);
    let mut account = Account::new(&tariff, date(2026, 3, 1), date(2026, 4, 1));
    assert!(account.draw(date(2026, 3, 2).at(12, 0, 0, 0), None, n("597.368"), None));
    let bill = settle_gross([&account]);
    assert_eq!((bill.net, bill.vat, bill.total), (n("167.71"), n("31.87"), n("199.58")));
    assert_eq!(bill.items.iter().map(|item| item.net).sum::<Number>(), bill.total, "the items add up");
    // Without tax too.
    tariff.vat = Number::ZERO;
    let mut account = Account::new(&tariff, date(2026, 3, 1), date(2026, 4, 1));
    assert!(account.draw(date(2026, 3, 2).at(12, 0, 0, 0), None, n("597.368"), None));
    assert_eq!(settle_gross([&account]).total, n("199.58"));
}

/// Two registers with gross prices, a base price per month from the middle of a month on, and a levy per month.
///
/// 15 January to 28 February 2026: 17/31 + 1 = 1.548387… months.
/// T1: 210.5 kWh · 0.3451 / 1.19 = 61.0450… → 61.05 (210.5 · 0.3451 = 72.64355; / 1.19 = 61.04500).
/// T2: 120.25 kWh · 0.2737 / 1.19 = 27.6575 → 27.66 (120.25 · 0.2737 = 32.912425; / 1.19 = 27.6575): a half goes up.
/// Base: 9.90 · 1.548387 / 1.19 = 12.88153… → 12.88. Levy: 1.19 · 1.548387 / 1.19 = 1.548387 → 1.55.
/// Net 61.05 + 27.66 + 12.88 + 1.55 = 103.14. Tax: 19.5966 → 19.60. Total 122.74.
#[test]
fn two_registers_from_the_middle_of_a_month_on() {
    let mut tariff = single(date(2026, 1, 15), None, "0");
    tariff.prices = PriceBasis::Gross;
    tariff.work = KwhPrice::Registers(vec![(1, n("0.3451")), (2, n("0.2737"))]);
    tariff.base = per("9.90", Per::Month);
    tariff.levies =
        vec![Levy { name: "meter".to_owned(), price: LevyPrice::Standing(per("1.19", Per::Month).unwrap()) }];
    let mut account = Account::new(&tariff, date(2026, 1, 15), date(2026, 3, 1));
    let noon = date(2026, 2, 1).at(12, 0, 0, 0);
    assert!(account.draw(noon, Some(1), n("200.5"), None) && account.draw(noon, Some(1), n("10"), None));
    assert!(account.draw(noon, Some(2), n("120.25"), None));
    assert!(!account.draw(noon, Some(3), n("1"), None), "a register without a price");
    assert_eq!(account.unpriced, n("1"));
    assert_eq!(
        shown(&settle([&account])),
        [
            "work 210.5 0.29 61.05",
            "work 120.25 0.23 27.66",
            "base 1.548387 8.319328 12.88",
            "levy 1.548387 1 1.55",
            "vat 103.14 19 19.60",
            "103.14 + 19.60 = 122.74",
        ]
    );
}

/// A network fee of three levels by time of day, in the first and fourth quarter of the year only (§14a EnWG, module 3),
/// over the day on which the clocks go back: 25 October 2026 has 25 hours.
///
/// 0.5 kWh each quarter-hour. Low 00:00–06:00: 24 + 4 (the hour from 2 comes twice) = 28 → 14 kWh.
/// High 17:00–20:00: 12 → 6 kWh. Standard: 60 → 30 kWh. All: 100 → 50 kWh.
///
/// Energy: 50 · 0.1999 = 9.995 → 10.00, a half away from zero. Low: 14 · 0.0102 = 0.1428 → 0.14.
/// High: 6 · 0.1535 = 0.921 → 0.92. Standard: 30 · 0.0891 = 2.673 → 2.67.
/// Net 13.73. Tax: 2.6087 → 2.61. Total 16.34.
///
/// On 25 September all of it is at the standard level: 48 kWh · 0.0891 = 4.2768 → 4.28; energy 48 · 0.1999 = 9.5952
/// → 9.60. Net 13.88, tax 2.6372 → 2.64, total 16.52.
#[test]
fn network_fees_in_three_levels_by_time_of_day_and_quarter_of_the_year() {
    let mut tariff = single(date(2026, 1, 1), None, "0.1999");
    let months = ["Jan-Mar", "Oct-Dec"];
    let windows = vec![
        window("low", "0.0102", "", &["00:00-06:00"], &months),
        window("high", "0.1535", "", &["17:00-20:00"], &months),
    ];
    let fee = TimedPrice { otherwise: Some(n("0.0891")), windows };
    fee.check(&Holidays::default()).unwrap();
    tariff.levies = vec![Levy { name: "network fee".to_owned(), price: LevyPrice::PerKwh(fee) }];
    let bill = |day: jiff::civil::Date| {
        let mut account = Account::new(&tariff, day, day.tomorrow().unwrap());
        draw(&mut account, None, "0.5");
        shown(&settle([&account]))
    };
    assert_eq!(
        bill(date(2026, 10, 25)),
        [
            "work 50 0.1999 10.00",
            "levy 14 0.0102 0.14",
            "levy 6 0.1535 0.92",
            "levy 30 0.0891 2.67",
            "vat 13.73 19 2.61",
            "13.73 + 2.61 = 16.34",
        ]
    );
    assert_eq!(
        bill(date(2026, 9, 25)),
        ["work 48 0.1999 9.60", "levy 48 0.0891 4.28", "vat 13.88 19 2.64", "13.88 + 2.64 = 16.52"]
    );
}

/// A spot price of quarter-hours, with a negative one and a missing one: factor 1.05 and 0.0150 on top.
///
/// 1.2 kWh at 0.0815: price 0.0815 · 1.05 + 0.015 = 0.100575; value 0.12069.
/// 0.8 kWh at −0.0500: price −0.0525 + 0.015 = −0.0375; value −0.03.
/// 2.0 kWh without a price: not on the bill, and said to be so.
/// 10 kWh at −0.2: price −0.21 + 0.015 = −0.195; value −1.95.
///
/// Energy 12 kWh, value 0.12069 − 0.03 − 1.95 = −1.85931 → −1.86. Mean price −1.85931 / 12 = −0.1549425 → −0.154943.
/// Fed in: 25 kWh · 0.0803 = 2.0075 → −2.01, without tax.
/// Tax: −1.86 · 0.19 = −0.3534 → −0.35. Net −3.87. Total −4.22.
#[test]
fn spot_prices_that_are_negative_or_missing() {
    let mut tariff = single(date(2026, 1, 1), None, "0");
    tariff.feed_in = Some(KwhPrice::single(n("0.0803")));
    tariff.work = KwhPrice::Spot(SpotPrice {
        source: "market".to_owned(),
        reading: "price".to_owned(),
        resolution: Resolution::QuarterHour,
        factor: n("1.05"),
        surcharge: n("0.0150"),
    });
    let mut account = Account::new(&tariff, date(2026, 1, 1), date(2026, 1, 2));
    let draws = [("1.2", Some("0.0815")), ("0.8", Some("-0.0500")), ("2.0", None), ("10", Some("-0.2"))];
    for (quarter, (amount, spot)) in draws.into_iter().enumerate() {
        let time = date(2026, 1, 1).at(12, 15 * i8::try_from(quarter).unwrap(), 0, 0);
        assert_eq!(account.draw(time, None, n(amount), spot.map(n)), spot.is_some());
    }
    assert!(account.feed(date(2026, 1, 1).at(12, 0, 0, 0), None, n("25"), None));
    assert_eq!(account.unpriced, n("2.0"));
    assert_eq!(
        shown(&settle([&account])),
        ["work 12 -0.154943 -1.86", "feed_in 25 0.0803 -2.01", "vat -1.86 19 -0.35", "-3.87 + -0.35 = -4.22"]
    );
}

/// Gas: calorific value 11.462 kWh/m³, volume correction number 0.9549, whose product is 10.9450638.
///
/// 1234.567 m³ · 10.9450638 = 13512.4145803746 kWh (exactly 13512.4145803…).
/// Work: · 0.0719 = 971.5426… → 971.54. CO₂: · 0.01199 = 162.0138… → 162.01.
/// Base 150 € for the whole year 2026. Net 1283.55; tax 7 %: 89.8485 → 89.85. Total 1373.40.
#[test]
fn gas_in_cubic_metres() {
    let mut tariff = single(date(2026, 1, 1), None, "0.0719");
    tariff.vat = n("0.07");
    tariff.gas_factor = Some(n("11.462") * n("0.9549"));
    assert_eq!(tariff.gas_factor, Some(n("10.9450638")));
    tariff.base = per("150", Per::Year);
    tariff.levies =
        vec![Levy { name: "CO2".to_owned(), price: LevyPrice::PerKwh(TimedPrice::single(n("0.01199"))) }];
    let energy = tariff.gas_energy(n("1234.567")).unwrap();
    assert_eq!(energy, n("1234.567") * n("10.9450638"));
    let mut account = Account::new(&tariff, date(2026, 1, 1), date(2027, 1, 1));
    assert!(account.draw(date(2026, 6, 1).at(0, 0, 0, 0), None, energy, None));
    let bill = settle([&account]);
    let nets: Vec<_> = bill.items.iter().map(|item| item.net.to_string()).collect();
    assert_eq!(nets, ["971.54", "162.01", "150.00", "89.85"]);
    assert_eq!(bill.total.to_string(), "1373.40");
}

/// Windows of weekdays and nights, with holidays. May 2026: Friday the 1st, Ascension (14th) and Whit Monday (25th) are
/// holidays. 21 weekdays less 3 holidays: 18 days · 16 h = 288 h at HT. The rest of 31 · 24 = 744 h: 456 h at NT.
///
/// 1 kWh each hour. HT: 288 · 0.2879 = 82.9152 → 82.92. NT: 456 · 0.2233 = 101.8248 → 101.82.
/// Net 184.74; tax: 35.1006 → 35.10. Total 219.84.
#[test]
fn a_high_price_on_weekdays_that_are_no_holidays() {
    let mut tariff = single(date(2026, 1, 1), None, "0");
    tariff.holidays = Holidays { countries: [Country::parse("DE").unwrap()].into(), ..Holidays::default() };
    let windows = vec![window("HT", "0.2879", "Mon-Fri", &["06:00-22:00"], &[])];
    tariff.work = KwhPrice::Timed(TimedPrice { otherwise: Some(n("0.2233")), windows });
    let mut account = Account::new(&tariff, date(2026, 5, 1), date(2026, 6, 1));
    draw(&mut account, None, "0.25");
    assert_eq!(
        shown(&settle([&account])),
        ["work 288 0.2879 82.92", "work 456 0.2233 101.82", "vat 184.74 19 35.10", "184.74 + 35.10 = 219.84"]
    );
}

/// Tax that changes with a tariff: each rate has its own sum.
///
/// 100 kWh · 0.25 = 25.00 at 19 %: 4.75. 100 kWh · 0.25 = 25.00 at 16 %: 4.00. Net 50.00, total 58.75.
#[test]
fn the_tax_of_each_rate_is_computed_by_itself() {
    let old = single(date(2020, 1, 1), Some(date(2020, 7, 1)), "0.25");
    let new = Tariff { vat: n("0.16"), ..single(date(2020, 7, 1), None, "0.25") };
    let mut accounts = [
        Account::new(&old, date(2020, 6, 1), date(2020, 7, 1)),
        Account::new(&new, date(2020, 7, 1), date(2020, 8, 1)),
    ];
    for account in &mut accounts {
        assert!(account.draw(date(2020, 6, 1).at(0, 0, 0, 0), None, n("100"), None));
    }
    let bill = settle(&accounts);
    assert_eq!(
        (bill.net.to_string(), bill.vat.to_string(), bill.total.to_string()),
        ("50.00".into(), "8.75".into(), "58.75".into())
    );
}
