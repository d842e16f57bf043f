//! Memory while a publisher catches up.
#![allow(clippy::unwrap_used)]

use std::fs;

use crate::{
    Journal, Settings,
    db::{
        Database,
        state::{keep_cursor, keep_folded},
    },
    wal::{
        Cell, Encoder, Position, frame, segment_path,
        stream::{PIECE, Read, Stream},
    },
};
use reading::{Decimal, Text, Value};

/// A segment of about so many bytes, of batches with 200 registers that say little of each other, the first of which
/// counts them; and how many there are.
fn segment(number: u64, size: usize) -> (Vec<u8>, i64) {
    let (mut encoder, mut bytes) = (Encoder::default(), frame::header(number));
    let names: Vec<_> = (0..200).map(|i| Text::from(format!("register_{i}"))).collect();
    let (section, none, mut count) = (Text::from("meter"), Text::default(), 0i64);
    while bytes.len() < size {
        let noise = |i: usize| (count + i as i64).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()) >> 16;
        let value = |i| Decimal::from(if i == 0 { count } else { noise(i) });
        let cells = names.iter().enumerate();
        let cells = cells.map(|(i, name)| Cell {
            name,
            unit: &none,
            obis: &none,
            kind: None,
            medium: None,
            value: value(i),
        });
        encoder.batch(
            &mut bytes,
            &section,
            1_795_000_000_000_000 + count * 1_000_000,
            &cells.collect::<Vec<_>>(),
        );
        count += 1;
    }
    (bytes, count)
}

#[test]
fn catching_up_takes_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (bytes, count) = segment(7, 16 << 20);
    fs::write(segment_path(&path, 7), &bytes).unwrap();
    let database = Database::open(&path).unwrap().0;
    keep_folded(&database.connection, 7).unwrap();
    keep_cursor(&database.connection, "far", Position::start(7)).unwrap();
    drop(database);
    let (journal, mut keeper) =
        Journal::new(Settings { publishers: vec!["far".into()], ..Settings::new(&path) });
    keeper.open();
    let mut queue = journal.queue("far");
    assert!(!queue.is_live(), "it is in a file");
    let mut next = 0;
    loop {
        let batches = queue.read(100).unwrap();
        for batch in &batches {
            assert_eq!(batch.record.batch.readings.len(), 200);
            assert_eq!(batch.record.batch.readings[0].value, Value::Number(Decimal::from(next)));
            next += 1;
        }
        let place = queue.place.as_ref().unwrap();
        assert!(place.stream.piece.capacity() <= 2 * PIECE, "{}", place.stream.piece.capacity());
        assert!(batches.len() <= 100);
        assert_eq!(queue.backlog(), (count - next) as u64 + batches.len() as u64);
        let Some(last) = batches.last() else { break };
        queue.done(last.end);
    }
    assert_eq!(next, count);
    assert!(queue.is_live() && !segment_path(&path, 7).exists(), "it is not needed any more");
}

#[test]
fn a_frame_that_is_longer_than_a_piece_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (mut encoder, mut bytes) = (Encoder::default(), frame::header(7));
    let names: Vec<_> = (0..1000).map(|i| Text::from(format!("{i:0200}"))).collect();
    let none = Text::default();
    let cell =
        |name| Cell { name, unit: &none, obis: &none, kind: None, medium: None, value: Decimal::from(7) };
    encoder.batch(&mut bytes, &"meter".into(), 5, &names.iter().map(cell).collect::<Vec<_>>());
    assert!(bytes.len() > 3 * PIECE);
    fs::write(segment_path(&path, 7), &bytes).unwrap();
    let database = Database::open(&path).unwrap().0;
    keep_folded(&database.connection, 7).unwrap();
    keep_cursor(&database.connection, "far", Position::start(7)).unwrap();
    let (journal, mut keeper) =
        Journal::new(Settings { publishers: vec!["far".into()], ..Settings::new(&path) });
    keeper.open();
    assert_eq!(journal.queue("far").read(9).unwrap()[0].record.batch.readings.len(), 1000);
}

#[test]
fn any_bytes_are_safe() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    let (whole, _) = segment(7, 10_000);
    let database = Database::open(&path).unwrap().0;
    keep_folded(&database.connection, 7).unwrap();
    keep_cursor(&database.connection, "far", Position { segment: 7, offset: 300 }).unwrap();
    drop(database);
    let (journal, mut keeper) =
        Journal::new(Settings { publishers: vec!["far".into()], ..Settings::new(&path) });
    fs::write(segment_path(&path, 7), &whole).unwrap();
    keeper.open();
    let log = journal.0.as_ref().unwrap().wal.log();
    for cut in (0..whole.len()).step_by(7) {
        for damage in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[cut] ^= damage;
            fs::write(segment_path(&path, 7), &bytes).unwrap();
            let mut stream = Stream::new(Position { segment: 7, offset: 300 }, Vec::new());
            let mut last = stream.from;
            let read = stream.read(log, |end, _| {
                assert!(end > last);
                last = end;
                true
            });
            assert!(matches!(read, Ok(Read::End { .. })), "{read:?}");
        }
    }
}
