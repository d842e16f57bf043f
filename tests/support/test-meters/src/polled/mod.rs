//! Meter that must be polled: IEC 62056-21, protocol modes A, B and C, data readout.
//!
//! At 300 baud 7E1, a program asks with `/?!` CR LF (or with a device address before the `!`). The meter
//! answers with its identification `/XXXZ…` CR LF, whose `Z` tells what comes then:
//!
//! - mode A (any other character): the readout follows at the same speed.
//! - mode B (`A` to `F`, for 600 to 19200 baud): the readout follows at that speed.
//! - mode C (`0` to `6`, for 300 to 19200 baud): the program acknowledges with ACK `0` Z `0` CR LF, still at
//!   300 baud; after that both change their speed. Without an acknowledgement in time, or with a wrong one,
//!   the readout comes at 300 baud.
//!
//! The readout is STX, the lines, `!` CR LF, ETX and a block check character: the exclusive or of all after
//! STX up to ETX. Then the meter waits for the next request, at 300 baud again.
//!
//! Everything passes through the [UART model](crate::uart): where the program has another baud rate than the meter,
//! each gets garbage from the other. Bytes of the program take the time of a real line, and a program that changes its
//! baud rate within the first half of it spoils the rest. A pseudo terminal cannot delay `tcdrain`, so a program must
//! wait by itself for the end of its bytes.

mod conversation;
mod head;
mod log;
mod table;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use simulator::{Pty, Worker};

use self::{head::Head, log::Log};
pub use self::{
    log::Event,
    table::{long_table, table},
};
use crate::uart::Uart;

/// Properties of a [`PolledMeter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolledOptions {
    /// Identification without the `/`. Its fourth character determines mode and baud rate.
    pub ident: String,
    /// Device address. The meter answers to it, leading zeros aside, and to a request without one.
    pub address: Option<String>,
    /// Baud rate at which the meter is polled, and to which it returns after a readout.
    pub initial_baud: u32,
    /// Time from the last bit of a message to its answer. A program needs some of it before the readout to change its
    /// baud rate.
    pub reaction: Duration,
    /// Time that it waits for an acknowledgement.
    pub ack_timeout: Duration,
    /// Wake-up that it needs, as a meter with a battery does.
    pub wake: Option<WakeUp>,
    /// Whether the optical head reflects the bytes of the program.
    pub echo: bool,
    /// Whether it sends character by character at its baud rate, or each message at once.
    pub real_time: bool,
    /// Number of first readouts with a wrong block check character.
    pub damaged: usize,
}

impl Default for PolledOptions {
    /// A meter of mode C that offers 9600 baud, awake and in order.
    fn default() -> Self {
        Self {
            ident: "ISK5MT174-0001".into(),
            address: None,
            initial_baud: 300,
            reaction: Duration::from_millis(200),
            ack_timeout: Duration::from_millis(1500),
            wake: None,
            echo: false,
            real_time: false,
            damaged: 0,
        }
    }
}

/// Wake-up of a meter: NULs, and then a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeUp {
    /// Number of NULs in a row, at the initial baud rate.
    pub nuls: usize,
    /// Time after the last bit of them in which nothing may come. Earlier bytes are lost, and the meter sleeps on.
    pub pause: Duration,
    /// Time that it then waits for a request, before it falls asleep again.
    pub awake: Duration,
}

impl Default for WakeUp {
    /// NULs of 2.1 s at 300 baud, and a pause a bit shorter than the 1.5 s that programs make.
    fn default() -> Self {
        Self { nuls: 63, pause: Duration::from_millis(1300), awake: Duration::from_secs(5) }
    }
}

/// Meter that answers requests until it is dropped. It records the whole conversation.
#[derive(Debug)]
pub struct PolledMeter {
    port: PathBuf,
    log: Arc<Log>,
    _worker: Worker,
}

impl PolledMeter {
    /// Starts a meter at this line; `next_table` makes the lines of each readout, without their ends.
    ///
    /// # Errors
    ///
    /// Fails where the system has no thread left, or does not tell the baud rate of the line.
    pub fn start(
        pty: Pty,
        options: PolledOptions,
        mut next_table: impl FnMut() -> Vec<String> + Send + 'static,
    ) -> io::Result<Self> {
        let port = pty.path().to_owned();
        let uart = Uart::new(options.initial_baud);
        let pty = pty.through(uart.clone());
        let program = pty.baud()?;
        let log = Arc::new(Log::default());
        let worker = Worker::start("meter", {
            let log = Arc::clone(&log);
            move |clock| {
                let mut head = Head::new(pty, uart, clock, &log, &options, program);
                let mut readouts = 0;
                while conversation::converse(&mut head, &options, readouts, &mut next_table).is_some() {
                    readouts += 1;
                }
            }
        })?;
        Ok(Self { port, log, _worker: worker })
    }

    /// Returns the path that a program opens.
    pub fn port(&self) -> &Path {
        &self.port
    }

    /// Returns the last thousand events at most, in order.
    pub fn events(&self) -> Vec<Event> {
        self.log.events()
    }
}
