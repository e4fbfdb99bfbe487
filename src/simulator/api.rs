//! The API itself: from a request to its answer.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;

use hyper::Response;
use hyper::header::{HeaderValue, LOCATION};
use hyper::http::request::Parts;
use url::form_urlencoded;

use super::answer::{self, Body, Ending, Problem};
use super::control;
use super::cursor::Place;
use super::fault::{Asked, Fault};
use super::hash::Dice;
use super::page;
use super::request_log::{Answer, Request};
use super::server::ConnectionReset;
use super::shared::Shared;

const KEY_HEADER: &str = "x-api-key";
const LIMIT_DEFAULT: u64 = 100;
const LIMIT_MAX: u64 = 1000;

/// Answers a request; its body is ignored.
pub(super) async fn answer(
    shared: &Shared,
    head: &Parts,
) -> Result<Response<Body>, ConnectionReset> {
    if let Some(command) = head.uri.path().strip_prefix(control::PREFIX) {
        return Ok(control::answer(shared, head, command));
    }
    let query = query(head);
    let number = shared.arrive(logged(shared, head, &query));
    shared.pass_hold(number).await;
    let result = listing_answer(shared, head, &query, number).await;
    let answer = match &result {
        Ok(response) => Answer::Status(response.status().as_u16()),
        Err(Silence::Reset) => Answer::Reset,
        Err(Silence::Stall) => Answer::Stalled,
    };
    shared.note_answer(number, answer);
    match result {
        Ok(response) => Ok(response),
        Err(Silence::Reset) => Err(ConnectionReset),
        Err(Silence::Stall) => pending().await,
    }
}

/// No answer, by order.
enum Silence {
    Reset,
    Stall,
}

type Query = HashMap<String, String>;

/// The query's parameters; of a repeated one the last counts.
pub(super) fn query(head: &Parts) -> Query {
    form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect()
}

fn header(head: &Parts, name: &str) -> Option<String> {
    head.headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn logged(shared: &Shared, head: &Parts, query: &Query) -> Request {
    let names = &shared.options.parameters;
    let cursor = query.get(&names.cursor).cloned();
    let page = match cursor.as_deref() {
        None | Some("") => Some(1),
        Some(cursor) => shared.unseal(cursor).map(|place| place.page),
    };
    Request {
        number: 0,
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        filter: query.get(&names.filter).cloned(),
        limit: query.get(&names.limit).cloned(),
        cursor,
        page,
        has_key: head.headers.contains_key(KEY_HEADER),
        user_agent: header(head, "user-agent"),
        accept: header(head, "accept"),
        accept_encoding: header(head, "accept-encoding"),
        faults: Vec::new(),
        answer: Answer::Pending,
    }
}

async fn listing_answer(
    shared: &Shared,
    head: &Parts,
    query: &Query,
    number: u64,
) -> Result<Response<Body>, Silence> {
    if let Some(refusal) = wrong_address(shared, head) {
        return Ok(refusal);
    }
    let names = &shared.options.parameters;
    let limit = query
        .get(&names.limit)
        .map_or(Ok(LIMIT_DEFAULT), |text| text.parse());
    let limit = limit.ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    let cursor = query
        .get(&names.cursor)
        .map(String::as_str)
        .filter(|cursor| !cursor.is_empty());
    // A cursor of another server still is one: page 2 is the least it can ask for.
    let page = cursor.map_or(1, |cursor| {
        shared.unseal(cursor).map_or(2, |place| place.page)
    });
    let faults = shared.due_faults(&Asked {
        number,
        page,
        limit: limit.unwrap_or(LIMIT_DEFAULT),
    });

    let mut delay = shared.options.page_latency;
    for fault in &faults {
        if let Fault::Latency(more) = fault {
            delay += *more;
        }
    }
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if let Some(fault) = faults.iter().find(|fault| fault.replaces_page()) {
        return ordered_answer(fault, head);
    }
    let place = match accepted(shared, head, cursor, limit.is_some()) {
        Ok(place) => place,
        Err(refusal) => return Ok(*refusal),
    };
    let filter = query
        .get(&names.filter)
        .map(|filter| filter.to_lowercase())
        .unwrap_or_default();
    let asked = PageAsked {
        cursor,
        place,
        limit: limit.unwrap_or(LIMIT_DEFAULT),
        filter: &filter,
        number,
    };
    Ok(page_answer(shared, &asked, &faults))
}

fn wrong_address(shared: &Shared, head: &Parts) -> Option<Response<Body>> {
    let path = head.uri.path().strip_prefix(shared.options.prefix.as_str());
    let (status, code, message) = match (path, head.method.as_str()) {
        (Some("/customers"), "GET") => return None,
        (Some("/customers"), _) => (405, "method_not_allowed", "Method not allowed"),
        _ => (404, "not_found", "No such resource"),
    };
    let hint = "GET /customers lists the customers.";
    Some(answer::problem(&Problem {
        status,
        code,
        message,
        detail: None,
        hint,
    }))
}

/// The answer of a fault that takes the page's place.
fn ordered_answer(fault: &Fault, head: &Parts) -> Result<Response<Body>, Silence> {
    Ok(match fault {
        Fault::Stall => return Err(Silence::Stall),
        Fault::Reset => return Err(Silence::Reset),
        Fault::Html { status } => answer::html(*status),
        Fault::RejectCursor { status } => cursor_refusal(*status),
        Fault::TooLarge { .. } => answer::ordered_problem(413, None),
        Fault::Status { status, wait } => answer::ordered_problem(*status, *wait),
        Fault::Redirect { to } => {
            let mut response = answer::plain(302, "text/html; charset=utf-8", "");
            if let Ok(to) = HeaderValue::from_str(to) {
                response.headers_mut().insert(LOCATION, to);
            }
            response
        }
        Fault::EchoKey => {
            let message = format!(
                "The key {} is not known",
                header(head, KEY_HEADER).unwrap_or_default()
            );
            let hint = "Ask your administrator.";
            answer::problem(&Problem {
                status: 401,
                code: "unauthorized",
                message: &message,
                detail: None,
                hint,
            })
        }
        other => answer::problem(&Problem {
            status: 500,
            code: "internal",
            message: &format!("{other} doesn't replace a page"),
            detail: None,
            hint: "",
        }),
    })
}

/// Checks key, limit and cursor as a real server does; `Ok` tells where to begin (`None` for the first page).
fn accepted(
    shared: &Shared,
    head: &Parts,
    cursor: Option<&str>,
    limit_is_valid: bool,
) -> Result<Option<Place>, Box<Response<Body>>> {
    let options = &shared.options;
    let state = shared.state();
    if head
        .headers
        .get(KEY_HEADER)
        .is_none_or(|key| key.as_bytes() != state.key.as_bytes())
    {
        let status = options.key_refusal_status;
        let (code, message) = match status {
            403 => ("forbidden", "The API key has no access to customers"),
            _ => ("unauthorized", "The API key is missing or not valid"),
        };
        let hint = "Send a valid key in the header X-Api-Key.";
        return Err(Box::new(answer::problem(&Problem {
            status,
            code,
            message,
            detail: None,
            hint,
        })));
    }
    if !limit_is_valid {
        let detail = Some((
            options.parameters.limit.as_str(),
            "Send a number from 1 to 1000.",
        ));
        let (message, hint) = (
            "The limit is not valid",
            "See the documentation of the listing.",
        );
        return Err(Box::new(answer::problem(&Problem {
            status: 400,
            code: "invalid_parameter",
            message,
            detail,
            hint,
        })));
    }
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    shared
        .unseal(cursor)
        .filter(|place| !state.has_expired(place, options.cursor_lifetime))
        .map(Some)
        .ok_or_else(|| Box::new(cursor_refusal(options.cursor_refusal_status)))
}

fn cursor_refusal(status: u16) -> Response<Body> {
    answer::problem(&Problem {
        status,
        code: "invalid_cursor",
        message: "The cursor is unknown or has expired",
        detail: Some(("cursor", "Begin again without a cursor.")),
        hint: "Cursors don't live for ever.",
    })
}

/// A request for a page that was found good.
struct PageAsked<'a> {
    cursor: Option<&'a str>,
    place: Option<Place>,
    limit: u64,
    filter: &'a str,
    number: u64,
}

