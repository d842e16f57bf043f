//! Faults of a connection, worded for a person who can do something about them.

use std::time::Duration;

use framework::PublishError;
use rumqttc::{ConnectReturnCode, ConnectionError, StateError, TlsError};

use crate::{
    config::{Discovery, Settings},
    tls,
};

/// Lifetime below which a connection counts as failed. Two clients with one `client_id` disconnect each other faster.
pub(crate) const STABLE_AFTER: Duration = Duration::from_secs(15);
/// Consecutive connections of that kind, before the one that ends, after which another client is the likely cause. A
/// broker that is restarted is down between two of them.
const TAKEN_OVER: u32 = 2;

/// Builds the error of a broker that cannot be reached or does not respond.
pub(crate) fn unavailable(settings: &Settings, what: &str) -> PublishError {
    PublishError::unavailable(format!("{} {what}", settings.broker.url))
}

/// Returns whether the broker sent a message beyond the limit.
pub(crate) fn is_too_long(error: &ConnectionError) -> bool {
    use rumqttc::Error::PayloadSizeLimitExceeded;
    matches!(error, ConnectionError::MqttState(StateError::Deserialization(PayloadSizeLimitExceeded(_))))
}

/// Explains a fault, and what to do about it. `lived` is the lifetime of the connection, if there was one; `taken_over`
/// the number of consecutive ones before it that ended soon.
pub(crate) fn explain(
    settings: &Settings,
    error: ConnectionError,
    lived: Option<Duration>,
    taken_over: u32,
) -> PublishError {
    let Settings { broker, client_id, .. } = settings;
    let wrong = |what: String| PublishError::misconfigured(format!("{} {what}", broker.url));
    if let Some(what) = tls::explain(&error, &broker.host) {
        return PublishError::misconfigured(format!("{}: {what}", broker.url));
    }
    match error {
        ConnectionError::ConnectionRefused(code) => match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                wrong(match &settings.keys.username {
                    Some(name) => format!("rejected the login of `{name}`: check `username` and `password`"),
                    None => "requires a login: set `username` and `password`".to_owned(),
                })
            }
            ConnectReturnCode::BadClientId => {
                wrong(format!("rejected the client ID `{client_id}`: set another `client_id`"))
            }
            ConnectReturnCode::RefusedProtocolVersion => wrong("does not speak MQTT 3.1.1".to_owned()),
            ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::Success => {
                unavailable(settings, "is unavailable")
            }
        },
        ConnectionError::Io(error) => unavailable(settings, &format!("cannot be reached: {error}")),
        ConnectionError::Tls(TlsError::Io(error)) => unavailable(
            settings,
            &format!(
                "closed the connection in the TLS handshake ({error}): write `mqtt://`, or the port of its TLS listener"
            ),
        ),
        // The broker may close it with an end or with a reset.
        ConnectionError::MqttState(
            StateError::ConnectionAborted
            | StateError::Io(_)
            | StateError::Deserialization(rumqttc::Error::Io(_)),
        ) => unavailable(
            settings,
            &match (lived, &broker.tls) {
                (None, None) => {
                    "closed the connection: if that port expects TLS, write `mqtts://`".to_owned()
                }
                (Some(lived), _) if lived < STABLE_AFTER && taken_over >= TAKEN_OVER => format!(
                    "closed the connection: perhaps another client has the ID `{client_id}`; set another `client_id`"
                ),
                _ => "closed the connection".to_owned(),
            },
        ),
        ConnectionError::MqttState(StateError::AwaitPingResp)
        | ConnectionError::NetworkTimeout
        | ConnectionError::FlushTimeout => unavailable(settings, "does not respond"),
        error if is_too_long(&error) => unavailable(
            settings,
            &format!(
                "sent a message longer than 1 MiB: if it retains one below {}, remove it; for an hour nothing is subscribed",
                subscribed(settings)
            ),
        ),
        ConnectionError::MqttState(StateError::Deserialization(_)) if lived.is_none() => {
            wrong("does not speak MQTT on that port: check host and port".to_owned())
        }
        error => unavailable(settings, &format!("failed with a protocol error: {error}")),
    }
}

/// Lists the prefixes of the subscribed topics.
fn subscribed(Settings { topics, keys, .. }: &Settings) -> String {
    let births = (keys.discovery != Discovery::Off).then_some(&topics.discovery);
    let own = (keys.allow_commands || keys.retain).then_some(&topics.prefix);
    let all: Vec<_> = births.into_iter().chain(own).map(|topic| format!("`{topic}`")).collect();
    all.join(" or ")
}
