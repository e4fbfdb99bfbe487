//! Answers: status, headers, and bodies that may break off.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::fault::WaitHint;
use super::json::write_object;

/// A body that may stall or fail on its way.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What an error answer says.
pub(super) struct Problem<'a> {
    pub(super) status: u16,
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    /// The offending property and what to send instead.
    pub(super) detail: Option<(&'a str, &'a str)>,
    pub(super) hint: &'a str,
}

/// A whole body with its `Content-Length`.
pub(super) fn plain(
    status: u16,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let body = Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync();
    with_head(status, content_type, body)
}

fn with_head(status: u16, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An error in the documented JSON.
pub(super) fn problem(problem: &Problem<'_>) -> Response<Body> {
    let mut text = String::new();
    write_object(&mut text, |error| {
        error.string("code", problem.code);
        error.string("message", problem.message);
        error.objects(
            "details",
            problem.detail.into_iter(),
            |detail, (property, suggestion)| {
                detail.string("code", problem.code);
                detail.string("message", problem.message);
                detail.string("property", property);
                detail.string("suggestion", suggestion);
            },
        );
        error.string("hint", problem.hint);
    });
    plain(problem.status, "application/json", text)
}

/// An error of a status that was ordered.
pub(super) fn ordered_problem(status: u16, wait: Option<WaitHint>) -> Response<Body> {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    let message = reason.unwrap_or("Something went wrong");
    let code = message.to_lowercase().replace(' ', "_");
    let hint = "This fault was ordered.";
    let mut response = problem(&Problem {
        status,
        code: &code,
        message,
        detail: None,
        hint,
    });
    for (name, value) in wait.map(wait_headers).unwrap_or_default() {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn wait_headers(wait: WaitHint) -> Vec<(&'static str, String)> {
    let in_seconds = |seconds| SystemTime::now() + Duration::from_secs(seconds);
    match wait {
        WaitHint::RetryAfter(seconds) => vec![("retry-after", seconds.to_string())],
        // An HTTP date has whole seconds: one more, so that truncation doesn't shorten the wait.
        WaitHint::RetryAfterDate(seconds) => {
            vec![(
                "retry-after",
                httpdate::fmt_http_date(in_seconds(seconds + 1)),
            )]
        }
        WaitHint::RateLimitReset(seconds) => vec![
            ("ratelimit-limit", "100".to_owned()),
            ("ratelimit-remaining", "0".to_owned()),
            ("ratelimit-reset", seconds.to_string()),
        ],
        WaitHint::RateLimitResetEpoch(seconds) => {
            let reset = in_seconds(seconds + 1)
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            vec![
                ("x-ratelimit-limit", "100".to_owned()),
                ("x-ratelimit-remaining", "0".to_owned()),
                ("x-ratelimit-reset", reset.as_secs().to_string()),
            ]
        }
    }
}

/// A page for people, as a proxy or a login form sends it.
pub(super) fn html(status: u16) -> Response<Body> {
    let title = if status < 300 {
        "Please sign in"
    } else {
        "Bad gateway"
    };
    let text = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    );
    plain(status, "text/html; charset=utf-8", text)
}

/// How a body comes to its end.
#[derive(Clone, Copy)]
pub(super) enum Ending {
    /// Never: half of it, then silence.
    Stall,
    /// Half of it, then the connection is closed.
    Close,
    /// All of it, then white space up to this size in bytes.
    Padding(u64),
}

/// A JSON body with an unusual end.
pub(super) fn unusual(body: Vec<u8>, ending: Ending) -> Response<Body> {
    const CHUNK_BYTES: usize = 64 * 1024;
    static SPACES: [u8; CHUNK_BYTES] = [b' '; CHUNK_BYTES];
    let whole = Bytes::from(body);
    let half = whole.slice(..whole.len() / 2);
    let (length, body): (u64, Body) = match ending {
        Ending::Stall => {
            let rest = stream::pending();
            let frames = stream::iter([Ok(Frame::data(half))]).chain(rest);
            (
                whole.len() as u64,
                BodyExt::boxed_unsync(StreamBody::new(frames)),
            )
        }
        Ending::Close => {
            let rest = stream::once(async {
                // Gives the half a chance to be written before the connection breaks.
                tokio::task::yield_now().await;
                Err(io::Error::other("truncated by order"))
            });
            let frames = stream::iter([Ok(Frame::data(half))]).chain(rest);
            (
                whole.len() as u64,
                BodyExt::boxed_unsync(StreamBody::new(frames)),
            )
        }
        Ending::Padding(bytes) => {
            let missing = bytes.saturating_sub(whole.len() as u64);
            let length = whole.len() as u64 + missing;
            let chunks = missing / CHUNK_BYTES as u64;
            let last = (missing % CHUNK_BYTES as u64) as usize;
            let padding = (0..chunks).map(|_| &SPACES[..]).chain([&SPACES[..last]]);
            let padding = padding.map(|chunk| Ok(Frame::data(Bytes::from_static(chunk))));
            let frames = stream::iter([Ok(Frame::data(whole))]).chain(stream::iter(padding));
            (length, BodyExt::boxed_unsync(StreamBody::new(frames)))
        }
    };
    let mut response = with_head(200, "application/json", body);
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}
