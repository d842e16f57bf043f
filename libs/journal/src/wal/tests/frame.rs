//! Frames: whole ones are read back, torn and damaged ones are not.

use proptest::prelude::*;

use crate::{
    series::SeriesName,
    time::{Epoch, Micros, TimeCorrection},
    wal::{CounterSet, Entry, frame::*},
};
use reading::{Decimal, Text};

/// Cells called `a`, `b`, … with these values.
fn cells(values: &[&str], names: &[Text]) -> Vec<(Text, Decimal)> {
    names.iter().cloned().zip(values.iter().map(|v| Decimal::parse(v.as_bytes()).unwrap())).collect()
}

fn write(encoder: &mut Encoder, out: &mut Vec<u8>, section: &str, time: Micros, values: &[&str]) {
    let names: Vec<Text> = ('a'..='z').map(|c| c.to_string().into()).collect();
    let cells = cells(values, &names);
    let (unit, obis) = ("kWh".into(), "1.8.0".into());
    let cells: Vec<_> = cells
        .iter()
        .map(|(name, value)| Cell { name, unit: &unit, obis: &obis, kind: None, medium: None, value: *value })
        .collect();
    encoder.batch(out, &section.into(), time, &cells);
}

fn read(bytes: &[u8]) -> (Vec<String>, usize) {
    let mut found = Vec::new();
    let whole = entries(bytes, |entry| {
        found.push(match entry {
            Entry::Batch { layout, time, mantissas } => {
                let values = layout.columns.iter().zip(mantissas);
                let values: Vec<_> =
                    values.map(|(c, m)| Decimal::new(*m, c.scale).unwrap().to_string()).collect();
                format!("{} {time} {}", layout.section, values.join(" "))
            }
            other => format!("{other:?}"),
        });
    });
    (found, whole)
}

#[test]
fn batches_come_back_as_they_were() {
    let (mut encoder, mut out) = (Encoder::default(), header(7));
    write(&mut encoder, &mut out, "d0", 1_000_000, &["2714.12830185", "211.26"]);
    write(&mut encoder, &mut out, "d0", 2_000_500, &["2714.12836053", "-9"]);
    write(&mut encoder, &mut out, "s0", 2_000_600, &["5"]);
    // More decimals than before, then fewer registers, then a time before the last.
    write(&mut encoder, &mut out, "d0", 3_000_000, &["2714.12836053", "1.005"]);
    write(&mut encoder, &mut out, "d0", 4_000_000, &["9223372036854775807"]);
    write(&mut encoder, &mut out, "d0", 1_500_000, &["2714.1283605", "211.2"]);
    let (found, whole) = read(&out);
    assert_eq!(
        found,
        [
            "d0 1000000 2714.12830185 211.26",
            "d0 2000500 2714.12836053 -9.0",
            "s0 2000600 5",
            "d0 3000000 2714.12836053 1.005",
            "d0 4000000 9223372036854775807",
            "d0 1500000 2714.1283605 211.2",
        ]
    );
    assert_eq!(whole, out.len());
    assert_eq!(open(&out).unwrap().0, 7);
}

#[test]
fn everything_else_comes_back_too() {
    let (mut encoder, mut out) = (Encoder::default(), header(1));
    let series = SeriesName { section: "s0".into(), name: "count".into(), unit: "kWh".into() };
    let value = |text: &str| Decimal::parse(text.as_bytes()).unwrap();
    let set = CounterSet { series, time: -5, before: value("100.006"), after: value("0") };
    let correction = TimeCorrection { since: 12, delta: -3_600_000_000 };
    let epoch = Epoch { boot: "b".into(), since: 1, wall_offset: 2, offset: -3, confirmed: true };
    encoder.counter_set(&mut out, &set);
    encoder.time_correction(&mut out, correction);
    encoder.epoch(&mut out, &epoch);
    let mut found = Vec::new();
    entries(&out, |entry| found.push(format!("{entry:?}")));
    let expected = [Entry::CounterSet(set), Entry::TimeCorrection(correction), Entry::Epoch(epoch)];
    assert_eq!(found, expected.map(|entry| format!("{entry:?}")));
}

#[test]
fn a_telegram_a_second_takes_about_twenty_bytes() {
    let (mut encoder, mut out) = (Encoder::default(), header(1));
    for second in 0..600i64 {
        let energy = Decimal::new(271_412_830_185 + 5870 * second, 8).unwrap().to_string();
        let power = Decimal::new(21_126 + second % 7 * 13, 2).unwrap().to_string();
        let values = [&*energy, "1.206", &power, &power, &power, &power, "232.4", "50.0"];
        write(
            &mut encoder,
            &mut out,
            "d0",
            1_700_000_000_000_000 + second * 1_000_000 + second % 300,
            &values,
        );
    }
    assert!(out.len() < 600 * 22, "{} bytes a batch", out.len() / 600);
}

proptest! {
    #[test]
    fn a_torn_or_damaged_end_gives_what_is_before_it(cut in 0usize..400, damage in any::<u8>()) {
        let (mut encoder, mut out) = (Encoder::default(), header(1));
        let mut ends = vec![out.len()];
        for second in 0..12i64 {
            let value = (second * 1_234_567).to_string();
            write(&mut encoder, &mut out, "d0", second * 1_000_000, &[&value, "1.5"]);
            ends.push(out.len());
        }
        let (all, _) = read(&out);
        let cut = cut.min(out.len() - 1);
        let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        prop_assert_eq!(&read(&out[..cut]).0[..], &all[..whole]);
        let cut = cut.max(HEADER);
        let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        out[cut] ^= damage | 1;
        let (found, _) = read(&out);
        prop_assert_eq!(&found[..], &all[..whole]);
    }

    #[test]
    fn any_bytes_are_safe(mut bytes: Vec<u8>, payload: Vec<u8>) {
        let mut out = header(1);
        frame(&mut out, &payload);
        out.append(&mut bytes);
        entries(&out, |_| {});
    }
}
