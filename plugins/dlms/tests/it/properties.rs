//! Properties of every telegram, every stream, and every way to cut it into chunks.

use framework::SourcePlugin as _;
use proptest::{collection::vec, prelude::*, sample::select};
use telegram_testing::accepted;

use crate::support::*;

/// Pieces that telegrams are made of, and some that they are not.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let plain = notification(&TIME, positional(1));
    let sealed = ciphered(0x30, LANDISGYR, 5, &plain);
    let parts: Vec<Vec<u8>> = vec![
        vec![0x7e],
        vec![0x7e, 0xa0],
        vec![0x7e, 0xa7, 0xff],
        vec![0x68, 0xfa, 0xfa, 0x68, 0x53, 0xff, 0x00],
        b"\xdb\x08KFM".to_vec(),
        vec![0xe6, 0xe7, 0x00],
        vec![0x0f, 0, 0, 0, 0, 0, 2],
        vec![0],
        vec![0xff; 3],
    ];
    let blocks = hdlc_blocks(&sealed, 40);
    let segments = mbus(&sealed, 60);
    let wholes =
        [vec![hdlc(&plain), hdlc(&sealed), plain.clone(), llc(&plain), sealed.clone()], blocks, segments]
            .concat();
    let piece = prop_oneof![
        6 => select(parts),
        6 => select(wholes),
        2 => vec(any::<u8>(), 0..8),
        // A frame whose checksum is right, whatever is in it.
        2 => vec(any::<u8>(), 0..60).prop_map(|bytes| hdlc(&bytes)),
        1 => vec(any::<u8>(), 0..60).prop_map(|bytes| hdlc(&notification(&[], bytes))),
        1 => vec(any::<u8>(), 1..60).prop_map(|bytes| mbus(&bytes, 50).concat()),
    ];
    vec(piece, 0..20).prop_map(|pieces: Vec<Vec<u8>>| pieces.concat())
}

telegram_testing::decoder_properties!(Keyed, pieces());

proptest! {
    // A failure prints its input, which belongs into a test instead of a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_telegram_is_found_after_anything(bytes in pieces()) {
        let good = hdlc(&ciphered(0x30, ISKRA, 1_000_000, &notification(&TIME, objects(7))));
        let found = decode(&[&bytes[..], &good].concat());
        let last = |found| accepted(found).last().map(|telegram| telegram.registers.clone());
        prop_assert_eq!(last(&found), last(&decode(&good)));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..3000)) {
        decode(&bytes);
        decode(&hdlc(&bytes[..bytes.len().min(2000)]));
        decode(&notification(&TIME, bytes.clone()));
        decode(&ciphered(0x30, ISKRA, 1, &bytes));
        decode(&ciphered(0x20, ISKRA, 1, &notification(&TIME, bytes)));
    }

    #[test]
    fn changed_messages_do_no_harm(
        kind in 0usize..4,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let list = push_list(&[([1, 0, 1, 7, 0, 255], u32(41)), ([1, 1, 1, 8, 1, 255], u64(70_001))]);
        let untagged = [&[2, 2, 0x16, 1, 1, 1, 2, 2, 0, 3, 1, 0, 1, 8, 0, 255, 2][..], &u32(7)].concat();
        let body = [objects(1), positional(1), list, untagged][kind].clone();
        let mut message = notification(&TIME, body);
        for (place, byte) in changes {
            *place.get_mut(&mut message) = byte;
        }
        message.truncate(cut.index(message.len()).max(message.len() / 2) + 1);
        let registration = telegram_testing::protocol(plugin_dlms::Dlms::KIND);
        for message in [message.clone(), ciphered(0x30, ISKRA, 1, &message), ciphered(0x20, ISKRA, 1, &message)] {
            for bytes in [hdlc_blocks(&message, 90).concat(), mbus(&message, 200).concat(), message.clone()] {
                decode(&bytes);
                registration.describe.unwrap()(&bytes, &telegram::Keys::PUBLIC);
                if let Ok(hidden) = registration.anonymise.unwrap()(&bytes, &telegram::Keys::PUBLIC) {
                    prop_assert_eq!(hidden.bytes.len(), bytes.len());
                }
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_described_and_anonymised_without_harm(bytes in pieces()) {
        let registration = telegram_testing::protocol(plugin_dlms::Dlms::KIND);
        registration.describe.unwrap()(&bytes, &telegram::Keys::PUBLIC);
        let _ = registration.anonymise.unwrap()(&bytes, &telegram::Keys::PUBLIC);
    }

    #[test]
    fn numbers_come_out_as_they_were_sent(number in any::<u32>(), scaler in -9i8..=9) {
        let body = structure(&[code(1, 7), u32(number), scale(scaler, WATTS)]);
        let found = decode(&hdlc(&notification(&[], body)));
        let expected = framework::Decimal::from(number).shifted(scaler.into()).unwrap();
        prop_assert_eq!(&texts(accepted(&found)[0])[0], &format!("1-0:1.7.0*255={expected} W"));
    }
}
