//! When a batch is computed, and which moment it has, on a paused clock.

use std::time::Duration;

use framework::{AcquireError, Reading, testing};
use tokio::time::{Instant, timeout};

use super::house::{House, STALE_AFTER, shown};

const SUM: &str = "values.SUM = { expression = \"grid.P + pv.P\", unit = \"W\" }\n";
const ALONE: &str = "values.SUM = { expression = \"grid.P + or(pv.P, 0)\", unit = \"W\" }\n";

fn power(watts: i64) -> Vec<Reading> {
    vec![Reading::gauge("P", watts).unit("W")]
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_computed_at_each_change_of_an_input_and_its_moment_never_runs_backwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(SUM, folder.path());
    house.publish("grid", power(100));
    let early = timeout(Duration::from_secs(1), house.acquire()).await;
    assert!(early.is_err(), "nothing can be computed before each input has a batch");
    let ahead = framework::Timestamp::now().as_second() + 3600;
    for (source, watts, now, moment, expected) in [
        ("pv", 50, 1_700_000_010, 1_700_000_010, "SUM 150 W"),
        ("grid", 200, 1_700_000_020, 1_700_000_020, "SUM 250 W"),
        // Overtaken by the other one.
        ("pv", 60, 1_700_000_015, 1_700_000_020, "SUM 260 W"),
        ("pv", 0, 1_700_000_030, 1_700_000_030, "SUM 200 W"),
        // The clock was an hour ahead, and is set back.
        ("pv", 1, ahead, ahead, "SUM 201 W"),
        ("pv", 2, ahead - 3600, ahead - 3600, "SUM 202 W"),
    ] {
        house.now = now;
        house.publish(source, power(watts));
        let batch = house.acquire().await.unwrap().unwrap();
        assert_eq!((shown(&batch), batch.taken_at.as_second()), (vec![expected.to_owned()], moment));
    }
    let quiet = timeout(Duration::from_secs(1), house.acquire()).await;
    assert!(quiet.is_err(), "nothing has changed");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_batches_is_computed_with_ten_times_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(SUM, folder.path());
    house.publish("pv", power(0));
    let (start, mut batches) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(10) {
        for _ in 0..1000 {
            house.publish("grid", power(batches));
        }
        assert_eq!(house.next().await, [format!("SUM {batches} W")], "the newest of them");
        batches += 1;
        if batches > 1000 {
            break;
        }
    }
    assert!((99..=102).contains(&batches), "{batches}");
}

#[tokio::test(start_paused = true)]
async fn what_still_holds_is_confirmed_and_an_input_that_is_silent_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(SUM, folder.path());
    house.publish("grid", power(100));
    house.publish("pv", power(50));
    assert_eq!(house.next().await, ["SUM 150 W"]);
    assert!(house.acquire().await.unwrap().is_none(), "it still holds");
    house.publish("grid", power(100));
    assert_eq!(house.next().await, ["SUM 150 W"]);
    let mut keep = tokio::time::interval(Duration::from_secs(10));
    let silent = loop {
        tokio::select! {
            acquired = house.source.acquisition.acquire() => match acquired {
                Ok(batch) => assert!(batch.is_none_or(|batch| shown(&batch) == ["SUM 150 W"])),
                Err(fault) => break fault,
            },
            _ = keep.tick() => {
                testing::update_source(&house.context, "grid", framework::Batch::now(power(100)));
            }
        }
    };
    assert!(matches!(&silent, AcquireError::Silent { .. }), "{silent}");
    assert!(silent.to_string().contains("source `pv`"), "{silent}");
    house.publish("pv", power(1));
    assert_eq!(house.next().await, ["SUM 101 W"]);
}

#[tokio::test(start_paused = true)]
async fn what_can_do_without_an_input_is_computed_again_when_that_turns_stale() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(ALONE, folder.path());
    house.publish("grid", power(100));
    assert_eq!(house.next().await, ["SUM 100 W"], "it has sent nothing yet");
    let start = Instant::now();
    house.publish("pv", power(50));
    assert_eq!(house.next().await, ["SUM 150 W"]);
    let mut keep = tokio::time::interval(Duration::from_secs(10));
    let alone = loop {
        tokio::select! {
            batch = house.source.acquisition.acquire() => {
                let Some(batch) = batch.unwrap() else { continue };
                if shown(&batch) == ["SUM 100 W"] {
                    break batch;
                }
            }
            _ = keep.tick() => {
                testing::update_source(&house.context, "grid", framework::Batch::now(power(100)));
            }
        }
    };
    assert_eq!(start.elapsed().as_secs(), STALE_AFTER.as_secs());
    assert!(alone.taken_at.as_second() > house.now, "a matter of now");
}

#[tokio::test(start_paused = true)]
async fn a_reading_in_or_must_be_in_a_batch_once_and_may_be_missing_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(ALONE, folder.path());
    house.publish("grid", power(100));
    assert_eq!(house.next().await, ["SUM 100 W"], "its source is silent");
    let other = || vec![Reading::gauge("Q", 7).unit("W")];
    house.publish("pv", other());
    let refused = house.acquire().await.unwrap_err();
    assert!(matches!(refused, AcquireError::Misconfigured { .. }), "{refused}");
    let expected = "config.toml:9:42: there is no reading `pv.P`, expected one of `Q`";
    assert_eq!(refused.to_string(), expected);
    house.publish("pv", power(50));
    assert_eq!(house.next().await, ["SUM 150 W"]);
    house.publish("pv", other());
    assert_eq!(house.next().await, ["SUM 100 W"], "not every batch has it");
}

#[tokio::test(start_paused = true)]
async fn a_mistake_stays_one_until_the_readings_change() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new(SUM, folder.path());
    house.publish("grid", power(100));
    house.publish("pv", vec![Reading::counter("P", 5).unit("kWh")]);
    for _ in 0..2 {
        let refused = house.acquire().await.unwrap_err();
        assert!(matches!(refused, AcquireError::Misconfigured { .. }), "{refused}");
        assert!(
            refused.to_string().contains("config.toml:9:30: power (`W`) and energy (`kWh`)"),
            "{refused}"
        );
    }
    house.publish("pv", power(5));
    assert_eq!(house.next().await, ["SUM 105 W"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_of_constants_has_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut house =
        House::new("values.PRICE = { expression = \"0.3149\", unit = \"EUR/kWh\" }\n", folder.path());
    assert_eq!(house.next().await, ["PRICE 0.3149 EUR/kWh"]);
    assert!(house.acquire().await.unwrap().is_none());
    assert!(house.acquire().await.unwrap().is_none());
}
