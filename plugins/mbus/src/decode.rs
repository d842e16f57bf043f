//! Recorded bytes of a bus: `smartmeter decode`.

use framework::{Decimal, Value};
use mbus::{
    Answer, AnswerError, Content, Record,
    frame::{self, Frame},
    members,
};
use telegram::{Decoded, DecodedReading, Keys, Member};

/// Bytes of a frame before its data.
const BEFORE_DATA: usize = 7;

/// Decodes every answer in a recording. Requests and acknowledgements are skipped.
pub(crate) fn decode(bytes: &[u8], _: &Keys, found: &mut dyn FnMut(Decoded)) {
    let mut position = 0;
    for (start, frame) in frame::all(bytes) {
        damaged(bytes, position, start, found);
        position = start + length(frame);
        answer(start, frame, found);
    }
    damaged(bytes, position, bytes.len(), found);
}

fn length(frame: Frame<'_>) -> usize {
    match frame {
        Frame::Ack => 1,
        Frame::Short { .. } => 5,
        Frame::Long { data, .. } => data.len() + 9,
    }
}

/// Tells of what looks like a frame between two positions, and is none. Of two that overlap, the first one counts.
fn damaged(bytes: &[u8], start: usize, end: usize, found: &mut dyn FnMut(Decoded)) {
    let mut position = start;
    while let Some((at, reason, length)) = frame::damaged(&bytes[position..end], &bytes[position..]) {
        found(Decoded::Rejected { offset: (position + at) as u64, reason, needs_key: false });
        position = (position + at + length).min(end);
    }
}

fn answer(start: usize, frame: Frame<'_>, found: &mut dyn FnMut(Decoded)) {
    let answer = match Answer::parse(frame) {
        Ok(answer) => answer,
        Err(AnswerError::NotAnAnswer) if !matches!(frame, Frame::Long { .. }) => return,
        Err(error) => {
            return found(Decoded::Rejected {
                offset: start as u64,
                reason: error.to_string(),
                needs_key: false,
            });
        }
    };
    let Answer { address, header, content, offset } = answer;
    let device_type = header.address.map(|address| address.medium);
    let mut telegram: Vec<Member> = vec![("address", number(address.into()))];
    telegram.extend(members::of_header(&header));
    let (mut readings, mut rejected, mut count) = (Vec::new(), Vec::new(), 0);
    let mut add = |record: &Record<'_>, at: usize| {
        count += 1;
        match (members::reading(record, device_type), record.value) {
            (Some(reading), _) => {
                readings.push(DecodedReading { members: members::of_record(record), reading });
            }
            (None, mbus::Value::Absent(absent)) => {
                rejected.push((at, format!("{} has no value: {absent}", record.quantity)));
            }
            (None, _) => {}
        }
    };
    let mut defect = None;
    match content {
        Content::Fixed(fixed) => fixed.records().for_each(|record| add(&record, start)),
        Content::Records(mut records) => {
            let first = start + BEFORE_DATA + offset;
            let mut at = first;
            while let Some(record) = records.next() {
                match record {
                    Ok(record) => add(&record, at),
                    Err(why) => defect = Some((first + records.position(), why.to_string())),
                }
                at = first + records.position();
            }
            if records.more_follow() {
                telegram.push(("more_records_follow", number(1)));
            }
            if let Some(data) = records.manufacturer_data() {
                telegram.push(("manufacturer_data", Value::Text(members::hex(data).into())));
            }
        }
    }
    // A telegram of which nothing is whole is none.
    if count > 0 || defect.is_none() {
        let ident = header.address.map(|address| address.to_string());
        found(Decoded::Telegram { offset: start as u64, ident, members: telegram, readings });
    }
    for (at, reason) in rejected.into_iter().chain(defect) {
        found(Decoded::Rejected { offset: at as u64, reason, needs_key: false });
    }
}

fn number(number: u32) -> Value {
    Value::Number(Decimal::from(number))
}
