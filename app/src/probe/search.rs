//! Search at one port.

use std::{collections::VecDeque, fmt, io, sync::Arc, time::Duration};

use framework::{Config, FaultCode, Reading};
use telegram::{Description, FOREIGN_LINES, Protocol, protocols};
use tokio::time::{Instant, sleep};
use transport::{Connection, Line, Parity, Port};

use super::{
    advice,
    listen::{Heard, Telegram, listen},
};

/// Time of listening at the usual baud rate first: most meters push every second.
const FIRST: Duration = Duration::from_millis(1500);
/// Longest wait for an answer at 300 baud; the ident line takes most of it.
const ANSWER: Duration = Duration::from_secs(3);
/// Most bytes of a request that a head may echo; more are pushed.
const MOST_ECHO: u64 = 16;
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

/// Baud rates at which meters push as seldom as [`SLOWEST`]: P1, and DLMS/COSEM.
const SLOW_PUSHES: [u32; 2] = [115_200, 2400];

/// Meter that was found.
pub(crate) struct Found {
    pub(super) port: Port,
    pub(crate) plugin: &'static str,
    /// Identification that it sends.
    pub(super) ident: Option<String>,
    /// Line at which it pushes, where this end sets it.
    pub(super) line: Option<Line>,
    /// Further keys of its section, one a line.
    pub(super) keys: String,
    pub(crate) readings: Vec<Reading>,
    /// Description of a meter that encrypts.
    pub(super) description: Option<Description>,
}

/// Reason why no meter was found.
pub(crate) enum NotFound {
    Unavailable(io::Error),
    /// Bytes came that no protocol has, at any baud rate.
    Garbage,
    Silent,
    /// A meter pushes a protocol that no plugin reads.
    Foreign(Protocol),
    /// A meter answered, but its answer cannot be read.
    Unreadable(String),
}

impl Found {
    /// Returns what a person can do about a missing key, or about registers that are missing.
    pub(crate) fn advice(&self) -> Option<String> {
        match &self.description {
            Some(description) => description.advice.clone(),
            None => advice::of(&self.readings).map(str::to_owned),
        }
    }

    /// Returns the names of the keys without which the meter cannot be read.
    pub(crate) fn missing_keys(&self) -> &'static [&'static str] {
        let description = self.description.as_ref().filter(|description| description.section.is_empty());
        description.map_or(&[], |description| description.keys)
    }

    /// Describes the meter in a few words.
    pub(crate) fn what(&self) -> String {
        let ident = self.ident.as_deref().map_or_else(|| "a meter".to_owned(), |ident| format!("`{ident}`"));
        let line = self.line.map_or_else(String::new, |line| format!(", {}", described(line)));
        let polled = if self.keys.contains("request") { ", it must be polled" } else { "" };
        let what = self.description.as_ref().map_or_else(String::new, |known| format!(": {}", known.what));
        format!("{ident} ({}{line}{polled}){what}", self.plugin)
    }
}

impl NotFound {
    /// Returns its kind, for clients that say it in their own words.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(error) => FaultCode::from(error).as_str(),
            Self::Garbage => "no_protocol",
            Self::Silent => FaultCode::Silent.as_str(),
            Self::Foreign(_) => "foreign_protocol",
            Self::Unreadable(_) => FaultCode::Unreadable.as_str(),
        }
    }

    /// Returns what was found instead of a meter that can be read, and what to do.
    pub(crate) fn explained(&self) -> (String, &'static str) {
        match self {
            // The system's reason says what to do.
            Self::Unavailable(error) => (format!("could not be opened: {error}"), ""),
            Self::Garbage => (
                "bytes arrive, but at no known baud rate".to_owned(),
                "check the alignment of the head (cable downwards, no light from the side)",
            ),
            Self::Silent => (
                "nothing arrives".to_owned(),
                "check that the head sits on the meter's infrared port and is plugged in; some meters push only after \
                 a PIN or a setting at the meter",
            ),
            Self::Foreign(protocol) => (format!("the meter sends {protocol}"), protocol.advice()),
            Self::Unreadable(reason) => (format!("a meter answers, but it cannot be read: {reason}"), ""),
        }
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.explained() {
            (text, "") => f.write_str(&text),
            (text, hint) => write!(f, "{text}: {hint}"),
        }
    }
}

/// Reason to end a search.
enum End {
    Found(Box<Found>),
    NotFound(NotFound),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::NotFound(NotFound::Unavailable(error))
    }
}

