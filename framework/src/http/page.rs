//! `/` and `/page`: the live page, embedded in this binary.
//!
//! The page is plain HTML, CSS and JavaScript modules, without a build step and without files from elsewhere.
//! [`POLICY`] restricts it: even if a meter's text became markup, no script of it would run or reach another host.

use std::sync::Arc;

use bytes::Bytes;
use crc::{CRC_64_XZ, Crc};
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderValue, header},
    reply::Response,
};

use super::{ApiError, reply};

/// Allows scripts, styles, pictures and data of this program only, and nothing inline.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
);

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
fn assets() -> [Asset; 23] {
    assets![
        "index.html",
        "style.css",
        "parts.css",
        "icon.svg",
        "manifest.json",
        "main.js",
        "dom.js",
        "text.js",
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
    fn answer(&self, known: Option<&str>) -> Response {
        let mut response = reply::versioned(Bytes::from_static(self.content), &self.etag, known);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.kind());
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

/// `GET /` and `/page/<file>`. Other methods of `/` are for raspend's clients: see `cmd`.
pub(super) fn routes() -> BoxedFilter<(Response,)> {
    let assets = Arc::new(assets());
    let known = warp::header::optional::<String>("if-none-match").or(warp::any().map(|| None)).unify();
    let index = warp::path::end().and(reply::read()).and(known).map({
        let assets = Arc::clone(&assets);
        move |known: Option<String>| assets[0].answer(known.as_deref())
    });
    let file = warp::path::param().and(warp::path::end());
    let file = file.and(reply::read()).and(known).map(move |name: String, known: Option<String>| {
        let asset = assets.iter().find(|asset| asset.name == name);
        asset.map_or_else(|| ApiError::no_such_path().into(), |asset| asset.answer(known.as_deref()))
    });
    let other = warp::path::param::<String>().and(warp::path::end()).and(reply::other_methods(reply::READ));
    let other = other.map(|_, response| response);
    let below = warp::path("page").and(file.or(other).unify());
    index.or(below).unify().boxed()
}
