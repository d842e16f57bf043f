//! Bills of contracts from several countries, worked out by hand. Each has its arithmetic.

use jiff::civil::{DateTime, date};
use tariff::{
    Account, KwhPrice, Levy, LevyPrice, Per, PriceBasis, Resolution, SpotPrice, Tariff, local, settle,
};

use super::*;

fn spot(resolution: Resolution) -> KwhPrice {
    KwhPrice::Spot(SpotPrice {
        source: "market".to_owned(),
        reading: "price".to_owned(),
        resolution,
        factor: n("1"),
        surcharge: n("0"),
    })
}

fn noon(day: Date) -> DateTime {
    day.at(12, 0, 0, 0)
}

/// Germany in 2020: 19 % until 30 June, 16 % from 1 July on, with gross prices that follow the tax.
///
/// 1500 kWh · 0.3094 / 1.19 = 1500 · 0.26 = 390.00. 1400 kWh · 0.3016 / 1.16 = 1400 · 0.26 = 364.00.
/// Base: 142.80 / 1.19 = 120 · 182/366 = 59.672… → 59.67; 139.20 / 1.16 = 120 · 184/366 = 60.327… → 60.33.
/// Tax: (390.00 + 59.67) · 0.19 = 85.4373 → 85.44; (364.00 + 60.33) · 0.16 = 67.8928 → 67.89.
/// Net 874.00, tax 153.33, total 1027.33.
#[test]
fn the_german_tax_of_the_second_half_of_2020() {
    let half = |from, to, price: &str, vat: &str, base: &str| Tariff {
        prices: PriceBasis::Gross,
        vat: n(vat),
        base: per(base, Per::Year),
        ..single(from, to, price)
    };
    let old = half(date(2020, 1, 1), Some(date(2020, 7, 1)), "0.3094", "0.19", "142.80");
    let new = half(date(2020, 7, 1), None, "0.3016", "0.16", "139.20");
    let mut accounts = [
        Account::new(&old, date(2020, 1, 1), date(2020, 7, 1)),
        Account::new(&new, date(2020, 7, 1), date(2021, 1, 1)),
    ];
    assert!(accounts[0].draw(noon(date(2020, 3, 1)), None, n("1500"), None));
    assert!(accounts[1].draw(noon(date(2020, 9, 1)), None, n("1400"), None));
    assert_eq!(
        shown(&settle(&accounts)),
        [
            "work 1500 0.26 390.00",
            "base 0.497268 120 59.67",
            "work 1400 0.26 364.00",
            "base 0.502732 120 60.33",
            "vat 424.33 16 67.89",
            "vat 449.67 19 85.44",
            "874.00 + 153.33 = 1027.33",
        ]
    );
}

/// Great Britain: a standing charge per day, and 5 %.
///
/// January: 31 · 0.6097 = 18.9007 → 18.90. 320.5 kWh · 0.2362 = 75.7021 → 75.70.
/// Net 94.60; tax 4.73; total 99.33.
#[test]
fn a_standing_charge_per_day() {
    let mut tariff = single(date(2026, 1, 1), None, "0.2362");
    (tariff.currency, tariff.vat, tariff.base) = ("GBP".to_owned(), n("0.05"), per("0.6097", Per::Day));
    let mut account = Account::new(&tariff, date(2026, 1, 1), date(2026, 2, 1));
    assert!(account.draw(noon(date(2026, 1, 9)), None, n("320.5"), None));
    assert_eq!(
        shown(&settle([&account])),
        ["work 320.5 0.2362 75.70", "base 31 0.6097 18.90", "vat 94.6 5 4.73", "94.60 + 4.73 = 99.33"]
    );
}

/// One February with a base price per year, month and day: 120 · 28/365 = 9.2054… → 9.21; 10 · 1 = 10.00;
/// 0.33 · 28 = 9.24. As levies the same.
#[test]
fn a_base_price_counts_by_the_days_of_its_year_month_or_day() {
    for (of, price, net) in
        [(Per::Year, "120", "9.21"), (Per::Month, "10", "10.00"), (Per::Day, "0.33", "9.24")]
    {
        let mut tariff = single(date(2026, 1, 1), None, "0.30");
        tariff.base = per(price, of);
        let levy = LevyPrice::Standing(per(price, of).unwrap());
        tariff.levies = vec![Levy { name: "meter".to_owned(), price: levy }];
        let bill = settle([&Account::new(&tariff, date(2026, 2, 1), date(2026, 3, 1))]);
        let nets: Vec<_> = bill.items.iter().map(|item| (item.kind, item.net.to_string())).collect();
        assert_eq!(nets[..2], [("base", net.to_owned()), ("levy", net.to_owned())], "{of:?}");
    }
}

