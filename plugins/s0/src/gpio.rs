//! Pulses of a GPIO line, with either backend.

use std::{io, time::Duration};

use tokio::{sync::mpsc, time::sleep};

use crate::{
    cdev::Cdev,
    clock,
    config::{Backend, Gpio, Where},
    counter::{Counter, Edge, Pulses, Tally},
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
    /// Starts to watch a line. Also returns the backend, `cdev` or `rppal`, and the line's full name:
    /// `/dev/gpiochip0 line 21 (GPIO21)`.
    ///
    /// # Errors
    /// Fails if the line does not exist, is in use, or may not be used; the text says what to do.
    pub(crate) fn open(
        gpio: &Gpio,
        debounce: Duration,
        tally: Tally,
    ) -> io::Result<(Self, &'static str, String)> {
        // A Raspberry Pi whose kernel has no usable character device.
        let chipless = || gpiocdev::chip::chips().is_ok_and(|chips| chips.is_empty());
        let is_pin = matches!((gpio.line, &gpio.chip), (Where::Pin(_), None));
        let with_rppal =
            gpio.backend == Backend::Rppal || gpio.backend == Backend::Auto && is_pin && chipless();
        let (edges, level, backend, device) = if with_rppal {
            (Edges::Channel(raspberry::open(gpio)?), None, "rppal", gpio.to_string())
        } else {
            let (cdev, level, device) = Cdev::open(gpio)?;
            (Edges::Cdev(Box::new(cdev)), level, "cdev", device)
        };
        let counter = Counter::new(debounce, level, clock::now(), tally);
        Ok((Self { edges, read: Vec::new(), counter }, backend, device))
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
        if self.read.is_empty() {
            match self.counter.deadline() {
                None => self.edges.read(&mut self.read).await?,
                Some(deadline) => {
                    // A contact that bounces need not wake this process each time: the kernel has the times.
                    self.edges.drain(&mut self.read)?;
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
        (GpioInput { edges: Edges::Channel(edges), read: Vec::new(), counter }, sender)
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
