//! `/cmds` and `/cmd`: the commands of the sources.

use std::{future::ready, pin::pin, sync::Arc};

use bytes::{Buf, BufMut as _, Bytes};
use futures_util::{Stream, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use tokio::sync::Semaphore;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, Method, StatusCode, header},
    reply::Response,
};

use super::{
    ApiError, Peer,
    access::Access,
    connections::Progress,
    reply::{self, Members},
};
use crate::{
    Arg, ArgKind, CommandError, CommandSpec, Commands, InstalledCommand, ResolveError, latest::Latest,
};

/// Longest body of a command, in bytes.
const BODY_LIMIT: usize = 64 * 1024;
/// Longest body of which any number may be received at the same time, in bytes; and the number of longer ones.
const SHORT: usize = 2048;
const LONG: usize = 16;
/// Methods of `/cmd`.
const CALL: &str = "GET, POST, OPTIONS";

/// Commands, as clients see them.
pub(super) struct Cmd {
    commands: Commands,
    /// Answer to `/cmds`, and the generation of the commands that it lists. It holds none of them: each may hold a file
    /// of its source.
    list: Latest<(u64, Bytes)>,
    access: Arc<Access>,
    /// Long bodies that may be received at the same time.
    long: Semaphore,
}

/// `/cmds`, `/cmd`, and `/` for raspend's clients.
pub(super) fn routes(cmd: &Arc<Cmd>) -> BoxedFilter<(Response,)> {
    let this = Arc::clone(cmd);
    let list = reply::read_only("cmds", move |query| {
        let list = if query == "details" { list(&this.commands.all(), true) } else { this.list() };
        ready(reply::json(StatusCode::OK, list))
    });

    let query = warp::query::<Vec<(String, String)>>();
    let progress = warp::ext::optional::<Arc<Progress>>();
    let request = warp::ext::optional::<Peer>().and(progress).and(warp::header::headers_cloned()).and(query);
    let request = warp::method().and(request).and(warp::body::stream());
    let call = |allow: &'static str| {
        let this = Arc::clone(cmd);
        request.then(move |method, peer, progress: Option<Arc<Progress>>, headers: HeaderMap, query, body| {
            let this = Arc::clone(&this);
            async move {
                let whole = || progress.iter().for_each(|progress| progress.answering());
                let mut response = match method {
                    Method::POST => answer(&headers, this.post(peer, &headers, body, whole).await),
                    Method::GET if allow == CALL => answer(&headers, this.get(peer, &headers, query).await),
                    _ => reply::other_method(&method, allow),
                };
                this.access.readable_by_allowed(&headers, &mut response);
                response
            }
        })
    };
    let calls = warp::path("cmd").and(warp::path::end()).and(call(CALL));
    // `GET /` is the page's.
    let root = warp::path::end().and(call("GET, HEAD, POST, OPTIONS"));
    list.or(calls).unify().or(root).unify().boxed()
}

/// Answers as recorded in `tests/it/contract`; a client that sends `Prefer: cause` also gets the cause of an error.
fn answer(headers: &HeaderMap, result: Result<Json, ApiError>) -> Response {
    match result {
        Ok(json) => reply::json(StatusCode::OK, json.to_string()),
        Err(error) if headers.get("prefer").is_some_and(|wish| wish == "cause") => error.with_cause(),
        Err(error) => error.into(),
    }
}

/// Call in the own form: `{"name": "s0.set_s0", "args": {"value": 3}}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    name: String,
    #[serde(default)]
    args: Map<String, Json>,
}

impl Cmd {
    pub(super) fn new(commands: Commands, access: Arc<Access>) -> Self {
        Self { commands, list: Latest::default(), access, long: Semaphore::new(LONG) }
    }

    /// Returns the answer to `/cmds`, which is the same until a reload.
    fn list(&self) -> Bytes {
        // Read before the commands: a generation that is too old only costs another encoding.
        let generation = self.commands.generation();
        if let Some(made) = self.list.get().filter(|made| made.0 == generation) {
            return made.1.clone();
        }
        let list = list(&self.commands.all(), false);
        self.list.set(Arc::new((generation, list.clone())));
        list
    }

    /// Runs a command from JSON, in the own form or in raspend's.
    async fn post(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
        body: impl Stream<Item = Result<impl Buf, warp::Error>>,
        whole: impl FnOnce(),
    ) -> Result<Json, ApiError> {
        self.access.check(peer, headers)?;
        if !is_json(headers) {
            let message = "a command needs `Content-Type: application/json`";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
        }
        let body = read(headers, body, &self.long).await?;
        whole();
        match serde_json::from_slice(&body) {
            Ok(Json::Object(envelope)) if envelope.contains_key("Command") => self.raspend(envelope).await,
            Ok(call @ Json::Object(_)) => {
                let Call { name, args } =
                    serde_json::from_value(call).map_err(|error| ApiError::bad_request(error.to_string()))?;
                let result = self.run(&name, args).await?;
                Ok(json!({"name": name, "result": result}))
            }
            Ok(_) => Err(ApiError::bad_request("a command is an object: `{\"name\": …, \"args\": {…}}`")),
            Err(error) => {
                let message = format!("the body is not valid JSON: {error}");
                Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid_json", message))
            }
        }
    }

