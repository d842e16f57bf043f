//! `/login` and `/logout`: a session in place of the token, for people with a browser.
//!
//! The page is a form without a script. All its addresses are relative, so that it works below any path of a proxy.

mod texts;

use std::{borrow::Cow, sync::Arc};

use bytes::Buf;
use futures_util::Stream;
use tokio::sync::Semaphore;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    reply::Response,
};

use super::{ApiError, Encrypted, Peer, access::Access, cmd, connections::Progress, reply};

const HTML: &str = include_str!("../login.html");
/// Long bodies that may be received at the same time.
const LONG: usize = 4;
/// Methods of `/login` and `/logout`.
const LOGIN: &str = "GET, HEAD, POST, OPTIONS";
const LOGOUT: &str = "POST, OPTIONS";
/// Query of the address that a login leads to, which finds out whether the browser has kept the cookie.
const DONE: &str = "done";

/// `/login` and `/logout`.
pub(super) fn routes(access: &Arc<Access>) -> BoxedFilter<(Response,)> {
    let long = Arc::new(Semaphore::new(LONG));
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let client = warp::ext::optional::<Peer>().and(warp::ext::optional::<Encrypted>());
    let request = warp::method().and(client).and(warp::header::headers_cloned());
    let progress = warp::ext::optional::<Arc<Progress>>();
    let this = Arc::clone(access);
    let login = warp::path("login").and(warp::path::end()).and(request).and(query).and(progress);
    let login = login.and(warp::body::stream()).then(
        move |method,
              peer,
              encrypted: Option<Encrypted>,
              headers: HeaderMap,
              query: String,
              progress: Option<Arc<Progress>>,
              body| {
            let (access, long) = (Arc::clone(&this), Arc::clone(&long));
            async move {
                match method {
                    Method::GET | Method::HEAD if access.has_session(&headers) || !access.has_login() => {
                        see_other("./")
                    }
                    Method::GET | Method::HEAD => {
                        let problem = (query == DONE).then_some(Problem::NoCookie);
                        page(&access, &headers, StatusCode::OK, problem, false)
                    }
                    Method::POST => {
                        let whole = || progress.iter().for_each(|progress| progress.answering());
                        let result = log_in(&access, peer, encrypted.is_some(), &headers, body, &long, whole);
                        answer(&access, &headers, result.await, "login?done")
                    }
                    _ => reply::other_method(&method, LOGIN),
                }
            }
        },
    );
    let this = Arc::clone(access);
    let logout = warp::path("logout").and(warp::path::end()).and(request).then(
        move |method, peer, encrypted: Option<Encrypted>, headers: HeaderMap| {
            let access = Arc::clone(&this);
            async move {
                if method != Method::POST {
                    return reply::other_method(&method, LOGOUT);
                }
                let result = access.log_out(peer, encrypted.is_some(), &headers);
                save(&access).await;
                answer(&access, &headers, result, "./")
            }
        },
    );
    login.or(logout).unify().boxed()
}

/// Opens a session for the token in the form, and returns the `Set-Cookie`.
async fn log_in(
    access: &Arc<Access>,
    peer: Option<Peer>,
    is_encrypted: bool,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    long: &Semaphore,
    whole: impl FnOnce(),
) -> Result<HeaderValue, ApiError> {
    access.check_own_page(peer, headers)?;
    let body = cmd::read(headers, body, long).await?;
    whole();
    let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(&body)
        .map_err(|_| ApiError::bad_request("a login is a form with the field `token`"))?;
    let token = fields.iter().find(|(key, _)| key == "token").map_or("", |(_, value)| value.trim());
    let cookie = access.log_in(peer, is_encrypted, headers, token)?;
    save(access).await;
    Ok(cookie)
}

/// Writes the sessions to their file, on a thread that may block.
async fn save(access: &Arc<Access>) {
    let access = Arc::clone(access);
    let _ = tokio::task::spawn_blocking(move || access.save_sessions()).await;
}

/// Answers a browser with a page, and a program with JSON.
fn answer(
    access: &Access,
    headers: &HeaderMap,
    result: Result<HeaderValue, ApiError>,
    next: &'static str,
) -> Response {
    match result {
        Ok(cookie) => {
            let mut response = match accepts_html(headers) {
                true => see_other(next),
                false => reply::json(StatusCode::OK, "{}"),
            };
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err(error) if accepts_html(headers) => {
            let problem = match error.status() {
                StatusCode::UNAUTHORIZED => Problem::Wrong,
                StatusCode::TOO_MANY_REQUESTS => Problem::TooMany,
                _ => Problem::Other(error.message()),
            };
            let mut response = page(access, headers, error.status(), Some(problem), false);
            let plain = Response::from(error);
            for name in [header::RETRY_AFTER, header::WWW_AUTHENTICATE] {
                if let Some(value) = plain.headers().get(&name) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            response
        }
        Err(error) => error.into(),
    }
}

/// What a login has failed by.
enum Problem<'a> {
    Wrong,
    TooMany,
    /// The browser has not sent the cookie of the login.
    NoCookie,
    Other(&'a str),
}

/// Answers `GET /` of a browser that must log in first; `None` for a program. The page asks for `/login` by itself:
/// where a link on another site has led here, the browser sends its cookie only then.
pub(super) fn instead_of_page(access: &Access, headers: &HeaderMap) -> Option<Response> {
    let is_page = accepts_html(headers) && access.has_login();
    is_page.then(|| page(access, headers, StatusCode::UNAUTHORIZED, None, true))
}

/// Returns the page with the form.
fn page(
    access: &Access,
    headers: &HeaderMap,
    status: StatusCode,
    problem: Option<Problem<'_>>,
    refreshes: bool,
) -> Response {
    let texts = texts::preferred(headers);
    let problem = match problem {
        None => Cow::Borrowed(""),
        Some(Problem::Wrong) => texts.wrong.into(),
        Some(Problem::TooMany) => texts.too_many.into(),
        Some(Problem::NoCookie) => texts.no_cookie.into(),
        Some(Problem::Other(message)) => escaped(message).into(),
    };
    let html = HTML
        .replace("{lang}", texts.language)
        .replace(
            "{refresh}",
            if refreshes { "\n<meta http-equiv=\"refresh\" content=\"0;url=login\">" } else { "" },
        )
        .replace("{token}", texts.token)
        .replace("{hint}", texts.hint)
        .replace("{submit}", texts.submit)
        .replace("{problem}", &problem);
    let mut response = Response::new(html.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Language, Cookie"));
    headers.insert(header::CONTENT_SECURITY_POLICY, access.login_policy());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Without a referrer, browsers send a form with `Origin: null`.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Leads a browser to an address, relative to this one.
fn see_other(location: &'static str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(location));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|it| it.contains("text/html"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
