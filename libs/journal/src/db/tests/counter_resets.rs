//! Steps of counters that do not count as consumption.

use crate::{
    db::{
        Counter,
        tests::checkpoint::{Journal, SECOND, Segment},
    },
    series::Stated,
    testing::named,
};
use reading::Kind;

fn counter(unit: &str, obis: &str, kind: Option<Kind>) -> Option<Counter> {
    Counter::of(&Stated { obis: obis.into(), kind, medium: None }.meaning(&named("d0", "x", unit)))
}

#[test]
fn energy_and_volume_are_counters_however_their_unit_is_spelled() {
    for unit in [
        "kWh", "Wh", "MWh", "kvarh", "m3", "m³", "l", "GJ", "J", "kJ", "MJ", "Mvarh", "MVAh", "KWh", "kwh",
        "kWh ", "m^3", "kVArh",
    ] {
        assert!(counter(unit, "", None).is_some(), "{unit}");
    }
    for unit in ["", "W", "V", "A", "°C", "kW", "Hz"] {
        assert_eq!(counter(unit, "1.7.0", None), None, "{unit}");
    }
    assert!(
        counter("", "", Some(Kind::Counter)).is_some() && counter("kWh", "", Some(Kind::Gauge)).is_none()
    );
}

#[test]
fn a_fall_and_a_leap_are_no_consumption() {
    let import = counter("kWh", "1.8.0", None).unwrap();
    assert!(!import.is_reset((0, 4457.1), (1_000_000, 4457.2)));
    assert!(import.is_reset((0, 4457.1), (1_000_000, 4457.0)));
    assert!(import.is_reset((0, 0.0), (1_000_000, 4457.0)));
    assert!(import.is_reset((0, 5000.0), (4 * 3_600_000_000, 8000.0)), "another meter after an outage");
    assert!(!import.is_reset((0, 0.0), (86_400_000_000, 400.0)), "a day's gap may hold a day's energy");
    // The same limit in another unit.
    let joules = counter("J", "", None).unwrap();
    assert!(!joules.is_reset((0, 0.0), (86_400_000_000, 400.0 * 3.6e6)));
    assert!(joules.is_reset((0, 0.0), (1_000_000, 4457.0 * 3.6e6)));
    // Nobody knows how fast a counter without a unit may rise.
    let pulses = counter("", "", Some(Kind::Counter)).unwrap();
    assert!(!pulses.is_reset((0, 0.0), (1_000_000, 1e9)) && pulses.is_reset((0, 2.0), (1_000_000, 1.0)));
    for code in ["1-0:16.8.0", "36.8.0", "56.8.0", "76.8.0"] {
        let net = counter("kWh", code, None).unwrap();
        assert!(!net.is_reset((0, 100.0), (1_000_000, 99.9)), "{code}");
        assert!(net.is_reset((0, 100.0), (1_000_000, 0.0)), "{code}");
    }
}

#[test]
fn a_break_is_found_between_batches_minutes_and_folds() {
    let mut journal = Journal::new();
    let at = |segment: &mut Segment, second: i64, value: &str| {
        segment.batch("d0", second * SECOND, &[("e", value), ("p", value)]);
    };
    journal.checkpoint(|segment| {
        at(segment, 10, "100");
        at(segment, 11, "50");
        at(segment, 70, "40");
        at(segment, 71, "5000");
    });
    assert_eq!(journal.events(), ["break 11000000 100 50", "break 70000000 50 40", "break 71000000 40 5000"]);
    journal.checkpoint(|segment| at(segment, 7200, "4999"));
    assert_eq!(journal.events()[3..], ["break 7200000000 5000 4999"]);
    // A late one divides a step: what was one break is two now, or none.
    journal.checkpoint(|segment| at(segment, 3600, "4998"));
    assert_eq!(journal.events()[3..], ["break 3600000000 5000 4998"]);
    // Of a minute whose numbers were removed the last number is known.
    journal.database.prune(7260 * SECOND).unwrap();
    journal.checkpoint(|segment| at(segment, 9000, "1"));
    assert_eq!(journal.events().len(), 5);
    assert_eq!(journal.events()[4..], ["break 9000000000 4999 1"]);
}

#[test]
fn a_minute_of_twenty_kilowatts_is_no_break_after_a_fold() {
    let mut journal = Journal::new();
    // One reading a minute: just after the full minute, then just before it would have been one again.
    journal.checkpoint(|segment| segment.batch("d0", 600_500_000, &[("e", "100")]));
    journal.checkpoint(|segment| segment.batch("d0", 660_100_000, &[("e", "100.4")]));
    assert_eq!(journal.events(), [""; 0]);
}

#[test]
fn a_counter_that_is_set_does_not_break() {
    for order in [[0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 2, 0]] {
        let mut journal = Journal::new();
        for entry in order {
            journal.checkpoint(|segment| match entry {
                0 => segment.batch("s0", 59 * SECOND, &[("e", "100")]),
                1 => segment.set("s0", "e", 60 * SECOND + 3, "100.5", "7"),
                _ => segment.batch("s0", 130 * SECOND, &[("e", "7")]),
            });
        }
        assert_eq!(journal.events(), ["set 60000003 100.5 7"], "{order:?}");
    }
}

#[test]
fn a_setting_that_was_dated_wrong_explains_a_break_after_all() {
    let mut journal = Journal::new();
    journal.checkpoint(|segment| segment.batch("s0", 59 * SECOND, &[("e", "100")]));
    journal.checkpoint(|segment| segment.batch("s0", 130 * SECOND, &[("e", "7")]));
    journal.checkpoint(|segment| segment.set("s0", "e", 5000 * SECOND, "100.5", "7"));
    assert_eq!(journal.events(), ["break 130000000 100 7", "set 5000000000 100.5 7"]);
    journal.checkpoint(|segment| segment.correction(4000 * SECOND, -4940 * SECOND));
    assert_eq!(journal.events(), ["set 60000000 100.5 7"]);
}
