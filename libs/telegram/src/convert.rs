//! From telegrams to readings.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use framework::{Batch, DeviceTime, Obis, Reading, Text, Timestamp, Value};
use jiff::SignedDuration;

use crate::{Decoded, DecodedReading, Decoder, Register, Rejected, Telegram, sub_meters::SubMeters};

/// Converter of telegrams to batches; it remembers the names of the telegram before.
///
/// A register is called by its [name](crate::name), or by its code without medium and channel where it has none. A
/// counter of another meter is called by its medium: `GAS`. Names are unique: where two registers would have the same,
/// the later one is called by its code as sent, and by `code_2`, `code_3` … where that is taken too.
///
/// Decoders take a meter's time for Central European Time. Where the meter's clock differs from ours by whole quarters of
/// an hour, it is in another time zone, and its times are moved by as much. A clock of ours that is known not to be set
/// yet does not count.
#[derive(Debug, Default)]
pub struct Converter {
    /// Code as sent and name, in the order of the telegram.
    layout: Vec<(Text, Text)>,
    meters: SubMeters,
    /// Time by which the meter's times are moved, and whether the configuration says so.
    shift: SignedDuration,
    is_fixed: bool,
    /// The system's `/run`, unless a test has its own.
    run_dir: Option<PathBuf>,
}

/// Seconds of a quarter of an hour.
const QUARTER: i64 = 15 * 60;
/// Most quarters of an hour between two time zones.
const MOST_QUARTERS: i64 = 13 * 4;
/// Most seconds by which a meter's clock is wrong, where the rest is a time zone.
const CLOCK_ERROR: i64 = 120;

impl Converter {
    /// A converter that moves the meter's times by `shift`; `None` finds out.
    pub fn new(shift: Option<SignedDuration>) -> Self {
        Self { shift: shift.unwrap_or_default(), is_fixed: shift.is_some(), ..Self::default() }
    }

    /// The same with another folder for the system's `/run`, for tests.
    #[doc(hidden)]
    pub fn with_run_dir(mut self, folder: &Path) -> Self {
        self.run_dir = Some(folder.to_owned());
        self
    }

    /// Returns the readings of `telegram`, which was complete at `taken_at`.
    pub fn batch(&mut self, telegram: &impl Telegram, taken_at: Timestamp) -> Batch {
        let (clock, renamed) = self.meters.update(telegram, taken_at);
        if let Some(clock) = clock.filter(|_| !self.is_fixed) {
            self.judge_clock(taken_at.duration_since(clock).as_secs());
        }
        let known = !renamed
            && self.layout.len() == telegram.registers().len()
            && self
                .layout
                .iter()
                .zip(telegram.registers())
                .all(|((code, _), register)| code == register.code);
        if !known {
            self.layout = layout(telegram, &self.meters);
        }
        let named = self.layout.iter().zip(telegram.registers());
        let readings = named.map(|((_, name), register)| {
            let mut reading = reading(name.clone(), &register, true);
            if !self.meters.adapt(&mut reading)
                && let Some(time) = &mut reading.time
            {
                time.utc = time.utc.and_then(|utc| utc.checked_add(self.shift).ok());
            }
            reading
        });
        Batch { taken_at, readings: readings.collect() }
    }

    /// Learns the time zone from the seconds by which our clock is ahead of the meter's.
    fn judge_clock(&mut self, ahead: i64) {
        let quarters = (ahead + QUARTER / 2).div_euclid(QUARTER);
        let shift = SignedDuration::from_secs(quarters * QUARTER);
        if shift != self.shift
            && quarters.abs() <= MOST_QUARTERS
            && (ahead - quarters * QUARTER).abs() <= CLOCK_ERROR
            && is_clock_set(self.run_dir.as_deref().unwrap_or(Path::new("/run")))
        {
            self.shift = shift;
        }
    }

    /// Returns the time by which the meter's times are moved.
    pub fn shift(&self) -> SignedDuration {
        self.shift
    }

    /// Describes the connected meters that are not read as they should be, if that has changed.
    pub fn news(&mut self) -> Option<String> {
        self.meters.news()
    }
}

/// Returns whether this machine's clock is not known to be wrong. Where systemd-timesyncd runs, it has a folder, and makes
/// a file there when it has set the clock (systemd-timesyncd.service(8)); of other services nothing is known.
fn is_clock_set(run: &Path) -> bool {
    let folder = run.join("systemd/timesync");
    !folder.is_dir() || folder.join("synchronized").exists()
}

fn layout(telegram: &impl Telegram, meters: &SubMeters) -> Vec<(Text, Text)> {
    // The framework's own members of a section.
    let mut taken = HashSet::from([Text::new_static("timestampUTC"), Text::new_static("stale")]);
    let mut counts: HashMap<Text, u32> = HashMap::new();
    let mut unique = |register: &Register<'_>| -> Text {
        let Register { code, obis, name, .. } = *register;
        let of_code =
            |obis: Obis| meters.name(obis, code).unwrap_or_else(|| obis.reduced().to_string().into());
        let known = name.map(Text::new_static).or_else(|| obis.map(of_code));
        for name in known.into_iter().chain([Text::new(code)]) {
            if taken.insert(name.clone()) {
                return name;
            }
        }
        loop {
            let count = counts.entry(code.into()).or_insert(1);
            *count += 1;
            let name = Text::from(format!("{code}_{count}"));
            if taken.insert(name.clone()) {
                return name;
            }
        }
    };
    telegram.registers().map(|register| (Text::new(register.code), unique(&register))).collect()
}

fn reading(name: Text, register: &Register<'_>, trim: bool) -> Reading {
    let text = |text: &str| Text::new(if trim { text.trim_ascii() } else { text });
    Reading {
        name,
        obis: register.obis,
        value: register.number.map_or_else(|| Value::Text(text(register.value)), Value::Number),
        // A star without a unit after it tells no more than no star.
        unit: register.unit.filter(|unit| !unit.is_empty()).map(Text::new),
        kind: register.kind,
        medium: None,
        time: register.time.map(|time| DeviceTime { sent: text(time.sent), utc: time.utc }),
        status: register.status,
        more: register.more().map(text).collect(),
    }
}

/// Decodes a recording: readings are called by their codes, and texts are exactly as sent.
pub fn decode<D: Decoder>(mut decoder: D, bytes: &[u8], found: &mut dyn FnMut(Decoded)) {
    let mut each = |result: Result<D::Telegram<'_>, Rejected<D::Reason>>| match result {
        Ok(telegram) => found(Decoded::Telegram {
            offset: telegram.offset(),
            ident: telegram.ident().map(str::to_owned),
            members: telegram.members(),
            readings: telegram.registers().map(|register| decoded::<D>(&register)).collect(),
        }),
        Err(rejected) => {
            let reason = rejected.to_string();
            found(Decoded::Rejected { offset: rejected.offset, reason, needs_key: false });
        }
    };
    decoder.push(bytes, &mut each);
    decoder.scanner().finish();
    while let Some(result) = decoder.next() {
        each(result);
    }
}

fn decoded<D: Decoder>(register: &Register<'_>) -> DecodedReading {
    let mut members = vec![(D::CODE, Value::Text(register.code.into()))];
    if let Some(obis) = register.obis.filter(|_| D::CODE != "obis") {
        members.push(("obis", Value::Text(obis.to_string().into())));
    }
    DecodedReading { members, reading: reading(register.code.into(), register, false) }
}
