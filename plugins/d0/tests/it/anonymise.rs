//! After anonymising: the same telegrams and values, but no number of a meter.

use std::path::PathBuf;

use crate::anonymised::{anonymised, shown};
use telegram_testing::files;
use test_meters::uart::{seven_bits, seven_e_one};

fn golden() -> Vec<(PathBuf, Vec<u8>)> {
    files(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/telegrams"), "txt")
}

fn holds(bytes: &[u8], number: &str) -> bool {
    let masked: Vec<u8> = bytes.iter().map(|byte| byte & 0x7f).collect();
    let hex: String = number.bytes().map(|byte| format!("{byte:02X}")).collect();
    [number, &hex].iter().any(|text| masked.windows(text.len()).any(|part| part == text.as_bytes()))
}

#[test]
fn golden_telegrams_keep_their_values_and_lose_their_numbers() {
    for (path, bytes) in golden() {
        let name = path.display();
        let (places, clean) = anonymised(&bytes);
        assert_eq!(clean.len(), bytes.len());
        assert_eq!(shown(&clean), shown(&bytes), "{name}");
        // Every golden telegram has one of these numbers, or none at all.
        for number in ["104711815", "00471108", "4711815", "1160047110", "24681012", "471108"] {
            // Not the counter 000471.108.
            assert!(!holds(&clean, number), "{name} still has {number}");
        }
        assert_eq!(places > 0, clean != bytes, "{name}");
        assert_eq!(anonymised(&clean), (0, clean), "{name}: twice is once");
    }
}

#[test]
fn every_damage_is_rejected_as_before_and_twice_is_once() {
    for (path, bytes) in golden() {
        let name = path.display();
        for place in (0..bytes.len()).step_by(3) {
            for bit in [0, 4, 7] {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << bit;
                let (_, clean) = anonymised(&damaged);
                let (before, after) = (shown(&damaged), shown(&clean));
                // Where bit 7 of an ident line is damaged, its digits say how it is framed: the reason may differ.
                let words = if bit == 7 { 2 } else { 5 };
                let faults = |lines: &[String]| -> Vec<String> {
                    let faults =
                        lines.iter().filter(|line| line.contains(" telegram") || line.contains(" rejected"));
                    faults
                        .map(|line| line.split([' ', ':']).take(words).collect::<Vec<_>>().join(" "))
                        .collect()
                };
                assert_eq!(faults(&after), faults(&before), "{name}, bit {bit} of byte {place}");
                assert_eq!(anonymised(&clean), (0, clean), "{name}, bit {bit} of byte {place}");
            }
        }
        // A part is not a telegram, but the number is gone.
        for end in (0..bytes.len()).step_by(7) {
            let (_, clean) = anonymised(&bytes[..end]);
            assert!(!holds(&clean, "0104711815") && !holds(&clean, "00471108"), "{name} up to {end}");
            let both = [&bytes[end..], &bytes].concat();
            assert!(!holds(&anonymised(&both).1, "0104711815"), "{name} from {end}");
        }
    }
}

/// Parity as sent, and every framing.
#[test]
fn parity_and_check_characters_stay_right() {
    let lines = "1.8.0(000815.471*kWh)\r\n0.0.0(61234567)\r\nC.1.0(1XYZ0061234567)\r\n!\r\n\x03";
    let sum = lines.bytes().fold(0, |sum, byte| sum ^ byte);
    let mut sent = format!("/XYZ5MODEL61234567\r\n\x02{lines}").into_bytes();
    sent.push(sum);
    let plain = anonymised(&sent).1;
    assert_eq!(shown(&plain), shown(&sent));
    assert!(shown(&plain)[0].contains("telegram") && !holds(&plain, "234567"));
    let mut parity = sent.clone();
    seven_e_one(&mut parity);
    let clean = anonymised(&parity).1;
    assert_eq!(seven_bits(&clean).unwrap(), plain, "every parity bit is right");
    let odd: Vec<u8> = parity.iter().map(|byte| byte ^ 0x80).collect();
    let clean = anonymised(&odd).1;
    let clean: Vec<u8> = clean.iter().map(|byte| byte ^ 0x80).collect();
    assert_eq!(seven_bits(&clean).unwrap(), plain);
    // A check character that was wrong is as wrong as before.
    *sent.last_mut().unwrap() ^= 5;
    let wrong = anonymised(&sent).1;
    assert_eq!(
        (wrong.last().unwrap() ^ 5, &wrong[..wrong.len() - 1]),
        (plain[plain.len() - 1], &plain[..plain.len() - 1])
    );
}

#[test]
fn numbers_go_wherever_they_stand() {
    let clean = |text: &str| String::from_utf8(anonymised(text.as_bytes()).1).unwrap();
    for (text, expected) in [
        // hexadecimal stays hexadecimal
        (
            "0-0:96.1.1(4B384547303034303436333935353037)\r\n",
            "0-0:96.1.1(4B304547303030303030303030303030)\r\n",
        ),
        ("0-0:96.1.1(0A014C475A00042A5BC1)\r\n", "0-0:96.1.1(00000000000000000000)\r\n"),
        ("42.0.0(63355730)\r\n", "42.0.0(00000000)\r\n"),
        ("0-0:96.13.0(48616C6C6F20313233)\r\n", "0-0:96.13.0(58585858582030 3030)\r\n"),
        ("0-0:96.13.0(Frau Muster 12)\r\n", "0-0:96.13.0(XXXX XXXXXX 00)\r\n"),
        (
            "0-0:96.13.0(48616C6C6F\r\n20313233\r\nFrau 12)\r\n1.8.0(1.5*kWh)\r\n!F1A6\r\n",
            "0-0:96.13.0(5858585858\r\n2030 3030\r\nXXXX 00)\r\n1.8.0(1.5*kWh)\r\n!F1A6\r\n",
        ),
        // the same number elsewhere
        (
            "/KMP5 KA6U001585654321\r\n1-0:9.9.9(KA6U001585654321)\r\n",
            "/KMP5 KA6U000000000000\r\n1-0:9.9.9(KA6U000000000000)\r\n",
        ),
        ("0.0.0(00123456)\r\n1.8.0(00123456.7*kWh)\r\n", "0.0.0(00000000)\r\n1.8.0(00123456.7*kWh)\r\n"),
        ("/?12345678!\r\n", "/?00000000!\r\n"),
        ("0.0.0(12345678)\r\n0.p.0(12345678)\r\n", "0.0.0(00000000)\r\n0.p.0(00000000)\r\n"),
        // cut
        ("0104711815)\r\n1.8.0(1.5*kWh)\r\n", "0000000000)\r\n1.8.0(1.5*kWh)\r\n"),
        ("1-0:0.0.0*255(1EBZ0104/EBZ5DD32R06ETA_107\r\n", "1-0:0.0.0*255(0EBZ0000/EBZ5DD32R06ETA_107\r\n"),
        // nothing to hide
        (
            "/LGZ4ZMF100AC.M26\r\n0.9.1(123456)\r\n96.5.0(001C0104)\r\n",
            "/LGZ4ZMF100AC.M26\r\n0.9.1(123456)\r\n96.5.0(001C0104)\r\n",
        ),
    ] {
        assert_eq!(clean(text), expected.replace("2030 3030", "20303030"));
    }
}

#[test]
fn values_are_compared() {
    // The comparison above sees a changed value.
    let text = |value: &str| format!("/ABC5x\r\n1.8.0({value}*kWh)\r\n!\r\n").into_bytes();
    assert_ne!(shown(&text("1.5")), shown(&text("1.6")));
}
