//! Client of Home Assistant's WebSocket: login, questions by number, limits of size and time.
//!
//! Source: developers.home-assistant.io, "WebSocket API".

mod fault;
mod transport;

use std::{borrow::Cow, time::Duration};

use framework::PublishError;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use self::transport::WebSocket;
use crate::config::{Address, HOW_TO_MAKE_A_TOKEN, Settings};

/// Limit of an answer, and of the login. Home Assistant may be busy with its start.
const LIMIT: Duration = Duration::from_secs(60);
/// Time without a message after which a connection is lost: Home Assistant sends a ping each minute.
const SILENCE: Duration = Duration::from_secs(180);
/// Messages that are skipped while an answer is due: it sends nothing but answers to whoever has subscribed to nothing.
const MAX_SKIPPED: usize = 1000;
/// Oldest version: it tells times as numbers.
const OLDEST: Version = Version { year: 2023, month: 4 };

/// Version of Home Assistant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) year: u16,
    pub(crate) month: u8,
}

impl Version {
    /// Reads a version such as `2026.11.0` or `2025.4.0b3`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (year, month) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { year, month })
    }
}

/// Reason for which a question has no result.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection is lost, or Home Assistant is not able to answer now.
    Publish(PublishError),
    /// It refuses the question.
    Rejected {
        /// Its code, such as `unauthorized`.
        code: String,
        /// Its words.
        message: String,
    },
}

impl From<PublishError> for Fault {
    fn from(error: PublishError) -> Self {
        Self::Publish(error)
    }
}

/// Connection to Home Assistant, logged in.
#[derive(Debug)]
pub(crate) struct Client {
    socket: WebSocket,
    origin: String,
    version: String,
    /// Number of the last question.
    last: u64,
    /// Time of the last message.
    heard: Instant,
}

/// Message to Home Assistant.
#[derive(Serialize)]
struct Question<'a, T> {
    id: u64,
    r#type: &'a str,
    #[serde(flatten)]
    arguments: T,
}

/// Message from Home Assistant.
#[derive(Deserialize)]
struct Answer<'a> {
    id: Option<u64>,
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    #[serde(default)]
    success: bool,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Rejection>,
    #[serde(default)]
    ha_version: Option<String>,
}

#[derive(Deserialize)]
struct Rejection {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    name: String,
    is_admin: bool,
}

impl Client {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Returns the reason for which there is no connection, and what to do.
    pub(crate) async fn connect(address: &Address, settings: &Settings) -> Result<Self, PublishError> {
        let origin = address.origin();
        let connecting = async {
            let socket = transport::connect(address, settings).await?;
            let mut client = Self {
                socket,
                origin: origin.clone(),
                version: String::new(),
                last: 0,
                heard: Instant::now(),
            };
            client.log_in(settings).await?;
            Ok(client)
        };
        match timeout(LIMIT, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(PublishError::unavailable(format!("no response from `{origin}` within {LIMIT:?}"))),
        }
    }