/// France, Tempo: the meter counts the two times of day of blue, white and red days in six registers.
///
/// 210 · 0.1232 = 25.872 → 25.87; 340 · 0.1494 = 50.796 → 50.80; 55 · 0.1391 = 7.6505 → 7.65; 80 · 0.1730 = 13.84;
/// 30 · 0.1460 = 4.38; 12.5 · 0.6468 = 8.085 → 8.09, a half away from zero. Subscription 15.50.
/// Net 126.13; tax 20 %: 25.226 → 25.23; total 151.36.
#[test]
fn the_colours_of_tempo_by_the_registers_of_the_meter() {
    let prices = ["0.1232", "0.1494", "0.1391", "0.1730", "0.1460", "0.6468"];
    let amounts = ["210", "340", "55", "80", "30", "12.5"];
    let mut tariff = single(date(2026, 1, 1), None, "0");
    (tariff.vat, tariff.base) = (n("0.20"), per("15.50", Per::Month));
    tariff.work = KwhPrice::Registers((1..).zip(prices.map(n)).collect());
    let mut account = Account::new(&tariff, date(2026, 1, 1), date(2026, 2, 1));
    for (register, amount) in (1..).zip(amounts) {
        assert!(account.draw(noon(date(2026, 1, 9)), Some(register), n(amount), None));
    }
    let bill = settle([&account]);
    let nets: Vec<_> = bill.items.iter().map(|item| item.net.to_string()).collect();
    assert_eq!(nets, ["25.87", "50.80", "7.65", "13.84", "4.38", "8.09", "15.50", "25.23"]);
    assert_eq!(bill.total.to_string(), "151.36");
}

/// The same by a series: a program prints the price of the hour by the colour of the day. A red day with 0.5 kWh each
/// hour: 16 · 0.5 = 8 kWh · 0.6468 = 5.1744; 8 · 0.5 = 4 kWh · 0.1460 = 0.584.
///
/// 5.7584 → 5.76; mean price 5.7584 / 12 = 0.47986… ; tax 20 %: 1.152 → 1.15; total 6.91.
#[test]
fn the_colours_of_tempo_by_a_series_of_hourly_prices() {
    let mut tariff = single(date(2026, 1, 1), None, "0");
    (tariff.vat, tariff.work) = (n("0.20"), spot(Resolution::Hour));
    let mut account = Account::new(&tariff, date(2026, 1, 9), date(2026, 1, 10));
    for second in quarters(date(2026, 1, 9), date(2026, 1, 10)) {
        let time = local(second, &zone());
        let price = if (6..22).contains(&time.hour()) { "0.6468" } else { "0.1460" };
        assert!(account.draw(time, None, n("0.125"), Some(n(price))));
    }
    assert_eq!(
        shown(&settle([&account])),
        ["work 12 0.479867 5.76", "vat 5.76 20 1.15", "5.76 + 1.15 = 6.91"]
    );
}

/// Spot prices of the days on which the clocks change: the n-th quarter-hour costs n · 0.001, with 0.25 kWh each.
///
/// 92 quarter-hours: 0 + 1 + … + 91 = 4186; · 0.001 · 0.25 = 1.0465 → 1.05; tax 25 %: 0.2625 → 0.26.
/// 100: 0 + … + 99 = 4950; · 0.00025 = 1.2375 → 1.24; tax 0.31. 96: 4560; 1.14; tax 0.285 → 0.29.
#[test]
fn a_day_of_92_or_100_quarter_hours_has_as_many_spot_prices() {
    let mut tariff = single(date(2026, 1, 1), None, "0");
    (tariff.currency, tariff.vat, tariff.work) = ("SEK".to_owned(), n("0.25"), spot(Resolution::QuarterHour));
    for (day, total) in [
        (date(2026, 3, 29), "1.05 + 0.26 = 1.31"),
        (date(2026, 10, 25), "1.24 + 0.31 = 1.55"),
        (date(2026, 7, 1), "1.14 + 0.29 = 1.43"),
    ] {
        let mut account = Account::new(&tariff, day, day.tomorrow().unwrap());
        for (quarter, second) in (0..).zip(quarters(day, day.tomorrow().unwrap())) {
            let price = Number::new(quarter, 3);
            assert!(account.draw(local(second, &zone()), None, n("0.25"), Some(price)));
        }
        assert_eq!(shown(&settle([&account])).last().unwrap(), total, "{day}");
    }
}

