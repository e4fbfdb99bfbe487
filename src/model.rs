//! The words of the program as types: what a page, a cursor, a pass and its report are.
//!
//! Nothing here performs IO or decides anything; every other room speaks in these types.

use std::fmt;
use std::ops::Range;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A moment in UTC, as the mirror stores it.
pub type Timestamp = DateTime<Utc>;

/// Writes a moment the way the mirror stores it: RFC 3339, UTC, milliseconds (`2026-01-31T09:30:00.000Z`).
pub fn format_timestamp(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads a moment that [`format_timestamp`] wrote.
pub fn parse_timestamp(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.with_timezone(&Utc))
}

/// How the mirror stands, pass or no pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Live customers.
    pub live: i64,
    /// When the last complete pass began: every change made before is in the mirror.
    pub complete_as_of: Option<Timestamp>,
}

/// The server's opaque token for the next page; never empty.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor(String);

impl Cursor {
    /// The longest cursor that is followed. It travels in a URL, and servers commonly refuse URLs over 8 KiB; twice that is a fault.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// A cursor, or `None` for the empty text, which means that there is no next page.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.is_empty()).then_some(Self(text))
    }

    /// The token as the server sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({})", self.shortened())
    }
}

impl Cursor {
    /// The first characters, enough to recognise a cursor in a message.
    pub fn shortened(&self) -> String {
        let mut short: String = self.0.chars().take(24).collect();
        if short.len() < self.0.len() {
            short.push('…');
        }
        short
    }
}

/// How many customers to ask for at once: 1 to 1000, the API's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageSize(u16);

impl PageSize {
    /// The API's smallest `limit`.
    pub const MIN: Self = Self(1);
    /// The API's largest `limit`.
    pub const MAX: Self = Self(1000);

    /// A page size, or `None` outside 1..=1000.
    pub fn new(limit: u64) -> Option<Self> {
        u16::try_from(limit)
            .ok()
            .filter(|n| (1..=1000).contains(n))
            .map(Self)
    }

    /// The number to send as `limit`.
    pub fn get(self) -> u16 {
        self.0
    }

    /// Half of it, never under 1.
    #[must_use]
    pub fn halved(self) -> Self {
        Self((self.0 / 2).max(1))
    }

    /// Twice of it, never over `most`.
    #[must_use]
    pub fn doubled(self, most: Self) -> Self {
        Self(self.0.saturating_mul(2).min(most.0))
    }
}

/// One response, split into records but not yet read: the body once, and where each record lies in it.
#[derive(Debug, Clone)]
pub struct Page {
    pub(crate) text: String,
    pub(crate) records: Vec<Range<usize>>,
    /// Places where the body was not UTF-8, or the API key: offset in `text` of the U+FFFD put there, and the bytes it stands for.
    pub(crate) repairs: Vec<Repair>,
    /// Where to go on; `None` on the last page.
    pub next: Option<Cursor>,
}

/// Bytes of a response that were not UTF-8, or a secret, and where their stand-in is.
#[derive(Debug, Clone)]
pub(crate) struct Repair {
    pub(crate) at: usize,
    pub(crate) bytes: Vec<u8>,
    /// It was the API key, and is cut out of the bytes, too.
    pub(crate) is_secret: bool,
}