fn page_answer(shared: &Shared, asked: &PageAsked<'_>, faults: &[Fault]) -> Response<Body> {
    let options = &shared.options;
    let (listing, generation, issued_at_ms, before) = {
        let state = shared.state();
        let before = asked.cursor.map(|cursor| {
            state
                .log
                .cursor_before(cursor)
                .unwrap_or_else(|| cursor.to_owned())
        });
        (
            Arc::clone(&state.listing),
            state.generation,
            state.now_ms(),
            before,
        )
    };
    let (page, position) = asked
        .place
        .map_or((1, 0), |place| (place.page, place.position));
    let mut rows = page::rows(&listing, asked.filter, position, asked.limit, faults);
    if options.shuffle_keys {
        rows.shuffle(Dice::new(&[options.seed, asked.number]));
    }
    let mut next = rows.next.map(|position| {
        Place {
            page: page + 1,
            position,
            day: listing.day(),
            generation,
            issued_at_ms,
        }
        .seal(options.seed)
    });
    for fault in faults {
        match fault {
            Fault::SameCursor => next = asked.cursor.map(str::to_owned),
            Fault::Cycle => next.clone_from(&before),
            _ => {}
        }
    }
    let with_pagination = !faults.contains(&Fault::WrongShape);
    let body = rows.body(next.as_deref(), options.last_page, with_pagination);
    shared.state().pages_served += 1;
    shipped(body, faults)
}

fn shipped(mut body: Vec<u8>, faults: &[Fault]) -> Response<Body> {
    for fault in faults {
        match fault {
            Fault::StallBody => return answer::unusual(body, Ending::Stall),
            Fault::Truncate => return answer::unusual(body, Ending::Close),
            Fault::HugeBody { bytes } => return answer::unusual(body, Ending::Padding(*bytes)),
            Fault::Malformed => body.truncate(body.len() * 2 / 3),
            _ => {}
        }
    }
    answer::plain(200, "application/json", body)
}
