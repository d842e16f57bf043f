//! Rows of meters, of extremes, and damaged ones.

use proptest::prelude::*;

use crate::{
    db::block::*,
    series::Sample,
    time::{MINUTE, Micros},
};
use reading::Decimal;

const NOW: i64 = 29_000_000;

fn sample(time: Micros, mantissa: i64, scale: u8) -> Sample {
    Sample { time, value: Decimal::new(mantissa, scale).unwrap() }
}

/// A meter's minute as they are: a telegram a second, give or take some milliseconds.
fn minute(minute: i64) -> Block {
    let mut state = 0x9e37_79b9_7f4a_7c15u64 ^ minute as u64;
    let mut noise = |magnitude: i64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % (2 * magnitude as u64 + 1)) as i64 - magnitude
    };
    let (mut block, mut energy) = (Block::default(), 271_412_830_185);
    for second in 0..60 {
        let time = minute * MINUTE + second * 1_000_000 + 314_159 + noise(2000);
        energy += 5870 + noise(50);
        block.add(3, sample(time, energy, 8));
        block.add(4, sample(time, 120_603_381, 8));
        for series in 5..9 {
            block.add(series, sample(time, 21_126 + noise(500), 2));
        }
        block.add(9, sample(time, 2324 + noise(4), 1));
        block.add(10, sample(time, 2331 + noise(4), 1));
    }
    block
}

/// As numbers, in order: equal where only zeros at the end differ.
fn numbers(block: &Block) -> Vec<(u32, Micros, i128)> {
    let number = |sample: &Sample| {
        i128::from(sample.value.mantissa()) * 10i128.pow(18 - u32::from(sample.value.scale()))
    };
    let column = |column: &Column| {
        let series = column.series;
        column.samples.iter().map(move |sample| (series, sample.time, number(sample))).collect::<Vec<_>>()
    };
    block.columns.iter().flat_map(column).collect()
}

#[test]
fn a_reading_takes_less_than_two_bytes() {
    let block = minute(NOW);
    let row = block.encode(NOW);
    assert_eq!(Block::decode(NOW, &row).as_ref(), Ok(&block));
    let each = row.len() as f64 / 480.0;
    assert!(each < 1.5, "{} bytes, {each:.2} a reading", row.len());
}

#[test]
fn a_number_that_is_there_stays() {
    let mut block = Block::default();
    for (time, mantissa) in [(5, 50), (1, 10), (3, 30), (3, 31), (5, 51)] {
        block.add(7, sample(time, mantissa, 0));
    }
    assert_eq!(block.columns[0].samples, [sample(1, 10, 0), sample(3, 30, 0), sample(5, 50, 0)]);
}

#[test]
fn numbers_without_a_common_scale_stay_exact() {
    let mut block = Block::default();
    let values = [(i64::MAX, 0), (1, 18), (5, 1), (i64::MIN, 9), (0, 0), (1_000, 3), (-1, 18)];
    for (time, (mantissa, scale)) in values.into_iter().enumerate() {
        block.add(u32::MAX, sample(time as i64, mantissa, scale));
    }
    block.add(0, sample(3, 100, 2));
    let again = Block::decode(0, &block.encode(0)).unwrap();
    assert_eq!(numbers(&again), numbers(&block));
    assert_eq!(again.columns[0].samples, [sample(3, 10, 1)], "zeros go, but one");
}

#[test]
fn times_that_are_not_in_order_are_damage() {
    for times in [[5, 3], [3, 3]] {
        let samples = times.map(|time| sample(time, 1, 0)).to_vec();
        let row = Block { columns: vec![Column { series: 1, samples }] }.encode(0);
        assert_eq!(Block::decode(0, &row), Err(Damaged), "{times:?}");
    }
}

prop_compose! {
    fn any_block()(samples in prop::collection::vec(
        (0u32..6, 0..MINUTE, prop_oneof![any::<i64>(), -1000i64..1000], 0u8..=18), 0..200,
    )) -> Block {
        let mut block = Block::default();
        for (series, time, mantissa, scale) in samples {
            // Some times in common.
            let time = if time % 3 == 0 { time % 50 } else { time };
            block.add(series * 1_000_003, sample(NOW * MINUTE + time, mantissa, scale));
        }
        block
    }
}

proptest! {
    #[test]
    fn blocks_round_trip(block in any_block()) {
        let row = block.encode(NOW);
        let again = Block::decode(NOW, &row).unwrap();
        prop_assert_eq!(numbers(&again), numbers(&block));
        for column in &again.columns {
            let mut samples = vec![sample(0, 0, 0)];
            Block::decode_series(NOW, &row, column.series, &mut samples).unwrap();
            prop_assert_eq!(&samples[1..], &column.samples[..]);
        }
        let mut none = Vec::new();
        Block::decode_series(NOW, &row, 17, &mut none).unwrap();
        prop_assert!(none.is_empty());
    }

    #[test]
    fn damage_is_seen(block in any_block(), at: prop::sample::Index, flip in 1u8..) {
        let mut row = block.encode(NOW);
        let at = at.index(row.len());
        row[at] ^= flip;
        prop_assert_eq!(Block::decode(NOW, &row), Err(Damaged));
        let mut out = vec![sample(0, 0, 0)];
        prop_assert_eq!(Block::decode_series(NOW, &row, 0, &mut out), Err(Damaged));
        prop_assert_eq!(out.len(), 1);
    }

    #[test]
    fn any_bytes_are_safe(minute: i64, mut bytes: Vec<u8>, block in any_block(), at: prop::sample::Index) {
        let _ = Block::decode(minute, &bytes);
        bytes.insert(0, VERSION);
        let mut damaged = block.encode(minute);
        damaged.truncate(damaged.len() - 4);
        let at = at.index(damaged.len());
        damaged[at] = !damaged[at];
        // With the right checksum, so that what is after it is reached.
        for mut bytes in [bytes, damaged] {
            let sum = CRC.checksum(&bytes);
            bytes.extend_from_slice(&sum.to_le_bytes());
            let _ = Block::decode(minute, &bytes);
            let _ = Block::decode_series(minute, &bytes, 3, &mut Vec::new());
        }
    }
}
