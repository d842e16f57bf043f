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
    /// What the code does not tell apart.
    cause: Option<&'static str>,
    /// Seconds until the same request may succeed.
    retry_after: Option<u64>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), cause: None, retry_after: None }
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

    /// Adds what the code does not tell apart. Only clients that ask for it see it.
    pub(super) fn because(self, cause: &'static str) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// Returns the answer to a client that asked for the cause beside the code.
    pub(super) fn with_cause(self) -> Response {
        let cause = self.cause;
        self.answer(cause)
    }

    fn answer(self, cause: Option<&str>) -> Response {
        let mut error = serde_json::json!({"code": self.code, "message": self.message});
        if let Some(cause) = cause {
            error["cause"] = cause.into();
        }
        let mut response = reply::json(self.status, serde_json::json!({"error": error}).to_string());
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
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
        error.answer(None)
    }
}
