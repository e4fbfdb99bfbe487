//! A single request for a person who wants to know how the server is: never retried, and all that its answer tells is kept.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use reqwest::Response;
use tokio::time::Instant;

use super::SetupError;
use super::classify::{Class, Outcome, classify};
use super::headers;
use super::listing::{Failure, Listing};
use super::trial;
use crate::config::{Api, ApiKey};
use crate::model::PageSize;

/// What the request came to.
#[derive(Debug, Clone)]
pub struct Visit {
    /// What was asked for: `GET https://api.example.com/v1/customers (limit=1)`.
    pub request: String,
    /// How long it took.
    pub took: Duration,
    /// The head of the answer, if one came.
    pub head: Option<Head>,
    /// The page, or why there is none.
    pub result: Result<Listed, Refusal>,
}

/// The head of an answer, whatever the answer.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its status: 200.
    pub status: u16,
    /// `HTTP/2.0`.
    pub protocol: String,
    /// How far this machine's clock is ahead of the server's, to the second; negative if it is behind, `None` if the server
    /// doesn't tell.
    pub clock_ahead: Option<TimeDelta>,
    /// How many requests the server still allows, if it tells: `17 of 100`.
    pub quota: Option<String>,
}

/// A page of the listing.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    /// How many customers are on it; one was asked for.
    pub customers: usize,
    /// Whether it leads on to another page.
    pub leads_on: bool,
}

/// Why there is no page.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Of which kind the trouble is.
    pub trouble: Trouble,
    /// What went wrong, for a person. Never contains the key.
    pub what: String,
    /// What may help.
    pub remedy: &'static str,
}

/// The kinds of trouble with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its certificate is not trusted.
    Certificate,
    /// No answer came, or not a whole one.
    NoAnswer,
    /// 401 or 403: the key is refused.
    Key,
    /// It wants fewer requests.
    Busy,
    /// Another status: it is ill, or the request is wrong.
    Status,
    /// A redirect, or a body that is no page of customers.
    Protocol,
}

/// Asks for the first page with `limit=1`, once.
///
/// # Errors
/// [`SetupError`] if nothing could be sent.
pub async fn visit(api: &Api, key: &ApiKey) -> Result<Visit, SetupError> {
    let listing = Listing::new(api, key)?;
    let began = Instant::now();
    let mut head = None;
    let answer = listing
        .request_showing_head(None, PageSize::MIN, Utc::now, &mut |response| {
            head = Some(head_of(response));
        })
        .await;
    Ok(Visit {
        request: listing.request_line(None, PageSize::MIN),
        took: began.elapsed(),
        head,
        result: match answer {
            Ok(answer) => Ok(Listed {
                customers: answer.page.len(),
                leads_on: answer.page.next.is_some(),
            }),
            Err(failure) => Err(refusal(failure)),
        },
    })
}

fn head_of(response: &Response) -> Head {
    Head {
        status: response.status().as_u16(),
        protocol: format!("{:?}", response.version()),
        clock_ahead: headers::date(response.headers())
            .map(|date| TimeDelta::seconds((Utc::now() - date).num_seconds())),
        quota: headers::quota(response.headers()),
    }
}

fn refusal(failure: Failure) -> Refusal {
    let Failure { outcome, what, .. } = failure;
    let (trouble, remedy) = match classify(outcome, false) {
        Class::AuthRefused => (Trouble::Key, trial::AUTH_REFUSED),
        Class::Redirect => (Trouble::Protocol, trial::REDIRECT),
        Class::Malformed => (
            Trouble::Protocol,
            "check api.base_url and any proxy in between",
        ),
        Class::Throttled => (
            Trouble::Busy,
            "wait as long as it asks; a pass does so by itself",
        ),
        Class::TooLarge => (Trouble::Status, trial::TOO_LARGE),
        Class::Permanent | Class::CursorRejected => (Trouble::Status, trial::permanent(outcome)),
        Class::Untrusted => (Trouble::Certificate, trial::UNTRUSTED),
        Class::Transient(_) => match outcome {
            Outcome::Status { .. } => (
                Trouble::Status,
                "it may pass: check again in a while; if it doesn't, ask the API's operator",
            ),
            _ => (
                Trouble::NoAnswer,
                "check api.base_url, and this machine's network, name resolution and proxy (HTTPS_PROXY)",
            ),
        },
    };
    Refusal {
        trouble,
        what,
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_trouble_is() {
        let status = |code, retry_after| Outcome::Status { code, retry_after };
        for (outcome, what, trouble) in [
            (status(401, false), "401", Trouble::Key),
            (status(403, false), "403", Trouble::Key),
            (status(404, false), "404", Trouble::Status),
            (status(500, false), "500", Trouble::Status),
            (status(503, false), "503", Trouble::Status),
            (status(503, true), "503", Trouble::Busy),
            (status(429, false), "429", Trouble::Busy),
            (status(302, false), "302", Trouble::Protocol),
            (Outcome::Malformed, "200 OK, but", Trouble::Protocol),
            (Outcome::OverCap, "a body over", Trouble::Status),
            (Outcome::ConnectTimeout, "", Trouble::NoAnswer),
            (Outcome::AnswerTimeout, "", Trouble::NoAnswer),
            (Outcome::Transport, "connection refused", Trouble::NoAnswer),
            (Outcome::Untrusted, "", Trouble::Certificate),
        ] {
            let failure = Failure {
                outcome,
                what: what.to_owned(),
                asked: None,
            };
            assert_eq!(refusal(failure).trouble, trouble, "{outcome:?} {what}");
        }
    }
}
