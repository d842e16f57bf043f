//! What may go wrong with a connection, in words for a person who can do something about it.

use std::time::Duration;

use framework::PublishError;
use rumqttc::{ConnectReturnCode, ConnectionError, StateError, TlsError};

use crate::{
    config::{Discovery, Settings},
    connection::LASTING,
    tls,
};

/// The broker is not there, or does not answer.
pub(crate) fn unavailable(settings: &Settings, what: &str) -> PublishError {
    PublishError::unavailable(format!("{} {what}", settings.broker.url))
}

/// Whether the broker sent more at once than is taken.
pub(crate) fn is_too_long(error: &ConnectionError) -> bool {
    use rumqttc::Error::PayloadSizeLimitExceeded;
    matches!(error, ConnectionError::MqttState(StateError::Deserialization(PayloadSizeLimitExceeded(_))))
}

/// What went wrong, and what to do. The connection `lived` so long, where there was one.
pub(crate) fn explain(settings: &Settings, error: ConnectionError, lived: Option<Duration>) -> PublishError {
    let Settings { broker, username, client_id, .. } = settings;
    let wrong = |what: String| PublishError::misconfigured(format!("{} {what}", broker.url));
    if let Some(what) = tls::explain(&error, &broker.host) {
        return PublishError::misconfigured(format!("{}: {what}", broker.url));
    }
    match error {
        ConnectionError::ConnectionRefused(code) => match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                wrong(match username {
                    Some(name) => format!("does not let `{name}` in: check `username` and `password`"),
                    None => "does not let everybody in: set `username` and `password`".to_owned(),
                })
            }
            ConnectReturnCode::BadClientId => {
                wrong(format!("does not take the name `{client_id}`: set another `client_id`"))
            }
            ConnectReturnCode::RefusedProtocolVersion => wrong("does not speak MQTT 3.1.1".to_owned()),
            ConnectReturnCode::ServiceUnavailable | ConnectReturnCode::Success => {
                unavailable(settings, "has no time for us now")
            }
        },
        ConnectionError::Io(error) => unavailable(settings, &format!("cannot be reached: {error}")),
        ConnectionError::Tls(TlsError::Io(error)) => unavailable(
            settings,
            &format!(
                "ended the connection where TLS begins ({error}): write `mqtt://`, or the port where it speaks TLS"
            ),
        ),
        // However the broker closes it: with an end, or with a reset.
        ConnectionError::MqttState(
            StateError::ConnectionAborted
            | StateError::Io(_)
            | StateError::Deserialization(rumqttc::Error::Io(_)),
        ) => unavailable(
            settings,
            &match (lived, &broker.tls) {
                (None, None) => "closed the connection: if it speaks TLS there, write `mqtts://`".to_owned(),
                (Some(lived), _) if lived < LASTING => format!(
                    "closed the connection: perhaps another client is called `{client_id}`: set another `client_id`"
                ),
                _ => "closed the connection".to_owned(),
            },
        ),
        ConnectionError::MqttState(StateError::AwaitPingResp)
        | ConnectionError::NetworkTimeout
        | ConnectionError::FlushTimeout => unavailable(settings, "does not answer"),
        error if is_too_long(&error) => unavailable(
            settings,
            &format!(
                "sent a message longer than 1 MiB: if it keeps one below {}, remove it; for an hour nothing is heard",
                heard(settings)
            ),
        ),
        ConnectionError::MqttState(StateError::Deserialization(_)) if lived.is_none() => {
            wrong("does not speak MQTT there: check host and port".to_owned())
        }
        error => unavailable(settings, &format!("cannot be talked to: {error}")),
    }
}

/// Below what messages are asked for.
fn heard(Settings { topics, discovery, allow_commands, .. }: &Settings) -> String {
    let births = (*discovery != Discovery::Off).then_some(&topics.discovery);
    let commands = allow_commands.then_some(&topics.prefix);
    let all: Vec<_> = births.into_iter().chain(commands).map(|topic| format!("`{topic}`")).collect();
    all.join(" or ")
}
