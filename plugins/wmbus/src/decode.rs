//! Telegrams of a recording: for `smartmeter decode`, `probe` and `record`.

use framework::{Decimal, Value};
use mbus::{
    Header, Status, members,
    radio::{
        Anonymiser, Decoder, Doubt, Encryption, Failure, Format, Framing, Outline, Reason, Receiver,
        Reception, Telegram, Unreceived,
    },
};
use telegram::{Anonymised, Decoded, DecodedReading, Description, Keys, Member, Protocol};

use crate::meters::described;

/// Bytes at the start of a recording that tell the receiver.
const ENOUGH: usize = 64 * 1024;
/// Meters that a description names.
const MAX_NAMED: usize = 16;

/// Decodes what any receiver has delivered.
pub(crate) fn decode(bytes: &[u8], keys: &Keys, found: &mut dyn FnMut(Decoded)) {
    let start = &bytes[..bytes.len().min(ENOUGH)];
    let receiver = Receiver::of(start).unwrap_or(Receiver::Bare);
    let mut decoder = Decoder::default();
    let mut doubt = doubt(start);
    let key = keys.key.map(|key| *key.reveal());
    Framing::new(receiver).decode(bytes, &mut |reception| {
        let reception = match reception {
            Ok(reception) => reception,
            // Arbitrary bytes begin like a telegram now and then.
            Err(_) if doubt.is_other() && receiver == Receiver::Bare => return,
            Err(Unreceived { offset, reason }) => {
                let reason = reason.to_string();
                return found(Decoded::Rejected { offset, reason, needs_key: false });
            }
        };
        let Reception { offset, frame, format, rssi, .. } = reception;
        let opened = decoder.open(frame, format, |_| key);
        let is_proven = opened.as_ref().is_ok_and(|telegram| telegram.outline.is_encrypted());
        let is_one = doubt.accepts(&reception, is_proven);
        if !is_one && doubt.is_other() {
            return;
        }
        found(match opened {
            Ok(Telegram { outline, .. }) if !is_one => {
                let reason = explained(Some(outline), Reason::Unproven);
                Decoded::Rejected { offset, reason, needs_key: false }
            }
            Ok(telegram) => {
                let outline = &telegram.outline;
                let device_type = Some(outline.address().medium);
                let readings = mbus::records(telegram.records).flatten().filter_map(|record| {
                    let reading = members::reading(&record, device_type)?;
                    Some(DecodedReading { members: members::of_record(&record), reading })
                });
                Decoded::Telegram {
                    offset,
                    ident: Some(outline.address().to_string()),
                    members: telegram_members(outline, receiver, format, rssi),
                    readings: readings.collect(),
                }
            }
            Err(Failure { outline, reason }) => {
                let needs_key = reason == Reason::Encrypted;
                Decoded::Rejected { offset, reason: explained(outline, reason), needs_key }
            }
        });
    });
}

/// Returns the judge of telegrams without checksums. A protocol that the bytes show outweighs them.
fn doubt(start: &[u8]) -> Doubt {
    let shown = Protocol::of(start);
    Doubt::new(start, shown.is_some_and(|protocol| protocol != Protocol::WirelessMbus))
}

/// Returns what a telegram tells beside its readings.
fn telegram_members(outline: &Outline, receiver: Receiver, format: Format, rssi: Option<i16>) -> Vec<Member> {
    let text = |text: String| Value::Text(text.into());
    let number = |number: i64| Value::Number(Decimal::from(number));
    let mut members = members::of_header(&header(outline));
    if outline.sender != outline.meter {
        members.push(("sender", text(outline.sender_address().to_string())));
    }
    match outline.encryption {
        Encryption::Plain => {}
        Encryption::LinkLayer => members.push(("encryption", text("link layer".to_owned()))),
        Encryption::Mode(mode) => members.push(("security_mode", number(mode.into()))),
    }
    members.extend(outline.counter.map(|counter| ("message_counter", number(counter.into()))));
    members.push(("frame", text(format.to_string())));
    members.push(("receiver", text(receiver.to_string())));
    members.extend(rssi.map(|rssi| ("rssi", number(rssi.into()))));
    members
}

fn header(outline: &Outline) -> Header {
    Header {
        address: Some(outline.address()),
        access: outline.access,
        status: outline.status.map(Status),
        configuration: None,
    }
}