/// Report of what is tried at a port, and of the longest time that is left if nothing is heard there.
pub(super) type Report = Arc<dyn Fn(&Port, &str, Duration) + Send + Sync>;

/// Looks for a meter at `port`: pushed first, then polled. A port at which nothing was heard for `patience` is given up.
pub(super) async fn search(port: &Port, patience: Duration, report: &Report) -> Result<Found, NotFound> {
    let began = Instant::now();
    let mut search = Search {
        port,
        connection: None,
        garbage: false,
        slower: None,
        began,
        patience,
        later: Duration::ZERO,
        report,
    };
    match search.run().await {
        Err(End::Found(found)) => Ok(*found),
        Err(End::NotFound(reason)) => Err(reason),
        Ok(()) => Err(if search.garbage { NotFound::Garbage } else { NotFound::Silent }),
    }
}

struct Search<'a> {
    port: &'a Port,
    connection: Option<Connection>,
    /// Bytes came that no protocol has.
    garbage: bool,
    /// Baud rate that the bytes show, read at another one.
    slower: Option<u32>,
    began: Instant,
    patience: Duration,
    /// Longest time that the steps after this one take if nothing is heard.
    later: Duration,
    report: &'a Report,
}

impl Search<'_> {
    /// Tries one way after the other; `Ok` is the end of all of them.
    async fn run(&mut self) -> Result<(), End> {
        let attempts = protocols().iter().map(|protocol| protocol.polling.len()).max().unwrap_or(0);
        let waking = |attempt: usize| (attempt..attempts).map(|attempt| asking(attempt, WAKE_UP)).sum();
        let later: Duration = waking(1);
        self.later = asking(0, ANSWER) + SLOWEST + later;
        self.at(Line::plain(9600), FIRST).await?;
        // Bytes at a wrong baud rate are pushed too, so there is no meter to ask.
        let mut lines = vec![Line::plain(115_200), Line::plain(9600), Line::even(9600)];
        if !self.garbage {
            self.later = SLOWEST + later;
            self.ask(0, ANSWER).await?;
            lines.insert(0, Line::plain(9600));
        }
        if !self.garbage {
            // A fast line shows the bytes of a slower one at once, so this is the place to wait for a slow meter.
            self.later = later;
            self.at(Line::plain(115_200), SLOWEST).await?;
        }
        if !self.garbage {
            for attempt in 1..attempts {
                if self.began.elapsed() + WAKE_UP > self.patience {
                    break;
                }
                self.later = waking(attempt + 1);
                self.ask(attempt, WAKE_UP).await?;
            }
            return Ok(());
        }
        let known = protocols().into_iter().flat_map(|protocol| protocol.lines);
        for line in known.chain(&FOREIGN_LINES) {
            if !lines.contains(line) {
                lines.push(*line);
            }
        }
        let mut lines = VecDeque::from(lines);
        loop {
            if let Some(baud) = self.slower.take() {
                // A wrong parity shows at once where one is expected.
                let is_plain = |line: &Line| line.parity == Parity::None;
                lines.make_contiguous().sort_by_key(|line| match line.baud == baud {
                    true => 1 + u8::from(is_plain(line)),
                    false => 3,
                });
            }
            let Some(line) = lines.pop_front() else { return Ok(()) };
            self.later = lines.iter().map(listening).sum();
            self.at(line, listening(&line)).await?;
        }
    }

    /// Listens at one line.
    async fn at(&mut self, line: Line, patience: Duration) -> Result<(), End> {
        if self.connection.is_none() {
            self.connection = Some(Connection::open(self.port, line.baud).await?);
        }
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if line.parity == Parity::Even && !connection.has_baud() {
            return Ok(());
        }
        if connection.has_baud() {
            connection.set_line(line)?;
            let left = self.later + patience;
            (self.report)(self.port, &format!("listening at {}", described(line)), left);
        }
        let sets_line = connection.has_baud().then_some(line);
        let mut until = Instant::now() + patience;
        let mut part = None;
        loop {
            let telegram = match (listen(connection, line, until, self.began + NAMED).await?, part) {
                (Heard::Telegram(telegram), _) => telegram,
                // The whole telegram also has the ident.
                (Heard::Part(plugin), None) => {
                    part = Some(plugin);
                    let whole = if pushes_slowly(plugin) { SLOWEST } else { WHOLE };
                    until = (Instant::now() + whole).min(self.began + NAMED);
                    continue;
                }
                (Heard::Foreign(protocol), None) => {
                    return Err(End::NotFound(NotFound::Foreign(protocol)));
                }
                (Heard::Part(plugin), Some(_)) | (_, Some(plugin)) => Telegram::of(plugin),
                (Heard::Garbage, None) => {
                    self.garbage = true;
                    return Ok(());
                }
                (Heard::Slower(times), None) => {
                    (self.garbage, self.slower) = (true, Some(line.baud / times));
                    return Ok(());
                }
                (Heard::Nothing, None) => return Ok(()),
            };
            return Err(self.found(telegram, sets_line, keys(sets_line)));
        }
    }

    fn found(&self, telegram: Telegram, line: Option<Line>, keys: String) -> End {
        let Telegram { plugin, ident, readings, description } = telegram;
        let port = self.port.clone();
        let section = description.as_ref().map_or("", |description| &description.section);
        let keys = keys + section;
        End::Found(Box::new(Found { port, plugin, ident, line, keys, readings, description }))
    }

    /// Asks as each plugin does with its keys at index `attempt`; an answer must begin within `patience`.
    async fn ask(&mut self, attempt: usize, patience: Duration) -> Result<(), End> {
        let mut left = self.later + asking(attempt, patience);
        for protocol in protocols() {
            let (plugin, Some(keys)) = (protocol.kind, protocol.polling.get(attempt)) else { continue };
            self.connection = None; // the source opens the port
            (self.report)(self.port, &format!("polling ({})", keys.replace('\n', ", ")), left);
            left = left.saturating_sub(patience);
            self.ask_with(plugin, keys, patience).await?;
        }
        Ok(())
    }

    /// Runs a source of the plugin for one batch; dropping it releases the port.
    async fn ask_with(&mut self, plugin: &'static str, keys: &str, patience: Duration) -> Result<(), End> {
        let section =
            format!("[sources.probe]\nplugin = \"{plugin}\"\nport = {:?}\n{keys}\n", self.port.to_string());
        let config = Config::parse("probe", &section, &[]).ok();
        let Some(mut source) = config.and_then(|mut config| config.sources.pop()) else { return Ok(()) };
        let (stats, device) = (source.context.stats().clone(), &mut source.acquisition);
        device.open().await.map_err(|error| io::Error::other(error.to_string()))?;
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
        let unreadable = match answer {
            Some(Ok(Some(batch))) => {
                let (ident, readings) = (fact("ident"), batch.readings);
                let telegram = Telegram { ident, readings, ..Telegram::of(plugin) };
                return Err(self.found(telegram, None, format!("{keys}\ninterval = \"1m\"\n")));
            }
            _ if fact("mode").is_none() => {
                let bytes = stats.counters().into_iter().find(|(name, _)| *name == "bytes");
                self.garbage |= bytes.is_some_and(|(_, count)| count > MOST_ECHO);
                return Ok(());
            }
            Some(Ok(None)) => "it has nothing new".to_owned(),
            Some(Err(error)) => error.to_string(),
            None => format!("its readout did not end within {READOUT:?}"),
        };
        Err(End::NotFound(NotFound::Unreadable(unreadable)))
    }
}

