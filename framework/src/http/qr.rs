//! `/qr`: the address of the page as a QR code, for the camera of a phone.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};
use warp::{
    Filter as _,
    filters::BoxedFilter,
    http::{HeaderValue, header},
    reply::Response,
};

use super::{ApiError, reply};

/// Longest address, in bytes.
const LONGEST: usize = 512;
/// Light modules around a code (ISO/IEC 18004, 9.1).
const QUIET: i32 = 4;

/// `/qr`.
pub(super) fn routes() -> BoxedFilter<(Response,)> {
    let answer = warp::query::<Vec<(String, String)>>().map(|query: Vec<(String, String)>| {
        drawn(&query).map_or_else(Response::from, |svg| {
            let mut response = Response::new(svg.into());
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
            headers.insert(
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
            );
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        })
    });
    warp::path("qr").and(warp::path::end()).and(reply::readable(answer.boxed())).boxed()
}

/// Returns the code of the address in a query.
fn drawn(query: &[(String, String)]) -> Result<String, ApiError> {
    let [(key, address)] = query else {
        return Err(ApiError::bad_request("expected `?address=`, and nothing else"));
    };
    // A token after `#` must not get into a query, which proxies write into their logs.
    let is_address = ["http://", "https://"].iter().any(|scheme| address.starts_with(scheme))
        && !address.contains(|char: char| char == '#' || char.is_whitespace() || char.is_control());
    if key != "address" || !is_address || address.len() > LONGEST {
        return Err(ApiError::bad_request(format!(
            "expected `?address=` with an address such as `http://192.168.1.5:8080/`, without `#`, of at most \
             {LONGEST} bytes"
        )));
    }
    let code = QrCode::encode_text(address, QrCodeEcc::Medium)
        .map_err(|_| ApiError::bad_request("the address is too long for a QR code"))?;
    Ok(svg(&code))
}

/// Draws a code: dark on light also on a dark page, as many cameras know no other.
fn svg(code: &QrCode) -> String {
    let side = code.size() + 2 * QUIET;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|&x| code.get_module(x, y)) {
            let _ = write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{path}\"/></svg>"
    )
}
