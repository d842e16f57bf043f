//! Conversation of a polled meter.

use std::time::Instant;

use super::{PolledOptions, head::Head};
use crate::uart::seven_bits;

const ACK: u8 = 0x06;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;

/// Characters for baud rates in the modes B and C, and the baud rates from 600 on.
const MODE_B: &[u8] = b"ABCDEF";
const MODE_C: &[u8] = b"123456";
const SPEEDS: [u32; 6] = [600, 1200, 2400, 4800, 9600, 19_200];

/// Baud rate of the readout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Initial one.
    A,
    /// This one.
    B(u32),
    /// This one, if the program acknowledges it with this character.
    C(u32, u8),
}

/// Holds one conversation, from the request to the end of the readout; returns `None` when the meter must stop.
pub(super) fn converse(
    head: &mut Head<'_>,
    options: &PolledOptions,
    readouts: usize,
    next_table: &mut impl FnMut() -> Vec<String>,
) -> Option<()> {
    await_request(head, options)?;
    head.pause(options.reaction)?;
    head.say(format!("/{}\r\n", options.ident).as_bytes())?;
    let baud = match mode(&options.ident, options.initial_baud) {
        Mode::A => options.initial_baud,
        Mode::B(baud) => baud,
        Mode::C(baud, character) => {
            let answer = head.message(Some(Instant::now() + options.ack_timeout))?;
            if is_ack(&answer, character) { baud } else { options.initial_baud }
        }
    };
    head.set_baud(baud);
    head.pause(options.reaction)?;
    head.say(&readout(&next_table(), readouts < options.damaged))?;
    head.set_baud(options.initial_baud);
    Some(())
}

fn await_request(head: &mut Head<'_>, options: &PolledOptions) -> Option<()> {
    loop {
        let deadline = match &options.wake {
            Some(wake) => {
                head.sleep(wake.nuls, wake.pause)?;
                Some(Instant::now() + wake.awake)
            }
            None => None,
        };
        loop {
            let message = head.message(deadline)?;
            if is_request(&message, options.address.as_deref()) {
                return Some(());
            }
            if message.is_empty() {
                break; // to sleep
            }
        }
    }
}

/// Returns whether this ends with a request to this meter.
fn is_request(message: &[u8], address: Option<&str>) -> bool {
    const SLASH: u8 = 0xaf; // with its parity
    let begin = message.iter().rposition(|byte| *byte == SLASH).unwrap_or(0);
    let Some(request) = seven_bits(&message[begin..]) else {
        return false;
    };
    let Some(asked) = request.strip_prefix(b"/?").and_then(|rest| rest.strip_suffix(b"!\r\n")) else {
        return false;
    };
    let number = |address: &[u8]| {
        let zeros = address.iter().take_while(|byte| **byte == b'0').count();
        address[zeros..].to_vec()
    };
    asked.is_empty() || address.is_some_and(|own| number(own.as_bytes()) == number(asked))
}

/// Returns whether this accepts the offer of the identification: the normal protocol, this baud rate, data readout.
fn is_ack(message: &[u8], character: u8) -> bool {
    let begin = message.iter().rposition(|byte| *byte == ACK).unwrap_or(0);
    seven_bits(&message[begin..]).is_some_and(|ack| ack == [ACK, b'0', character, b'0', b'\r', b'\n'])
}

fn mode(ident: &str, initial: u32) -> Mode {
    let character = ident.as_bytes().get(3).copied().unwrap_or(b' ');
    let among = |characters: &[u8]| {
        characters.iter().zip(SPEEDS).find_map(|(other, baud)| (*other == character).then_some(baud))
    };
    if character == b'0' {
        return Mode::C(initial, character);
    }
    match (among(MODE_B), among(MODE_C)) {
        (Some(baud), _) => Mode::B(baud),
        (_, Some(baud)) => Mode::C(baud, character),
        (None, None) => Mode::A,
    }
}

/// Returns the data message with these lines.
fn readout(table: &[String], damaged: bool) -> Vec<u8> {
    let mut bytes = vec![STX];
    for line in table {
        bytes.extend(line.bytes());
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"!\r\n");
    bytes.push(ETX);
    let check = bytes[1..].iter().fold(0, |check, byte| check ^ byte) & 0x7f;
    bytes.push(if damaged { check ^ 1 } else { check });
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uart::seven_e_one;

    fn line(text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        seven_e_one(&mut bytes);
        bytes
    }

    #[test]
    fn a_request_is_for_all_or_for_one() {
        for (text, address, expected) in [
            ("/?!\r\n", None, true),
            ("/?!\r\n", Some("12"), true),
            ("/?12!\r\n", Some("12"), true),
            ("/?0012!\r\n", Some("12"), true),
            ("/?12!\r\n", Some("0012"), true),
            ("\0\0/?!\r\n", None, true),
            ("/?1/?!\r\n", None, true),
            ("/?12!\r\n", None, false),
            ("/?13!\r\n", Some("12"), false),
            ("/?1200!\r\n", Some("12"), false),
            ("/?!\n", None, false),
            ("", None, false),
        ] {
            assert_eq!(is_request(&line(text), address), expected, "{text:?} to {address:?}");
            assert!(!is_request(text.as_bytes(), address), "{text:?} without parity");
        }
    }

    #[test]
    fn an_acknowledgement_says_the_speed_of_the_identification() {
        assert!(is_ack(&line("\x06050\r\n"), b'5'));
        for text in ["\x06040\r\n", "\x06150\r\n", "\x06051\r\n", "\x06050\r", "/?!\r\n", ""] {
            assert!(!is_ack(&line(text), b'5'), "{text:?}");
        }
        assert!(!is_ack(b"\x06050\r\n", b'5'), "without parity");
    }

    #[test]
    fn the_fourth_character_tells_the_mode() {
        for (ident, expected) in [
            ("ISK5MT174", Mode::C(9600, b'5')),
            ("ISK6MT174", Mode::C(19_200, b'6')),
            ("ISK1MT174", Mode::C(600, b'1')),
            ("ISK0MT174", Mode::C(300, b'0')),
            ("ISKAMT174", Mode::B(600)),
            ("ISKFMT174", Mode::B(19_200)),
            ("ISK MT174", Mode::A),
            ("ISK7MT174", Mode::A),
            ("ISK", Mode::A),
        ] {
            assert_eq!(mode(ident, 300), expected, "{ident}");
        }
    }

    #[test]
    fn a_readout_ends_with_its_check_character() {
        let table = ["1.8.0(000001.000*kWh)".to_owned()];
        let bytes = readout(&table, false);
        assert!(bytes.starts_with(b"\x021.8.0(000001.000*kWh)\r\n!\r\n\x03"));
        assert_eq!(bytes[1..].iter().fold(0, |check, byte| check ^ byte), 0);
        let damaged = readout(&table, true);
        assert_eq!(damaged[..damaged.len() - 1], bytes[..bytes.len() - 1]);
        assert_ne!(damaged, bytes);
    }
}
