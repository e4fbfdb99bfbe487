//! What the daemon has tried since a pass last ended well. It is in the mirror, so that a crash loop can't hammer the API.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{Mirror, Result, meta, remove_meta, set_meta};
use crate::model::Timestamp;

const ATTEMPTS: &str = "attempts";

/// The attempts to bring a pass to its end since one last came there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// How many there were.
    pub count: u32,
    /// When the next may begin.
    pub not_before: Timestamp,
    /// When this was noted.
    pub noted_at: Timestamp,
    /// How the last one that was not cut short failed.
    pub failure: Option<LastFailure>,
    /// False as long as the last one is under way, and for ever if it was cut short.
    pub is_over: bool,
    /// How far the pass was at the beginning of the last one: its number …
    pub pass_id: i64,
    /// … and its pages.
    pub pages: i64,
}

/// How an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastFailure {
    /// What may help.
    pub remedy: Remedy,
    /// What is wrong, for a person.
    pub reason: String,
}

/// What may help after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// The server answering again: a single request after the backoff.
    Server,
    /// Time: another attempt after the backoff.
    Time,
    /// Hardly time: another attempt at the next due time.
    NextDue,
    /// Another key; or the next due time.
    Key,
}

impl Remedy {
    /// True if it is worth trying again soon.
    pub fn is_soon(self) -> bool {
        matches!(self, Self::Server | Self::Time)
    }
}

impl Attempts {
    /// When the next attempt may begin, if that is not over. What was noted in what is now the future counts for nothing: the
    /// clock was wrong then, or is now.
    pub fn not_before(&self, now: Timestamp) -> Option<Timestamp> {
        Some(self.not_before).filter(|until| self.noted_at <= now && *until > now)
    }
}

pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Attempts>> {
    let stored: Option<String> = meta(connection, ATTEMPTS)?;
    // What can't be read is of another version, and no reason to stop.
    Ok(stored.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Says something else in place of a reason of the last failure that must not be kept.
pub(super) fn replace_reason(
    connection: &Connection,
    instead: &str,
    is_bad: impl Fn(&str) -> bool,
) -> rusqlite::Result<()> {
    let Some(mut attempts) = read(connection)? else {
        return Ok(());
    };
    match &mut attempts.failure {
        Some(failure) if is_bad(&failure.reason) => {
            instead.clone_into(&mut failure.reason);
        }
        _ => return Ok(()),
    }
    let text = serde_json::to_string(&attempts).unwrap_or_default();
    set_meta(connection, ATTEMPTS, &text)
}

/// A pass has come to its end.
pub(super) fn forget(connection: &Connection) -> rusqlite::Result<()> {
    remove_meta(connection, ATTEMPTS)
}

impl Mirror {
    /// The attempts on record; `None` if the last pass came to its end.
    pub fn attempts(&self) -> Result<Option<Attempts>> {
        self.read(read)
    }

    /// Puts the attempts on record; none with a count of 0.
    pub fn note_attempts(&mut self, attempts: &Attempts) -> Result<()> {
        if attempts.count == 0 {
            return self.write(|tx| forget(tx));
        }
        let text = serde_json::to_string(attempts).unwrap_or_default();
        self.write(|tx| set_meta(tx, ATTEMPTS, &text))
    }
}
