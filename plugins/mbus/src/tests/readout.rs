//! Readout of meters.

use std::time::Duration;

use framework::{Kind, Medium, Reading};
use mbus::Selection;
use simulator::mbus::{MbusBus, MbusMeter, heat_records, long_frame, water_records};
use tokio::time::Instant;

use super::line::{SimulatedLine, timing};
use crate::readout::{Ended, Failure, Link, Readout, Target, change_speed, read};

async fn readout(line: &mut SimulatedLine, target: Target, link: &mut Link) -> Result<Readout, Failure> {
    read(line, timing(), target, link).await.map_err(|ended| match ended {
        Ended::Failed(failure) => failure,
        Ended::Line(error) => panic!("{error}"),
    })
}

async fn readings(line: &mut SimulatedLine, target: Target, link: &mut Link) -> Vec<String> {
    shown(&readout(line, target, link).await.unwrap().readings(None))
}

fn shown(readings: &[Reading]) -> Vec<String> {
    let of_records = readings.iter().filter(|reading| reading.unit.is_some());
    of_records
        .map(|reading| {
            let unit = reading.unit.as_deref().unwrap_or_default();
            format!("{} {} {unit}", reading.name, serde_json::to_string(&reading.value).unwrap())
        })
        .collect()
}

fn water(address: u8, id: u32, litres: u32) -> MbusMeter {
    MbusMeter::new(address, id, 7, water_records(litres))
}