    async fn log_in(&mut self, settings: &Settings) -> Result<(), PublishError> {
        let token = settings.token.reveal();
        let text = serde_json::json!({"type": "auth", "access_token": token}).to_string();
        for _ in 0..MAX_SKIPPED {
            let message = self.receive().await?;
            let answer: Answer<'_> = serde_json::from_str(&message).map_err(|_| self.not_home_assistant())?;
            self.version = answer.ha_version.unwrap_or_else(|| std::mem::take(&mut self.version));
            match &*answer.r#type {
                "auth_required" => self.send(text.clone()).await?,
                "auth_ok" => return self.check().await,
                "auth_invalid" => {
                    let origin = &self.origin;
                    return Err(PublishError::misconfigured(format!(
                        "Home Assistant at `{origin}` rejects the token: {HOW_TO_MAKE_A_TOKEN}"
                    )));
                }
                _ => return Err(self.not_home_assistant()),
            }
        }
        Err(self.not_home_assistant())
    }

    /// Checks that the version is known and the user may write statistics.
    async fn check(&mut self) -> Result<(), PublishError> {
        let (origin, version) = (&self.origin, fault::shortened(&self.version));
        match Version::parse(&self.version) {
            Some(found) if found >= OLDEST => {}
            _ => {
                return Err(PublishError::misconfigured(format!(
                    "Home Assistant {version} at `{origin}` is too old: expected {}.{} or newer",
                    OLDEST.year, OLDEST.month
                )));
            }
        }
        let user: User = self.ask_ok("auth/current_user", ()).await?;
        if user.is_admin {
            return Ok(());
        }
        Err(PublishError::misconfigured(format!(
            "the token is of `{}`, who is not an administrator and must not write statistics: {HOW_TO_MAKE_A_TOKEN}",
            fault::shortened(&user.name)
        )))
    }

    /// Returns the address, for messages.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the version in its own words.
    pub(crate) fn version_text(&self) -> &str {
        &self.version
    }

    /// Returns the version.
    pub(crate) fn version(&self) -> Version {
        Version::parse(&self.version).unwrap_or(OLDEST)
    }

    /// Asks a question and returns its result.
    ///
    /// # Errors
    /// Returns [`Fault::Rejected`] if Home Assistant does not accept the question.
    ///
    /// # Cancel safety
    /// The answer to a question whose future was dropped is skipped.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &mut self,
        kind: &str,
        arguments: impl Serialize,
    ) -> Result<T, Fault> {
        self.last += 1;
        let id = self.last;
        let question = serde_json::to_string(&Question { id, r#type: kind, arguments });
        let question = question.map_err(|error| PublishError::refused(error.to_string()))?;
        let answered = async {
            self.send(question).await?;
            for _ in 0..MAX_SKIPPED {
                let message = self.receive().await?;
                let answer: Answer<'_> =
                    serde_json::from_str(&message).map_err(|_| self.not_home_assistant())?;
                if answer.id != Some(id) || answer.r#type != "result" {
                    continue;
                }
                if !answer.success {
                    let Rejection { code, message } =
                        answer.error.unwrap_or(Rejection { code: String::new(), message: String::new() });
                    return Err(Fault::Rejected { code, message });
                }
                let result = answer.result.map_or("null", RawValue::get);
                return serde_json::from_str(result).map_err(|error| {
                    let (origin, reason) = (&self.origin, fault::shortened(&error.to_string()));
                    let text = format!("`{origin}` answers `{kind}` with something unknown: {reason}");
                    PublishError::refused(text).into()
                });
            }
            Err(self.not_home_assistant().into())
        };
        match timeout(LIMIT, answered).await {
            Ok(result) => result,
            Err(_) => {
                let text = format!("no answer to `{kind}` from `{}` within {LIMIT:?}", self.origin);
                Err(PublishError::unavailable(text).into())
            }
        }
    }

    /// Asks a question that Home Assistant refuses only if something is wrong.
    ///
    /// # Errors
    /// Returns what is wrong.
    pub(crate) async fn ask_ok<T: DeserializeOwned>(
        &mut self,
        kind: &str,
        arguments: impl Serialize,
    ) -> Result<T, PublishError> {
        let asked = self.ask(kind, arguments).await;
        asked.map_err(|fault| match fault {
            Fault::Publish(error) => error,
            Fault::Rejected { code, message } => fault::rejected(&self.origin, kind, &code, &message),
        })
    }

    /// Waits until the connection is lost, and returns the reason.
    pub(crate) async fn lost(&mut self) -> PublishError {
        loop {
            // A text is the answer to a question that was given up.
            match timeout_at(self.heard + SILENCE, self.next()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error,
                Err(_) => {
                    let origin = &self.origin;
                    return PublishError::unavailable(format!("`{origin}` has been silent for {SILENCE:?}"));
                }
            }
        }
    }

    /// Closes the connection.
    pub(crate) async fn close(&mut self) {
        let _ = self.socket.close(None).await;
    }

    async fn send(&mut self, text: String) -> Result<(), PublishError> {
        let sent = self.socket.send(Message::text(text)).await;
        sent.map_err(|error| fault::explain(&error, &self.origin))
    }

    /// Returns the next text.
    async fn receive(&mut self) -> Result<Utf8Bytes, PublishError> {
        loop {
            if let Message::Text(text) = self.next().await? {
                return Ok(text);
            }
        }
    }

    /// Returns the next message. A ping is answered with the next call.
    async fn next(&mut self) -> Result<Message, PublishError> {
        let next = self.socket.next().await;
        self.heard = Instant::now();
        match next {
            Some(Ok(Message::Close(_))) | None => Err(fault::closed(&self.origin)),
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(fault::explain(&error, &self.origin)),
        }
    }

    fn not_home_assistant(&self) -> PublishError {
        PublishError::misconfigured(format!(
            "`{}` does not answer as Home Assistant does: write the address of its page in `url`",
            self.origin
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_year_and_month() {
        let version = |text| Version::parse(text);
        assert_eq!(version("2026.11.0"), Some(Version { year: 2026, month: 11 }));
        assert_eq!(version("2025.4.0b3"), Some(Version { year: 2025, month: 4 }));
        assert!(version("2025.11.1") > version("2025.4.4") && version("2026.1.0") > version("2025.12.9"));
        for wrong in ["", "dev", "2026", "2026.x"] {
            assert_eq!(version(wrong), None, "{wrong}");
        }
    }
}
