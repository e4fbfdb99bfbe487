//! Where the pages come from: one trait, and its one implementation over HTTP.
//!
//! `http` is the retry loop, `visit` a single try for a person to look at, `listing` one request, `client` how it is sent. What they decide by is pure: `classify` and
//! `trial` (what a failure leads to), `backoff`, `headers` (what the server says about waiting), `page_size`, `message`, `spelling`
//! (the key, however it comes back).

mod activity;
mod backoff;
mod classify;
mod client;
mod headers;
mod http;
#[cfg(test)]
mod http_tests;
mod listing;
mod message;
mod page_size;
#[cfg(test)]
mod scripted_server;
mod spelling;
mod trial;
mod visit;

pub(crate) use activity::counted_as;
pub use activity::{Activity, Ending, WaitReason};
pub use client::SetupError;
pub use http::HttpSource;
pub use visit::{Head, Listed, Refusal, Trouble, Visit, visit};

use chrono::TimeDelta;

use crate::model::{Cursor, Page, Timestamp};

/// A listing that is walked page by page.
pub trait PageSource: Send {
    /// Fetches the page at `cursor` (the first page for `None`), retrying what is worth retrying.
    ///
    /// `on_activity` hears of each request and each wait before it begins, and how it came out. Dropping the future cancels
    /// either; then nothing came of it.
    fn fetch(
        &mut self,
        cursor: Option<&Cursor>,
        on_activity: &(dyn Fn(Activity) + Sync),
    ) -> impl Future<Output = Result<Fetched, SourceError>> + Send;

    /// Makes the next request wait until `at`: what the server asked for before a restart.
    fn hold_until(&mut self, at: Timestamp);

    /// How far the wall clock was ahead of the server's when that last answered, if it told the time: a second witness.
    fn clock_ahead(&self) -> Option<TimeDelta> {
        None
    }
}

/// A page and what it cost.
#[derive(Debug)]
pub struct Fetched {
    /// The page.
    pub page: Page,
    /// Size of the body in bytes, decompressed.
    pub bytes: u64,
    /// How many requests failed before it came.
    pub retries: u32,
}

/// Why a page could not be had.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// What the caller must decide on.
    pub kind: FailureKind,
    /// One line for a person: what, where, what to do. Never contains the key.
    pub message: String,
    /// How many requests were repeated before giving up.
    pub retries: u32,
    /// The server's word on when to come back, if it gave one.
    pub wait_until: Option<Timestamp>,
}

/// The kinds of final failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Not available now, retries exhausted, or refused for good with a status of no special meaning.
    Unavailable,
    /// 401 or 403: the key is refused.
    AuthRefused,
    /// A request that carries a cursor was answered 400, 404, 410 or 422.
    CursorRejected,
    /// A redirect, or a body of the wrong shape.
    Protocol,
}
