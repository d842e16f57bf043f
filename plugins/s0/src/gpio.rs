//! Edges of a GPIO line, whoever reads it.

use std::{io, time::Duration};

use tokio::{sync::mpsc, time::sleep};

use crate::{
    cdev::Cdev,
    clock,
    config::{Backend, Gpio},
    counter::{Counter, Edge, Pulses, Tally},
    raspberry,
};

/// An edge is on its way from the hardware to us for less than this.
const LATENCY: Duration = Duration::from_millis(5);
/// With a long `debounce`, look after this: the kernel keeps 1024 edges only.
const LONGEST_REST: Duration = Duration::from_millis(50);

/// A line that is watched, and what its edges mean.
#[derive(Debug)]
pub(crate) struct GpioInput {
    edges: Edges,
    /// Edges that were read and not looked at: a dropped read leaves them here.
    read: Vec<Edge>,
    counter: Counter,
}

/// Where edges come from.
#[derive(Debug)]
pub(crate) enum Edges {
    /// The kernel's character device.
    Cdev(Box<Cdev>),
    /// A thread that has them.
    Channel(mpsc::Receiver<io::Result<Edge>>),
}

/// What a line turned out to be.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) input: GpioInput,
    /// `cdev` or `rppal`.
    pub(crate) backend: &'static str,
    /// The line's full name: `/dev/gpiochip0 line 21 (GPIO21)`.
    pub(crate) device: String,
}

impl GpioInput {
    /// Begins to watch a line.
    ///
    /// # Errors
    /// What the system says, with what to do where that is known.
    pub(crate) fn open(gpio: &Gpio, debounce: Duration) -> io::Result<Watched> {
        let backend = match gpio.backend {
            // A Raspberry Pi whose kernel is too old, or locked up, for character devices.
            Backend::Auto
                if gpio.bcm_only() && gpiocdev::chip::chips().is_ok_and(|chips| chips.is_empty()) =>
            {
                Backend::Rppal
            }
            Backend::Auto => Backend::Cdev,
            chosen => chosen,
        };
        let (edges, level, backend, device) = if backend == Backend::Rppal {
            let edges = raspberry::open(gpio)?;
            (Edges::Channel(edges), None, "rppal", gpio.to_string())
        } else {
            let (cdev, level, device) = Cdev::open(gpio)?;
            (Edges::Cdev(Box::new(cdev)), level, "cdev", device)
        };
        let input = Self { edges, read: Vec::new(), counter: Counter::new(debounce, level, clock::now()) };
        Ok(Watched { input, backend, device })
    }

    /// Waits for edges, or until a level has held; adds the pulses that became certain.
    ///
    /// # Errors
    /// What the system says; the line is lost then.
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
                    self.edges.rest();
                    sleep((deadline + LATENCY).saturating_sub(clock::now()).min(LONGEST_REST)).await;
                    held = Some(clock::now());
                    self.edges.rested(&mut self.read)?;
                }
            }
        }
        self.read.drain(..).for_each(|edge| self.counter.edge(edge, found));
        if let Some(now) = held {
            self.counter.settle(now.saturating_sub(LATENCY), found);
        }
        Ok(())
    }

    /// Asks whether the line is still there.
    ///
    /// # Errors
    /// What the system says where it is not.
    pub(crate) fn check(&self) -> io::Result<()> {
        match &self.edges {
            Edges::Cdev(cdev) => cdev.check(),
            Edges::Channel(_) => Ok(()), // the thread says so
        }
    }

    /// What was seen on the line.
    pub(crate) fn tally(&self) -> Tally {
        self.counter.tally()
    }
}

impl Edges {
    /// Waits for an edge, and adds all that are there.
    ///
    /// # Cancel safety
    /// What was read is in `read`.
    async fn read(&mut self, read: &mut Vec<Edge>) -> io::Result<()> {
        match self {
            Self::Cdev(cdev) => cdev.read(read).await,
            Self::Channel(edges) => {
                let gone = || io::Error::new(io::ErrorKind::UnexpectedEof, "the reading thread ended");
                read.push(edges.recv().await.ok_or_else(gone)??);
                self.rested(read)
            }
        }
    }

    /// From now on no edge wakes this process, until the next [`read`](Self::read).
    fn rest(&mut self) {
        if let Self::Cdev(cdev) = self {
            cdev.rest();
        }
    }

    /// Adds the edges that came while it rested.
    fn rested(&mut self, read: &mut Vec<Edge>) -> io::Result<()> {
        match self {
            Self::Cdev(cdev) => cdev.rested(read),
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
        let counter = Counter::new(hold, Some(false), clock::now());
        (GpioInput { edges: Edges::Channel(edges), read: Vec::new(), counter }, sender)
    }

    fn edge(time: Duration, active: bool, seqno: u32) -> io::Result<Edge> {
        Ok(Edge { time, active, seqno })
    }

    #[tokio::test]
    async fn all_that_waits_is_read_at_once() {
        let (mut input, sender) = input(Duration::from_millis(10));
        for n in 0..200u32 {
            let time = Duration::from_millis(30 * u64::from(n));
            sender.send(edge(time, n.is_multiple_of(2), n + 1)).await.unwrap();
        }
        let mut found = Vec::new();
        input.pulses(&mut found).await.unwrap();
        assert_eq!((found.len(), input.tally().edges), (100, 200));
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
