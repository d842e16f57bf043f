//! Adapter that turns the pulses of an S0 output into bytes on a serial line.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    Household, Pty,
    worker::{Worker, next_turn},
};

/// Second of the household.
const SECOND: Duration = Duration::from_secs(1);

/// S0 output of the heat pump's meter on a serial line, in real time: some bytes for each Wh, until it is dropped. Such
/// an adapter is little more than a resistor: the look of a pulse to the port depends on its length and on the baud
/// rate.
#[derive(Debug)]
pub struct PulseAdapter {
    port: PathBuf,
    _worker: Worker,
}

impl PulseAdapter {
    /// Starts an adapter at this line in this household, which sends `pulse` for each pulse.
    ///
    /// # Errors
    ///
    /// Fails where the system has no thread left.
    pub fn start(pty: Pty, mut household: Household, pulse: impl Into<Vec<u8>>) -> io::Result<Self> {
        let port = pty.path().to_owned();
        let pulse = pulse.into();
        let mut second = Instant::now();
        let worker = Worker::start("pulses", move |clock| {
            loop {
                for offset in household.advance().pulses() {
                    if clock.wait_until(second + offset).is_none() || pty.write_all(&pulse).is_err() {
                        return;
                    }
                }
                second = next_turn(second, SECOND);
                if clock.wait_until(second).is_none() {
                    return;
                }
            }
        })?;
        Ok(Self { port, _worker: worker })
    }

    /// Returns the path that a program opens.
    pub fn port(&self) -> &Path {
        &self.port
    }
}

#[cfg(test)]
mod tests {
    use test_meters::Port;

    use super::*;

    #[test]
    fn each_pulse_leaves_its_bytes_and_comes_when_the_model_says() {
        let household = Household::new(1);
        let mut model = household.clone();
        let due: Vec<_> = (0..3)
            .flat_map(|second| model.advance().pulses().map(move |offset| second * SECOND + offset))
            .collect();

        let start = Instant::now();
        // Held, so that the first pulse is not lost where the port is opened late.
        let adapter = PulseAdapter::start(Pty::open().unwrap().held().unwrap(), household, *b"<>").unwrap();
        let mut port = Port::open(adapter.port());
        for due in &due[..2] {
            assert_eq!(port.read_until(|bytes| bytes.len() >= 2), b"<>");
            assert!(start.elapsed() >= *due, "{:?} instead of {due:?}", start.elapsed());
        }
    }
}
