//! The meters of the configuration: their keys, what they sent last, what is wrong with them.

use std::{fmt::Write as _, time::Duration};

use framework::{Decimal, DeviceTime, FaultCode, Reading, Timestamp};
use mbus::{
    Header, SecondaryAddress, Selection, Status, medium,
    naming::Namer,
    radio::{Evidence, Outline, Reason, Telegram},
};
use telegram::{Counters, Implausible, Key};
use tokio::time::Instant;

/// Failures in a row after which a key that has fitted counts as wrong: without checksums, damage looks the same.
const FAILURES: u32 = 3;
/// Most readings of one meter.
const MAX_READINGS: usize = 400;

/// Time before the start of the program within which its counters may have been recorded.
const PAST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// One meter of the configuration.
#[derive(Debug)]
pub(crate) struct Meter {
    name: String,
    selection: Selection,
    key: Option<Key>,
    /// Its address, once it was heard.
    address: Option<SecondaryAddress>,
    /// Time of the last telegram that was read.
    heard: Option<(Timestamp, Instant)>,
    rssi: Option<i16>,
    /// Reason for which the last telegrams were not read, and their number.
    failure: Option<(Reason, u32)>,
    /// Whether the log has it.
    is_logged: bool,
    readings: Vec<Kept>,
    counters: Counters,
    /// Counters of the last telegram that are held back.
    held: Vec<Implausible>,
    /// Moment since which its times count.
    began: Instant,
}

/// A reading, and the time of its telegram.
#[derive(Debug)]
struct Kept {
    reading: Reading,
    at: Instant,
}

impl Meter {
    pub(crate) fn new(name: &str, selection: Selection, key: Option<Key>) -> Self {
        Self {
            name: name.to_owned(),
            selection,
            key,
            address: None,
            heard: None,
            rssi: None,
            failure: None,
            is_logged: false,
            readings: Vec::new(),
            counters: Counters::default(),
            held: Vec::new(),
            began: Instant::now(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn selection(&self) -> Selection {
        self.selection
    }

    pub(crate) fn key(&self) -> Option<Key> {
        self.key
    }

    /// Returns whether a telegram is this meter's: of its own number, or of the radio that is built onto it.
    pub(crate) fn is_sender(&self, outline: &Outline) -> bool {
        self.selection.matches(outline.address()) || self.selection.matches(outline.sender_address())
    }

    /// Notes a telegram that was read. Counters that are implausible keep their last reading. `recorded` returns the last
    /// number of a counter that an earlier run has recorded, and its age.
    pub(crate) fn succeeded(
        &mut self,
        telegram: &Telegram<'_>,
        rssi: Option<i16>,
        time: Timestamp,
        now: Instant,
        recorded: &dyn Fn(&Reading) -> Option<(Decimal, Duration)>,
    ) {
        self.alive(&telegram.outline, rssi, time, now);
        let own = Some(DeviceTime { sent: time.to_string().into(), utc: Some(time) });
        let mut readings = readings(Some(&self.name), telegram);
        let now_of_counters = PAST + now.duration_since(self.began);
        self.counters.resume(&readings, now_of_counters, recorded);
        self.held = self.counters.judge(&mut readings, now_of_counters);
        for reading in readings {
            let kept = Kept { reading: Reading { time: own.clone(), ..reading }, at: now };
            let place = self.readings.iter().position(|known| known.reading.name == kept.reading.name);
            match place {
                Some(place) => self.readings[place] = kept,
                None if self.readings.len() < MAX_READINGS => self.readings.push(kept),
                None => {}
            }
        }
    }

    /// Returns the counters of the last telegram that are held back.
    pub(crate) fn held(&self) -> &[Implausible] {
        &self.held
    }

    /// Notes a telegram that tells nothing new: its readings are still those of now.
    pub(crate) fn repeated(&mut self, outline: &Outline, rssi: Option<i16>, time: Timestamp, now: Instant) {
        self.alive(outline, rssi, time, now);
        self.readings.iter_mut().for_each(|kept| kept.at = now);
    }

    fn alive(&mut self, outline: &Outline, rssi: Option<i16>, time: Timestamp, now: Instant) {
        (self.address, self.heard, self.rssi) = (Some(outline.address()), Some((time, now)), rssi);
        (self.failure, self.is_logged) = (None, false);
    }

    /// Notes a telegram that was not read.
    pub(crate) fn failed(&mut self, outline: &Outline, reason: Reason) {
        let count = self.failure.map_or(0, |(_, count)| count);
        self.failure = Some((reason, count.saturating_add(1)));
        self.address.get_or_insert(outline.address());
    }

    /// Returns whether a telegram of it was read.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard.is_some()
    }

    /// Returns whether the log has to tell that it cannot be read, which is once until it can.
    pub(crate) fn is_news(&mut self) -> bool {
        !std::mem::replace(&mut self.is_logged, true)
    }

    /// Forgets the readings that are older than `limit`. Returns whether there were any.
    pub(crate) fn expire(&mut self, now: Instant, limit: Duration) -> bool {
        let before = self.readings.len();
        self.readings.retain(|kept| now.duration_since(kept.at) < limit);
        self.readings.len() < before
    }

    /// Returns the time at which its next reading expires.
    pub(crate) fn expires(&self, limit: Duration) -> Option<Instant> {
        self.readings.iter().filter_map(|kept| kept.at.checked_add(limit)).min()
    }

    pub(crate) fn readings(&self) -> impl Iterator<Item = Reading> + '_ {
        self.readings.iter().map(|kept| kept.reading.clone())
    }

    /// Returns what `/health` shows of it: `kitchen: 12345678-KAM-1B-07 water, 2026-03-01T12:00:00Z, -67 dBm`.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("{}: ", self.name);
        // Writing into a string cannot fail.
        let _ = match self.address {
            Some(address) => write!(text, "{}", described(address)),
            None => write!(text, "{} not heard yet", self.selection),
        };
        if let Some((time, _)) = self.heard {
            let _ = write!(text, ", {time:.0}");
        }
        if let Some(rssi) = self.rssi {
            let _ = write!(text, ", {rssi} dBm");
        }
        if let Some((reason, _)) = self.failure {
            let _ = write!(text, ", last telegram not read: {reason}");
        }
        text
    }

