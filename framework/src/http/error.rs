//! Errors as clients see them: `{"error": {"code": "unknown_command", "message": "…"}}`.

use warp::{
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::reply;

/// Seconds after which somebody who found too much going on may ask again.
const BUSY: u64 = 3;

/// Error of a request.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Seconds until the same request may succeed.
    retry_after: Option<u64>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// Returns the reason.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Adds the seconds until the same request may succeed.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Returns the error for a path without a route.
    pub(super) fn no_such_path() -> Self {
        Self::not_found(
            "not found; available: /data, /readings, /cmds, /cmd, /health, /metrics, /events, /series, /history",
        )
    }

    /// Returns the error for a name that is not there.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// Returns the error for a request that came while too much is going on.
    pub(super) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(BUSY)
    }

    /// Returns the error for a long answer while clients that do not read theirs hold all memory for them.
    pub(super) fn unread() -> Self {
        Self::busy("too many long answers are not read: ask again in a few seconds")
    }

    /// Returns the error for well-formed HTTP without the expected content.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }
}

impl From<ApiError> for Response {
    fn from(error: ApiError) -> Self {
        let body = serde_json::json!({"error": {"code": error.code, "message": error.message}});
        let mut response = reply::json(error.status, body.to_string());
        if error.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = error.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