    /// Runs a command in raspend's form, `{"Command": {"Name": …, "Args": {…}}, …}`. The answer is the same object,
    /// with `Result` beside the `Name`.
    async fn raspend(&self, mut envelope: Map<String, Json>) -> Result<Json, ApiError> {
        let Some(command) = envelope.get_mut("Command").and_then(Json::as_object_mut) else {
            return Err(ApiError::bad_request("`Command` must be an object with `Name` and `Args`"));
        };
        let Some(name) = command.get("Name").and_then(Json::as_str) else {
            return Err(ApiError::bad_request("`Command` needs a `Name`, which is a string"));
        };
        let args = match command.get("Args") {
            None => Map::new(),
            Some(Json::Object(args)) => args.clone(),
            Some(_) => return Err(ApiError::bad_request("`Args` must be an object")),
        };
        let result = self.run(name, args).await?;
        command.insert("Result".to_owned(), result);
        Ok(Json::Object(envelope))
    }

    /// Runs a command from a link, for raspend's clients.
    async fn get(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
        query: Vec<(String, String)>,
    ) -> Result<Json, ApiError> {
        if !self.access.allows_get_commands() {
            let message = "a link must not change a device: send POST, or set `allow_get_commands = true` in `[server]`";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "get_commands_disabled", message));
        }
        self.access.check(peer, headers)?;
        let mut args = Map::new();
        for (key, value) in query {
            args.entry(key).or_insert(Json::String(value));
        }
        match args.remove("name") {
            Some(Json::String(name)) => self.run(&name, args).await,
            _ => Err(ApiError::bad_request("the command's name is missing: `/cmd?name=…`")),
        }
    }

    async fn run(&self, name: &str, args: Map<String, Json>) -> Result<Json, ApiError> {
        let entry = self.commands.resolve(name).map_err(|unresolved| match unresolved {
            ResolveError::Unknown => {
                let message = format!("no command is called `{name}`: see /cmds");
                ApiError::new(StatusCode::NOT_FOUND, "unknown_command", message)
            }
            ResolveError::Ambiguous(names) => {
                let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
                let message = format!("`{name}` may be {}", names.join(" or "));
                ApiError::new(StatusCode::CONFLICT, "ambiguous_command", message)
            }
        })?;
        self.commands.run(&entry, args).await.map_err(|error| match error {
            CommandError::BadArgument(message) => {
                ApiError::new(StatusCode::BAD_REQUEST, "bad_argument", message)
            }
            CommandError::Failed(message) => {
                ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "command_failed", message)
            }
        })
    }
}

/// Returns whether the body is declared to be JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Reads the whole body. Its length is limited as declared by the head, and as received.
pub(super) async fn read(
    headers: &HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    long: &Semaphore,
) -> Result<Vec<u8>, ApiError> {
    let too_large = || {
        let message = format!("a command has at most {BODY_LIMIT} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    };
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > BODY_LIMIT) {
        return Err(too_large());
    }
    let (mut body, mut whole, mut held) = (pin!(body), Vec::new(), None);
    let broken = |_| ApiError::bad_request("the body breaks off, or is badly chunked");
    while let Some(part) = body.try_next().await.map_err(broken)? {
        if whole.len() + part.remaining() > BODY_LIMIT {
            return Err(too_large());
        }
        if whole.len() + part.remaining() > SHORT && held.is_none() {
            let busy = || ApiError::busy("too many long commands are being sent: try again in a few seconds");
            held = Some(long.try_acquire().map_err(|_| busy())?);
        }
        whole.put(part);
    }
    Ok(whole)
}

/// Returns raspend's list of commands. With `details`, units and limits of the arguments are members of their own.
fn list(all: &[InstalledCommand], details: bool) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shown<'a> {
        name: &'a str,
        args: Members<&'a str, ArgKind>,
        #[serde(rename = "URL")]
        url: String,
        /// One sentence for people; raspend has no such member.
        about: &'a str,
        args_about: Members<&'a str, String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        args_details: Option<Members<&'a str, &'a Arg>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        shown_by: Option<&'a str>,
    }
    /// Returns something of each argument, in the declared order.
    fn each<'a, T>(spec: &'a CommandSpec, of: impl Fn(&'a Arg) -> T) -> Members<&'a str, T> {
        Members(spec.args.iter().map(|arg| (arg.name.as_str(), of(arg))).collect())
    }
    let shown = all.iter().map(|InstalledCommand { full_name, command, .. }| {
        let spec = command.spec();
        let keys: String = spec.args.iter().map(|arg| format!("&{}=", arg.name)).collect();
        let shown = Shown {
            name: full_name,
            args: each(spec, |arg| arg.kind),
            url: format!("/cmd?name={full_name}{keys}"),
            about: &spec.about,
            args_about: each(spec, Arg::description),
            args_details: details.then(|| each(spec, |arg| arg)),
            shown_by: spec.shown_by.as_deref().filter(|_| details),
        };
        Members(vec![("Command", shown)])
    });
    let list = Members(vec![("Commands", shown.collect::<Vec<_>>())]);
    serde_json::to_vec(&list).expect("a value with texts as keys").into()
}
