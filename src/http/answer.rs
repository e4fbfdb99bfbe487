//! What goes out: a body in memory, and the headers that each answer has.

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// A page of ours needs its own script, style and image, and nothing from anywhere else; and nobody may put it into theirs.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Personal data is nobody's to keep: not the browser's, not a proxy's.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// On every answer.
const SHIELD: [(HeaderName, HeaderValue); 5] = [
    (
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    ),
    (
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    ),
    (
        HeaderName::from_static("referrer-policy"),
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: String,
}

impl Answer {
    pub(super) fn new(status: StatusCode, content_type: &'static str, body: String) -> Self {
        Self {
            status,
            headers: vec![(CONTENT_TYPE, HeaderValue::from_static(content_type))],
            body,
        }
    }

    pub(super) fn text(status: StatusCode, text: &str) -> Self {
        Self::new(status, TEXT, format!("{text}\n"))
    }

    pub(super) fn html(body: String) -> Self {
        Self::new(StatusCode::OK, HTML, body)
    }

    /// A value as JSON, for a person to read as well.
    pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_string_pretty(value) {
            Ok(text) => Self::new(status, JSON, text + "\n"),
            Err(error) => Self::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("can't write this as JSON: {error}"),
            ),
        }
    }

    /// May be kept for ever: its address has its content's hash in it.
    pub(super) fn for_ever(mut self) -> Self {
        let value = HeaderValue::from_static("public, max-age=31536000, immutable");
        self.headers.push((CACHE_CONTROL, value));
        self
    }

    /// To be asked again after so many seconds.
    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.headers.push((RETRY_AFTER, seconds.into()));
        self
    }

    /// Only these methods.
    pub(super) fn allow_reading(mut self) -> Self {
        self.headers
            .push((ALLOW, HeaderValue::from_static("GET, HEAD")));
        self
    }

    /// The last answer on its connection: what follows may not be what it seems.
    pub(super) fn closing(mut self) -> Self {
        self.headers
            .push((CONNECTION, HeaderValue::from_static("close")));
        self
    }

    /// Asks a browser's user for the token.
    pub(super) fn challenge(mut self) -> Self {
        for scheme in [
            "Basic realm=\"customer-mirror (any user name, the token as password)\", charset=\"UTF-8\"",
            "Bearer realm=\"customer-mirror\"",
        ] {
            self.headers
                .push((WWW_AUTHENTICATE, HeaderValue::from_static(scheme)));
        }
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// Adds what every answer has, whoever made it.
pub(super) fn shielded(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in SHIELD {
        headers.insert(name, value);
    }
    headers.entry(CACHE_CONTROL).or_insert(NO_STORE);
    response
}
