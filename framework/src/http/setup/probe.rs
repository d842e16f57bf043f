//! `POST /setup/probe`: the search for meters, as server-sent events.

use std::{convert::Infallible, time::Duration};

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use warp::{
    Reply as _,
    http::StatusCode,
    reply::Response,
    sse::{self, Event},
};

use super::ApiError;
use crate::{ProbeEvent, Setup};

/// Silence after which the stream sends a comment, so that a client that has gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Starts a search. It ends with `stop`, and when the client goes away.
pub(super) async fn answer(
    setup: &Setup,
    ports: Vec<String>,
    stop: CancellationToken,
) -> Result<Response, ApiError> {
    let Some(findings) = setup.probe(ports, stop).await else {
        let message = "another search for meters is running: wait until it has ended, at most a minute";
        return Err(ApiError::new(StatusCode::CONFLICT, "search_running", message));
    };
    let found =
        stream::unfold(findings, async |mut findings| Some((event(&findings.recv().await?), findings)));
    let end = stream::once(async { Event::default().event("end").data("{}") });
    let events = found.chain(end).map(Ok::<_, Infallible>);
    Ok(sse::reply(sse::keep_alive().interval(KEEP_ALIVE).stream(events)).into_response())
}

fn event(finding: &ProbeEvent) -> Event {
    let (name, data) = match finding {
        ProbeEvent::Progress { port, text, done, of } => {
            ("progress", json!({"port": port, "text": text, "done": done, "of": of}))
        }
        ProbeEvent::Found { port, text, plugin, name, toml, keys, readings } => (
            "found",
            json!({
                "port": port, "text": text, "plugin": plugin, "name": name, "toml": toml,
                "keys": keys, "readings": readings,
            }),
        ),
        ProbeEvent::Problem { port, code, text, hint } => {
            ("problem", json!({"port": port, "code": code, "text": text, "hint": hint}))
        }
    };
    Event::default().event(name).data(data.to_string())
}