    /// Returns what a person must look at. The receiver has listened since `began`.
    pub(crate) fn problem(
        &self,
        began: Instant,
        now: Instant,
        limit: Duration,
    ) -> Option<(FaultCode, String)> {
        let who = || match self.address {
            Some(address) => format!("`{}` ({address})", self.name),
            None => format!("`{}` ({})", self.name, self.selection),
        };
        if let Some((reason, count)) = self.failure {
            let (name, lasts) = (&self.name, self.heard.is_none() || count >= FAILURES);
            let advice = match reason {
                Reason::Encrypted => format!("write it as `key = \"…\"` into `[….meters.{name}]`"),
                Reason::WrongKey(Evidence::PayloadChecksum) if !lasts => return None,
                Reason::WrongKey(_) if lasts => {
                    "compare `key` with the supplier's: it belongs to this number alone".to_owned()
                }
                Reason::Mode(_) | Reason::KeyDerivation(_) | Reason::LinkEncryption(_) if lasts => {
                    "no key makes it readable".to_owned()
                }
                Reason::Manufacturer(_) | Reason::Ci(_) if self.heard.is_none() => {
                    "its readings cannot be read".to_owned()
                }
                _ => String::new(),
            };
            if !advice.is_empty() {
                return Some((FaultCode::WrongConfiguration, format!("{}: {reason}; {advice}", who())));
            }
        }
        let heard = self.heard.map_or(began, |(_, heard)| heard);
        (now.duration_since(heard) >= limit).then(|| {
            let hours = now.duration_since(heard).as_secs() / 3600;
            let text = match self.heard {
                Some(_) => format!("{} has not been heard for {hours} h", who()),
                None => format!("{} has never been heard, in {hours} h", who()),
            };
            (
                FaultCode::Silent,
                format!("{text}: is it within reach of the receiver, and the radio mode right?"),
            )
        })
    }
}

/// Returns the readings of a telegram. Their names begin with that of the meter, if it has one.
pub(crate) fn readings(meter: Option<&str>, telegram: &Telegram<'_>) -> Vec<Reading> {
    let outline = &telegram.outline;
    let header = Header {
        address: Some(outline.address()),
        access: outline.access,
        status: outline.status.map(Status),
        configuration: None,
    };
    let mut namer = Namer::new(meter, header);
    for record in mbus::records(telegram.records).flatten() {
        namer.add(&record);
    }
    if let Some(status) = header.status {
        namer.add_status(status);
    }
    namer.into_readings()
}

/// Returns an address with the name of its device type.
pub(crate) fn described(address: SecondaryAddress) -> String {
    match medium::name(address.medium) {
        Some(medium) => format!("{address} {medium}"),
        None => address.to_string(),
    }
}
