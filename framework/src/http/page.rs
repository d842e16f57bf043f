//! `/` and `/page`: the live page, embedded in this binary.
//!
//! The page is plain HTML, CSS and JavaScript modules, without a build step and without files from elsewhere.
//! Scripts and style sheets are served without comments and blanks (`compact`), and compressed to clients that take gzip.
//! Its policy (`access`) restricts it: even if a meter's text became markup, no script of it would run or reach another host.

use std::{
    convert::Infallible,
    io::Write as _,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use crc::{CRC_64_XZ, Crc};
use flate2::{Compression, write::GzEncoder};
use warp::{
    Filter,
    filters::{BoxedFilter, path::Tail},
    http::{HeaderMap, HeaderValue, Method, header},
    reply::Response,
};

use super::{ApiError, Peer, access::Access, compact, reply};
use crate::roster::Roster;

/// The service worker, which may serve the page's own path above its own.
const WORKER: &str = "worker.js";

/// Description of the page for browsers that install it.
const MANIFEST: &str = "manifest.json";

/// File of the page.
struct Asset {
    name: &'static str,
    source: &'static [u8],
    /// What is served, made for the first client that asks for it.
    plain: OnceLock<Version>,
    /// The same, compressed; `None` if it is not smaller.
    gzip: OnceLock<Option<Version>>,
}

/// Content in one encoding, with the tag of that encoding.
struct Version {
    content: Bytes,
    etag: HeaderValue,
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        vec![$(Asset::new($name, include_bytes!(concat!("page/", $name)))),*]
    };
}

/// Returns all files of the page.
fn assets() -> Vec<Asset> {
    let mut assets = assets![
        "add.js",
        "address.js",
        "answers.js",
        "balance.js",
        "bars.js",
        "calendar.js",
        "chart.js",
        "choice.js",
        "command.js",
        "copy.js",
        "costs.js",
        "curves.js",
        "days.js",
        "de/household.js",
        "de/page.js",
        "de/setup.js",
        "digits.js",
        "dom.js",
        "en/household.js",
        "en/page.js",
        "en/setup.js",
        "failure.js",
        "field.js",
        "find.js",
        "flow.js",
        "format.js",
        "fr/household.js",
        "fr/page.js",
        "fr/setup.js",
        "glance.js",
        "history.js",
        "hour.js",
        "icon-192.png",
        "icon-512.png",
        "icon-export.svg",
        "icon-import.svg",
        "icon-maskable.png",
        "icon-none.svg",
        "icon.svg",
        "index.html",
        "insights.js",
        "install.js",
        "kiosk.css",
        "kiosk.js",
        "language.js",
        "live.js",
        "login.js",
        "main.js",
        "manifest.json",
        "media.css",
        "memory.js",
        "model.js",
        "nl/household.js",
        "nl/page.js",
        "nl/setup.js",
        "now.js",
        "parts.css",
        "period.js",
        "picture.js",
        "plots.js",
        "query.js",
        "reach.js",
        "readings.js",
        "reasons.js",
        "saved.js",
        "scale.js",
        "setup.css",
        "setup.js",
        "sources.js",
        "style.css",
        "swipe.js",
        "take.js",
        "text.js",
        "tiles.js",
        "times.js",
        "today.js",
        "token.js",
        "toml.js",
        "tooltip.js",
        "views.js",
        "worker.js",
    ];
    complete_worker(&mut assets);
    assets
}

/// Writes the list and the version of all files into the service worker, so that browsers install it anew when any of
/// them has changed.
fn complete_worker(assets: &mut [Asset]) {
    let crc = Crc::<u64>::new(&CRC_64_XZ);
    let mut version = crc.digest();
    assets.iter().for_each(|asset| version.update(asset.source));
    let version = format!("{:016x}", version.finalize());
    let names: Vec<_> = assets.iter().map(|asset| asset.name).filter(|name| *name != WORKER).collect();
    let names = names.join(" ");
    for asset in assets.iter_mut().filter(|asset| asset.name == WORKER) {
        let text = String::from_utf8_lossy(asset.source);
        let text = text.replace("{version}", &version).replace("{files}", &names);
        asset.plain = OnceLock::from(Version::new(compact::script(&text).into()));
    }
}

impl Version {
    fn new(content: Bytes) -> Self {
        let tag = format!("\"{:016x}\"", Crc::<u64>::new(&CRC_64_XZ).checksum(&content));
        let etag = HeaderValue::from_maybe_shared(Bytes::from(tag)).expect("hexadecimal digits and quotes");
        Self { content, etag }
    }

    fn gzip(&self) -> Option<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&self.content).ok()?;
        let small = encoder.finish().ok()?;
        (small.len() < self.content.len()).then(|| Self::new(small.into()))
    }
}

