//! Pulses of a GPIO line, with either backend.

use std::{io, time::Duration};

use framework::KeptFile;
use tokio::{sync::mpsc, time::sleep};
use tracing::{info, warn};

use crate::{
    cdev::{Cdev, KERNEL_BUFFER, Start},
    clock,
    config::{Backend, Gpio, Where},
    counter::{Counter, Edge, LineState, Pulses, Tally},
    raspberry,
};

/// Longest time that an edge takes from the hardware to this process.
const LATENCY: Duration = Duration::from_millis(5);
/// Longest nap, also with a longer `debounce`: the kernel keeps only 1024 edges.
const LONGEST_NAP: Duration = Duration::from_millis(50);

/// GPIO line that is watched, and the counter of its edges.
#[derive(Debug)]
pub(crate) struct GpioInput {
    edges: Edges,
    /// Edges that were read and not counted yet: a dropped read leaves them here.
    read: Vec<Edge>,
    counter: Counter,
    /// Full name of a line that was kept over a restart, until the edges that the kernel queued are read.
    kept: Option<String>,
    /// Edges that the kernel queued while nobody read them.
    queued: framework::Counter,
}

/// Backend that delivers edges.
#[derive(Debug)]
pub(crate) enum Edges {
    /// The kernel's character device.
    Cdev(Box<Cdev>),
    /// A thread that reads them.
    Channel(mpsc::Receiver<io::Result<Edge>>),
}

impl GpioInput {
    /// Starts to watch a line, or goes on with the one that was kept in `place`, of which `line` is the last known state.
    /// Also returns the backend, `cdev` or `rppal`, and the line's full name:
    /// `/dev/gpiochip0 line 21 (GPIO21)`.
    ///
    /// # Errors
    /// Fails if the line does not exist, is in use, or may not be used; the text says what to do.
    pub(crate) fn open(
        gpio: &Gpio,
        debounce: Duration,
        tally: Tally,
        (place, line, queued): (&KeptFile, Option<LineState>, framework::Counter),
    ) -> io::Result<(Self, &'static str, String)> {
        // A Raspberry Pi whose kernel has no usable character device.
        let chipless = || gpiocdev::chip::chips().is_ok_and(|chips| chips.is_empty());
        let is_pin = matches!((gpio.line, &gpio.chip), (Where::Pin(_), None));
        let with_rppal =
            gpio.backend == Backend::Rppal || gpio.backend == Backend::Auto && is_pin && chipless();
        let (edges, start, backend, device) = if with_rppal {
            (Edges::Channel(raspberry::open(gpio)?), Start::Requested(None), "rppal", gpio.to_string())
        } else {
            let (cdev, start, device) = Cdev::open(gpio, place)?;
            (Edges::Cdev(Box::new(cdev)), start, "cdev", device)
        };
        let now = clock::now();
        let (counter, kept) = match start {
            Start::Requested(level) => (Counter::new(debounce, level, now, tally), None),
            Start::Kept => (Counter::resumed(debounce, line, now, tally), Some(device.clone())),
        };
        Ok((Self { edges, read: Vec::new(), counter, kept, queued }, backend, device))
    }

    /// Returns the state of a line that is kept over a restart.
    pub(crate) fn line(&self) -> Option<LineState> {
        match self.edges {
            Edges::Cdev(_) => self.counter.line(),
            Edges::Channel(_) => None,
        }
    }

    /// Waits for edges, or until a level has held; adds the pulses that became certain.
    ///
    /// # Errors
    /// Returns any I/O error; the line must be opened again then.
    ///
    /// # Cancel safety
    /// Dropped at any time, it loses nothing.
    pub(crate) async fn pulses(&mut self, found: &mut Vec<Pulses>) -> io::Result<()> {
        let mut held = None;
        if let Some(device) = self.kept.take() {
            self.edges.drain(&mut self.read)?;
            self.report_queued(&device, found);
        } else if self.read.is_empty() {
            match self.counter.deadline() {
                None => self.edges.read(&mut self.read).await?,
                Some(deadline) => {
                    // A contact that bounces need not wake this process each time: the kernel has the times, and keeps
                    // the edges if this process ends meanwhile.
                    self.edges.nap();
                    sleep((deadline + LATENCY).saturating_sub(clock::now()).min(LONGEST_NAP)).await;
                    held = Some(clock::now());
                    self.edges.drain(&mut self.read)?;
                }
            }
        }
        self.read.drain(..).for_each(|edge| self.counter.edge(edge, found));
        if let Some(now) = held {
            self.counter.settle(now.saturating_sub(LATENCY), found);
        }
        Ok(())
    }

