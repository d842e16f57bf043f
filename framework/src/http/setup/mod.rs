//! `/setup`: what the page needs to set the program up, and the changes that it makes.
//!
//! Whoever may send commands may do it: this machine, or a client with the token.

mod probe;

use std::{pin::pin, sync::Arc};

use bytes::Buf;
use futures_util::Stream;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, Method, StatusCode},
    reply::Response,
};

use super::{ApiError, Peer, access::Access, cmd, connections::Progress, reply};
use crate::{
    Diagnostics, DropIn, Outlined, PublishError, SaveError, Saved, Setup, plugins, setup::DropInError,
};

/// Name of a drop-in that is only checked.
const UNSAVED: &str = "99-unsaved.toml";
/// Methods of the routes that change something.
const CHANGE: &str = "POST, OPTIONS";
/// Long bodies that may be received at the same time.
const LONG: usize = 4;

/// `/setup` and the routes below it.
struct Routes {
    setup: Arc<Setup>,
    access: Arc<Access>,
    long: Semaphore,
    stop: CancellationToken,
}

/// A text of TOML, and the drop-in that it is or becomes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    toml: String,
    file: Option<String>,
}

/// A drop-in to remove.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removed {
    file: String,
}

/// Ports to look at; all if there are none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ports {
    #[serde(default)]
    ports: Vec<String>,
}

/// `/setup` and the routes below it. Searches end with `stop`.
pub(super) fn routes(
    setup: &Arc<Setup>,
    access: &Arc<Access>,
    stop: CancellationToken,
) -> BoxedFilter<(Response,)> {
    let (setup, access) = (Arc::clone(setup), Arc::clone(access));
    let routes = Arc::new(Routes { setup, access, long: Semaphore::new(LONG), stop });
    let this = Arc::clone(&routes);
    let seen = warp::ext::optional::<Peer>().and(warp::header::headers_cloned());
    let overview = seen.then(move |peer, headers: HeaderMap| {
        let this = Arc::clone(&this);
        async move { this.overview(peer, &headers).await }
    });
    let overview = warp::path::end().and(reply::readable(overview.boxed()));
    let progress = warp::ext::optional::<Arc<Progress>>();
    let request = warp::method().and(warp::ext::optional::<Peer>()).and(progress);
    let request = request.and(warp::header::headers_cloned()).and(warp::body::stream());
    let change = warp::path::param::<String>().and(warp::path::end()).and(request).then(
        move |action: String, method, peer, progress: Option<Arc<Progress>>, headers: HeaderMap, body| {
            let this = Arc::clone(&routes);
            async move {
                let whole = || progress.iter().for_each(|progress| progress.answering());
                let is_known = ["probe", "check", "test", "save", "delete"].contains(&&*action);
                let mut response = match is_known {
                    false => ApiError::no_such_path().into(),
                    true if method != Method::POST => reply::other_method(&method, CHANGE),
                    true => match this.received(peer, &headers, body).await {
                        Ok(body) => {
                            whole();
                            this.change(&action, &body).await.unwrap_or_else(Response::from)
                        }
                        Err(error) => error.into(),
                    },
                };
                this.access.readable_by_allowed(&headers, &mut response);
                response
            }
        },
    );
    warp::path("setup").and(overview.or(change).unify()).boxed()
}

impl Routes {
    /// Answers `GET /setup`: all of it to who may change something, to others only whether there is something to do.
    async fn overview(&self, peer: Option<Peer>, headers: &HeaderMap) -> Response {
        let read = self.setup.outline().await;
        let is_needed = read.as_ref().is_ok_and(|(outline, ..)| outline.sources.is_empty());
        if let Err(refused) = self.access.check(peer, headers) {
            let reason = refused.message();
            let code = refused.code();
            let body = json!({"needed": is_needed, "allowed": false, "reason": reason, "code": code});
            return reply::serialized(StatusCode::OK, &body);
        }
        let outline = read.as_ref().ok().map(|(outline, ..)| outline);
        let (ports, lines) = self.setup.devices(outline).await;
        let plugins = plugins().into_iter().map(|plugin| {
            json!({"role": plugin.role, "kind": plugin.kind, "about": plugin.about, "sample": plugin.sample})
        });
        let mut body = json!({
            "needed": is_needed,
            "allowed": true,
            "lan": self.access.lan(),
            "config": self.setup.files().name(),
            "drop_ins": [],
            "sources": [],
            "publishers": [],
            "endpoints": [],
            "ports": ports,
            "gpio": lines,
            "plugins": plugins.collect::<Vec<_>>(),
        });
        match &read {
            Ok((outline, mistakes, texts)) => {
                let folder = outline.folder.display().to_string();
                let sections = |all: &[Outlined]| -> Json {
                    all.iter().map(|section| described(section, &folder)).collect()
                };
                let texts = texts.iter().map(|DropIn { file, text }| json!({"file": file, "text": text}));
                body["drop_ins"] = texts.collect();
                body["sources"] = sections(&outline.sources);
                body["publishers"] = sections(&outline.publishers);
                body["endpoints"] = sections(&outline.endpoints);
                if !mistakes.is_empty() {
                    body["mistakes"] = mistakes_of(mistakes, None);
                }
            }
            Err(mistakes) => body["mistakes"] = mistakes_of(mistakes, None),
        }
        reply::serialized(StatusCode::OK, &body)
    }

