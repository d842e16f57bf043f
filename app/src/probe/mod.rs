//! `smartmeter probe`: finds the meters at serial ports, and writes their configuration.
//!
//! `ports` lists the ports, `search` looks at one of them, `listen` recognizes pushed bytes, `speed` tells a slower line,
//! `advice` names missing registers, `section` writes the configuration.

mod advice;
mod listen;
#[cfg(feature = "mbus")]
mod mbus;
mod ports;
mod search;
mod section;
mod speed;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, interval},
};
use transport::Port;

pub(crate) use self::{
    ports::{adapter_name, serial as serial_ports},
    search::{Found, NotFound},
    section::Section,
};
use crate::{
    failure::Failure,
    output::output,
    progress::{Progress, Unit},
};

/// Patience of a person who waits for `smartmeter probe`: also a meter that must be woken up answers by then.
const THOROUGH: Duration = Duration::from_secs(600);
/// Interval of the progress of a search, which is that of its time.
const TICK: Duration = Duration::from_millis(100);

/// Searches the buses behind `ports` for their meters.
pub(crate) fn run_mbus(ports: &[Port], write: Option<&Path>) -> Result<(), Failure> {
    #[cfg(feature = "mbus")]
    return mbus::run(ports, write);
    #[cfg(not(feature = "mbus"))]
    {
        let _ = (ports, write);
        Err(Failure::usage("this program was built without the plugin `mbus`\n"))
    }
}

/// Looks at `ports` at the same time; without any, at all serial ports of the machine.
/// Prints a section for each meter, and adds it to the file `write`.
pub(crate) fn run(ports: Vec<Port>, write: Option<&Path>) -> Result<(), Failure> {
    let ports = if ports.is_empty() { serial_ports(Path::new("/dev")) } else { ports };
    if ports.is_empty() {
        return Err(Failure::fault(
            "no serial port on this machine\nhint: plug the reading head in; `ls /dev/serial/by-id` shows it\n",
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(search_and_say(ports));
    if found.is_empty() {
        return Err(Failure::fault("no meter was found\n"));
    }
    let sections = found.into_iter().map(Section::of).collect();
    match write {
        Some(file) => section::add(file, sections),
        None => Ok(output().write_all(section::text(sections).as_bytes())?),
    }
}

/// Returns the meters found, in the order of the ports, and says on standard error what happens.
async fn search_and_say(ports: Vec<Port>) -> Vec<Found> {
    let mut steps = search_all(ports.clone(), THOROUGH);
    let (mut all, mut wait) = (Vec::new(), Wait::new(&ports));
    let mut ticks = interval(TICK);
    loop {
        let step = tokio::select! {
            step = steps.recv() => step,
            _ = ticks.tick() => {
                wait.show();
                continue;
            }
        };
        let say = |port: &Port, what: &str| wait.progress.say(&format!("{port}: {what}"));
        match step {
            None => break,
            Some(Step::Trying(port, what, left)) => {
                say(&port, &what);
                wait.lasts(&port, Some(left));
            }
            Some(Step::Found(port, found)) => {
                say(&port, &format!("found {}", found.what()));
                found.advice().into_iter().for_each(|advice| say(&port, &advice));
                wait.lasts(&port, None);
                all.push((ports.iter().position(|known| *known == port), found));
            }
            Some(Step::NotFound(port, not_found)) => {
                say(&port, &not_found.to_string());
                wait.lasts(&port, None);
            }
        }
    }
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, found)| *found).collect()
}

/// Progress of a search at several ports.
struct Wait<'p> {
    progress: Progress,
    began: Instant,
    /// End of the search at each port, if nothing is heard there; `None` once it has ended.
    ports: Vec<(&'p Port, Option<Instant>)>,
}

impl<'p> Wait<'p> {
    fn new(ports: &'p [Port]) -> Self {
        let (progress, began) = (Progress::new("searching", Unit::Time), Instant::now());
        Self { progress, began, ports: ports.iter().map(|port| (port, Some(began))).collect() }
    }

    /// Notes how long the search at a port still takes at most.
    fn lasts(&mut self, port: &Port, left: Option<Duration>) {
        let end = left.map(|left| Instant::now() + left);
        self.ports.iter_mut().filter(|(known, _)| *known == port).for_each(|(_, known)| *known = end);
        let (done, of) = (self.ports.iter().filter(|(_, end)| end.is_none()).count(), self.ports.len());
        if of > 1 {
            self.progress.set_label(format!("searching, {done} of {of} ports done"));
        }
    }

    fn show(&self) {
        let end = self.ports.iter().filter_map(|(_, end)| *end).max().unwrap_or(self.began);
        if end == self.began && self.ports.iter().any(|(_, end)| end.is_some()) {
            self.progress.set(0, 1); // No port has said yet how long it takes.
            return;
        }
        let passed = self.began.elapsed();
        let whole = passed.max(end.saturating_duration_since(self.began));
        let [passed, whole] = [passed, whole].map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.progress.set(passed, whole);
    }
}

/// Step of a search.
pub(crate) enum Step {
    /// What is tried at a port now, and the longest time that is left if nothing is heard.
    Trying(Port, String, Duration),
    /// A meter was found; the search at its port has ended.
    Found(Port, Box<Found>),
    /// The search at a port has ended without a meter.
    NotFound(Port, NotFound),
}

/// Looks at all ports at the same time, and gives one up at which nothing was heard for `patience`. Each step is sent at
/// once. Dropping the receiver ends the search, and releases the ports.
pub(crate) fn search_all(ports: Vec<Port>, patience: Duration) -> mpsc::UnboundedReceiver<Step> {
    // Bounded by the steps of a search, a few dozen for each port.
    let (steps, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut searches = JoinSet::new();
        for port in ports {
            let steps = steps.clone();
            searches.spawn(async move {
                let trying = steps.clone();
                let report: search::Report = Arc::new(move |port, what, left| {
                    let _ = trying.send(Step::Trying(port.clone(), what.to_owned(), left));
                });
                let step = match search::search(&port, patience, &report).await {
                    Ok(found) => Step::Found(port, Box::new(found)),
                    Err(not_found) => Step::NotFound(port, not_found),
                };
                let _ = steps.send(step);
            });
        }
        // Dropping the searches ends them.
        tokio::select! {
            () = async { while searches.join_next().await.is_some() {} } => {}
            () = steps.closed() => {}
        }
    });
    receiver
}

/// Returns the name of a port that stays the same after replugging, where it has one.
fn lasting(port: &Path) -> PathBuf {
    ports::by_id(Path::new("/dev"), port).unwrap_or_else(|| port.to_owned())
}
