//! Virtual household: devices that behave like real ones, on real pseudo terminals.
//!
//! The simulator imitates the device, not the parser's input: a program opens a port and gets bytes that look like
//! those of a meter. The simulator knows nothing of the program.
//!
//! - [`Demo`] is the whole household: a meter and a pulse adapter, ready to be read.
//! - [`Household`] is the model; [`ebz`] writes its state as a meter does.
//! - [`dlms`] and [`tic`] write it as meters of other countries do, [`dlms`] also encrypted.
//! - [`mbus`] has a wired bus with its meters.
//! - [`PushingMeter`] and [`PulseAdapter`] send it over a [`Pty`].

pub mod dlms;
pub mod ebz;
mod household;
pub mod mbus;
mod meter;
mod pty;
mod pulses;
pub mod tic;
mod worker;

use std::{io, path::Path};

pub use crate::{
    household::{CentiwattSeconds, Centiwatts, Household, Moment, START_OF_DAY, WATT_HOUR, time},
    meter::{PushingMeter, Timing, time_of},
    pty::{Line, Pty, Wire},
    pulses::PulseAdapter,
    worker::{Clock, Worker},
};

/// Seed of the demo's day: clouds soon reverse the flow, and often.
const DEMO_SEED: u64 = 26;

/// Household that runs in real time, with an eBZ DD3 meter and the pulse output of its heat pump.
///
/// It starts on a late morning with the heat pump on and clouds passing the sun, so that within minutes the household
/// both draws and feeds in. The first telegram comes after one second, the second pulse before two. Bytes that come
/// while nobody has a port open are lost. It ends when it is dropped.
#[derive(Debug)]
pub struct Demo {
    meter: PushingMeter,
    pulses: PulseAdapter,
}

impl Demo {
    /// Starts the household.
    ///
    /// # Errors
    ///
    /// Fails where the system has no pseudo terminal or no thread left.
    pub fn start() -> io::Result<Self> {
        // A household is determined by its seed: two of them in step are the same household.
        let mut household = Household::new(DEMO_SEED);
        let telegrams = move || {
            let mut telegram = ebz::telegram(&household.advance(), ebz::DataSet::Full).into_bytes();
            ebz::seven_e_one(&mut telegram);
            telegram
        };
        Ok(Self {
            meter: PushingMeter::start(Pty::open()?, Timing::default(), telegrams)?,
            pulses: PulseAdapter::start(Pty::open()?, Household::new(DEMO_SEED), [0])?,
        })
    }

    /// Returns the port of the meter: a telegram each second, 7E1 at 9600 baud.
    pub fn meter_port(&self) -> &Path {
        self.meter.port()
    }

    /// Returns the port of the pulse adapter: a NUL for each Wh of the heat pump (1000 pulses per kWh).
    pub fn pulse_port(&self) -> &Path {
        self.pulses.port()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use test_meters::Port;

    use super::*;

    #[test]
    fn a_demo_soon_shows_a_telegram_and_two_pulses() {
        let start = Instant::now();
        let demo = Demo::start().unwrap();
        let mut meter = Port::open(demo.meter_port());
        let mut pulses = Port::open(demo.pulse_port());

        let mut first = ebz::telegram(&Household::new(DEMO_SEED).advance(), ebz::DataSet::Full).into_bytes();
        ebz::seven_e_one(&mut first);
        assert!(meter.read_until(|bytes| bytes.len() >= first.len()) == first);

        assert_eq!(pulses.read_until(|bytes| bytes.len() >= 2), [0, 0]);
        // The model says 1.9 s; the rest is for a busy machine.
        assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    }

    #[test]
    fn dropping_a_demo_hangs_up_at_once() {
        let demo = Demo::start().unwrap();
        let mut meter = Port::open(demo.meter_port());
        let mut pulses = Port::open(demo.pulse_port());
        let start = Instant::now();
        drop(demo);
        meter.read_to_hangup();
        pulses.read_to_hangup();
        assert!(start.elapsed() < Duration::from_millis(500), "took {:?}", start.elapsed());
    }
}
