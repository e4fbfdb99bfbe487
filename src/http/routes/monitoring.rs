//! For programs that watch over programs.

use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};

use super::Shared;
use crate::config::Timing;
use crate::http::answer::Answer;
use crate::http::health::{Readiness, ReadyBody};
use crate::http::metrics::{Facts, Format, render};
use crate::model::Timestamp;

/// Good, or not.
fn status_of(is_good: bool) -> StatusCode {
    if is_good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

pub(super) async fn healthz(State(desk): Shared) -> Answer {
    let body = desk.health();
    Answer::json(status_of(body.is_ok()), &body)
}

pub(super) async fn readyz(State(desk): Shared) -> Answer {
    let now = desk.now();
    let (judged, complete_as_of) = match desk.status().await {
        Ok(status) => desk.readiness(&status),
        Err(trouble) => {
            let reason = trouble.text;
            (Readiness::NotReady { reason }, None)
        }
    };
    let status = status_of(judged.is_ready());
    Answer::json(status, &ReadyBody::new(judged, complete_as_of, now))
}

pub(super) async fn api_status(State(desk): Shared) -> Answer {
    match desk.status().await {
        Ok(status) => Answer::json(StatusCode::OK, &status),
        Err(trouble) => trouble.line(),
    }
}

pub(super) async fn metrics(State(desk): Shared, headers: HeaderMap) -> Answer {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::for_accept(accept);
    let status = match desk.status().await {
        Ok(status) => status,
        Err(trouble) => return trouble.line(),
    };
    let (mirror_bytes, wal_bytes) = desk.sizes();
    let facts = Facts {
        status: &status,
        mirror_bytes,
        wal_bytes: Some(wal_bytes),
        schedule_period_seconds: period_seconds(&desk.site.timing.borrow(), desk.now()),
        is_ready: desk.readiness(&status).0.is_ready(),
        is_damaged: desk.damage().is_some(),
        started_at: desk.started_at,
    };
    let meters = desk.site.daemon.as_ref().map(|daemon| &daemon.meters);
    match render(format, &facts, meters) {
        Ok(text) => Answer::new(StatusCode::OK, format.content_type(), text),
        Err(error) => Answer::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("a bug: the metrics can't be written: {error}"),
        ),
    }
}

/// From the next due time to the one after it.
fn period_seconds(timing: &Timing, now: Timestamp) -> Option<f64> {
    let next = timing.when.next_after(now)?;
    let after = timing.when.next_after(next)?;
    Some((after - next).num_milliseconds() as f64 / 1000.0)
}
