//! Meters whose readings another one passes on (M-Bus, channels 1 to 4), and which of them live.
//!
//! A slot may be one that was never read, or belong to a meter that was taken away: it sends its last time for ever. The
//! name of a device belongs to the meter that lives.

use std::{cmp::Reverse, fmt::Write as _};

use framework::{Kind, Obis, Reading, Text, Timestamp, Value};
use jiff::SignedDuration;

use crate::{Register, Telegram, names::name};

/// Longest time between a reading of a meter that lives and the telegram: some are read once a day.
const NEAR: SignedDuration = SignedDuration::from_hours(48);
/// Earlier times are those of clocks that lost their supply, or of meters that were never read: 2010.
const FIRST: Timestamp = Timestamp::constant(1_262_304_000, 0);
/// Least time without a new reading after which a meter may have been replaced by another one.
const OVERDUE: SignedDuration = SignedDuration::from_mins(10);

/// The meters on the channels of one.
#[derive(Debug, Default)]
pub(crate) struct SubMeters {
    slots: [Slot; 4],
    /// A telegram had some.
    any: bool,
    told: [State; 4],
}

/// What is known of the meter on one channel.
#[derive(Debug, Default)]
struct Slot {
    /// Device type by register `0-n:24.1.0`, as a device type of EN 13757-3.
    device: Option<&'static str>,
    state: State,
    /// Whether the device's name is that of this meter.
    is_named: bool,
    /// Time of its counter as sent.
    time: Text,
    /// The same as a moment.
    utc: Option<Timestamp>,
    /// Time of the telegram that had it first.
    seen: Timestamp,
    /// Time of the first telegram in which this meter lived.
    born: Option<Timestamp>,
    /// Longest time between two readings; zero before the second one.
    pause: SignedDuration,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Its readings are old.
    Dead,
    /// It has no counter.
    #[default]
    Empty,
    /// Its counter has no time, or an invalid one.
    Timeless,
    /// It is read, and its clock is far from that of the telegram.
    Astray,
    Lives,
}

impl SubMeters {
    /// Takes over what a telegram tells. Returns its own clock, and whether names have changed.
    pub(crate) fn update(
        &mut self,
        telegram: &impl Telegram,
        taken_at: Timestamp,
    ) -> (Option<Timestamp>, bool) {
        let (mut clock, mut devices, mut any) = (None, [None; 4], self.any);
        for sent in telegram.registers() {
            let Some(obis) = sent.obis.filter(|obis| obis.medium() == Some(0)) else { continue };
            match (on_channel(obis), obis.cde()) {
                (None, (1, 0, 0)) => clock = clock.or(sent.time.and_then(|time| time.utc)),
                (Some((place, (24, 1, 0))), _) if place < devices.len() => {
                    (devices[place], any) = (device(sent.value), true);
                }
                _ => {}
            }
        }
        self.any = any;
        (clock, any && self.update_slots(telegram, devices, clock.unwrap_or(taken_at), taken_at))
    }

