//! Telegrams as they were met in the field.

use framework::{Batch, Decimal, Value};
use libtest_mimic::Trial;
use plugin_d0::D0;

use crate::shared::{self, whole};

pub(crate) fn trials() -> Vec<Trial> {
    let trials: [(&str, fn()); 4] = [
        ("a_counter_without_backstop_holds_back_itself_only", backstop),
        ("a_dead_slot_does_not_take_the_name_and_a_clock_ahead_is_not_believed", dead_slot),
        ("a_pause_inside_a_telegram_with_a_crc_costs_nothing", pause),
        ("texts_of_several_lines_other_crcs_and_decimal_commas_are_read", texts),
    ];
    let trial = |(name, test): (&str, fn())| {
        whole(&format!("d0::field::{name}"), "field", move || {
            test();
            Ok(())
        })
    };
    trials.map(trial).into()
}

/// Returns the batches of a recording.
fn batches(name: &str) -> Vec<Batch> {
    shared::batches::<D0>(&format!("field/{name}"))
}

fn backstop() {
    for (name, counter, power) in [
        ("own-10-no-backstop-d0.rec", "POWER_IMPORT", "CURRENT_POWER_SUM"),
        ("own-10b-no-backstop-p1-crc.rec", "POWER_IMPORT", "CURRENT_POWER_EXPORT"),
    ] {
        let batches = batches(name);
        assert!(batches.len() > 10, "{name}: {}", batches.len());
        assert!(batches.iter().all(|batch| batch.get(power).is_some()), "{name}");
        assert_eq!(batches.iter().filter(|batch| batch.get(counter).is_some()).count(), 1, "{name}");
    }
}

/// Returns the only batch of a file.
fn batch(name: &str) -> Batch {
    let mut batches = batches(name);
    assert_eq!(batches.len(), 1, "{name}");
    batches.remove(0)
}

fn dead_slot() {
    let dead = batch("own-03-dead-first-gas-slot.txt");
    let gas = dead.get("GAS").unwrap();
    assert_eq!(gas.value, Value::Number(Decimal::parse(b"812.345").unwrap()));
    assert!(gas.time.as_ref().unwrap().utc.is_some());
    let dead = dead.get("0-1:24.2.1").unwrap();
    assert_eq!((dead.time.as_ref().unwrap().utc, &dead.unit), (None, &None));
    let ahead = batch("own-18-gas-year-ahead.txt");
    let gas = ahead.get("GAS").unwrap();
    assert_eq!(gas.time.as_ref().unwrap().utc, Some(ahead.taken_at), "the time at which it arrived");
}

fn pause() {
    let batches = batches("own-12-p1-pause-2s-inside.rec");
    assert_eq!(batches.len(), 4);
}

fn texts() {
    let lines = batch("own-13-text-of-three-lines-no-crc.txt");
    assert_eq!(lines.get("POWER_IMPORT_T1").unwrap().value, number(b"185.000"));
    let x25 = batch("own-14-p1-crc-x25.txt");
    assert_eq!(x25.get("POWER_IMPORT").unwrap().value, number(b"1234.567"));
    let comma = batch("own-17-decimal-comma-bcc.bin");
    assert!(comma.readings.iter().any(|reading| reading.value == number(b"7.4")), "{comma:?}");
    let blank = batch("own-20-p1-text-of-1024-ff.txt");
    assert_eq!(blank.get("POWER_IMPORT").unwrap().value, number(b"258.072"));
}

fn number(digits: &[u8]) -> Value {
    Value::Number(Decimal::parse(digits).unwrap())
}