/// Returns the longest time of one attempt of asking, which begins within `patience` for each plugin.
fn asking(attempt: usize, patience: Duration) -> Duration {
    let asked = protocols().iter().filter(|protocol| protocol.polling.len() > attempt).count();
    patience.saturating_mul(u32::try_from(asked).unwrap_or(u32::MAX))
}

/// Returns the time of listening at a line, when it is known that bytes come.
fn listening(line: &Line) -> Duration {
    if SLOW_PUSHES.contains(&line.baud) { SLOWEST } else { EACH }
}

/// Returns whether meters of this plugin may push as seldom as [`SLOWEST`]. A network or a USB converter hides the line
/// at which they do.
fn pushes_slowly(plugin: &str) -> bool {
    let all = protocols();
    let mut lines = all.iter().filter(|protocol| protocol.kind == plugin).flat_map(|protocol| protocol.lines);
    lines.any(|line| SLOW_PUSHES.contains(&line.baud))
}

/// Returns the keys for an unusual line.
fn keys(line: Option<Line>) -> String {
    let Some(Line { baud, parity }) = line else { return String::new() };
    let baud = if baud == 9600 { String::new() } else { format!("baud = {baud}\n") };
    let parity = if parity == Parity::Even { "parity = \"even\"\n" } else { "" };
    baud + parity
}

/// Describes a line: `9600 baud`, `2400 baud, 8E1`.
fn described(line: Line) -> String {
    let parity = if line.parity == Parity::Even { ", 8E1" } else { "" };
    format!("{} baud{parity}", line.baud)
}
