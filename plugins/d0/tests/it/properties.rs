//! Properties of every telegram, every stream, and every way to cut it into chunks.

use plugin_d0::{decoder::Decoder, reject::Reason};
use proptest::{collection::vec, prelude::*, sample::select};
use telegram::{Decoder as _, Telegram as _};
use telegram_testing::{Found, accepted};

fn decode(bytes: &[u8]) -> Vec<Found<Reason>> {
    telegram_testing::decode(Decoder::default(), bytes, &[])
}

const PUSHED: &str = "/XYZ5AB12\r\n\r\n1-0:0.0.0*255(1XYZ(X)\r\n1-0:0.0.0*255(1XYZ0100042)\r\n\
    1-0:1.8.0*255(002714.12830185*kWh)\r\n1-0:16.7.0*255(-000211.26*W)\r\n1-0:96.5.0*255(001C0104)\r\n!\r\n";

/// The telegram without its damaged line, in even parity.
fn seven_even() -> Vec<u8> {
    let text = PUSHED.replace("1-0:0.0.0*255(1XYZ(X)\r\n", "");
    text.bytes().map(|byte| byte | ((byte.count_ones() as u8 & 1) << 7)).collect()
}

/// A telegram with STX and BCC, in eight bits.
fn polled() -> Vec<u8> {
    let data = "1.8.0(012345.678*kWh)\r\n0.2.0(M99)16.7(001.66*kW)(2401010000)\r\n!\r\n\u{3}";
    let bcc = data.bytes().fold(0, |bcc, byte| bcc ^ byte) & 0x7f;
    let mut bytes = format!("/XYZ5AB12\r\n\u{2}{data}").into_bytes();
    bytes.push(bcc);
    bytes
}

#[test]
fn no_flipped_bit_lets_a_wrong_value_through() {
    for (telegram, all) in [(seven_even(), 4), (polled(), 3)] {
        let whole = decode(&telegram);
        let [whole] = accepted(&whole)[..] else { panic!("{whole:?}") };
        assert_eq!(whole.registers.len(), all);
        // Alone, and with a good one on either side: what is around it must survive.
        for bit in 0..telegram.len() * 8 {
            let mut damaged = telegram.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            for found in accepted(&decode(&damaged)) {
                assert_eq!(found.registers, whole.registers, "bit {bit}");
            }
            let between = decode(&[&telegram[..], &damaged, &telegram].concat());
            let between = accepted(&between);
            assert!((2..=3).contains(&between.len()), "bit {bit}: {between:?}");
            assert!(between.iter().all(|found| found.registers == whole.registers), "bit {bit}: {between:?}");
        }
    }
}

#[test]
fn no_lost_byte_lets_a_wrong_value_through_a_check() {
    let telegram = polled();
    let whole = decode(&telegram);
    for lost in 0..telegram.len() {
        let mut damaged = telegram.clone();
        damaged.remove(lost);
        for found in accepted(&decode(&damaged)) {
            assert_eq!(found.registers, accepted(&whole)[0].registers, "byte {lost}");
        }
    }
}

/// Pieces that telegrams are made of, and some that they are not.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let polled = polled();
    let whole = vec![seven_even(), polled.clone(), PUSHED.as_bytes().to_vec()];
    let text = [
        "/XYZ5AB12",
        "/XYZ",
        "/?!",
        "\r\n",
        "\n",
        "\r",
        "\n\r",
        "\0",
        "\u{2}",
        "\u{3}",
        "\u{6}050\r\n",
        "!",
        "!\r\n",
        "!B9F",
        "!12AB",
        "(",
        ")",
        "*",
        "&",
        "1.8.0(1*kWh)",
        "1.8.0(1*kWh)\r\n",
        "F.F(00)",
        "(1)(2)",
        "16.7.0(",
        "5*W)",
        "(/XYZ5AB12)",
        "()",
        " ",
        "x",
    ];
    let text = text.map(|text| text.as_bytes().to_vec());
    let parity =
        text.clone().map(|text| text.iter().map(|b| b | ((b.count_ones() as u8 & 1) << 7)).collect());
    let piece = prop_oneof![
        6 => select(text.to_vec()),
        2 => select(parity.to_vec()),
        1 => select(whole),
        2 => vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..40).prop_map(|pieces: Vec<Vec<u8>>| pieces.concat())
}

telegram_testing::decoder_properties!(Decoder, pieces());

proptest! {
    // A failure prints its input, which belongs into a test instead of a file.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_telegram_is_found_after_anything(bytes in pieces()) {
        // Behind a line end: a telegram that begins inside another's bracket on one line is not a good one.
        let good = b"\r\n/XYZ5ZZ\r\n1.8.0(7*kWh)\r\n!\r\n";
        let found = decode(&[&bytes[..], good].concat());
        prop_assert_eq!(accepted(&found).last().map(|telegram| telegram.registers.len()), Some(1));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..5000)) {
        decode(&bytes);
    }

    #[test]
    fn numbers_come_out_as_they_were_sent(mantissa in 0u64..10_000_000_000, decimals in 0usize..9, width in 0usize..14) {
        let digits = format!("{mantissa:0width$}", width = width.max(decimals + 1));
        let (before, after) = digits.split_at(digits.len() - decimals);
        let value = if decimals == 0 { before.to_owned() } else { format!("{before}.{after}") };
        let text = format!("/XYZ5AB\r\n1.8.0({value}*kWh)\r\n!\r\n");
        let mut number = None;
        Decoder::default().push(text.as_bytes(), &mut |found| {
            number = found.unwrap().registers().next().and_then(|register| register.number);
        });
        let number = number.unwrap();
        prop_assert_eq!((number.mantissa() as u64, usize::from(number.scale())), (mantissa, decimals));
    }
}
