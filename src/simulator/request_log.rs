//! What was asked and how it was answered.

use std::collections::VecDeque;
use std::fmt;

/// A request and its answer. The key itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Counted from 1 in the order of arrival.
    pub number: u64,
    /// `GET`, mostly.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The `filter` as sent.
    pub filter: Option<String>,
    /// The `limit` as sent.
    pub limit: Option<String>,
    /// The `cursor` as sent.
    pub cursor: Option<String>,
    /// Which page of its walk the cursor asks for, from 1; `None` for a cursor that isn't the simulator's.
    pub page: Option<u64>,
    /// Whether there was an `X-Api-Key`, right or wrong.
    pub has_key: bool,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// `Accept`.
    pub accept: Option<String>,
    /// `Accept-Encoding`.
    pub accept_encoding: Option<String>,
    /// The faults that struck, as text.
    pub faults: Vec<String>,
    /// How it was answered.
    pub answer: Answer,
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Not yet, or the client went away before.
    Pending,
    /// With this status; the body may break off by a fault.
    Status(u16),
    /// It never will be.
    Stalled,
    /// By resetting the connection.
    Reset,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {} {}", self.number, self.method, self.path)?;
        if let Some(page) = self.page {
            write!(f, " page {page}")?;
        }
        if let Some(limit) = &self.limit {
            write!(f, " limit {limit:?}")?;
        }
        match self.answer {
            Answer::Pending => write!(f, " -> ...")?,
            Answer::Status(status) => write!(f, " -> {status}")?,
            Answer::Stalled => write!(f, " -> silence")?,
            Answer::Reset => write!(f, " -> reset")?,
        }
        if !self.faults.is_empty() {
            write!(f, " ({})", self.faults.join(", "))?;
        }
        Ok(())
    }
}

/// The latest requests. The bound keeps a simulator that runs for weeks from filling the memory.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    requests: VecDeque<Request>,
    count: u64,
}

impl RequestLog {
    const REQUESTS_MAX: usize = 100_000;

    /// Notes a request; its number is assigned here and returned.
    pub(super) fn push(&mut self, mut request: Request) -> u64 {
        self.count += 1;
        request.number = self.count;
        if self.requests.len() == Self::REQUESTS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
        self.count
    }

    /// The request of this number, if it is still kept.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Request> {
        let oldest = self.count - self.requests.len() as u64 + 1;
        self.requests.get_mut(number.checked_sub(oldest)? as usize)
    }

    /// The kept requests, oldest first.
    pub(super) fn all(&self) -> Vec<Request> {
        self.requests.iter().cloned().collect()
    }

    /// The latest cursor asked for in this walk that isn't `current`; a request without a cursor began the walk.
    pub(super) fn cursor_before(&self, current: &str) -> Option<String> {
        let mut cursors = self
            .requests
            .iter()
            .rev()
            .map_while(|request| request.cursor.as_deref());
        cursors.find(|cursor| *cursor != current).map(str::to_owned)
    }
}
