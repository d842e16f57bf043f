//! Damaged answers: how many wrong values pass an 8-bit checksum and the grammar.

use std::collections::HashSet;

use mbus::{Answer, Content, frame, naming};
use test_meters::faults::Random;

/// Damaged answers that are tried; with `--release`, a million of them.
const ANSWERS: u32 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };

/// An answer of a heat meter with what such meters send.
fn answer(random: &mut Random) -> Vec<u8> {
    let mut data = vec![0x78, 0x56, 0x34, 0x12, 0x2d, 0x2c, 0x1b, 0x04, random.below(256) as u8, 0, 0, 0];
    for head in [&[0x04, 0x06][..], &[0x04, 0x14], &[0x04, 0x2b], &[0x44, 0x06]] {
        data.extend_from_slice(head);
        data.extend((random.below(1_000_000) as u32).to_le_bytes());
    }
    for head in [[0x02, 0x5a], [0x02, 0x5e], [0x02, 0x62]] {
        data.extend(head);
        data.extend((random.below(900) as u16).to_le_bytes());
    }
    data.extend([0x0c, 0x78, 0x78, 0x56, 0x34, 0x12, 0x04, 0x6d, 0x3b, 0x17, 0x5c, 0x32]);
    let len = data.len() as u8 + 3;
    let mut frame = vec![0x68, len, len, 0x68, 0x08, 5, 0x72];
    frame.extend(data);
    let sum = frame[4..].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    frame.extend([sum, 0x16]);
    frame
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, random.below(256) as u8),
            _ => {
                let end = (at + 1 + random.below(8)).min(bytes.len());
                bytes[at..end].iter_mut().for_each(|byte| *byte = random.below(256) as u8);
            }
        }
    }
}

/// Names and values, and whether a record breaks apart.
fn values(bytes: &[u8]) -> Option<(HashSet<String>, bool)> {
    let (_, frame) = frame::all(bytes).find(|(_, frame)| frame.is_answer())?;
    let Content::Records(records) = Answer::parse(frame).ok()?.content else { return None };
    let (mut values, mut has_defect) = (HashSet::new(), false);
    for record in records {
        match record {
            Ok(record) => drop(values.insert(format!("{} {}", naming::name(&record, Some(4)), record.value))),
            Err(_) => has_defect = true,
        }
    }
    Some((values, has_defect))
}

#[test]
fn damage_lets_no_more_through_than_a_checksum_of_eight_bits() {
    let mut random = Random::new(1);
    let (mut accepted, mut defective, mut wrong) = (0u32, 0u32, 0u32);
    for _ in 0..ANSWERS {
        let whole = answer(&mut random);
        let mut damaged = whole.clone();
        damage(&mut damaged, &mut random);
        if damaged == whole {
            continue;
        }
        let Some((found, has_defect)) = values(&damaged) else { continue };
        let (right, _) = values(&whole).unwrap();
        accepted += 1;
        if found.is_subset(&right) {
            continue;
        }
        // The source asks again for an answer that breaks apart.
        if has_defect { defective += 1 } else { wrong += 1 }
    }
    println!(
        "{ANSWERS} damaged answers: {accepted} pass the checksum, {defective} of those break apart, {wrong} have a wrong value"
    );
    assert!(wrong < ANSWERS / 256, "{wrong}");
}
