//! Search at one port.

use std::{fmt, io, time::Duration};

use framework::{Config, Reading};
use telegram::protocols;
use tokio::time::{Instant, sleep};
use transport::{Connection, Port};

use super::{
    listen::{Heard, Telegram, listen},
    say,
};

/// Time of listening at the usual baud rate first: most meters push every second.
const FIRST: Duration = Duration::from_millis(1500);
/// Longest wait for an answer at 300 baud; the ident line takes most of it.
const ANSWER: Duration = Duration::from_secs(3);
/// Longest time of a readout.
const READOUT: Duration = Duration::from_secs(25);
/// Longest wait for the answer of a meter that must be woken first, which takes four seconds.
const WAKE_UP: Duration = Duration::from_secs(8);
/// The longest pause between two telegrams is ten seconds (a P1 port of DSMR 4).
const SLOWEST: Duration = Duration::from_millis(10_400);
/// Time of listening at each baud rate, when it is known that bytes come.
const EACH: Duration = Duration::from_secs(5);
/// Longest wait for a whole telegram after a part of one.
const WHOLE: Duration = Duration::from_millis(4300);
/// Longest search for the ident of a meter whose protocol and baud rate are known.
const NAMED: Duration = Duration::from_millis(14_500);

/// Meter that was found.
pub(super) struct Found {
    pub(super) port: Port,
    pub(super) plugin: &'static str,
    /// Identification that it sends.
    pub(super) ident: Option<String>,
    pub(super) baud: Option<u32>,
    /// Further keys of its section, one a line.
    pub(super) keys: String,
    pub(super) readings: Vec<Reading>,
}

/// Reason why no meter was found.
pub(super) enum NotFound {
    Unavailable(io::Error),
    /// Bytes came that no protocol has, at any baud rate.
    Garbage,
    Silent,
    /// A meter answered, but its answer cannot be read.
    Unreadable(String),
}

impl Found {
    /// Describes the meter in a few words.
    pub(super) fn what(&self) -> String {
        let ident = self.ident.as_deref().map_or_else(|| "a meter".to_owned(), |ident| format!("`{ident}`"));
        let baud = self.baud.map_or_else(String::new, |baud| format!(", {baud} baud"));
        let asked = if self.keys.contains("request") { ", it must be asked" } else { "" };
        format!("{ident} ({}{baud}{asked})", self.plugin)
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(error) => write!(f, "could not be opened: {error}"),
            Self::Garbage => f.write_str(
                "bytes arrive, but at no known baud rate: check the alignment of the head (cable downwards, no light from the side)",
            ),
            Self::Silent => f.write_str(
                "nothing arrives: check that the head sits on the meter's infrared port and is plugged in; some meters \
                 push only after a PIN or a setting at the meter",
            ),
            Self::Unreadable(reason) => write!(f, "a meter answers, but it cannot be read: {reason}"),
        }
    }
}

/// Looks for a meter at `port`: pushed first, then asked.
pub(super) async fn search(port: &Port) -> Result<Found, NotFound> {
    let mut search = Search { port, connection: None, garbage: false, began: Instant::now() };
    match search.run().await {
        Ok(found) => found.ok_or(if search.garbage { NotFound::Garbage } else { NotFound::Silent }),
        Err(not_found) => Err(not_found),
    }
}

struct Search<'a> {
    port: &'a Port,
    connection: Option<Connection>,
    /// Bytes came that no protocol has.
    garbage: bool,
    began: Instant,
}

