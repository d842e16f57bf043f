//! Devices of this machine, and the search for meters, for `/setup`.

use std::{collections::BTreeSet, path::Path, time::Duration};

use framework::{Devices, LineInfo, Outline, PortInfo, ProbeEvent, ProbedReading, Value, async_trait};
use tokio::sync::mpsc;
use transport::Port;

use crate::probe::{self, Found, NotFound, Section, Step};

/// Time after which a silent port is given up, while somebody looks at the page.
const PATIENCE: Duration = Duration::from_secs(15);
/// Most ports of one search.
const MOST: usize = 64;
/// Most readings of a meter that are shown.
const READINGS: usize = 64;

/// This machine.
pub(crate) struct Machine;

#[async_trait]
impl Devices for Machine {
    fn ports(&self) -> Vec<PortInfo> {
        let ports = probe::serial_ports(Path::new("/dev")).into_iter().filter_map(|port| {
            let Port::Serial(path) = port else { return None };
            let device = path.canonicalize().unwrap_or_else(|_| path.clone());
            Some(PortInfo {
                name: probe::adapter_name(Path::new("/sys"), &path),
                port: path.display().to_string(),
                device: device.display().to_string(),
                used_by: None,
            })
        });
        ports.collect()
    }

    fn lines(&self) -> Vec<LineInfo> {
        gpio_lines()
    }

    fn may_be_saved(&self, plugin: &str) -> bool {
        plugin != "exec"
    }

    async fn probe(&self, ports: Vec<String>, known: Outline, events: mpsc::Sender<ProbeEvent>) {
        search(ports, known, events).await;
    }
}

#[cfg(feature = "s0")]
fn gpio_lines() -> Vec<LineInfo> {
    let lines = plugin_s0::lines().into_iter();
    let shown = lines.map(|plugin_s0::Line { chip, offset, name, user }| LineInfo {
        chip,
        line: offset,
        name,
        used_by: user,
    });
    shown.collect()
}

#[cfg(not(feature = "s0"))]
fn gpio_lines() -> Vec<LineInfo> {
    Vec::new()
}

/// Looks for meters, and sends each finding.
async fn search(ports: Vec<String>, known: Outline, events: mpsc::Sender<ProbeEvent>) {
    let all: Vec<Port> = match ports.is_empty() {
        true => probe::serial_ports(Path::new("/dev")),
        false => {
            let mut all = Vec::new();
            for text in ports.into_iter().take(MOST) {
                match text.parse::<Port>() {
                    Ok(Port::Serial(path)) if !is_device(&path) => {
                        let hint = "write its path below `/dev`, or `tcp://host:port`";
                        problem(&events, "wrong_port", text, "this is not a serial port".to_owned(), hint)
                            .await;
                    }
                    Ok(port @ (Port::Serial(_) | Port::Tcp(_))) => all.push(port),
                    Ok(Port::Replay { .. }) => {
                        problem(&events, "wrong_port", text, "a recording has no meter".to_owned(), "").await;
                    }
                    Err(error) => problem(&events, "wrong_port", text, error.to_string(), "").await,
                }
            }
            all
        }
    };
    let mut free = Vec::new();
    for port in all.into_iter().take(MOST) {
        match known.reader_of(&port.to_string()) {
            Some(source) => {
                let text = format!("the source `{source}` reads this port");
                let hint = "it is left alone: to look there, remove that source first";
                problem(&events, "port_in_use", port.to_string(), text, hint).await;
            }
            None => free.push(port),
        }
    }
    if free.is_empty() {
        let hint = "plug the reading head in, and look again; `ls /dev/serial/by-id` shows it";
        let text = "no serial port is left to look at";
        return problem(&events, "no_port", String::new(), text.to_owned(), hint).await;
    }
    let mut taken: BTreeSet<_> = known.sources.iter().map(|source| source.name.clone()).collect();
    let (mut done, of) = (0, free.len());
    let mut steps = probe::search_all(free, PATIENCE);
    while let Some(step) = steps.recv().await {
        let event = match step {
            Step::Trying(port, text, _) => {
                // A client that reads slowly misses some of these.
                let _ = events.try_send(ProbeEvent::Progress { port: port.to_string(), text, done, of });
                continue;
            }
            Step::Found(port, found) => described(&port, *found, &mut taken),
            Step::NotFound(port, reason) => unread(&port, &reason),
        };
        done += 1;
        if events.send(event).await.is_err() {
            return;
        }
    }
}

/// Returns whether a path is below `/dev`.
fn is_device(path: &Path) -> bool {
    path.canonicalize().is_ok_and(|path| path.starts_with("/dev"))
}

/// Returns a meter as the page shows it.
fn described(port: &Port, found: Found, taken: &mut BTreeSet<String>) -> ProbeEvent {
    let text = match found.advice() {
        Some(advice) => format!("{}: {advice}", found.what()),
        None => found.what(),
    };
    let readings = found.readings.iter().take(READINGS).map(|reading| {
        let value = match &reading.value {
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.to_string(),
        };
        let unit = reading.unit.as_deref().unwrap_or_default().to_owned();
        ProbedReading { name: reading.name.to_string(), value, unit }
    });
    let readings = readings.collect();
    let (plugin, keys) = (found.plugin, found.missing_keys());
    let (name, toml) = Section::of(found).named(taken);
    ProbeEvent::Found { port: port.to_string(), text, plugin, name, toml, keys, readings }
}

/// Returns the reason why there is no meter at a port.
fn unread(port: &Port, reason: &NotFound) -> ProbeEvent {
    let (text, hint) = reason.explained();
    ProbeEvent::Problem { port: port.to_string(), code: reason.code(), text, hint: hint.to_owned() }
}

async fn problem(
    events: &mpsc::Sender<ProbeEvent>,
    code: &'static str,
    port: String,
    text: String,
    hint: &str,
) {
    let _ = events.send(ProbeEvent::Problem { port, code, text, hint: hint.to_owned() }).await;
}
