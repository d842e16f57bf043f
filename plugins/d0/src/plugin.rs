//! `plugin = "d0"` in the configuration.

use std::time::Duration;

use framework::{ConfigError, Mode, Period, Source, SourceContext, SourcePlugin};
use iec62056::{anonymise, decoder::Decoder, framing::Framing};
use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de::Error as _};
use telegram::{Anonymised, Decoder as _, ProtocolRegistration, config};
use transport::{Line, Port};

use crate::request::{INITIAL_BAUD, Request};

/// Source plugin of meters that send IEC 62056-21 text.
pub struct D0;

/// Lines at which meters push. Each is listened at for some seconds, the usual one first: optical heads, the P1
/// port of DSMR 4 and later, mode D of the standard.
const LINES: &[Line] = &[
    Line::plain(9600),
    Line::plain(115_200),
    Line::plain(2400),
    Line::plain(4800),
    Line::plain(19_200),
    Line::plain(38_400),
    Line::plain(57_600),
];
/// Time between two requests, where the configuration has none.
const PERIOD: Duration = Duration::from_secs(60);
/// Most characters of a device address (IEC 62056-21, clause 6.3.1).
const MAX_ADDRESS: usize = 32;
/// Latest beginning of a readout after the acknowledgement.
const MAX_ACK_DELAY: Duration = Duration::from_millis(1500);

/// Keys of a source with this plugin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Serial port of the head, `tcp://host:port`, or `replay:FILE`.
    port: String,
    /// Baud rate; without it, it is searched for. With `request = true`, that of the request.
    baud: Option<u32>,
    /// Framing of the meter's characters; without it, it is found.
    #[serde(default, deserialize_with = "framing")]
    framing: Option<Framing>,
    /// Whether the meter is polled; without it, when it pushes nothing.
    request: Option<bool>,
    /// Device address in the request.
    address: Option<String>,
    /// Whether NULs go before the request.
    wake_up: Option<bool>,
    /// Time from the end of the acknowledgement to the change of the baud rate.
    ack_delay: Option<Period>,
    /// Highest baud rate that is accepted from a meter of mode C.
    max_baud: Option<u32>,
    /// Winter time of the meter's clock, as an offset from UTC.
    time_zone: Option<String>,
    /// Most that the household's connection can carry: a counter that rises faster is implausible.
    max_power: Option<String>,
    /// Time without a byte after which the port is closed and opened again.
    silent_after: Option<Period>,
    /// Speed of a replay, in multiples of that of the recording.
    replay_speed: Option<f64>,
}

/// Condition on which the meter is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polled {
    Always,
    WhenSilent,
    Never,
}

/// Reads `framing = "…"`: `None` finds it.
fn framing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Framing>, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "auto" => Ok(None),
        "7e1" => Ok(Some(Framing::SevenEven)),
        "7o1" => Ok(Some(Framing::SevenOdd)),
        "8n1" => Ok(Some(Framing::Eight)),
        unknown => Err(D::Error::unknown_variant(unknown, &["auto", "7e1", "7o1", "8n1"])),
    }
}

impl SourcePlugin for D0 {
    const KIND: &'static str = "d0";
    const ABOUT: &'static str = "electricity and heat meters with IEC 62056-21 text, pushed or polled (infrared head, P1 port, ser2net)";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn mode(config: &Config) -> Mode {
        if config.request == Some(true) { Mode::Poll(PERIOD) } else { Mode::Push }
    }

    fn build(config: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        let polled = config.polled();
        let initial = config.baud.filter(|_| polled == Polled::Always).unwrap_or(INITIAL_BAUD);
        let baud = if polled == Polled::Always { Some(initial) } else { config.baud };
        let time_shift = config.time_zone.as_deref().map(time_shift);
        let mut settings = config::settings(
            &config.port,
            config.replay_speed,
            config.max_power.as_deref(),
            config.silent_after,
            config::lines(baud, None, LINES),
            config.speeds().chain(config.requests()).chain(config.zone()),
        )?;
        settings.time_shift = time_shift.flatten();
        let request = Request {
            address: config.address.unwrap_or_default(),
            framing: config.framing,
            baud: initial,
            max_baud: config.max_baud,
            wake_up: config.wake_up.unwrap_or(false),
            ack_delay: config.ack_delay.map(|delay| *delay),
        };
        let device = settings.port.to_string();
        let source = telegram::Source::new(Decoder::new(config.framing), settings, cx);
        let source = match polled {
            Polled::Always => source.polled(request, cx),
            Polled::WhenSilent => source.polled_when_silent(request, cx),
            Polled::Never => source,
        };
        Ok(source.into_source().exclusive(device))
    }
}

