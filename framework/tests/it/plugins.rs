//! Plugins of these tests: a source, a publisher and an endpoint, each of which can misbehave.

use std::{collections::BTreeMap, net::SocketAddr, sync::Mutex, thread, time::Duration};

use framework::{
    AcquireError, Batch, ConfigError, Context, DataAcquisition, Decimal, Endpoint, EndpointContext,
    EndpointPlugin, HistoryPublisher, Hour, HourSeries, Mode, NoConfig, PublishError, Publisher,
    PublisherPlugin, Reading, Record, Source, SourceContext, SourcePlugin, Update, async_trait,
};
use serde::Deserialize;
use tokio::net::TcpListener;
use warp::{Filter as _, reply::Response};

/// Source with one required and one limited key.
struct Fake;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FakeConfig {
    port: String,
    #[serde(default)]
    pin: u8,
    #[serde(default)]
    does: Does,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Does {
    /// A source: a batch each 10 ms. An endpoint: answers with the names of the sources.
    #[default]
    Work,
    /// A batch, then a panic; an endpoint works when it is called again.
    Panic,
    /// A batch, then a panic with a value that panics when it is dropped.
    Bomb,
    /// Returns from `serve`, and works when it is called again.
    Return,
    /// Blocks its thread for ever.
    Block,
}

/// Value that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bug in a destructor");
    }
}

struct Device(Does, i64);

#[async_trait]
impl DataAcquisition for Device {
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.1 += 1;
        match self.0 {
            Does::Block => block(),
            Does::Panic if self.1 % 2 == 0 => panic!("a bug"),
            Does::Bomb if self.1 % 2 == 0 => std::panic::panic_any(Bomb),
            _ => Ok(Some(Batch::now(vec![Reading::number("n", Decimal::from(self.1))]))),
        }
    }
}

fn block() -> ! {
    loop {
        thread::park();
    }
}

impl SourcePlugin for Fake {
    const KIND: &'static str = "fake";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str =
        "[sources.fake]\nplugin = \"fake\"\nport = \"/dev/a\" # a path\n# pin = 21\n";
    type Config = FakeConfig;

    fn mode(_: &FakeConfig) -> Mode {
        Mode::Push
    }

    fn build(config: FakeConfig, _: &SourceContext) -> Result<Source, ConfigError> {
        assert!(config.pin != 13, "a bug in build");
        if config.pin > 27 {
            return Err(ConfigError::key("pin", format!("pin {} does not exist", config.pin))
                .hint("BCM pins are 0 to 27"));
        }
        Ok(Source::new(Device(config.does, 0)).exclusive(config.port))
    }
}

framework::register_source!(Fake);

/// Publisher with one required key.
struct Far(String);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FarConfig {
    url: String,
    #[serde(default, rename = "flush_interval")]
    _flush_interval: String,
    #[serde(default, rename = "channels")]
    _channels: Vec<Channel>,
    #[serde(default, rename = "by_name")]
    _by_name: BTreeMap<String, Channel>,
}

#[derive(Debug, Deserialize)]
struct Channel {
    #[serde(rename = "uuid")]
    _uuid: String,
    #[serde(default, rename = "factor")]
    _factor: f64,
}

#[async_trait]
impl Publisher for Far {
    fn exclusive(&self) -> Vec<String> {
        Vec::from_iter(self.0.starts_with("mail").then(|| format!("mailbox at `{}`", self.0)))
    }

    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        Ok(records.len())
    }
}

impl PublisherPlugin for Far {
    const KIND: &'static str = "far";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "";
    type Config = FarConfig;
    type Publisher = dyn Publisher;

    fn build(config: FarConfig, _: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        match config.url.as_str() {
            "" => Err(ConfigError::key("url", "`url` is empty")),
            url => Ok(Box::new(Far(url.to_owned()))),
        }
    }
}

framework::register_publisher!(Far);

/// Publisher of history, which keeps what it gets for the tests.
pub(crate) struct Past;

/// Hours that [`Past`] got last, of each series.
pub(crate) static PAST: Mutex<Vec<(HourSeries, Vec<Hour>)>> = Mutex::new(Vec::new());

#[async_trait]
impl HistoryPublisher for Past {
    async fn update(&mut self, update: &Update) -> Result<(), PublishError> {
        let mut got = Vec::new();
        for series in &update.series {
            let (mut rows, mut all) = (update.hours.rows(series, update.wanted(series)), Vec::new());
            loop {
                let hours = rows.next().await?;
                if hours.is_empty() {
                    break;
                }
                update.delivered(hours.len() as u64);
                all.extend(hours);
            }
            got.push((series.clone(), all));
        }
        // Of several programs in this process, one has complete hours.
        if !got.is_empty() {
            *PAST.lock().unwrap() = got;
        }
        Ok(())
    }
}

impl PublisherPlugin for Past {
    const KIND: &'static str = "past";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "";
    type Config = NoConfig;
    type Publisher = dyn HistoryPublisher;

    fn build(_: NoConfig, _: &Context) -> Result<Box<dyn HistoryPublisher>, ConfigError> {
        Ok(Box::new(Past))
    }
}

framework::register_publisher!(Past);

struct Served;

#[derive(Debug, Deserialize)]
struct ServedConfig {
    listen: SocketAddr,
    #[serde(default)]
    does: Does,
}

#[async_trait]
impl Endpoint for ServedConfig {
    fn listen(&self) -> SocketAddr {
        self.listen
    }

    async fn serve(&mut self, listener: TcpListener, cx: EndpointContext) {
        match std::mem::replace(&mut self.does, Does::Work) {
            Does::Work => {
                let readings = cx.clone();
                let names =
                    move || readings.latest().map(|batch| batch.section.to_string()).collect::<Vec<_>>();
                let routes = warp::any().map(move || Response::new(names().join(",").into()));
                cx.serve_http(listener, routes).await;
            }
            Does::Panic => panic!("a bug"),
            Does::Bomb => std::panic::panic_any(Bomb),
            Does::Return => {}
            Does::Block => block(),
        }
    }
}

impl EndpointPlugin for Served {
    const KIND: &'static str = "served";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "";
    type Config = ServedConfig;

    fn build(config: ServedConfig, _: &Context) -> Result<Box<dyn Endpoint>, ConfigError> {
        Ok(Box::new(config))
    }
}

framework::register_endpoint!(Served);
