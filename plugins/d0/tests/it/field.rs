//! Telegrams as they were met in the field, which are not part of this project: a folder beside the workspace, where it
//! exists.

use std::path::{Path, PathBuf};

use framework::{Batch, Value, testing};
use plugin_d0::D0;

fn file(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/field");
    Some(folder.join(name)).filter(|file| file.is_file())
}

/// Returns the batches of a recording; `None` without the folder.
async fn batches(name: &str) -> Option<Vec<Batch>> {
    let config = format!("[sources.m]\nplugin = \"d0\"\nport = \"replay:{}\"\n", file(name)?.display());
    let mut source = testing::source::<D0>(&config, Path::new("/nonexistent")).acquisition;
    source.open().await.unwrap();
    let mut batches = Vec::new();
    loop {
        match source.acquire().await {
            Ok(batch) => batches.extend(batch),
            Err(framework::AcquireError::Unavailable { .. }) => return Some(batches),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_counter_without_backstop_holds_back_itself_only() {
    for (name, counter, power) in [
        ("own-10-no-backstop-d0.rec", "POWER_IMPORT", "CURRENT_POWER_SUM"),
        ("own-10b-no-backstop-p1-crc.rec", "POWER_IMPORT", "CURRENT_POWER_EXPORT"),
    ] {
        let Some(batches) = batches(name).await else { return };
        assert!(batches.len() > 10, "{name}: {}", batches.len());
        assert!(batches.iter().all(|batch| batch.get(power).is_some()), "{name}");
        assert_eq!(batches.iter().filter(|batch| batch.get(counter).is_some()).count(), 1, "{name}");
    }
}

/// Returns the only batch of a file.
async fn batch(name: &str) -> Option<Batch> {
    let mut batches = batches(name).await?;
    assert_eq!(batches.len(), 1, "{name}");
    batches.pop()
}

#[tokio::test(start_paused = true)]
async fn a_dead_slot_does_not_take_the_name_and_a_clock_ahead_is_not_believed() {
    let Some(dead) = batch("own-03-dead-first-gas-slot.txt").await else { return };
    let gas = dead.get("GAS").unwrap();
    assert_eq!(gas.value, Value::Number(framework::Decimal::parse(b"812.345").unwrap()));
    assert!(gas.time.as_ref().unwrap().utc.is_some());
    let dead = dead.get("0-1:24.2.1").unwrap();
    assert_eq!((dead.time.as_ref().unwrap().utc, &dead.unit), (None, &None));
    let ahead = batch("own-18-gas-year-ahead.txt").await.unwrap();
    let gas = ahead.get("GAS").unwrap();
    assert_eq!(gas.time.as_ref().unwrap().utc, Some(ahead.taken_at), "the time at which it arrived");
}

#[tokio::test(start_paused = true)]
async fn a_pause_inside_a_telegram_with_a_crc_costs_nothing() {
    let Some(batches) = batches("own-12-p1-pause-2s-inside.rec").await else { return };
    assert_eq!(batches.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn texts_of_several_lines_other_crcs_and_decimal_commas_are_read() {
    let Some(lines) = batch("own-13-text-of-three-lines-no-crc.txt").await else { return };
    assert_eq!(lines.get("POWER_IMPORT_T1").unwrap().value, number(b"185.000"));
    let x25 = batch("own-14-p1-crc-x25.txt").await.unwrap();
    assert_eq!(x25.get("POWER_IMPORT").unwrap().value, number(b"1234.567"));
    let comma = batch("own-17-decimal-comma-bcc.bin").await.unwrap();
    assert!(comma.readings.iter().any(|reading| reading.value == number(b"7.4")), "{comma:?}");
    let blank = batch("own-20-p1-text-of-1024-ff.txt").await.unwrap();
    assert_eq!(blank.get("POWER_IMPORT").unwrap().value, number(b"258.072"));
}

fn number(digits: &[u8]) -> Value {
    Value::Number(framework::Decimal::parse(digits).unwrap())
}
