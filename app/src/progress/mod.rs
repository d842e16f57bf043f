//! Progress of everything that may take longer than a second, for the person who waits.
//!
//! On a terminal it is a bar that is drawn again and again, elsewhere a line now and then. `meter` computes rate and
//! remaining time, `text` writes them, `place` knows where they are shown.

mod meter;
mod place;
mod text;

use std::{
    io::{self, Write as _},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use self::{
    meter::{Amounts, Meter},
    place::Place,
};

/// Time within which nothing is shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// Interval of drawing the bar.
const FRAME: Duration = Duration::from_millis(125);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes.
    Bytes,
    /// Rows, hours, or whatever else; in the plural.
    Count(&'static str),
    /// Milliseconds of a work whose length is known, which has no rate.
    Time,
}

/// Progress of one piece of work, shown on standard error once it has taken a second. Dropping it removes the bar, so
/// that an error comes on a line of its own.
pub(crate) struct Progress {
    state: Arc<State>,
    place: Place,
    /// Thread that shows it, and its end: `true` after success.
    shown: Option<(Sender<bool>, JoinHandle<()>)>,
}

/// What the work reports, and its thread shows.
struct State {
    unit: Unit,
    label: Mutex<String>,
    /// In one place, so that what is shown is of one moment.
    amounts: Mutex<Amounts>,
}

impl Progress {
    /// Progress of some work, such as `importing`.
    pub(crate) fn new(label: impl Into<String>, unit: Unit) -> Self {
        Self::at(Place::of_standard_error(), label.into(), unit)
    }

    /// Progress of a work whose result is printed: on a terminal, or in a file, that has the result too, it is silent.
    pub(crate) fn beside_output(label: impl Into<String>, unit: Unit) -> Self {
        Self::at(Place::beside_output(), label.into(), unit)
    }

    fn at(place: Place, label: String, unit: Unit) -> Self {
        let state = Arc::new(State { unit, label: Mutex::new(label), amounts: Mutex::default() });
        let shown = (place != Place::Nowhere).then(|| {
            let (end, ended) = channel();
            let seen = Arc::clone(&state);
            let thread = thread::Builder::new().name("progress".to_owned());
            // Without the thread nothing is shown, and the work goes on.
            thread.spawn(move || show(&seen, place, &ended)).ok().map(|thread| (end, thread))
        });
        Self { state, place, shown: shown.flatten() }
    }

    /// Reports the amount that is done, and the whole one; 0 where it is not known.
    pub(crate) fn set(&self, done: u64, of: u64) {
        self.set_share(done, done, of);
    }

    /// Reports an amount whose whole is not known, but which is the share `done` of `of`.
    pub(crate) fn set_share(&self, count: u64, done: u64, of: u64) {
        *self.state.amounts.lock().unwrap_or_else(PoisonError::into_inner) = Amounts { count, done, of };
    }

    /// Says what is done now.
    pub(crate) fn set_label(&self, label: impl Into<String>) {
        *self.state.label.lock().unwrap_or_else(PoisonError::into_inner) = label.into();
    }

    /// Prints a line on standard error, above the bar.
    pub(crate) fn say(&self, line: &str) {
        match self.place {
            Place::Terminal => place::print_above(line),
            // Nobody may be there to read it.
            _ => drop(writeln!(io::stderr(), "{line}")),
        }
    }

    /// Ends it after success.
    pub(crate) fn finish(mut self) {
        self.end(true);
    }

    fn end(&mut self, success: bool) {
        if let Some((end, thread)) = self.shown.take() {
            let _ = end.send(success);
            let _ = thread.join();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end(false);
    }
}

impl State {
    fn amounts(&self) -> Amounts {
        *self.amounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn label(&self) -> String {
        self.label.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Shows the progress until it ends.
fn show(state: &State, place: Place, ended: &Receiver<bool>) {
    let (began, mut meter) = (Instant::now(), Meter::default());
    let (mut next, mut has_shown) = (PATIENCE, false);
    let success = loop {
        match ended.recv_timeout(FRAME) {
            Ok(success) => break success,
            Err(RecvTimeoutError::Disconnected) => break false,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = began.elapsed();
        let moved = meter.update(now, state.amounts());
        if now < next {
            continue;
        }
        let figures = text::Figures::new(&state.label(), state.unit, &meter);
        match place {
            // The reader of a pipe that takes no more may be a pager, which has the terminal.
            Place::Terminal if moved || !place::is_piped() => place::draw(|width| figures.bar(width)),
            Place::Lines => {
                let _ = writeln!(io::stderr(), "{}", figures.line());
                (next, has_shown) = (now + pause(now), true);
            }
            _ => {}
        }
    };
    if place == Place::Terminal {
        place::erase();
    } else if success && has_shown {
        meter.update(began.elapsed(), state.amounts());
        let _ =
            writeln!(io::stderr(), "{}", text::Figures::new(&state.label(), state.unit, &meter).last_line());
    }
}

/// Returns the pause after a line: the longer the work takes, the more seldom lines come.
fn pause(now: Duration) -> Duration {
    (now / 10).clamp(Duration::from_secs(5), Duration::from_secs(300))
}

#[cfg(test)]
mod tests;
