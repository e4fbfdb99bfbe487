//! What a pass is, in words.

use std::time::Duration;

use super::LANES;
use crate::harmless::harmless;
use crate::http::pages::text::exact;
use crate::human::{count, plural, span};
use crate::model::{PassReport, PassState, Timestamp, parse_timestamp};

/// How long a pass took, or has taken so far; `None` if its times are unreadable.
pub(in crate::http::pages) fn took(pass: &PassReport, now: Timestamp) -> Option<Duration> {
    let began = parse_timestamp(&pass.started_at)?;
    let end = match &pass.finished_at {
        Some(end) => parse_timestamp(end)?,
        None => now,
    };
    // The clock may have been set meanwhile.
    Some((end - began).to_std().unwrap_or_default())
}

/// A span for reading, under a second too.
pub(in crate::http::pages) fn told_span(duration: Duration) -> String {
    if duration.is_zero() || duration >= Duration::from_secs(1) {
        span(duration)
    } else {
        format!("{} ms", duration.as_millis())
    }
}

pub(super) fn fate(pass: &PassReport) -> &'static str {
    match pass.state {
        PassState::Complete => "complete",
        PassState::Failed | PassState::Abandoned => "ended",
        PassState::Running => "running",
    }
}

pub(super) fn day(stored: &str) -> String {
    parse_timestamp(stored).map_or_else(
        || harmless(stored).into_owned(),
        |at| at.format("%Y-%m-%d %H:%M").to_string(),
    )
}

/// A pass in words.
pub(super) fn told(pass: &PassReport, took: Option<Duration>) -> String {
    let found: Vec<String> = LANES
        .iter()
        .map(|(name, number)| (*name, number(pass)))
        .chain([("quarantined", pass.quarantined)])
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| format!("{} {name}", count(number)))
        .collect();
    let found = if found.is_empty() {
        "no change".to_owned()
    } else {
        found.join(", ")
    };
    let took = took.map_or_else(String::new, |took| match pass.finished_at {
        Some(_) => format!(", took {}", told_span(took)),
        None => format!(", for {} so far", told_span(took)),
    });
    format!(
        "Pass {}: {}, began {}{took}, {}: {found}",
        pass.pass_id,
        pass.state.as_str(),
        exact(&pass.started_at),
        plural(pass.records, "record", "records"),
    )
}
