//! `status`: how fresh and how complete the mirror is.

mod text;

use std::path::Path;

use chrono::Utc;

use super::output::{Screen, note, print};
use super::{Context, Exit, Failure};
use crate::mirror::{Reader, log_of};
use crate::model::{Timestamp, format_timestamp};
use text::Surroundings;

/// How fresh and complete the mirror is, and what goes on
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  customer-mirror status
  customer-mirror status --json | jq .freshness.age_seconds")]
pub(super) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let now = Utc::now();
    let path = &context.config.mirror.path;
    let reader = Reader::open(path)?;
    let mut status = reader.status()?;
    status.next_due_at = context
        .config
        .schedule
        .when
        .next_after(now)
        .map(format_timestamp);
    let configured = context.config.api.as_ref();
    let configured = configured.map(crate::config::Api::source_fingerprint);
    let warning = configured.and_then(|configured| status.warning_of_source(&configured));
    if arguments.json {
        if let Some(warning) = warning {
            note(context, &format!("customer-mirror: warning: {warning}"));
        }
        let json = serde_json::to_string_pretty(&status).map_err(|error| {
            Failure::new(
                Exit::Bug,
                format!("can't write the status as JSON: {error}"),
            )
        })?;
        print(&format!("{json}\n"))?;
        return Ok(Exit::Done);
    }
    let surroundings = Surroundings {
        now,
        screen: Screen::of_stdout(),
        warning,
        size_bytes: size_of(path) + size_of(&log_of(path)),
        wal_bytes: size_of(&log_of(path)),
        schedule: format!(
            "{} {}",
            context.config.schedule.when.expression(),
            context.config.schedule.when.timezone().name()
        ),
        requests_not_before: not_before(&reader, now)?,
    };
    print(&text::render(&status, &surroundings))?;
    Ok(Exit::Done)
}

fn not_before(reader: &Reader, now: Timestamp) -> Result<Option<String>, Failure> {
    Ok(reader.requests_not_before(now)?.map(format_timestamp))
}

fn size_of(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests;