/// Returns the reason for which a telegram is not read, after all that it tells without a key.
fn explained(outline: Option<Outline>, reason: Reason) -> String {
    let Some(outline) = outline else { return reason.to_string() };
    let mut told = vec![described(outline.address())];
    if outline.sender != outline.meter {
        told.push(format!("sent by {}", described(outline.sender_address())));
    }
    told.extend(outline.access.map(|access| format!("access number {access}")));
    if let Some(status) = outline.status {
        let flags: Vec<_> = Status(status).flags().collect();
        told.push(match flags.is_empty() {
            true => format!("status {status}"),
            false => format!("status {status} ({})", flags.join(", ").replace('_', " ")),
        });
    }
    match outline.encryption {
        Encryption::Plain => {}
        Encryption::LinkLayer => told.push("encrypted in the link layer".to_owned()),
        Encryption::Mode(mode) => told.push(format!("security mode {mode}")),
    }
    told.extend(outline.counter.map(|counter| format!("message counter {counter}")));
    format!("{}: {reason}", told.join(", "))
}

/// Describes the meters that are heard, whoever can read them.
pub(crate) fn describe(bytes: &[u8], keys: &Keys) -> Option<Description> {
    let start = &bytes[..bytes.len().min(ENOUGH)];
    let receiver = Receiver::of(start)?;
    let mut decoder = Decoder::default();
    let mut doubt = doubt(start);
    let key = keys.key.map(|key| *key.reveal());
    let (mut meters, mut count, mut needs_key, mut is_key_wrong) = (Vec::new(), 0, false, false);
    Framing::new(receiver).decode(start, &mut |reception| {
        let Ok(reception) = reception else { return };
        let opened = decoder.open(reception.frame, reception.format, |_| key);
        let is_proven = opened.as_ref().is_ok_and(|telegram| telegram.outline.is_encrypted());
        if !doubt.accepts(&reception, is_proven) {
            return;
        }
        let outline = match opened {
            Ok(telegram) => telegram.outline,
            Err(Failure { outline: Some(outline), reason }) => {
                needs_key |= reason == Reason::Encrypted;
                is_key_wrong |= matches!(reason, Reason::WrongKey(_));
                outline
            }
            Err(Failure { outline: None, .. }) => return,
        };
        count += 1;
        if !meters.contains(&outline.address()) {
            meters.push(outline.address());
        }
    });
    let first = *meters.first()?;
    let named: Vec<_> = meters.iter().take(MAX_NAMED).map(|address| described(*address)).collect();
    let more = if meters.len() > MAX_NAMED { ", and more" } else { "" };
    let advice = match (needs_key, is_key_wrong) {
        (true, _) => Some(
            "encrypted: ask your supplier for the key of your meter, and write it as `key = \"…\"` into \
             `[sources.NAME.meters.METER]`, with the number on the meter as `id`",
        ),
        (_, true) => {
            Some("the key does not fit: each meter has its own, compare the number with the supplier's")
        }
        _ => None,
    };
    let plural = if count == 1 { "" } else { "s" };
    let example = if needs_key { ", key = \"32 hexadecimal digits\"" } else { "" };
    let mut section = format!("receiver = \"{receiver}\"\n");
    for address in meters.iter().take(MAX_NAMED) {
        let (id, what) = (address.id, described(*address));
        section += &format!("# meters.meter_{id:08x} = {{ id = \"{id:08X}\"{example} }}    # {what}\n");
    }
    Some(Description {
        what: format!("{count} radio telegram{plural} (receiver `{receiver}`) of {}{more}", named.join(", ")),
        ident: Some(first.to_string()),
        keys: if needs_key || is_key_wrong { &["key"] } else { &[] },
        advice: advice.map(str::to_owned),
        section,
    })
}

/// Replaces the numbers of meters in a recording of any receiver.
pub(crate) fn anonymise(bytes: &[u8], keys: &Keys) -> Result<Anonymised, String> {
    let start = &bytes[..bytes.len().min(ENOUGH)];
    let mut bytes = bytes.to_vec();
    let [key, public] = [keys, &Keys::PUBLIC].map(|keys| keys.key.map(|key| *key.reveal()));
    let (Some(receiver), Some(public)) = (Receiver::of(start), public) else {
        return Ok(Anonymised { bytes, places: 0 });
    };
    let mut anonymiser = Anonymiser::new(key, public);
    anonymiser.recording(receiver, &mut bytes, doubt(start));
    let encrypted = |count: usize| match count {
        1 => "a radio telegram is encrypted".to_owned(),
        count => format!("{count} radio telegrams are encrypted"),
    };
    match (anonymiser.missing_keys(), anonymiser.wrong_keys()) {
        (0, 0) => Ok(Anonymised { bytes, places: anonymiser.places() }),
        (0, count) => {
            Err(format!("{}, and the key is not theirs: give the right one with `--key`", encrypted(count)))
        }
        (count, _) => Err(format!("{}: give the key with `--key`", encrypted(count))),
    }
}