    fn update_slots(
        &mut self,
        telegram: &impl Telegram,
        devices: [Option<&'static str>; 4],
        clock: Timestamp,
        taken_at: Timestamp,
    ) -> bool {
        let on_channels = telegram.registers().filter_map(|sent| Some((on_channel(sent.obis?)?, sent)));
        for (slot, device) in self.slots.iter_mut().zip(devices) {
            if slot.device != device {
                *slot = Slot { device, ..Slot::default() };
            }
            slot.state = State::Empty;
        }
        for ((place, _), sent) in on_channels.filter(|(_, sent)| sent.obis.is_some_and(is_passed_on)) {
            if let Some(slot) = self.slots.get_mut(place) {
                slot.state = slot.note(&sent, clock, taken_at);
                if slot.state >= State::Astray {
                    slot.born.get_or_insert(taken_at);
                }
            }
        }
        let named = [0, 1, 2, 3].map(|place| self.holder(self.slots[place].device, taken_at) == Some(place));
        self.slots.iter_mut().zip(named).fold(false, |changed, (slot, is_named)| {
            changed | (std::mem::replace(&mut slot.is_named, is_named) != is_named)
        })
    }

    /// Returns the channel of the meter that has the device's name.
    fn holder(&self, device: Option<&'static str>, now: Timestamp) -> Option<usize> {
        device?;
        let of_kind = (0..4).filter(|place| self.slots[*place].device == device);
        let best = of_kind.clone().min_by_key(|place| Reverse(self.slots[*place].state))?;
        let holder = of_kind.clone().find(|place| self.slots[*place].is_named);
        let holder = holder.filter(|place| {
            let (held, best) = (&self.slots[*place], &self.slots[best]);
            held.state == best.state || held.state > State::Timeless && best.state > State::Timeless
        });
        let Some(holder) = holder else {
            return Some(best).filter(|best| self.slots[*best].state > State::Dead);
        };
        let heir = |place: &usize| self.slots[*place].replaces(&self.slots[holder], now);
        Some(of_kind.clone().find(heir).unwrap_or(holder))
    }

    /// Returns the name of the register with this code, if it has one. That of a meter whose device has its name already
    /// is the code as `sent`.
    pub(crate) fn name(&self, obis: Obis, sent: &str) -> Option<Text> {
        let Some((place, code)) = on_channel(obis) else { return name(obis) };
        let slot = self.slots.get(place)?;
        let device = slot.device?;
        match code {
            (96, 1, 0 | 1) if slot.is_named => Some(Text::from(format!("{device}_METER_ID"))),
            _ if is_passed_on(obis) && slot.is_named => Some(Text::new_static(device)),
            _ => matches!(code, (96, 1, 0 | 1) | (24, 2 | 3, _)).then(|| sent.into()),
        }
    }

    /// Adapts a reading to what is known of its meter. Returns whether there is anything.
    pub(crate) fn adapt(&self, reading: &mut Reading) -> bool {
        let place = reading.obis.filter(|obis| is_passed_on(*obis)).and_then(on_channel);
        let Some(slot) = place.and_then(|(place, _)| self.slots.get(place)) else { return false };
        match (slot.state, &mut reading.time) {
            (State::Astray, Some(time)) => {
                time.utc = Some(slot.seen);
                return true;
            }
            (State::Dead, Some(time)) => time.utc = time.utc.filter(|utc| (FIRST..slot.seen).contains(utc)),
            _ => {}
        }
        if slot.state == State::Dead && matches!(reading.value, Value::Number(_)) {
            reading.kind = Some(Kind::State);
        }
        false
    }

    /// Describes the meters that are not read as they should be, if that has changed.
    pub(crate) fn news(&mut self) -> Option<String> {
        let states = self.slots.each_ref().map(|slot| slot.state);
        let doubtful = |state| matches!(state, State::Dead | State::Astray);
        if std::mem::replace(&mut self.told, states).map(doubtful) == states.map(doubtful) {
            return None;
        }
        let mut news = String::new();
        for (channel, slot) in (1..).zip(&self.slots).filter(|(_, slot)| doubtful(slot.state)) {
            let device = slot.device.unwrap_or("meter");
            let separator = if news.is_empty() { "" } else { "; " };
            let clock = slot.utc.filter(|utc| *utc >= FIRST).map(|utc| format!("{utc:.0}"));
            let what = match (slot.state, clock) {
                (State::Dead, Some(clock)) => format!("was read last at {clock}, so that it does not count"),
                (State::Dead, None) => "was never read, so that it does not count".to_owned(),
                (_, clock) => {
                    let clock = clock.unwrap_or_else(|| slot.time.to_string());
                    format!(
                        "has a clock that says {clock}, so that its readings get the time at which they arrive"
                    )
                }
            };
            // Writing into a string cannot fail.
            let _ = write!(news, "{separator}{device} on channel {channel} {what}");
        }
        Some(if news.is_empty() { "none".to_owned() } else { news })
    }
}

impl Slot {
    /// Notes a register that counts; returns what it shows.
    fn note(&mut self, register: &Register<'_>, clock: Timestamp, now: Timestamp) -> State {
        let Some(time) = register.time else {
            return if register.number.is_some() { State::Timeless } else { State::Empty };
        };
        if self.time != time.sent {
            if !self.time.is_empty() {
                self.pause = self.pause.max(now.duration_since(self.seen));
            }
            (self.time, self.utc, self.seen) = (time.sent.into(), time.utc, now);
        }
        let is_new = now.duration_since(self.seen) <= NEAR;
        match time.utc {
            Some(utc) if clock.duration_since(utc).abs() <= NEAR => State::Lives,
            // It is read again and again, or cannot have been read then.
            Some(utc) if is_new && (!self.pause.is_zero() || utc > clock) => State::Astray,
            None if is_new => State::Timeless,
            _ => State::Dead,
        }
    }

    /// Returns whether this meter came in the place of `other`, which has missed its time since.
    fn replaces(&self, other: &Self, now: Timestamp) -> bool {
        let patience = (other.pause * 2).clamp(OVERDUE, NEAR);
        self.born.is_some_and(|born| born > other.seen)
            && self.state >= State::Astray
            && !other.pause.is_zero()
            && now.duration_since(other.seen) > patience
    }
}

fn device(value: &str) -> Option<&'static str> {
    match value.trim_ascii().parse::<u8>() {
        Ok(2) => Some("ELECTRICITY"),
        Ok(3) => Some("GAS"),
        Ok(4 | 12) => Some("HEAT"),
        Ok(6) => Some("WARM_WATER"),
        Ok(7) => Some("WATER"),
        Ok(10 | 11) => Some("COLD"),
        _ => None,
    }
}

/// Returns whether the register is a counter of another meter: `0-n:24.2.e`, and in DSMR 2 and 3 `0-n:24.3.0`.
pub(crate) fn is_passed_on(obis: Obis) -> bool {
    matches!(on_channel(obis), Some((_, (24, 2, _) | (24, 3, 0))))
}

/// Returns the channel, counted from 0, and the code of an abstract register that is not of channel 0.
fn on_channel(obis: Obis) -> Option<(usize, (u8, u8, u8))> {
    match (obis.medium(), obis.channel()) {
        (Some(0), Some(channel @ 1..)) => Some((usize::from(channel) - 1, obis.cde())),
        _ => None,
    }
}