#[tokio::test(start_paused = true)]
async fn the_frame_count_bit_toggles_after_each_answer() {
    let mut line = SimulatedLine::new(MbusBus::new([water(5, 0x11, 1234)]));
    let mut link = Link::default();
    for _ in 0..3 {
        assert_eq!(readings(&mut line, Target::Primary(5), &mut link).await, ["volume 1.234 m3"]);
    }
    let controls: Vec<u8> = line.sent.iter().map(|request| request[1]).collect();
    assert_eq!(controls, [0x40, 0x7b, 0x5b, 0x7b], "a reset comes first");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_answer_is_asked_for_again_with_the_same_frame_count_bit() {
    let mut meter = water(5, 0x11, 1234);
    meter.damages_each = 2;
    let mut line = SimulatedLine::new(MbusBus::new([meter]));
    let mut link = Link::default();
    for _ in 0..2 {
        assert_eq!(readings(&mut line, Target::Primary(5), &mut link).await, ["volume 1.234 m3"]);
    }
    let controls: Vec<u8> = line.sent.iter().map(|request| request[1]).collect();
    assert_eq!(controls, [0x40, 0x7b, 0x5b, 0x5b]);
}

#[tokio::test(start_paused = true)]
async fn all_parts_of_a_readout_become_one_batch() {
    let mut meter = MbusMeter::new(5, 0x11, 4, heat_records(12_000, 3_400));
    meter.parts.push(vec![0x02, 0x2b, 0xdc, 0x05]);
    meter.parts.push(vec![0x02, 0x26, 0x16, 0x00]);
    let mut line = SimulatedLine::new(MbusBus::new([meter]));
    let mut link = Link::default();
    let expected = [
        "energy 12.0 kWh",
        "volume 3.4 m3",
        "flow_temperature 63.5 °C",
        "energy_storage1 6.0 kWh",
        "power 1500 W",
        "operating_time 22 h",
    ];
    for _ in 0..2 {
        assert_eq!(readings(&mut line, Target::Primary(5), &mut link).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_meter_without_frame_count_that_always_has_more_is_read_once() {
    let mut data = water_records(77);
    data.push(0x1f);
    let part = long_frame(0x08, 5, 0x78, &data);
    let answers = std::iter::once(Some(vec![0xe5])).chain(std::iter::repeat_n(Some(part), 100));
    let mut line = SimulatedLine::scripted(answers);
    let read = readings(&mut line, Target::Primary(5), &mut Link::default()).await;
    assert_eq!(read, ["volume 0.077 m3"]);
    assert_eq!(line.sent.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_sends_new_parts_for_ever_is_bounded() {
    let parts = (0..200).map(|litres| {
        let mut data = water_records(litres);
        data.push(0x1f);
        Some(long_frame(0x08, 5, 0x78, &data))
    });
    let mut line = SimulatedLine::scripted(std::iter::once(Some(vec![0xe5])).chain(parts));
    readout(&mut line, Target::Primary(5), &mut Link::default()).await.unwrap();
    assert!(line.sent.len() <= 40, "{}", line.sent.len());
}

#[tokio::test(start_paused = true)]
async fn meters_are_selected_by_their_secondary_address() {
    let meters = [water(1, 0x1234_5678, 1), water(1, 0x1234_5679, 2), water(1, 0x00AB_CDEF, 3)];
    let mut line = SimulatedLine::new(MbusBus::new(meters));
    for (text, expected) in [
        ("12345678", "volume 0.001 m3"),
        ("12345679-TST-01-07", "volume 0.002 m3"),
        ("00ABCDEF", "volume 0.003 m3"),
    ] {
        let target = Target::Secondary(text.parse::<Selection>().unwrap());
        assert_eq!(readings(&mut line, target, &mut Link::default()).await, [expected], "{text}");
    }
    let nobody = Target::Secondary("99999999".parse().unwrap());
    assert_eq!(readout(&mut line, nobody, &mut Link::default()).await, Err(Failure::Silent));
}

#[tokio::test(start_paused = true)]
async fn meters_that_collide_at_their_primary_address_are_told_of() {
    let mut line = SimulatedLine::new(MbusBus::new([water(2, 0x11, 1), water(2, 0x2222, 222_222)]));
    assert_eq!(readout(&mut line, Target::Primary(2), &mut Link::default()).await, Err(Failure::Damaged));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_another_address_is_not_the_meters() {
    let answer = long_frame(0x08, 8, 0x78, &water_records(1));
    let mut line = SimulatedLine::scripted(std::iter::repeat_n(Some(answer), 4));
    assert_eq!(readout(&mut line, Target::Primary(6), &mut Link::default()).await, Err(Failure::OtherMeter));
}

#[tokio::test(start_paused = true)]
async fn a_silent_meter_is_asked_three_times() {
    let mut line = SimulatedLine::new(MbusBus::new([]));
    let start = Instant::now();
    assert_eq!(readout(&mut line, Target::Primary(11), &mut Link::default()).await, Err(Failure::Silent));
    assert_eq!(line.sent[1..], [[0x10, 0x7b, 0x0b, 0x86, 0x16]; 3].map(Vec::from));
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn an_application_error_is_reported_and_is_no_reading() {
    let busy = long_frame(0x08, 6, 0x70, &[8]);
    let mut line = SimulatedLine::scripted([Some(vec![0xe5]), Some(busy)]);
    let failure = readout(&mut line, Target::Primary(6), &mut Link::default()).await.unwrap_err();
    assert_eq!(failure.to_string(), "the meter reports: application busy");
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_records_break_apart_counts_only_if_the_meter_repeats_it() {
    let mut defective = water_records(1234);
    // A number of four bytes of which two are there.
    defective.extend([0x04, 0x03, 0x01, 0x02]);
    let defective = long_frame(0x08, 5, 0x78, &defective);
    let right = long_frame(0x08, 5, 0x78, &water_records(1235));
    let reset = Some(vec![0xe5]);
    let mut line = SimulatedLine::scripted([reset.clone(), Some(defective.clone()), Some(right)]);
    let read = readout(&mut line, Target::Primary(5), &mut Link::default()).await.unwrap();
    assert_eq!((shown(&read.readings(None)), read.has_defect), (vec!["volume 1.235 m3".to_owned()], false));

    let mut line = SimulatedLine::scripted([reset, Some(defective.clone()), Some(defective)]);
    let read = readout(&mut line, Target::Primary(5), &mut Link::default()).await.unwrap();
    assert_eq!((shown(&read.readings(None)), read.has_defect), (vec!["volume 1.234 m3".to_owned()], true));
}

#[tokio::test(start_paused = true)]
async fn a_meter_with_a_command_for_its_speed_changes_it() {
    let mut meter = water(5, 0x11, 1234);
    meter.baud = Some(2400);
    let mut line = SimulatedLine::new(MbusBus::new([meter]));
    change_speed(&mut line, timing(), Target::Primary(5), 9600).await.unwrap();
    assert_eq!(line.bus.meters()[0].baud, Some(9600));
    assert_eq!(line.sent, [vec![0x68, 3, 3, 0x68, 0x53, 5, 0xbd, 0x15, 0x16]]);
}

#[tokio::test(start_paused = true)]
async fn a_meters_readings_say_what_they_mean() {
    let mut meter = MbusMeter::new(5, 0x11, 4, heat_records(12_000, 3_400));
    meter.status = 0x04;
    let mut line = SimulatedLine::new(MbusBus::new([meter]));
    let read = readout(&mut line, Target::Primary(5), &mut Link::default()).await.unwrap();
    let readings = read.readings(Some("cellar"));
    let of = |name: &str| readings.iter().find(|reading| reading.name == name).unwrap().meaning();
    let energy = of("cellar_energy");
    assert_eq!((energy.kind, energy.medium), (Kind::Counter, Some(Medium::Heat)));
    assert_eq!(of("cellar_energy_storage1").kind, Kind::State, "a value of the past");
    assert_eq!(of("cellar_flow_temperature").kind, Kind::Gauge);
    let flag = readings.iter().find(|reading| reading.name == "cellar_low_battery").unwrap();
    assert_eq!(serde_json::to_string(&flag.value).unwrap(), "1");
}