/// Gas whose calorific value and volume correction number change: 11.462 · 0.9549 = 10.9450638, then 11.301 · 0.9612 =
/// 10.8625212.
///
/// 400 m³: 4378.02552 kWh · 0.0719 = 314.7800… → 314.78. 350 m³: 3801.88242 kWh · 0.0719 = 273.3553… → 273.36.
/// Net 588.14; tax 7 %: 41.1698 → 41.17; total 629.31.
#[test]
fn gas_with_another_calorific_value_in_the_second_year() {
    let year = |from, to, calorific: &str, correction: &str| Tariff {
        vat: n("0.07"),
        gas_factor: Some(n(calorific) * n(correction)),
        ..single(from, to, "0.0719")
    };
    let old = year(date(2025, 1, 1), Some(date(2026, 1, 1)), "11.462", "0.9549");
    let new = year(date(2026, 1, 1), None, "11.301", "0.9612");
    let mut accounts = [
        Account::new(&old, date(2025, 10, 1), date(2026, 1, 1)),
        Account::new(&new, date(2026, 1, 1), date(2026, 4, 1)),
    ];
    for (account, volume) in accounts.iter_mut().zip(["400", "350"]) {
        let energy = account.tariff().gas_energy(n(volume)).unwrap();
        assert!(account.draw(noon(account.days().0), None, energy, None));
    }
    let bill = settle(&accounts);
    let nets: Vec<_> = bill.items.iter().map(|item| item.net.to_string()).collect();
    assert_eq!((nets, bill.total), (["314.78", "273.36", "41.17"].map(str::to_owned).into(), n("629.31")));
}

/// What is fed in by two registers has two prices and no tax: 120.5 · 0.0803 = 9.67615 → 9.68; 80 · 0.0694 = 5.552 →
/// 5.55. Drawn: 100 · 0.30 = 30.00, tax 5.70. Net 30.00 − 9.68 − 5.55 = 14.77; total 20.47.
#[test]
fn two_prices_of_what_is_fed_in() {
    let mut tariff = single(date(2026, 1, 1), None, "0.30");
    tariff.feed_in = Some(KwhPrice::Registers(vec![(1, n("0.0803")), (2, n("0.0694"))]));
    let mut account = Account::new(&tariff, date(2026, 1, 1), date(2026, 2, 1));
    let time = noon(date(2026, 1, 9));
    assert!(account.draw(time, None, n("100"), None));
    assert!(account.feed(time, Some(1), n("120.5"), None) && account.feed(time, Some(2), n("80"), None));
    assert!(!account.feed(time, Some(3), n("7"), None), "a register without a price");
    assert_eq!(account.unpriced, n("7"));
    assert_eq!(
        shown(&settle([&account])),
        [
            "work 100 0.3 30.00",
            "feed_in 120.5 0.0803 -9.68",
            "feed_in 80 0.0694 -5.55",
            "vat 30 19 5.70",
            "14.77 + 5.70 = 20.47",
        ]
    );
}

/// A level of a price by time in which nothing was used has its price on the bill, and a market's price has none.
#[test]
fn an_item_without_energy_has_its_price() {
    let mut tariff = single(date(2026, 1, 1), None, "0.30");
    let mut account = Account::new(&tariff, date(2026, 1, 1), date(2026, 2, 1));
    assert!(account.draw(noon(date(2026, 1, 9)), None, n("0"), None));
    assert_eq!(shown(&settle([&account]))[0], "work 0 0.3 0.00");
    tariff.work = spot(Resolution::QuarterHour);
    let mut account = Account::new(&tariff, date(2026, 1, 1), date(2026, 2, 1));
    for price in ["0.1", "0.2"] {
        assert!(account.draw(noon(date(2026, 1, 9)), None, n("0"), Some(n(price))));
    }
    assert_eq!(shown(&settle([&account]))[0], "work 0 - 0.00");
}

#[test]
fn the_changes_of_a_day_are_the_quarter_hours_at_which_a_price_begins() {
    let mut tariff = single(date(2026, 1, 1), None, "0.30");
    let windows = vec![
        window("low", "0.01", "", &["00:00-06:00"], &["Jan-Mar"]),
        window("high", "0.15", "Mon-Fri", &["17:00-20:00"], &["Jan-Mar"]),
    ];
    let fee = TimedPrice { otherwise: Some(n("0.09")), windows };
    tariff.levies = vec![Levy { name: "fee".to_owned(), price: LevyPrice::PerKwh(fee) }];
    let mut changes = tariff::Changes::new(&tariff, false);
    assert_eq!(changes.of_day(date(2026, 1, 9)), [0, 24, 68, 80], "a Friday");
    assert_eq!(changes.of_day(date(2026, 1, 10)), [0, 24], "a Saturday");
    assert_eq!(changes.of_day(date(2026, 4, 3)), [0]);
    assert_eq!(
        tariff::Changes::new(&tariff, true).of_day(date(2026, 1, 9)),
        [0],
        "no levy on what is fed in"
    );
}
