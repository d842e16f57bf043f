//! Bus that several sources may share: one port, one queue.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::{
    sync::{self, MutexGuard},
    time::Instant,
};
use transport::{Connection, Parity, Port};

use crate::timing::Timing;

/// Buses of this process by port. Held only while one is looked up.
static BUSES: Mutex<Vec<(String, Weak<Bus>)>> = Mutex::new(Vec::new());

/// Bus behind one port. Whoever reads a meter has it alone; the others wait in the order of their arrival.
pub(crate) struct Bus {
    port: Port,
    state: sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// Number of sources that have it open.
    users: usize,
}

impl Bus {
    /// Returns the bus behind a port: the same for all sources of this process.
    pub(crate) fn at(port: &Port) -> Arc<Self> {
        let name = match port {
            // A link and its target are one port.
            Port::Serial(path) => path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string(),
            port => port.to_string().to_ascii_lowercase(),
        };
        let mut buses = BUSES.lock().unwrap_or_else(PoisonError::into_inner);
        buses.retain(|(_, bus)| bus.strong_count() > 0);
        if let Some(bus) = buses.iter().find(|(known, _)| *known == name).and_then(|(_, bus)| bus.upgrade()) {
            return bus;
        }
        let bus = Arc::new(Self { port: port.clone(), state: sync::Mutex::default() });
        buses.push((name, Arc::downgrade(&bus)));
        bus
    }

    /// Opens the port for a source, if nobody has.
    pub(crate) async fn open(&self, timing: Timing) -> io::Result<()> {
        let mut turn = self.turn(timing).await?;
        turn.state.users += 1;
        Ok(())
    }

    /// Closes the port after its last user.
    pub(crate) async fn close(&self) {
        let mut state = self.state.lock().await;
        state.users = state.users.saturating_sub(1);
        if state.users == 0 {
            state.connection = None;
        }
    }

    /// Waits for the bus, and opens it again if another source has found it broken.
    pub(crate) async fn turn(&self, timing: Timing) -> io::Result<Turn<'_>> {
        let mut state = self.state.lock().await;
        if state.connection.is_none() {
            let mut connection = Connection::open(&self.port, timing.baud()).await?;
            // Eight bits and an even parity bit.
            connection.set_parity(Parity::Even)?;
            state.connection = Some(connection);
        }
        let mut turn = Turn { state };
        let line = turn.line()?;
        // The runtime of this thread watches the port from now on, not that of the source before.
        line.nap(Instant::now()).await?;
        line.set_baud(timing.baud())?;
        Ok(turn)
    }
}

/// A source's turn on the bus.
pub(crate) struct Turn<'b> {
    state: MutexGuard<'b, State>,
}

impl Turn<'_> {
    /// Returns the line.
    pub(crate) fn line(&mut self) -> io::Result<&mut Connection> {
        self.state.connection.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Ends the turn with a broken line: it is opened again.
    pub(crate) fn broken(mut self) {
        self.state.connection = None;
    }

    /// Ends the turn.
    pub(crate) async fn end(mut self) {
        // The next source watches the port on its own thread.
        if let Some(connection) = &mut self.state.connection
            && connection.nap(Instant::now()).await.is_err()
        {
            self.state.connection = None;
        }
    }
}
