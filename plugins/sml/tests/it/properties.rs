//! Properties of every telegram, every stream, and every way to cut it into chunks.

use crate::support::*;
use plugin_sml::decoder::Decoder;
use proptest::{collection::vec, prelude::*, sample::select};
use telegram_testing::accepted;

#[test]
fn no_flipped_bit_lets_a_wrong_value_through() {
    let telegram = simple(123_456, -711);
    let whole = decode(&telegram);
    for bit in 0..telegram.len() * 8 {
        let mut damaged = telegram.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(accepted(&decode(&damaged)).len(), 0, "bit {bit}");
        // What is around it must survive.
        let between = decode(&[&telegram[..], &damaged, &telegram].concat());
        let between: Vec<_> = accepted(&between).iter().map(|telegram| &telegram.registers).collect();
        assert_eq!(between, [&accepted(&whole)[0].registers; 2], "bit {bit}");
    }
}

#[test]
fn no_lost_byte_lets_a_wrong_value_through() {
    let telegram = simple(123_456, -711);
    for lost in 0..telegram.len() {
        let mut damaged = telegram.clone();
        damaged.remove(lost);
        assert_eq!(accepted(&decode(&damaged)).len(), 0, "byte {lost}");
        let found = decode(&[damaged, telegram.clone()].concat());
        assert_eq!(accepted(&found).len(), 1, "byte {lost}");
    }
}

/// Pieces that telegrams are made of, and some that they are not.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let escape = [0x1b; 4];
    let parts: Vec<Vec<u8>> = vec![
        escape.to_vec(),
        vec![0x1b],
        vec![0x1b; 3],
        vec![1; 4],
        vec![1],
        vec![0; 3],
        [&escape[..], &[1; 4]].concat(),
        [&escape[..], &escape].concat(),
        [&escape[..], &[0x1a, 0, 0x12, 0x34]].concat(),
        vec![0x76, 0x01, 0x01, 0x01, 0x72],
        vec![0x63, 0x07, 0x01, 0x77],
        message(1, 0x0201, &list(&[]), x25),
    ];
    let wholes = vec![simple(1, 2), simple(1_000_000, -1), transport(&[0x1b; 9], x25), transport(b"", x25)];
    let piece = prop_oneof![
        6 => select(parts),
        2 => select(wholes),
        2 => vec(any::<u8>(), 0..8),
        // A file whose checksum is right, whatever is in it.
        1 => vec(any::<u8>(), 0..60).prop_map(|bytes| transport(&bytes, x25)),
        1 => vec(any::<u8>(), 0..60).prop_map(|bytes| transport(&message(1, 0x0701, &bytes, x25), x25)),
    ];
    vec(piece, 0..30).prop_map(|pieces: Vec<Vec<u8>>| pieces.concat())
}

/// A list of registers of all kinds.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (any::<[u8; 6]>(), any::<u8>(), any::<i8>(), 4u8..7, vec(any::<u8>(), 0..20));
    let entry = entry.prop_map(|(name, unit, scaler, kind, value)| Entry {
        value: plain(kind % 7, &value),
        ..Entry::number(name, unit, scaler, vec![])
    });
    vec(entry, 1..40)
}

telegram_testing::decoder_properties!(Decoder, pieces());

proptest! {
    // A failure prints its input, which belongs into a test instead of a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_telegram_is_found_after_anything(bytes in pieces()) {
        let good = simple(77, 7);
        let found = decode(&[&bytes[..], &good].concat());
        let alone = decode(&good);
        let last = |found| accepted(found).last().map(|telegram| telegram.registers.clone());
        prop_assert_eq!(last(&found), last(&alone));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..5000)) {
        decode(&bytes);
        decode(&transport(&bytes, x25));
        decode(&transport(&message(1, 0x0701, &bytes, x25), x25));
    }

    #[test]
    fn registers_of_all_kinds_do_no_harm(entries in entries()) {
        let found = decode(&telegram(b"\x0a\x01EMH\0\0\0\0\0", &entries));
        prop_assert_eq!(found.len(), 1);
    }

    #[test]
    fn numbers_come_out_as_they_were_sent(number in any::<i64>(), width in 1usize..=8, scaler in -18i8..=0) {
        let number = number >> (8 * (8 - width));
        let sent = telegram(b"id", &[Entry::number(POWER, 27, scaler, signed(number, width))]);
        let found = decode(&sent);
        let expected = framework::Decimal::new(number, scaler.unsigned_abs()).unwrap();
        prop_assert_eq!(&texts(accepted(&found)[0])[0], &format!("1-0:16.7.0*255={expected} W"));
    }
}