    /// Checks access, and reads the body.
    async fn received(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
        body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    ) -> Result<Vec<u8>, ApiError> {
        self.access.check(peer, headers)?;
        // A page of another site cannot send this type without asking first.
        if !cmd::is_json(headers) {
            let message = "this needs `Content-Type: application/json`";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        cmd::read(headers, pin!(body), &self.long).await
    }

    /// Saves a change to its end, even if the client goes away meanwhile.
    async fn save(&self, change: DropIn) -> Result<Result<Saved, SaveError>, ApiError> {
        let setup = Arc::clone(&self.setup);
        let saved = tokio::spawn(async move { setup.save(change).await }).await;
        saved.map_err(|_| {
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the change was broken off")
        })
    }

    async fn change(&self, action: &str, body: &[u8]) -> Result<Response, ApiError> {
        if action == "probe" {
            let Ports { ports } = parse(body)?;
            return probe::answer(&self.setup, ports, self.stop.child_token()).await;
        }
        if action == "delete" {
            let Removed { file } = parse(body)?;
            return Ok(saved(self.save(DropIn { file, text: None }).await?, None));
        }
        let Text { toml, file } = parse(body)?;
        let file = match file {
            None if action == "save" => return Err(ApiError::bad_request("missing member `file`")),
            file => file.unwrap_or_else(|| UNSAVED.to_owned()),
        };
        let change = DropIn { file: file.clone(), text: Some(toml) };
        Ok(match action {
            "check" => answer(self.setup.check(change).await.map(|()| json!({})), Some(&file)),
            "save" => saved(self.save(change).await?, Some(&file)),
            _ => match self.setup.test(change).await {
                Ok(Ok(text)) => reply::serialized(StatusCode::OK, &json!({"text": text})),
                Ok(Err(error)) => unconnected(&error),
                Err(error) => answer::<()>(Err(error), Some(&file)),
            },
        })
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| match error.is_data() {
        true => ApiError::bad_request(error.to_string()),
        false => {
            let message = format!("the body is not valid JSON: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", message)
        }
    })
}

/// Returns a section as it is written. A drop-in is named as in `drop_ins`.
fn described(section: &Outlined, folder: &str) -> Json {
    let Outlined { name, plugin, label, role, port, enabled, file, .. } = section;
    let place = file.strip_prefix(folder).map_or(file.as_str(), |file| file.trim_start_matches('/'));
    json!({
        "name": name, "plugin": plugin, "label": label, "role": role, "port": port, "enabled": enabled,
        "where": place,
    })
}

/// Returns the answer to a change of `file` that was to be written.
fn saved(result: Result<Saved, SaveError>, file: Option<&str>) -> Response {
    let shown = result.map(|saved| {
        let mut shown = json!(saved);
        if let Some(mistakes) = &saved.mistakes {
            shown["mistakes"] = mistakes_of(mistakes, None);
        }
        shown
    });
    answer(shown, file)
}

/// Returns the answer to a change of `file`.
fn answer<T: serde::Serialize>(result: Result<T, SaveError>, file: Option<&str>) -> Response {
    match result {
        Ok(value) => reply::serialized(StatusCode::OK, &value),
        Err(SaveError::Wrong(mistakes)) => {
            let message = "the configuration would be wrong";
            let error = json!({"code": "wrong_configuration", "message": message});
            let body = json!({"error": error, "mistakes": mistakes_of(&mistakes, file)});
            reply::serialized(StatusCode::UNPROCESSABLE_ENTITY, &body)
        }
        Err(SaveError::Refused(message)) => {
            failure(StatusCode::CONFLICT, "not_applied", None, &message, None)
        }
        Err(SaveError::DropIn(error)) => {
            let (status, code) = match &error {
                DropInError::Io { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "not_written"),
                DropInError::Missing(_) => (StatusCode::NOT_FOUND, "not_found"),
                DropInError::Large => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
                _ => (StatusCode::UNPROCESSABLE_ENTITY, "bad_drop_in"),
            };
            failure(status, code, Some(error.code()), &error.to_string(), error.hint().as_deref())
        }
    }
}

/// Returns the answer to a test without a connection. An error's hint is on a line of its own.
fn unconnected(error: &PublishError) -> Response {
    let text = error.to_string();
    let (message, hint) =
        text.split_once("\nhint: ").map_or((&*text, None), |(message, hint)| (message, Some(hint)));
    failure(StatusCode::BAD_GATEWAY, "not_connected", Some(error.code().as_str()), message, hint)
}

/// Returns an error with its code, and with its cause, unless that says no more.
fn failure(
    status: StatusCode,
    code: &str,
    cause: Option<&str>,
    message: &str,
    hint: Option<&str>,
) -> Response {
    let mut error = json!({"code": code, "message": message});
    if let Some(cause) = cause.filter(|cause| *cause != code) {
        error["cause"] = cause.into();
    }
    if let Some(hint) = hint {
        error["hint"] = hint.into();
    }
    reply::serialized(status, &json!({"error": error}))
}

/// Returns the mistakes. Those in another file than the changed one have its name, too.
fn mistakes_of(mistakes: &Diagnostics, changed: Option<&str>) -> Json {
    let mistakes = mistakes.each().map(|mistake| {
        let mut shown = json!(mistake);
        let is_changed = changed.is_some_and(|changed| mistake.file.ends_with(&format!("/{changed}")));
        if let (true, Some(members)) = (is_changed, shown.as_object_mut()) {
            members.remove("file");
        }
        shown
    });
    mistakes.collect()
}
