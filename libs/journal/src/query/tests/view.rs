use crate::{
    query::ReadError,
    testing::{Household, at, named, sample},
    wal::CounterSet,
};
use reading::{Decimal, Kind};

#[test]
fn recent_readings_are_in_order_and_redated_and_none_twice() {
    let mut household = Household::new();
    let count = named("s0", "count", "kWh");
    let set = |time| CounterSet {
        series: count.clone(),
        time,
        before: Decimal::new(5, 0).unwrap(),
        after: Decimal::new(0, 0).unwrap(),
    };
    household.record(
        &count,
        "",
        &[sample(100, 1), sample(200, 2), sample(200, 99), sample(150, 3)],
        &[set(210)],
    );
    household.record(&named("s0", "count", "Wh"), "", &[sample(100, 7)], &[]);
    household.record(&named("s0", "power", "W"), "", &[sample(100, 8)], &[]);
    household.record(&named("d0", "count", "kWh"), "", &[sample(100, 9)], &[]);
    household.correction(150, 1000);
    household.record(&count, "", &[sample(1300, 4), sample(300, 5)], &[set(1250)]);
    let recent = household.ask(|view| view.find("s0", "count", Some("kWh")).unwrap().recent);
    let samples = [(100, 1), (300, 5), (1150, 3), (1200, 2), (1300, 4)];
    assert_eq!(recent.samples, samples.map(|(time, value)| sample(time, value)));
    assert_eq!(recent.sets, [set(1210), set(1250)]);
    assert!(household.ask(|view| view.find("x", "count", None).is_err()));
}

#[test]
fn the_newest_number_is_read_from_the_log_the_database_or_the_command_after_it() {
    let mut household = Household::new();
    let (count, other) = (named("s0", "count", "kWh"), named("s0", "count", "Wh"));
    let set = |time, after| CounterSet {
        series: count.clone(),
        time,
        before: Decimal::new(5, 3).unwrap(),
        after: Decimal::new(after, 3).unwrap(),
    };
    let last = |household: &Household, unit| {
        household
            .ask(|view| view.find("s0", "count", Some(unit)).and_then(|series| series.last()).ok().flatten())
    };
    let read = |time, number| Some((time, Decimal::new(number, 3).unwrap()));
    assert_eq!(last(&household, "kWh"), None, "there is no such series");
    let start = at("2026-11-01T10:07:30Z");
    household.store(&count, "", &[sample(start, 3), sample(start + 1, 4)], &[]);
    assert_eq!(last(&household, "kWh"), read(start + 1, 4));
    household.record(&other, "", &[sample(start + 2_000_000, 99)], &[]);
    household.record(&count, "", &[sample(start + 61_000_000, 7)], &[]);
    assert_eq!(last(&household, "kWh"), read(start + 61_000_000, 7));
    assert_eq!(last(&household, "Wh"), read(start + 2_000_000, 99));
    household.record(&count, "", &[], &[set(start + 62_000_000, 2)]);
    assert_eq!(last(&household, "kWh"), read(start + 62_000_000, 2), "set, and not read since");
    household.record(&count, "", &[sample(start + 63_000_000, 3)], &[]);
    assert_eq!(last(&household, "kWh"), read(start + 63_000_000, 3));
}

#[test]
fn every_series_is_listed_with_its_extent() {
    let mut household = Household::new();
    let (energy, power) = (named("d0", "ENERGY", "kWh"), named("d0", "POWER", "W"));
    let first = at("2026-11-01T10:07:30Z");
    let last = at("2026-11-20T10:00:59Z");
    household.store(&energy, "1.8.0", &[sample(first, 1), sample(last, 2)], &[]);
    household.store(&power, "", &[sample(first, 1)], &[]);
    household.record(&energy, "1.8.0", &[sample(last + 10_000_000, 3)], &[]);
    household.record(&named("s0", "count", ""), "", &[sample(last + 1, 3), sample(last + 2, 3)], &[]);
    let listed = household.ask(|view| view.series().unwrap());
    let listed: Vec<_> = listed
        .iter()
        .map(|of| (&*of.name.name, &*of.obis, of.meaning.kind == Kind::Counter, of.from, of.to))
        .collect();
    let minute = at("2026-11-01T10:07:00Z");
    assert_eq!(
        listed,
        [
            ("ENERGY", "1.8.0", true, minute, last + 10_000_000),
            ("POWER", "", false, minute, minute + 60_000_000),
            ("count", "", false, last + 1, last + 2),
        ]
    );
    assert_eq!(household.ask(|view| view.raw_from().unwrap()), Some(minute));
    // Folded within its last minute, and nothing since.
    household.segment.truncate(crate::wal::frame::HEADER);
    let end = household.ask(|view| view.series().unwrap())[0].to;
    assert_eq!(end, at("2026-11-20T10:01:00Z"));
}

#[test]
fn of_several_units_the_newest_is_meant() {
    let mut household = Household::new();
    let unit = |household: &Household, unit: Option<&str>| {
        household.ask(|view| view.find("d0", "E", unit).map(|found| found.name.unit.to_string()))
    };
    household.store(&named("d0", "E", "kWh"), "", &[sample(at("2026-11-20T10:00:00Z"), 1)], &[]);
    household.store(&named("d0", "E", "Wh"), "", &[sample(at("2026-11-19T10:00:00Z"), 1)], &[]);
    assert_eq!(unit(&household, None).unwrap(), "kWh");
    household.record(&named("d0", "E", "Wh"), "", &[sample(at("2026-11-20T10:02:00Z"), 1)], &[]);
    assert_eq!(unit(&household, None).unwrap(), "Wh");
    assert_eq!(unit(&household, Some("kWh")).unwrap(), "kWh");
    let error = unit(&household, Some("W")).unwrap_err().to_string();
    assert_eq!(error, "`d0/E` has no unit `W`: it has `Wh`, `kWh`");
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let mut household = Household::new();
    let error = |household: &Household, section, name| match household
        .ask(|view| view.find(section, name, None).map(|_| ()))
    {
        Err(ReadError::NotFound(message)) => message,
        other => panic!("{other:?}"),
    };
    assert_eq!(error(&household, "d0", "E"), "no source `d0`: the journal has none");
    household.store(&named("d0", "E", "kWh"), "", &[sample(0, 1)], &[]);
    household.record(&named("d0", "P", "W"), "", &[sample(0, 1)], &[]);
    household.record(&named("s0", "count", ""), "", &[sample(0, 1)], &[]);
    assert_eq!(error(&household, "x", "E"), "no source `x`: the journal has `d0`, `s0`");
    assert_eq!(error(&household, "d0", "x"), "no reading `x`: `d0` has `E`, `P`");
    for i in 0..20 {
        household.store(&named("d0", &format!("R{i}"), ""), "", &[sample(0, 1)], &[]);
    }
    assert_eq!(error(&household, "d0", "x"), "no reading `x`: `d0` has 22 others");
}