impl Asset {
    fn new(name: &'static str, content: &'static [u8]) -> Self {
        Self { name, source: content, plain: OnceLock::new(), gzip: OnceLock::new() }
    }

    fn plain(&self) -> &Version {
        self.plain.get_or_init(|| {
            let code = match (self.name.rsplit_once('.'), std::str::from_utf8(self.source)) {
                (Some((_, "js")), Ok(source)) => Some(compact::script(source)),
                (Some((_, "css")), Ok(source)) => Some(compact::style(source)),
                _ => None,
            };
            Version::new(code.map_or_else(|| Bytes::from_static(self.source), Bytes::from))
        })
    }

    fn kind(&self) -> HeaderValue {
        HeaderValue::from_static(match self.name.rsplit_once('.') {
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            Some((_, "png")) => "image/png",
            _ => "application/manifest+json",
        })
    }

    /// Returns the manifest with the name of the household.
    fn named(&self, household: &str) -> Option<Self> {
        let mut manifest: serde_json::Map<_, _> = serde_json::from_slice(self.source).ok()?;
        for key in ["name", "short_name"] {
            manifest.insert(key.to_owned(), household.into());
        }
        let plain = Version::new(serde_json::to_vec(&manifest).ok()?.into());
        Some(Self { name: self.name, source: self.source, plain: plain.into(), gzip: OnceLock::new() })
    }

    /// Answers with the file, or 304 if the browser has this version.
    fn answer(&self, client: &Client, access: &Access) -> Response {
        let gzip =
            client.takes_gzip.then(|| self.gzip.get_or_init(|| self.plain().gzip()).as_ref()).flatten();
        let Version { content, etag } = gzip.unwrap_or_else(|| self.plain());
        let mut response = reply::versioned(content.clone(), etag, client.known.as_deref());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.kind());
        if gzip.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if self.name == WORKER {
            headers.insert("service-worker-allowed", HeaderValue::from_static("../"));
        }
        headers.insert(header::CONTENT_SECURITY_POLICY, access.page_policy());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

/// What a browser has and takes.
struct Client {
    /// The `If-None-Match` of its request.
    known: Option<String>,
    takes_gzip: bool,
    peer: Option<Peer>,
    headers: HeaderMap,
}

impl Client {
    fn filter() -> impl Filter<Extract = (Self,), Error = Infallible> + Copy + Send + Sync {
        let encodings = warp::header::optional("accept-encoding").or(warp::any().map(|| None)).unify();
        let client = warp::ext::optional::<Peer>().and(warp::header::headers_cloned());
        reply::known().and(encodings).and(client).map(
            |known, encodings: Option<String>, peer: Option<Peer>, headers: HeaderMap| Self {
                known,
                takes_gzip: encodings.is_some_and(|encodings| takes_gzip(&encodings)),
                peer,
                headers,
            },
        )
    }
}

/// Returns whether an `Accept-Encoding` takes gzip (RFC 9110, 12.5.3).
fn takes_gzip(encodings: &str) -> bool {
    let weight = |wanted: &str| {
        encodings.split(',').find_map(|one| {
            let (name, parameter) = one.split_once(';').unwrap_or((one, "q=1"));
            let weight = || parameter.trim().split_once('=')?.1.trim().parse::<f32>().ok();
            name.trim().eq_ignore_ascii_case(wanted).then(|| weight().unwrap_or(0.0))
        })
    };
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

/// `GET /` and `/page/<file>`, such as `/page/main.js` and `/page/de/page.js`. Other methods of `/` are for raspend's clients: see `cmd`.
pub(super) fn routes(access: &Arc<Access>, roster: &Arc<Roster>) -> BoxedFilter<(Response,)> {
    let answer = {
        let (assets, access, roster) = (assets(), Arc::clone(access), Arc::clone(roster));
        move |name: &str, client: &Client| {
            let Some(asset) = assets.iter().find(|asset| asset.name == name) else {
                return ApiError::no_such_path().into();
            };
            // The name of the household is for whoever may read; the rest of the page is for everybody.
            let may_read = || access.check_reader(client.peer, &client.headers).is_ok();
            let household = (name == MANIFEST).then(|| roster.household().filter(|_| may_read())).flatten();
            let named = household.and_then(|household| asset.named(&household));
            named.as_ref().unwrap_or(asset).answer(client, &access)
        }
    };
    let answer = Arc::new(answer);
    let index = warp::path::end().and(warp::get().or(warp::head()).unify()).and(Client::filter()).map({
        let answer = Arc::clone(&answer);
        move |client: Client| answer("index.html", &client)
    });
    let file = warp::path::tail().and(warp::method()).and(Client::filter());
    let file = file.map(move |name: Tail, method: Method, client: Client| match method {
        Method::GET | Method::HEAD => answer(name.as_str(), &client),
        _ => reply::other_method(&method, reply::READ),
    });
    index.or(warp::path("page").and(file)).unify().boxed()
}
