//! `/` and `/page`: the live page, embedded in this binary.
//!
//! The page is plain HTML, CSS and JavaScript modules, without a build step and without files from elsewhere.
//! Its policy (`access`) restricts it: even if a meter's text became markup, no script of it would run or reach another host.

use std::sync::Arc;

use bytes::Bytes;
use crc::{CRC_64_XZ, Crc};
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderValue, Method, header},
    reply::Response,
};

use super::{ApiError, access::Access, reply};

/// File of the page.
struct Asset {
    name: &'static str,
    content: &'static [u8],
    etag: HeaderValue,
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        [$(Asset::new($name, include_bytes!(concat!("page/", $name)))),*]
    };
}

/// Returns all files of the page; the first one is the page itself.
fn assets() -> [Asset; 35] {
    assets![
        "index.html",
        "style.css",
        "parts.css",
        "icon.svg",
        "manifest.json",
        "main.js",
        "dom.js",
        "text.js",
        "token.js",
        "login.js",
        "en.js",
        "de.js",
        "format.js",
        "model.js",
        "live.js",
        "query.js",
        "now.js",
        "today.js",
        "hour.js",
        "chart.js",
        "period.js",
        "plots.js",
        "history.js",
        "sources.js",
        "command.js",
        "field.js",
        "setup.js",
        "setup.css",
        "setup-en.js",
        "setup-de.js",
        "find.js",
        "add.js",
        "saved.js",
        "toml.js",
        "failure.js",
    ]
}

impl Asset {
    fn new(name: &'static str, content: &'static [u8]) -> Self {
        let version = format!("\"{:016x}\"", Crc::<u64>::new(&CRC_64_XZ).checksum(content));
        let etag =
            HeaderValue::from_maybe_shared(Bytes::from(version)).expect("hexadecimal digits and quotes");
        Self { name, content, etag }
    }

    fn kind(&self) -> HeaderValue {
        HeaderValue::from_static(match self.name.rsplit_once('.') {
            Some((_, "html")) => "text/html; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "svg")) => "image/svg+xml",
            _ => "application/manifest+json",
        })
    }

    /// Answers with the file, or 304 if the browser has this version.
    fn answer(&self, known: Option<&str>, access: &Access) -> Response {
        let mut response = reply::versioned(Bytes::from_static(self.content), &self.etag, known);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.kind());
        headers.insert(header::CONTENT_SECURITY_POLICY, access.page_policy());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

/// `GET /` and `/page/<file>`. Other methods of `/` are for raspend's clients: see `cmd`.
pub(super) fn routes(access: &Arc<Access>) -> BoxedFilter<(Response,)> {
    let assets = Arc::new(assets());
    let index = warp::path::end().and(warp::get().or(warp::head()).unify()).and(reply::known()).map({
        let (assets, access) = (Arc::clone(&assets), Arc::clone(access));
        move |known: Option<String>| assets[0].answer(known.as_deref(), &access)
    });
    let access = Arc::clone(access);
    let file = warp::path::param().and(warp::path::end()).and(warp::method()).and(reply::known());
    let file = file.map(move |name: String, method: Method, known: Option<String>| {
        let asset = assets.iter().find(|asset| asset.name == name);
        match asset {
            _ if !matches!(method, Method::GET | Method::HEAD) => reply::other_method(&method, reply::READ),
            Some(asset) => asset.answer(known.as_deref(), &access),
            None => ApiError::no_such_path().into(),
        }
    });
    index.or(warp::path("page").and(file)).unify().boxed()
}
