//! Properties of every stream, and every way to cut it into chunks.

use plugin_tic::decoder::Decoder;
use proptest::{collection::vec, prelude::*, sample::select};
use simulator::Moment;
use telegram_testing::{accepted, decode_all_ways};
use test_meters::{
    tic::{Contract, group, historique, stamped_group, standard, standard_group, telegram},
    uart::seven_e_one,
};

/// Pieces that telegrams are made of, and some that they are not.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let parity = |mut bytes: Vec<u8>| {
        seven_e_one(&mut bytes);
        bytes
    };
    let parts: Vec<Vec<u8>> = vec![
        vec![0x02],
        vec![0x82],
        vec![0x03],
        vec![0x04],
        b"\r".to_vec(),
        b"\n".to_vec(),
        b" ".to_vec(),
        b"\t".to_vec(),
        group("BASE", "000001234"),
        group("PTEC", "HP.."),
        standard_group("EAST", "000001234"),
        standard_group("STGE", "003A0001"),
        stamped_group("DATE", "H260114103000", ""),
        parity(standard_group("SINSTS", "01234")),
    ];
    let wholes = vec![
        historique(&Moment::sample(), Contract::OffPeak),
        parity(standard(&Moment::sample())),
        telegram([group("IINST", "003")]),
    ];
    prop_oneof![
        8 => select(parts),
        2 => select(wholes),
        2 => vec(any::<u8>(), 0..8),
        1 => vec(any::<u8>(), 0..99).prop_map(|bytes| [&[0x02], &bytes[..], &[0x03]].concat()),
    ]
}

proptest! {
    #[test]
    fn any_stream_is_read_the_same_however_it_is_cut(pieces in vec(pieces(), 0..12)) {
        let bytes = pieces.concat();
        let found = decode_all_ways::<Decoder>(&bytes);
        for telegram in accepted(&found) {
            let from = telegram.offset as usize;
            prop_assert!(bytes[from] & 0x7f == 0x02 && bytes[from + telegram.len - 1] == 0x03);
            prop_assert!(!telegram.registers.is_empty());
            // Apparent power is no active power.
            for register in &telegram.registers {
                let apparent = ["PAPP", "SINST", "SMAX"].iter().any(|label| register.code.starts_with(label));
                prop_assert!(!apparent || register.unit.as_deref() == Some("VA"));
            }
        }
    }
}
