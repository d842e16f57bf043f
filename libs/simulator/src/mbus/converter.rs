//! Level converter: the port of a bus.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Answer, MbusBus, bus::request_length};
use crate::{Pty, worker::Worker};

/// Time between two looks whether the converter must stop.
const LOOK: Duration = Duration::from_millis(20);

/// Level converter with a bus behind it. It echoes what is sent, as many do, and ends when it is dropped.
#[derive(Debug)]
pub struct MbusConverter {
    port: PathBuf,
    bus: Arc<Mutex<MbusBus>>,
    _worker: Worker,
}

impl MbusConverter {
    /// Starts a converter at this line.
    ///
    /// # Errors
    ///
    /// Fails where the system has no thread left.
    pub fn start(pty: Pty, bus: MbusBus) -> io::Result<Self> {
        let port = pty.path().to_owned();
        let bus = Arc::new(Mutex::new(bus));
        let shared = Arc::clone(&bus);
        let worker = Worker::start("mbus", move |clock| {
            let (mut sent, mut buffer) = (Vec::new(), [0; 512]);
            while clock.wait_until(Instant::now()).is_some() {
                let Ok(count) = pty.read(&mut buffer, Instant::now() + LOOK) else { return };
                sent.extend_from_slice(&buffer[..count]);
                while let Some(length) = request_length(&sent) {
                    let request: Vec<u8> = sent.drain(..length).collect();
                    let _ = pty.reflect(&request); // nobody reads it any more
                    let baud = pty.baud().unwrap_or(2400);
                    let answer = shared.lock().unwrap_or_else(PoisonError::into_inner).answer(&request, baud);
                    let Some(Answer { delay, bytes }) = answer else { continue };
                    if clock.wait_until(Instant::now() + delay).is_none() {
                        return;
                    }
                    let _ = pty.write_all(&bytes);
                }
            }
        })?;
        Ok(Self { port, bus, _worker: worker })
    }

    /// Returns the path that a program opens.
    pub fn port(&self) -> &Path {
        &self.port
    }

    /// Changes something on the bus: a meter that becomes silent, a counter that rises.
    pub fn change(&self, change: impl FnOnce(&mut MbusBus)) {
        change(&mut self.bus.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