impl Page {
    /// How many records the page holds, readable or not.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True for a page without records, which is not necessarily the last one.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records, each as the exact JSON text that the server sent.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &str> {
        self.records.iter().map(|range| &self.text[range.clone()])
    }

    /// What was changed in record `index`.
    fn repairs_of(&self, index: usize) -> &[Repair] {
        let Some(range) = self.records.get(index) else {
            return &[];
        };
        let first = self
            .repairs
            .partition_point(|repair| repair.at < range.start);
        let end = self.repairs.partition_point(|repair| repair.at < range.end);
        self.repairs.get(first..end).unwrap_or_default()
    }

    /// Whether the API key was in record `index`.
    pub(crate) fn had_secret(&self, index: usize) -> bool {
        self.repairs_of(index).iter().any(|repair| repair.is_secret)
    }

    /// The bytes of record `index` as sent, but for the key, if they differ from its text because they are not UTF-8 or had the key in
    /// them; `None` for all other records.
    pub(crate) fn foreign_bytes(&self, index: usize) -> Option<Vec<u8>> {
        let range = self.records.get(index)?;
        let mut at = range.start;
        let mut bytes = Vec::new();
        for repair in self.repairs_of(index) {
            bytes.extend_from_slice(self.text.as_bytes().get(at..repair.at)?);
            bytes.extend_from_slice(&repair.bytes);
            at = repair.at + char::REPLACEMENT_CHARACTER.len_utf8();
        }
        if at == range.start {
            return None;
        }
        bytes.extend_from_slice(self.text.as_bytes().get(at..range.end)?);
        Some(bytes)
    }
}

/// A wait before the next request, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// When the next request will be made.
    pub until: Timestamp,
    /// Why, in a few words for a person: `429 Too Many Requests, Retry-After: 30`.
    pub reason: String,
    /// True if the server named the time; such a wait is obeyed across restarts too.
    pub asked_by_server: bool,
    /// Which retry of this page comes after the wait, from 1; 0 if it isn't a retry.
    pub retry: u32,
}

/// Where a pass stands, as stored in `passes.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PassState {
    /// Under way, or interrupted and able to go on.
    Running,
    /// Walked from first to last page, proven.
    Complete,
    /// Ended without a proof; it can't go on.
    Failed,
    /// Given up because its checkpoint is of no use any more.
    Abandoned,
}

/// What became of the absences that a pass found, as stored in `passes.sweep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SweepState {
    /// There was no sweep.
    None,
    /// Confirmed absences (perhaps none) became tombstones.
    Done,
    /// The mass-deletion guard stopped it; it waits for a decision.
    Held,
    /// Was held; the operator approved it.
    Approved,
    /// Was held; the operator discarded it.
    Discarded,
    /// Was held; a later complete pass judged afresh.
    Superseded,
}

macro_rules! stored_as_text {
    ($type:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        impl $type {
            /// The word stored in the mirror.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The value of a word stored in the mirror.
            pub fn from_stored(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

stored_as_text!(PassState { Running = "running", Complete = "complete", Failed = "failed", Abandoned = "abandoned" });
stored_as_text!(SweepState {
    None = "none", Done = "done", Held = "held", Approved = "approved", Discarded = "discarded", Superseded = "superseded",
});

/// A row of `passes`: what a pass did, or has done so far. Serialises to the table's columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassReport {
    /// Numbered from 1 in the order of beginning.
    pub pass_id: i64,
    /// Where it stands.
    pub state: PassState,
    /// When its first page was asked for.
    pub started_at: String,
    /// When it ended; `None` while it can go on.
    pub finished_at: Option<String>,
    /// How often it was picked up again after an interruption.
    pub resumed: i64,
    /// The cursor of the page to ask for next.
    pub next_cursor: Option<String>,
    /// Pages committed.
    pub pages: i64,
    /// Records on those pages, quarantined ones included.
    pub records: i64,
    /// Customers seen for the first time.
    pub created: i64,
    /// Customers whose content changed.
    pub updated: i64,
    /// Customers whose content is as it was.
    pub unchanged: i64,
    /// Customers that became tombstones.
    pub deleted: i64,
    /// Tombstoned customers that came back.
    pub restored: i64,
    /// Records that could not be mirrored.
    pub quarantined: i64,
    /// Requests that had to be repeated.
    pub retries: i64,
    /// Bytes of the response bodies, decompressed.
    pub bytes: i64,
    /// What became of the absences.
    pub sweep: SweepState,
    /// Why it did not go on, or failed.
    pub error: Option<String>,
}
