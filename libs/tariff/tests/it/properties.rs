//! Laws of costs and windows.

use jiff::{ToSpan as _, civil::date};
use proptest::prelude::*;
use tariff::{Account, Standing, cents, decimal, settle};

use super::*;

prop_compose! {
    /// Windows that cover the day once: the hours between sorted cuts.
    fn windows()(mut cuts in prop::collection::btree_set(1u32..96, 0..6).prop_map(|cuts| cuts.into_iter().collect::<Vec<_>>()))
        -> Vec<Window>
    {
        cuts.insert(0, 0);
        cuts.push(96);
        let time = |quarter: u32| format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15);
        let windows = cuts.windows(2).enumerate();
        windows.map(|(n, cut)| window(&n.to_string(), "0.1", "", &[&format!("{}-{}", time(cut[0]), time(cut[1]))], &[])).collect()
    }
}

proptest! {
    #[test]
    fn windows_that_cover_the_day_once_are_right_and_any_change_of_them_is_found(
        windows in windows(),
        hour in 0u32..24,
    ) {
        let none = Holidays::default();
        prop_assert_eq!(TimedPrice { otherwise: None, windows: windows.clone() }.check(&none), Ok(()));
        let mut fewer = windows.clone();
        fewer.pop();
        let fewer = TimedPrice { otherwise: None, windows: fewer }.check(&none);
        prop_assert!(fewer.is_err());
        let mut more = windows.clone();
        more.push(window("more", "0.1", "", &[&format!("{hour:02}:00-{hour:02}:15")], &[]));
        let more = TimedPrice { otherwise: None, windows: more }.check(&none);
        prop_assert!(more.is_err());
    }

    #[test]
    fn each_moment_of_a_year_has_the_price_of_one_window(windows in windows(), offset in 0i64..366 * 96) {
        let second = second(date(2026, 1, 1)) + offset * QUARTER_HOUR;
        let time = local(second, &zone());
        let price = TimedPrice { otherwise: None, windows };
        prop_assert!(price.at(time, &Holidays::default()).is_some());
    }

    #[test]
    fn the_cost_of_a_whole_is_that_of_its_parts_to_the_last_digit(
        amounts in prop::collection::vec(0i64..5_000_000_000, 1..40),
        price in -500_000i64..2_000_000,
        split in 0usize..40,
    ) {
        let mut tariff = single(date(2026, 1, 1), None, "0");
        tariff.work = KwhPrice::Timed(TimedPrice::single(Number::new(price, 6)));
        let time = date(2026, 1, 1).at(0, 0, 0, 0);
        let cost = |amounts: &[i64]| {
            let price = tariff.price_per_kwh(time, None, None).unwrap();
            amounts.iter().map(|amount| Number::new(*amount, 9) * price).sum::<Number>()
        };
        let (first, rest) = amounts.split_at(split.min(amounts.len()));
        prop_assert_eq!(cost(first) + cost(rest), cost(&amounts));
        // And exactly: in whole units of the last digit, which is the 17th after the point.
        let sum: i128 = amounts.iter().map(|amount| i128::from(*amount)).sum();
        let exact = Number::from_i128_with_scale(sum * i128::from(price) * 119, 17);
        prop_assert_eq!(cost(&amounts), exact);
    }

    #[test]
    fn a_standing_price_is_paid_once_for_each_month_however_its_days_are_split(
        day in 0i64..800, first in 0i64..400, second in 0i64..400,
    ) {
        let from = date(2024, 1, 1) + day.days();
        let (middle, to) = (from + first.days(), from + (first + second).days());
        for per in [Per::Month, Per::Year] {
            let standing = Standing { price: n("1"), per };
            let whole = standing.count(from, to);
            let parts = standing.count(from, middle) + standing.count(middle, to);
            prop_assert!((whole - parts).abs() < n("0.0000000000000000001"), "{} {}", whole, parts);
        }
        prop_assert_eq!(Standing { price: n("1"), per: Per::Month }.count(date(2024, 1, 1), date(2026, 1, 1)), n("24"));
    }

    #[test]
    fn a_bill_adds_up_to_the_cent(amounts in prop::collection::vec((1u8..4, 0i64..9_000_000), 1..30), vat in 0i64..30) {
        let mut tariff = single(date(2026, 1, 1), None, "0");
        tariff.vat = Number::new(vat, 2);
        tariff.work = KwhPrice::Registers(vec![(1, n("0.3215")), (2, n("0.2710")), (3, n("-0.0333"))]);
        let mut account = Account::new(&tariff, date(2026, 1, 1), date(2026, 2, 1));
        for (register, amount) in &amounts {
            prop_assert!(account.draw(date(2026, 1, 1).at(0, 0, 0, 0), Some(*register), Number::new(*amount, 3), None));
        }
        let bill = settle([&account]);
        prop_assert_eq!(bill.items.iter().map(|item| item.net).sum::<Number>(), bill.total);
        prop_assert_eq!(bill.net + bill.vat, bill.total);
        prop_assert!(bill.items.iter().all(|item| item.net == cents(item.net)));
    }

    #[test]
    fn no_number_of_a_reader_panics(mantissa: i64, scale in 0u32..=28, decimals in 0u32..30) {
        let _ = decimal(Number::from_i128_with_scale(mantissa.into(), scale), decimals);
    }
}
