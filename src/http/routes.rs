//! What is at which address.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::time::timeout;
use tower::ServiceExt;

use super::Site;
use super::answer::{Answer, TEXT, shielded};
use super::gate::{Gate, Refusal};
use super::health::{HealthBody, Readiness, ReadyBody, health, readiness};
use super::pace::Pace;
use super::readers::{ReadError, Readers};
use crate::config::Listen;
use crate::mirror::{MirrorError, Reader, Status};
use crate::model::{Timestamp, format_timestamp, parse_timestamp};

/// No request takes longer, its wait for a turn included.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// Where health is asked for, however many ask for other things.
const HEALTH: &str = "/healthz";

/// All that is served, and who is let in.
#[derive(Debug)]
pub(super) struct Routes {
    router: Router,
    gate: Gate,
    pace: Mutex<Pace>,
}

/// What the handlers know.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) site: Site,
    pub(super) readers: Readers,
    started: Instant,
}

type Shared = State<Arc<Desk>>;

impl Routes {
    pub(super) fn new(site: Site, address: &Listen) -> Self {
        let gate = Gate {
            hosts: matches!(address, Listen::Tcp(_)).then(|| site.http.hosts.clone()),
            token: site.token.clone(),
        };
        let started = Instant::now();
        let desk = Arc::new(Desk {
            readers: Readers::new(&site.mirror),
            site,
            started,
        });
        let router = Router::new()
            .route(HEALTH, get(healthz))
            .route("/readyz", get(readyz))
            .route("/api/status", get(api_status))
            .fallback(nowhere)
            .with_state(desk);
        Self {
            router,
            gate,
            pace: Mutex::new(Pace::new(started)),
        }
    }

    /// The answer to a request, whatever it is.
    pub(super) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let response = match self.admit(&request) {
            Ok(()) => timeout(ANSWER_TIME_MAX, self.router.clone().oneshot(request))
                .await
                .map_or_else(|_| late().into_response(), |Ok(response)| response),
            Err(answer) => answer.into_response(),
        };
        shielded(response)
    }

    fn admit(&self, request: &Request<Body>) -> Result<(), Answer> {
        if request.uri().path() != HEALTH {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(wait) = pace.take(Instant::now()) {
                return Err(text(StatusCode::TOO_MANY_REQUESTS, "too many requests")
                    .retry_after(wait.as_secs() + 1));
            }
        }
        let checked = self
            .gate
            .check(request.method(), request.uri(), request.headers());
        checked.map_err(refuse)
    }
}

fn refuse(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Method => text(
            StatusCode::METHOD_NOT_ALLOWED,
            "for reading only: GET and HEAD",
        )
        .allow_reading(),
        Refusal::Host => text(
            StatusCode::MISDIRECTED_REQUEST,
            "no such host here; ask for localhost or an address, or add the name to http.hosts",
        ),
        Refusal::OtherSite => text(
            StatusCode::FORBIDDEN,
            "asked for by a page of another site; open it in a window of its own",
        ),
        Refusal::Token => text(
            StatusCode::UNAUTHORIZED,
            "the token of [http] is needed: \"Authorization: Bearer …\", or any user name with the token as password",
        )
        .challenge(),
    }
}

fn text(status: StatusCode, text: &str) -> Answer {
    Answer::new(status, TEXT, format!("{text}\n"))
}

fn late() -> Answer {
    text(
        StatusCode::SERVICE_UNAVAILABLE,
        "that took too long; ask for less, or later",
    )
    .retry_after(1)
}

async fn nowhere() -> Answer {
    text(StatusCode::NOT_FOUND, "there is nothing here")
}

impl Desk {
    pub(super) fn now(&self) -> Timestamp {
        self.site.clock.now()
    }

    /// What `status` says.
    pub(super) async fn status(&self) -> Result<Status, ReadError> {
        let mut status = self.readers.ask(Reader::status).await?;
        let next = self.site.timing.borrow().when.next_after(self.now());
        status.next_due_at = next.map(format_timestamp);
        Ok(status)
    }

    /// Whether a mirror with this status is fresh enough.
    pub(super) fn readiness(&self, status: &Status) -> (Readiness, Option<Timestamp>) {
        let complete_as_of = status.freshness.started_at.as_deref();
        let complete_as_of = complete_as_of.and_then(parse_timestamp);
        let periods = self.site.http.ready_periods;
        let timing = self.site.timing.borrow();
        let judged = readiness(complete_as_of, &timing, periods, self.now());
        (judged, complete_as_of)
    }

    fn health(&self) -> HealthBody {
        let beats = self.site.daemon.as_ref().map(|daemon| {
            let beat_at = daemon.progress.borrow().beat_at;
            (beat_at, daemon.beat_interval)
        });
        health(beats, self.started, Instant::now())
    }
}

async fn healthz(State(desk): Shared) -> Answer {
    let body = desk.health();
    let status = if body.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Answer::json(status, &body)
}

async fn readyz(State(desk): Shared) -> Answer {
    let now = desk.now();
    let (judged, complete_as_of) = match desk.status().await {
        Ok(status) => desk.readiness(&status),
        Err(error) => {
            let reason = unanswered(&error).1;
            (Readiness::NotReady { reason }, None)
        }
    };
    let status = if judged.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Answer::json(status, &ReadyBody::new(judged, complete_as_of, now))
}

async fn api_status(State(desk): Shared) -> Answer {
    match desk.status().await {
        Ok(status) => Answer::json(StatusCode::OK, &status),
        Err(error) => {
            let (status, reason) = unanswered(&error);
            text(status, &reason)
        }
    }
}

/// Why a question has no answer.
pub(super) fn unanswered(error: &ReadError) -> (StatusCode, String) {
    match error {
        ReadError::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many ask at the same time; try again".to_owned(),
        ),
        ReadError::Late => (
            StatusCode::SERVICE_UNAVAILABLE,
            "that took too long; ask for less, or later".to_owned(),
        ),
        ReadError::Mirror(error @ MirrorError::Missing { .. }) => {
            (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        ReadError::Mirror(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        ReadError::Died => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "a bug: please report it".to_owned(),
        ),
    }
}