impl Search<'_> {
    async fn run(&mut self) -> Result<Option<Found>, NotFound> {
        let mut bauds = vec![9600, 115_200, 9600];
        for baud in protocols().iter().flat_map(|protocol| protocol.bauds) {
            if !bauds.contains(baud) {
                bauds.push(*baud);
            }
        }
        if let Some(found) = self.at(9600, FIRST).await? {
            return Ok(Some(found));
        }
        // Bytes at a wrong baud rate are pushed too, so there is no meter to ask.
        if !self.garbage
            && let Some(found) = self.ask(0, ANSWER).await?
        {
            return Ok(Some(found));
        }
        if !self.garbage {
            // A fast line shows the bytes of a slower one at once, so this is the place to wait for a slow meter.
            if let Some(found) = self.at(115_200, SLOWEST).await? {
                return Ok(Some(found));
            }
            bauds = [&[9600], &bauds[..]].concat();
        }
        if self.garbage {
            for baud in bauds.into_iter().skip(1) {
                if let Some(found) = self.at(baud, if baud == 115_200 { SLOWEST } else { EACH }).await? {
                    return Ok(Some(found));
                }
            }
            return Ok(None);
        }
        for attempt in 1..protocols().iter().map(|protocol| protocol.asking.len()).max().unwrap_or(0) {
            if let Some(found) = self.ask(attempt, WAKE_UP).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Listens at one baud rate.
    async fn at(&mut self, baud: u32, patience: Duration) -> Result<Option<Found>, NotFound> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self
                .connection
                .insert(Connection::open(self.port, baud).await.map_err(NotFound::Unavailable)?),
        };
        if connection.sets_baud() {
            connection.set_baud(baud).map_err(NotFound::Unavailable)?;
            say(self.port, &format!("listening at {baud} baud"));
        }
        let baud = connection.sets_baud().then_some(baud);
        let mut until = Instant::now() + patience;
        let mut part = None;
        loop {
            let heard = listen(connection, until).await.map_err(NotFound::Unavailable)?;
            match (heard, part) {
                (Heard::Telegram(telegram), _) => return Ok(Some(self.found(telegram, baud))),
                // The whole telegram also has the ident.
                (Heard::Part(plugin), None) => {
                    part = Some(plugin);
                    until = (Instant::now() + WHOLE).min(self.began + NAMED);
                }
                (Heard::Part(plugin), Some(_)) | (_, Some(plugin)) => {
                    let telegram = Telegram { plugin, ident: None, readings: Vec::new() };
                    return Ok(Some(self.found(telegram, baud)));
                }
                (Heard::Garbage, None) => {
                    self.garbage = true;
                    return Ok(None);
                }
                (Heard::Nothing, None) => return Ok(None),
            }
        }
    }

    fn found(&self, telegram: Telegram, baud: Option<u32>) -> Found {
        let Telegram { plugin, ident, readings } = telegram;
        Found { port: self.port.clone(), plugin, ident, baud, keys: keys(baud), readings }
    }

    /// Asks as each plugin does with its keys at index `attempt`; an answer must begin within `patience`.
    async fn ask(&mut self, attempt: usize, patience: Duration) -> Result<Option<Found>, NotFound> {
        for protocol in protocols() {
            let (plugin, Some(keys)) = (protocol.kind, protocol.asking.get(attempt)) else { continue };
            self.connection = None; // the source opens the port
            say(self.port, &format!("asking ({})", keys.replace('\n', ", ")));
            if let Some(found) = self.ask_with(plugin, keys, patience).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Runs a source of the plugin for one batch; dropping it releases the port.
    async fn ask_with(
        &mut self,
        plugin: &'static str,
        keys: &str,
        patience: Duration,
    ) -> Result<Option<Found>, NotFound> {
        let section =
            format!("[sources.probe]\nplugin = \"{plugin}\"\nport = {:?}\n{keys}\n", self.port.to_string());
        let config = Config::parse("probe", &section, &[]).ok();
        let Some(mut source) = config.and_then(|mut config| config.sources.pop()) else { return Ok(None) };
        let (stats, device) = (source.context.stats().clone(), &mut source.acquisition);
        device.open().await.map_err(|error| NotFound::Unavailable(io::Error::other(error.to_string())))?;
        let fact = |name| {
            stats.facts().into_iter().find(|(fact, _)| *fact == name).map(|(_, text)| text.to_string())
        };
        let began = Instant::now();
        let mut answer = device.acquire();
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break Some(answer),
                // A known mode means that it has answered; the readout may take longer.
                () = sleep(Duration::from_millis(50)) => {
                    let limit = if fact("mode").is_some() { READOUT } else { patience };
                    if began.elapsed() > limit {
                        break None;
                    }
                }
            }
        };
        let answered = fact("mode").is_some();
        let ident = fact("ident");
        match answer {
            Some(Ok(batch)) => Ok(Some(Found {
                port: self.port.clone(),
                plugin,
                ident,
                baud: None,
                keys: format!("{keys}\ninterval = \"1m\"\n"),
                readings: batch.readings,
            })),
            Some(Err(error)) if answered => Err(NotFound::Unreadable(error.to_string())),
            None if answered => {
                Err(NotFound::Unreadable(format!("its readout did not end within {READOUT:?}")))
            }
            _ => Ok(None),
        }
    }
}

/// Returns the key for an unusual baud rate.
fn keys(baud: Option<u32>) -> String {
    baud.filter(|baud| *baud != 9600).map_or_else(String::new, |baud| format!("baud = {baud}\n"))
}
