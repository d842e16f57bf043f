//! Publisher of history for Home Assistant: each hour of a series is one of a statistic, with its own time.
//!
//! | file | content |
//! |---|---|
//! | `config` | keys of the configuration |
//! | `client` | connection to Home Assistant's WebSocket, questions and answers |
//! | `mdns` | search for Home Assistant in the LAN |
//! | `statistics` | ids, names and units of the statistics |
//! | `sync` | comparison with what Home Assistant has, and import of what it lacks |

mod client;
mod config;
mod mdns;
mod statistics;
mod sync;

use std::time::Duration;

use framework::{
    ConfigError, Context, Fact, HistoryPublisher, PublishError, PublisherPlugin, Update, async_trait,
};
use tokio::time::{Instant, sleep};

pub use crate::config::Config;
use crate::{
    client::Client,
    config::{Address, Settings},
    sync::Comparison,
};

/// Time between two attempts while Home Assistant is known to be away, which are no news for anybody.
const LOOK: Duration = Duration::from_secs(2);
/// Time for which [`HistoryPublisher::open`] looks.
const LOOK_FOR: Duration = Duration::from_secs(60);

/// Plugin `homeassistant`.
pub struct HomeAssistant;

impl PublisherPlugin for HomeAssistant {
    const KIND: &'static str = "homeassistant";
    const ABOUT: &'static str = "hours of the history as statistics of Home Assistant, without gaps";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;
    type Publisher = dyn HistoryPublisher;

    fn build(config: Config, cx: &Context) -> Result<Box<dyn HistoryPublisher>, ConfigError> {
        let settings = config.settings()?;
        Ok(Box::new(Statistics {
            sync: Comparison::new(&settings.prefix),
            settings,
            client: None,
            is_away: false,
            version: cx.fact("version"),
            found_at: cx.fact("address"),
        }))
    }
}

framework::register_publisher!(HomeAssistant);

/// Publisher of one `[publishers.<name>]`.
struct Statistics {
    settings: Settings,
    sync: Comparison,
    client: Option<Client>,
    /// Whether the last attempt to connect has failed.
    is_away: bool,
    version: Fact,
    found_at: Fact,
}

impl Statistics {
    async fn connect(&self) -> Result<Client, PublishError> {
        let found;
        let address = match &self.settings.address {
            Some(address) => address,
            None => {
                found = self.find().await?;
                &found
            }
        };
        let mut client = Client::connect(address, &self.settings).await?;
        sync::check(&mut client).await?;
        Ok(client)
    }

    async fn find(&self) -> Result<Address, PublishError> {
        let all = mdns::search().await.map_err(|error| {
            PublishError::unavailable(format!("could not look for Home Assistant in the LAN: {error}"))
        })?;
        let listed = || all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match &all[..] {
            [one] => Address::parse(&one.url).map_err(|message| {
                PublishError::misconfigured(format!(
                    "{one} announces a wrong address: {message}; write its own in `url`"
                ))
            }),
            [] => Err(PublishError::unavailable(
                "no Home Assistant answers in the LAN (mDNS): write its address in `url`, such as \
                 `http://192.168.1.5:8123`",
            )),
            _ => Err(PublishError::misconfigured(format!(
                "several Home Assistants answer in the LAN: write the address of one in `url`: {}",
                listed()
            ))),
        }
    }
}

#[async_trait]
impl HistoryPublisher for Statistics {
    fn exclusive(&self) -> Vec<String> {
        let place = self.settings.address.as_ref().map_or_else(|| "the LAN".to_owned(), Address::origin);
        let prefix = &self.settings.prefix;
        vec![format!("statistics `smartmeter:{prefix}…` of Home Assistant in `{place}`")]
    }

    async fn open(&mut self) -> Result<(), PublishError> {
        let end = Instant::now() + LOOK_FOR;
        loop {
            match self.connect().await {
                Ok(client) => {
                    self.is_away = false;
                    self.version.set(client.version_text());
                    self.found_at.set(client.origin());
                    self.client = Some(client);
                    return Ok(());
                }
                // The framework has reported it, and would wait longer from time to time. The statistics shall be right
                // soon after its return.
                Err(PublishError::Unavailable { .. }) if self.is_away && Instant::now() < end => {
                    sleep(LOOK).await
                }
                Err(error) => {
                    self.is_away = matches!(error, PublishError::Unavailable { .. });
                    return Err(error);
                }
            }
        }
    }

    async fn update(&mut self, update: &Update) -> Result<(), PublishError> {
        let Some(client) = &mut self.client else {
            return Err(PublishError::unavailable("there is no connection to Home Assistant"));
        };
        self.sync.run(client, update).await
    }

    async fn lost(&mut self) -> PublishError {
        let error = match &mut self.client {
            Some(client) => client.lost().await,
            None => PublishError::unavailable("there is no connection to Home Assistant"),
        };
        self.client = None;
        error
    }

    async fn test(&mut self) -> Result<String, PublishError> {
        let mut client = self.connect().await?;
        let found = format!(
            "logged in at Home Assistant {} at {}, as an administrator",
            client.version_text(),
            client.origin()
        );
        client.close().await;
        Ok(found)
    }

    async fn close(&mut self) {
        if let Some(mut client) = self.client.take() {
            client.close().await;
        }
    }
}
