//! Pace of the readouts.

use std::time::Duration;

use framework::Timestamp;
use simulator::mbus::{MbusBus, MbusMeter, heat_records};
use tokio::time::Instant;

use super::line::{SimulatedLine, timing};
use crate::{
    meter::Meter,
    readout::{Failure, Link, Target, read},
};

/// Most time beside that of the wire, in percent.
const OVERHEAD: f64 = 10.0;

#[tokio::test(start_paused = true)]
async fn sixty_meters_at_2400_baud_take_little_more_than_the_time_of_the_wire() {
    let meters =
        (0..60).map(|address| MbusMeter::new(address + 1, 0x100 + u32::from(address), 4, heat_records(1, 2)));
    for turns in [1, 5] {
        let mut line = SimulatedLine::new(MbusBus::new(meters.clone()));
        let mut links = [Link::default(); 60];
        let start = Instant::now();
        for _ in 0..turns {
            for (address, link) in (1..).zip(&mut links) {
                read(&mut line, timing(), Target::Primary(address), link).await.unwrap();
            }
        }
        let (taken, wire) = (start.elapsed().as_secs_f64(), line.busy.as_secs_f64());
        let overhead = (taken / wire - 1.0) * 100.0;
        println!("{turns} turns of 60 meters: {taken:.2} s, wire {wire:.2} s: {overhead:.1} % more");
        assert!(overhead <= OVERHEAD, "{overhead:.1} %");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_meter_is_tried_ever_more_rarely_and_a_well_one_keeps_its_pace() {
    let period = Duration::from_secs(10);
    let (mut silent, mut well) =
        (Meter::new(None, Target::Primary(1), None, None), Meter::new(None, Target::Primary(2), None, None));
    let mut line = SimulatedLine::new(MbusBus::new([MbusMeter::new(2, 2, 4, heat_records(1, 2))]));
    let readout = read(&mut line, timing(), Target::Primary(2), &mut Link::default()).await.unwrap();
    let (mut tries, mut reads, start) = (Vec::new(), 0, Instant::now());
    for _ in 0..360 {
        let now = Instant::now();
        if silent.is_due(now, period) {
            silent.begin(now);
            silent.failed(Failure::Silent);
            tries.push((now - start).as_secs());
        }
        if well.is_due(now, period) {
            well.begin(now);
            well.succeeded(&readout, Timestamp::now());
            reads += 1;
        }
        tokio::time::sleep(period).await;
    }
    assert_eq!(reads, 360);
    assert_eq!(tries, [0, 10, 30, 70, 150, 310, 630, 1270, 2170, 3070]);
    silent.succeeded(&readout, Timestamp::now());
    tokio::time::sleep(period).await;
    assert!(silent.is_due(Instant::now(), period), "it answers again, and is read in each turn");
}

#[tokio::test(start_paused = true)]
async fn a_meter_with_a_longer_interval_is_read_in_some_turns_only() {
    let (period, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
    let mut rare = Meter::new(None, Target::Primary(1), Some(hour), None);
    let mut tries = 0;
    for _ in 0..180 {
        let now = Instant::now();
        if rare.is_due(now, period) {
            rare.begin(now);
            tries += 1;
        }
        tokio::time::sleep(period).await;
    }
    assert_eq!(tries, 3);
}

#[tokio::test(start_paused = true)]
async fn a_meter_whose_line_failed_is_read_as_soon_as_it_works() {
    let hour = Duration::from_secs(3600);
    let mut meter = Meter::new(None, Target::Primary(1), Some(hour), None);
    meter.begin(Instant::now());
    meter.interrupted();
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(meter.is_due(Instant::now(), hour));
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_is_read_once_a_day_and_failed_is_tried_again_soon() {
    let (quarter, day) = (Duration::from_secs(900), Duration::from_secs(86_400));
    let mut meter = Meter::new(None, Target::Primary(1), Some(day), None);
    meter.begin(Instant::now());
    meter.failed(Failure::Silent);
    tokio::time::sleep(quarter).await;
    assert!(meter.is_due(Instant::now(), quarter));
}

#[tokio::test(start_paused = true)]
async fn readings_that_stay_while_other_meters_are_read_say_when_they_were_taken() {
    let mut line = SimulatedLine::new(MbusBus::new([MbusMeter::new(2, 2, 4, heat_records(1, 2))]));
    let readout = read(&mut line, timing(), Target::Primary(2), &mut Link::default()).await.unwrap();
    let at = Timestamp::now();
    let time = |name: Option<&str>| {
        let mut meter = Meter::new(name.map(str::to_owned), Target::Primary(2), None, None);
        meter.succeeded(&readout, at);
        meter.readings()[0].time.as_ref().and_then(|time| time.utc)
    };
    assert_eq!(time(Some("cellar")), Some(at));
    assert_eq!(time(None), None, "a meter that is a source of its own has the time of its batch");
}
