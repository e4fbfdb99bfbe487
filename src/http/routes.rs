//! What is at which address.

mod customers;
mod lists;
mod monitoring;
mod overview;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::time::timeout;
use tower::ServiceExt;
use tracing::warn;

use super::answer::{Answer, shielded};
use super::desk::{Desk, Trouble};
use super::gate::{Gate, Refusal};
use super::guesses::Guesses;
use super::pace::{self, Pace};
use super::readers::ReadError;
use super::{Site, pages};
use crate::config::Listen;

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
    guesses: Mutex<Guesses>,
}

type Shared = State<Arc<Desk>>;

/// The fields of a query; of one that comes twice, the last.
type Fields = Query<HashMap<String, String>>;

impl Routes {
    pub(super) fn new(site: Site, address: &Listen) -> Self {
        let gate = Gate {
            hosts: matches!(address, Listen::Tcp(_)).then(|| site.http.hosts.clone()),
            token: site.token.clone(),
        };
        let started = Instant::now();
        let router = Router::new()
            .route(HEALTH, get(monitoring::healthz))
            .route("/readyz", get(monitoring::readyz))
            .route("/metrics", get(monitoring::metrics))
            .route("/api/status", get(monitoring::api_status))
            .route("/", get(overview::status))
            .route("/customers", get(customers::list))
            .route("/customers/raw", get(customers::raw_by_query))
            .route("/customers/{id}", get(customers::one))
            .route("/customers/{id}/raw", get(customers::raw))
            .route("/deletions", get(lists::deletions))
            .route("/quarantine", get(lists::quarantine))
            .route("/conflicts", get(lists::conflicts))
            .route("/assets/{name}", get(asset))
            .route("/favicon.ico", get(icon))
            .fallback(nowhere)
            .with_state(Arc::new(Desk::new(site, started)));
        Self {
            router,
            gate,
            pace: Mutex::new(Pace::new(started, pace::BURST, pace::PER_SECOND)),
            guesses: Mutex::new(Guesses::new(started)),
        }
    }

    /// The answer to a request, whatever it is.
    pub(super) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let is_for_people = wants_html(request.headers());
        let refused = |trouble: &Trouble| {
            if is_for_people {
                trouble.page()
            } else {
                trouble.line()
            }
        };
        let response = match self.admit(&request) {
            Ok(()) => timeout(ANSWER_TIME_MAX, self.router.clone().oneshot(request))
                .await
                .map_or_else(
                    |_| refused(&ReadError::Late.into()).into_response(),
                    |Ok(response)| response,
                ),
            Err(Turned::Refused(refusal)) => {
                let answer = refused(&explain(refusal));
                match refusal {
                    Refusal::Method => answer.allow_reading().closing(),
                    Refusal::Body => answer.closing(),
                    Refusal::Token | Refusal::WrongToken => answer.challenge(),
                    Refusal::Host | Refusal::OtherSite => answer,
                }
                .into_response()
            }
            Err(Turned::TooMany) => refused(&too_many()).into_response(),
        };
        shielded(response)
    }

    fn admit(&self, request: &Request<Body>) -> Result<(), Turned> {
        if request.uri().path() != HEALTH {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.take(Instant::now()).map_err(|_| Turned::TooMany)?;
        }
        let checked = self
            .gate
            .check(request.method(), request.uri(), request.headers());
        checked.map_err(|refusal| match refusal {
            Refusal::WrongToken if self.is_guessing() => Turned::TooMany,
            refusal => Turned::Refused(refusal),
        })
    }

    /// Takes a wrong token in; true if they come too fast.
    fn is_guessing(&self) -> bool {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let guess = guesses.take(Instant::now());
        if let Some(requests) = guess.tell {
            warn!(
                requests,
                "a wrong token was given: somebody guesses, or has an old one"
            );
        }
        guess.is_too_fast
    }
}

/// Why a request is turned away.
enum Turned {
    Refused(Refusal),
    TooMany,
}

fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn explain(refusal: Refusal) -> Trouble {
    match refusal {
        Refusal::Method => Trouble::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "For reading only",
            "only GET and HEAD are answered",
            "Decisions are made on the command line.",
        ),
        Refusal::Host => Trouble::new(
            StatusCode::MISDIRECTED_REQUEST,
            "No such host here",
            "it is reached by localhost, by an address, or by a name that is in http.hosts",
            "Add the name to http.hosts, if it is this machine's.",
        ),
        Refusal::OtherSite => Trouble::new(
            StatusCode::FORBIDDEN,
            "Not for other sites",
            "a page of another site asked for this",
            "Open it in a window of its own.",
        ),
        Refusal::Body => Trouble::new(
            StatusCode::BAD_REQUEST,
            "A question without a body",
            "a request that has a body is not answered",
            "Ask without one.",
        ),
        Refusal::Token | Refusal::WrongToken => Trouble::new(
            StatusCode::UNAUTHORIZED,
            "The token is needed",
            "the token of [http] is needed: as \"Authorization: Bearer …\", or as password with any user name",
            "Load this page again, and give the token as password.",
        ),
    }
}

fn too_many() -> Trouble {
    Trouble::new(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many requests",
        "so many requests a second are not answered",
        "Try again in a moment.",
    )
}

async fn nowhere(headers: HeaderMap) -> Answer {
    let trouble = Trouble::new(
        StatusCode::NOT_FOUND,
        "Nothing here",
        "there is no such page",
        "The links above lead to those that there are.",
    );
    if wants_html(&headers) {
        trouble.page()
    } else {
        trouble.line()
    }
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Answer {
    match pages::asset(&name) {
        Some(asset) => {
            Answer::new(StatusCode::OK, asset.content_type, asset.content.to_owned()).for_ever()
        }
        None => nowhere(headers).await,
    }
}

/// What a browser asks for beside an answer that names no icon: JSON, a metric. Its address says nothing of its content.
async fn icon(headers: HeaderMap) -> Answer {
    match pages::asset("favicon.svg") {
        Some(icon) => Answer::new(StatusCode::OK, icon.content_type, icon.content.to_owned()),
        None => nowhere(headers).await,
    }
}
