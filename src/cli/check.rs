//! `check`: the doctor. It gathers what is known (`gather`), judges it without touching anything (`judge`), and shows it (`text`).
//!
//! It stops at nothing: what is broken is a line of its report, and what can still be looked at is. It writes nothing, takes no
//! lock, and sends one request at most.

mod facts;
mod gather;
mod judge;
mod text;
mod verdict;

use std::path::PathBuf;

use serde::Serialize;

use super::output::{Screen, print};
use super::signals::end_at_once;
use super::watch::Watch;
use super::{Exit, Failure};
use crate::mirror::Depth;
use verdict::{Check, Report};

/// See whether all is well: configuration, key, server, mirror, disk, freshness
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  customer-mirror check
  customer-mirror check --offline --full
  customer-mirror check --json | jq -r '.checks[] | select(.status != \"ok\") | .name'

Each line is ok, WARN, FAIL, or skip where it can't be known; what to do is below it. Nothing is written, and the server is asked \
once, for one customer.

By default SQLite's quick_check gets ten seconds. With --full the whole mirror is read, a few seconds a gigabyte on a good disk; \
beside a pass, its -wal file grows meanwhile.

Exit status: 0 if nothing failed, warnings or not; else that of the first line that failed, and lines come in the order in which \
`sync` meets things: 66 mirror unreadable; 69 API unavailable; 73 mirror's disk read-only; 74 damaged mirror, or no room; 76 the server breaks the \
protocol; 77 API key refused; 78 configuration, or the mirror is of another source or a newer version.")]
pub(super) struct Arguments {
    /// Send no request
    #[arg(long)]
    offline: bool,
    /// Look for damage everywhere, however long it takes
    #[arg(long)]
    full: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What the command line says besides.
#[derive(Debug)]
pub(super) struct Frame {
    /// The configuration file.
    pub(super) config: Option<PathBuf>,
    /// How much is logged.
    pub(super) verbose: u8,
    /// No progress.
    pub(super) quiet: bool,
}

/// The report as JSON.
#[derive(Debug, Serialize)]
struct Json<'a> {
    status: &'a str,
    exit_status: u8,
    checks: Vec<&'a Check>,
}

pub(super) async fn run(frame: Frame, arguments: &Arguments) -> Result<Exit, Failure> {
    end_at_once()
        .map_err(|error| Failure::new(Exit::Bug, format!("can't watch for signals: {error}")))?;
    let depth = if arguments.full {
        Depth::Full
    } else {
        Depth::Quick(gather::QUICK_CHECK_MAX)
    };
    let watch = Watch::start(frame.quiet);
    let facts = gather::gather(&frame, arguments.offline, depth, &watch).await?;
    drop(watch);
    let report = judge::judge(&facts);
    if arguments.json {
        print(&json(&report)?)?;
    } else {
        print(&text::render(&report, Screen::of_stdout()))?;
    }
    Ok(report.exit())
}

fn json(report: &Report) -> Result<String, Failure> {
    let json = Json {
        status: report.status(),
        exit_status: report.exit() as u8,
        checks: report.checks().collect(),
    };
    let text = serde_json::to_string_pretty(&json).map_err(|error| {
        Failure::new(
            Exit::Bug,
            format!("can't write the report as JSON: {error}"),
        )
    })?;
    Ok(format!("{text}\n"))
}
