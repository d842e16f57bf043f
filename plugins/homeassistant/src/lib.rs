//! Publisher of history for Home Assistant: each hour of a series is one of a statistic, with its own time.
//!
//! | file | content |
//! |---|---|
//! | `config` | keys of the configuration |
//! | `client` | connection to Home Assistant's WebSocket, questions and answers |
//! | `mdns` | search for Home Assistant in the LAN |
//! | `memory` | what must not change at a restart |
//! | `statistics` | ids, names and units of the statistics |
//! | `sync` | comparison with what Home Assistant has, and import of what it lacks |

mod client;
mod config;
mod mdns;
mod memory;
mod statistics;
mod sync;

use std::{path::Path, time::Duration};

use framework::{
    ConfigError, Context, Fact, HistoryPublisher, PublishError, PublisherPlugin, Update, async_trait,
};
use tokio::time::{Instant, sleep};

pub use crate::config::Config;
use crate::{
    client::Client,
    config::{Address, Settings},
    mdns::Found,
    memory::Memory,
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
            memory: Memory::new(cx.state_dir()),
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
    memory: Memory,
    client: Option<Client>,
    /// Whether the last attempt to connect has failed.
    is_away: bool,
    version: Fact,
    found_at: Fact,
}

impl Statistics {
    /// Returns a connection, and the `uuid` of a Home Assistant that was found in the LAN.
    async fn connect(&mut self) -> Result<(Client, Option<String>), PublishError> {
        let (address, uuid) = match &self.settings.address {
            Some(address) => (address.clone(), None),
            None => {
                let all = mdns::search().await.map_err(|error| {
                    PublishError::unavailable(format!(
                        "could not look for Home Assistant in the LAN: {error}"
                    ))
                })?;
                let path = self.memory.path();
                chosen(all, self.memory.uuid()?, &path)?
            }
        };
        let mut client = Client::connect(&address, &self.settings).await?;
        sync::check(&mut client).await?;
        Ok((client, uuid))
    }
}

/// Returns the address of the only Home Assistant in the LAN, or of the one that was there before: another one must not
/// get the token while that one restarts. A forger of its `uuid` is not recognized, as everybody in the LAN sees it.
fn chosen(
    mut all: Vec<Found>,
    known: Option<&str>,
    memory: &Path,
) -> Result<(Address, Option<String>), PublishError> {
    let list = |all: &[Found]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if let Some(known) = known {
        let others = list(&all);
        all.retain(|found| found.uuid.as_deref() == Some(known));
        if all.is_empty() && !others.is_empty() {
            return Err(PublishError::unavailable(format!(
                "the Home Assistant that was found before does not answer in the LAN, and others do, which do not get \
                 the token: {others}; if it was replaced, write the address of the new one in `url`, or remove its \
                 `uuid` from `{}`",
                memory.display()
            )));
        }
    }
    match &all[..] {
        [one] => match Address::parse(&one.url) {
            Ok(address) => Ok((address, one.uuid.clone())),
            Err(message) => Err(PublishError::misconfigured(format!(
                "{one} announces a wrong address: {message}; write its own in `url`"
            ))),
        },
        [] => Err(PublishError::unavailable(
            "no Home Assistant answers in the LAN (mDNS): write its address in `url`, such as \
             `http://192.168.1.5:8123`",
        )),
        _ => Err(PublishError::misconfigured(format!(
            "several Home Assistants answer in the LAN: write the address of one in `url`: {}",
            list(&all)
        ))),
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
                Ok((client, uuid)) => {
                    if let Some(uuid) = uuid {
                        self.memory.set_uuid(uuid)?;
                    }
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
        self.sync.run(client, update, &mut self.memory).await
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
        let (mut client, _) = self.connect().await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(port: u16, uuid: &str) -> Found {
        Found { name: "Home".into(), url: format!("http://192.0.2.5:{port}"), uuid: Some(uuid.into()) }
    }

    #[test]
    fn another_home_assistant_does_not_get_the_token_while_the_known_one_restarts() {
        let chosen = |all: &[Found], known| chosen(all.to_vec(), known, Path::new("memory.json"));
        let (own, other) = (found(8123, "1"), found(8124, "2"));
        let (address, uuid) = chosen(std::slice::from_ref(&own), None).unwrap();
        assert_eq!((address.port, uuid.as_deref()), (8123, Some("1")));
        let error = chosen(std::slice::from_ref(&other), Some("1")).unwrap_err();
        assert!(matches!(error, PublishError::Unavailable { .. }), "{error}");
        assert!(
            error.to_string().contains("do not get the token: `Home` at `http://192.0.2.5:8124`"),
            "{error}"
        );
        let unnamed = Found { uuid: None, ..other.clone() };
        assert!(chosen(&[unnamed], Some("1")).is_err());
        // The known one is found among others, but not among those that say the same of themselves.
        assert_eq!(chosen(&[own.clone(), other], Some("1")).unwrap().0.port, 8123);
        let error = chosen(&[own, found(9000, "1")], Some("1")).unwrap_err();
        assert!(error.to_string().contains("several Home Assistants"), "{error}");
    }
}
