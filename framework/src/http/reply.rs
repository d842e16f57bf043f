//! Parts that answers have in common.

use std::{borrow::Cow, convert::Infallible};

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::{Serialize, Serializer};
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderValue, Method, StatusCode, header},
    reply::Response,
};

use super::ApiError;

/// raspend's content type, to the letter.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// A cache may keep an answer, but must ask each time whether it still holds.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// Methods of a route that only reads.
pub(super) const READ: &str = "GET, HEAD, OPTIONS";

/// Returns an answer of JSON.
pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    *response.status_mut() = status;
    as_json(response)
}

/// Declares that an answer is JSON.
pub(super) fn as_json(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response.headers_mut().insert(header::CACHE_CONTROL, NO_CACHE);
    response
}

/// Returns an answer of a value as JSON.
pub(super) fn serialized(status: StatusCode, value: &impl Serialize) -> Response {
    json(status, serde_json::to_vec(value).expect("a value with texts as keys"))
}

/// JSON object whose members keep their order.
pub(super) struct Members<K, V>(pub(super) Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Members<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// Returns an answer of JSON with a version, or 304 if the client has that version already.
pub(super) fn versioned(body: Bytes, etag: &HeaderValue, known: Option<&str>) -> Response {
    let mut response = if known.is_some_and(|known| names(known, etag)) {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(header::CACHE_CONTROL, NO_CACHE);
        response
    } else {
        json(StatusCode::OK, body)
    };
    response.headers_mut().insert(header::ETAG, etag.clone());
    response
}

/// Returns whether an `If-None-Match` names the version (RFC 9110, 13.1.2: weak comparison).
fn names(known: &str, etag: &HeaderValue) -> bool {
    known
        .split(',')
        .map(str::trim)
        .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one).as_bytes() == etag.as_bytes())
}

/// Extracts the `If-None-Match` of a request.
pub(super) fn known() -> impl Filter<Extract = (Option<String>,), Error = Infallible> + Copy + Send + Sync {
    // A value that is not text is not one of ours.
    warp::header::optional("if-none-match").or(warp::any().map(|| None)).unify()
}

/// Returns the decoded segments of a path.
///
/// # Errors
/// Returns an error if one is not UTF-8.
pub(super) fn segments(path: &str) -> Result<Vec<Cow<'_, str>>, ApiError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments = path.split('/').map(|segment| percent_decode_str(segment).decode_utf8());
    segments.collect::<Result<_, _>>().map_err(|_| ApiError::not_found("the path is not UTF-8"))
}

/// Answers GET and HEAD with `answer`, other methods as [`other_method`] does.
pub(super) fn readable(answer: BoxedFilter<(Response,)>) -> BoxedFilter<(Response,)> {
    let read = warp::get().or(warp::head()).unify().and(answer);
    // hyper drops the body of an answer to HEAD.
    let other = warp::method().map(|method| other_method(&method, READ));
    read.or(other).unify().boxed()
}

/// Route `/name` that only reads; `answer` gets the query.
pub(super) fn read_only<F: Future<Output = Response> + Send>(
    name: &'static str,
    answer: impl Fn(String) -> F + Clone + Send + Sync + 'static,
) -> BoxedFilter<(Response,)> {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::path(name).and(warp::path::end()).and(readable(query.then(answer).boxed())).boxed()
}

/// Answers a method that the path does not support, and OPTIONS.
pub(super) fn other_method(method: &Method, allow: &'static str) -> Response {
    if method == Method::OPTIONS {
        return options(allow);
    }
    let message = format!("this path takes {allow}");
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    let mut response = Response::from(error);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// Answers OPTIONS, such as a browser's preflight.
pub(super) fn options(allow: &'static str) -> Response {
    let allow = HeaderValue::from_static(allow);
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    // Without an allowed origin beside them, browsers ignore the `Access-Control` headers.
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow.clone());
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Content-Type, Authorization"),
    );
    headers.insert(header::ALLOW, allow);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_may_be_a_list_weak_or_a_star() {
        let etag = HeaderValue::from_static("\"b-7\"");
        for known in ["\"b-7\"", "W/\"b-7\"", "*", "\"x\", \"b-7\"", " \"x\" ,W/\"b-7\" "] {
            assert!(names(known, &etag), "{known}");
        }
        for unknown in ["", "b-7", "\"b-77\"", "\"b-8\", \"b-\"", "w/\"b-7\"", ",,"] {
            assert!(!names(unknown, &etag), "{unknown}");
        }
    }
}