impl Config {
    /// An unknown meter is polled only where this end sets the baud rate.
    fn polled(&self) -> Polled {
        match (self.request, self.port.parse()) {
            (Some(true), _) => Polled::Always,
            (None, Ok(Port::Serial(_)) | Err(_)) => Polled::WhenSilent,
            _ => Polled::Never,
        }
    }

    /// Returns the mistakes in the baud rates.
    fn speeds(&self) -> impl Iterator<Item = ConfigError> {
        let keys = [
            ("baud", self.baud, "leave it out: the baud rate is found then"),
            ("max_baud", self.max_baud, "meters offer 300, 600, 1200, 2400, 4800, 9600 or 19200"),
        ];
        keys.into_iter().filter_map(|(key, baud, hint)| config::check_baud(key, baud, hint))
    }

    /// Returns the mistake in the time zone, if there is one.
    fn zone(&self) -> Option<ConfigError> {
        let zone = self.time_zone.as_ref().filter(|zone| time_shift(zone).is_none())?;
        let error = ConfigError::key("time_zone", format!("`{zone}` is not an offset from UTC"));
        Some(error.hint("write the meter's winter time: `+02:00` in Finland, `+00:00` in Ireland"))
    }

    /// Returns the mistakes in the keys of the request.
    fn requests(&self) -> impl Iterator<Item = ConfigError> {
        let never = self.polled() == Polled::Never;
        let keys = [
            ("address", self.address.is_some()),
            ("wake_up", self.wake_up.is_some()),
            ("ack_delay", self.ack_delay.is_some()),
            ("max_baud", self.max_baud.is_some()),
        ];
        let unused = keys.into_iter().filter(move |(_, written)| never && *written).map(|(key, _)| {
            ConfigError::key(key, format!("`{key}` is for a meter that is polled, and this one is not"))
                .hint("write `request = true`, or leave it out")
        });
        let replay = self.request == Some(true) && matches!(self.port.parse(), Ok(Port::Replay { .. }));
        let replay = replay
            .then(|| ConfigError::key("request", "a recording cannot be polled").hint("leave out `request`"));
        let address = self.address.as_ref().filter(|address| !is_address(address)).map(|address| {
            ConfigError::key("address", format!("`{address}` is not a valid device address"))
                .hint(format!("at most {MAX_ADDRESS} letters, digits and blanks"))
        });
        let delay = self.ack_delay.filter(|delay| **delay > MAX_ACK_DELAY).map(|delay| {
            ConfigError::key("ack_delay", format!("after `{delay}` the meter is sending already"))
                .hint("at most `1500ms`; most meters begin after `200ms`")
        });
        unused.chain(replay).chain(address).chain(delay)
    }
}

/// Returns the time by which a meter's times are moved that are taken for Central European Time: `+02:00` is an hour.
fn time_shift(zone: &str) -> Option<SignedDuration> {
    let (west, digits) = match zone.as_bytes() {
        [sign @ (b'+' | b'-'), digits @ ..] => (*sign == b'-', digits),
        _ => return None,
    };
    let &[h, hh, b':', m, mm] = digits else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(10).map(i64::from);
    let (hours, minutes) = (digit(h)? * 10 + digit(hh)?, digit(m)? * 10 + digit(mm)?);
    let offset = hours * 60 + minutes;
    let is_offset = hours <= 14 && minutes < 60 && minutes % 15 == 0;
    is_offset.then(|| SignedDuration::from_mins(60 - if west { -offset } else { offset }))
}

fn is_address(text: &str) -> bool {
    text.len() <= MAX_ADDRESS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
}

framework::register_source!(D0);

telegram::register_protocol!(ProtocolRegistration {
    kind: D0::KIND,
    protocols: Decoder::PROTOCOLS,
    decode: |bytes, _, found| telegram::decode(Decoder::default(), bytes, found),
    describe: None,
    anonymise: Some(|bytes, _| Ok(Anonymised::in_place(bytes, anonymise))),
    lines: LINES,
    polling: &["request = true", "request = true\nwake_up = true"],
});