    /// Counts the edges that the kernel queued while nobody read them, and reports how many they are.
    fn report_queued(&mut self, device: &str, found: &mut Vec<Pulses>) {
        let (edges, before) = (self.read.len() as u64, self.counter.tally.lost.get());
        self.read.drain(..).for_each(|edge| self.counter.edge(edge, found));
        self.queued.add(edges);
        match self.counter.tally.lost.get() - before {
            0 => info!("went on with {device}: the kernel had queued {edges} edges"),
            lost => warn!(
                "went on with {device}: the kernel had queued {edges} edges, and {lost} more are missing, as it queues \
                 at most {KERNEL_BUFFER}; their pulses are estimated"
            ),
        }
    }

    /// Checks that the line is still there.
    ///
    /// # Errors
    /// Returns the I/O error of a line that is gone.
    pub(crate) fn check(&self) -> io::Result<()> {
        match &self.edges {
            Edges::Cdev(cdev) => cdev.check(),
            Edges::Channel(_) => Ok(()), // the thread reports it
        }
    }
}

impl Edges {
    /// Waits for edges, and adds them.
    ///
    /// # Cancel safety
    /// Edges that were read are in `read`.
    async fn read(&mut self, read: &mut Vec<Edge>) -> io::Result<()> {
        match self {
            Self::Cdev(cdev) => cdev.read(read).await,
            Self::Channel(edges) => {
                let gone = || io::Error::new(io::ErrorKind::UnexpectedEof, "the reading thread ended");
                read.push(edges.recv().await.ok_or_else(gone)??);
                self.drain(read)
            }
        }
    }

    /// Has further edges not wake this process until the next [`read`](Self::read).
    fn nap(&mut self) {
        if let Self::Cdev(cdev) = self {
            cdev.nap();
        }
    }

    /// Adds the edges that are there. Further ones do not wake this process until the next [`read`](Self::read).
    fn drain(&mut self, read: &mut Vec<Edge>) -> io::Result<()> {
        match self {
            Self::Cdev(cdev) => cdev.drain(read),
            Self::Channel(edges) => {
                while let Ok(edge) = edges.try_recv() {
                    read.push(edge?);
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(hold: Duration) -> (GpioInput, mpsc::Sender<io::Result<Edge>>) {
        let (sender, edges) = mpsc::channel(1024);
        let counter = Counter::new(hold, Some(false), clock::now(), Tally::default());
        let (kept, queued) = (None, framework::Counter::default());
        (GpioInput { edges: Edges::Channel(edges), read: Vec::new(), counter, kept, queued }, sender)
    }

    fn edge(time: Duration, active: bool, seqno: u32) -> io::Result<Edge> {
        Ok(Edge { time, active, seqno })
    }

    #[tokio::test]
    async fn all_waiting_edges_are_read_at_once() {
        let (mut input, sender) = input(Duration::from_millis(10));
        for n in 0..200u32 {
            let time = Duration::from_millis(30 * u64::from(n));
            sender.send(edge(time, n.is_multiple_of(2), n + 1)).await.unwrap();
        }
        let mut found = Vec::new();
        input.pulses(&mut found).await.unwrap();
        assert_eq!((found.len(), input.counter.tally.arrived.get()), (100, 200));
    }

    #[tokio::test]
    async fn a_level_that_holds_is_a_pulse_without_another_edge() {
        let (mut input, sender) = input(Duration::from_millis(10));
        let pressed = clock::now();
        sender.send(edge(pressed, true, 1)).await.unwrap();
        let mut found = Vec::new();
        input.pulses(&mut found).await.unwrap();
        assert_eq!(found, []);
        input.pulses(&mut found).await.unwrap();
        assert_eq!(found, [Pulses { count: 1, at: pressed }]);
        assert!(clock::now() - pressed >= Duration::from_millis(10));
    }

    #[tokio::test]
    async fn a_thread_that_ends_is_an_error() {
        let (mut input, sender) = input(Duration::ZERO);
        drop(sender);
        assert!(input.pulses(&mut Vec::new()).await.is_err());
    }
}
