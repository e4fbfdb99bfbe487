//! `sync`: one pass now.

use std::time::Duration;

use anstyle::Style;

use super::output::{Screen, Sheet, bytes, count, plural, print as print_text, span};
use super::progress::Display;
use super::signals::Signals;
use super::{Context, Exit, Failure};
use crate::clock::Clock;
use crate::config::{Api, ApiKey};
use crate::mirror::{Mirror, Preview, PreviewReport};
use crate::model::{PassReport, PassState, SweepState, parse_timestamp};
use crate::pass::{self, End, Outcome, PreviewEnd, Resume, Rules, SharedMirror};
use crate::source::{HttpSource, SourceError};
use crate::status::Publisher;

/// Mirror every customer once, now; an interrupted pass goes on where it stopped
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  customer-mirror sync
  customer-mirror --config ./config.toml sync --json
  customer-mirror sync --dry-run       what would change? Writes nothing.

Exit status: 0 complete; 65 complete, but the deletions are held (see `customer-mirror deletions`), or with --strict a \
record was quarantined; 69 API unavailable, run again to go on; 75 another process writes to the mirror; 76 the server breaks \
the protocol; 77 API key refused; 78 configuration; 130 or 143 interrupted, run again to go on.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Arguments {
    /// Begin at the first page, even if an interrupted pass could go on
    #[arg(long)]
    restart: bool,
    /// Walk the listing and report what would change; write nothing
    #[arg(long, conflicts_with = "restart")]
    dry_run: bool,
    /// Exit with 65 if a record had to be quarantined
    #[arg(long)]
    strict: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let api = context.config.require_api()?;
    let key = ApiKey::load(api, &context.environment)?;
    for warning in &key.warnings {
        tracing::warn!("{warning}");
    }
    let mut source = HttpSource::new(api, &context.config.retry, &key.key)
        .map_err(|error| Failure::new(Exit::Config, error.to_string()))?;
    let signals = Signals::watch()
        .map_err(|error| Failure::new(Exit::Bug, format!("can't watch for signals: {error}")))?;
    if arguments.dry_run {
        return dry_run(context, api, &mut source, &signals, &arguments).await;
    }
    let mirror = Mirror::open_or_create(
        &context.config.mirror.path,
        &api.source_fingerprint(),
        "customer-mirror sync",
    )?;
    let rules = Rules {
        deletions: context.config.deletions.clone(),
        changes: context.config.changes.clone(),
        resume: if arguments.restart {
            Resume::No
        } else {
            Resume::Yes
        },
        clock: Clock::system(),
    };
    let (publisher, progress) = Publisher::new();
    let display = Display::start(progress, context.quiet);
    let result = pass::run(
        &mut source,
        &SharedMirror::new(mirror),
        &rules,
        &publisher,
        signals.stop.clone(),
    )
    .await;
    drop(display);
    let outcome = result?;
    outcome.log(None);
    let printed = print(&outcome.report, arguments.json);
    // How the pass ended counts for more than whether anybody reads the report.
    let exit = conclude(&outcome, &signals, arguments.strict)?;
    printed.map(|()| exit)
}

/// The exit status of a pass, and the message that goes with it.
fn conclude(outcome: &Outcome, signals: &Signals, strict: bool) -> Result<Exit, Failure> {
    let quarantined = outcome.report.quarantined;
    match &outcome.end {
        End::Complete { held } if *held > 0 => Err(Failure::new(
            Exit::Held,
            format!(
                "the sweep is held: {} customers are not listed any more, too many to believe without asking. \
                 `customer-mirror deletions` lists them; approve or discard them there",
                count(*held as i64)
            ),
        )),
        End::Complete { .. } if strict && quarantined > 0 => Err(Failure::new(
            Exit::Held,
            format!(
                "{quarantined} records were quarantined; `customer-mirror quarantine` lists them"
            ),
        )),
        End::Complete { .. } => Ok(Exit::Done),
        End::Interrupted => Err(Failure::new(
            signals.exit(),
            "interrupted; the next `sync` goes on from here",
        )),
        End::SourceFailed(error) => Err(source_failure(error, Some(&outcome.report))),
        End::Endless(reason) => Err(Failure::new(
            Exit::Protocol,
            format!("{reason}; the pass failed, nothing was deleted"),
        )),
        End::Unproven(reason) => Err(Failure::new(
            Exit::Bug,
            format!(
                "the walk could not be proven complete ({reason}); the pass failed, nothing was deleted"
            ),
        )),
    }
}

fn source_failure(error: &SourceError, report: Option<&PassReport>) -> Failure {
    let kept = match report {
        Some(report) if report.state == PassState::Running && report.pages > 0 => {
            format!(
                "; {} pages are kept, the next `sync` goes on from there",
                count(report.pages)
            )
        }
        _ => String::new(),
    };
    Failure::new(Exit::from(error), format!("{error}{kept}"))
}

fn print(report: &PassReport, json: bool) -> Result<(), Failure> {
    let text = if json {
        serde_json::to_string(report).map_err(|error| Failure::new(Exit::Bug, error.to_string()))?
    } else {
        return print_text(&describe(report));
    };
    print_text(&format!("{text}\n"))
}

/// The report for a person: a headline, what changed, what it took.
fn describe(report: &PassReport) -> String {
    let state = match report.state {
        PassState::Running => "not finished",
        other => other.as_str(),
    };
    let times = (
        parse_timestamp(&report.started_at),
        report.finished_at.as_deref().and_then(parse_timestamp),
    );
    let took = match times {
        (Some(from), Some(to)) => to
            .signed_duration_since(from)
            .to_std()
            .map(took)
            .unwrap_or_default(),
        _ => String::new(),
    };
    let sweep = match report.sweep {
        SweepState::Held => " (more are held, see below)",
        SweepState::None if report.state == PassState::Complete => {
            " (not judged: a record's customerId is unreadable)"
        }
        _ => "",
    };
    let mut sheet = Sheet::new(Screen::of_stdout(), 9);
    sheet.paragraph(
        Style::new().bold(),
        &format!(
            "pass {} {state}{took}: {} on {}",
            report.pass_id,
            plural(report.records, "record", "records"),
            plural(report.pages, "page", "pages")
        ),
    );
    sheet.field(
        "customers",
        &format!(
            "created {}, updated {}, restored {}, unchanged {}, deleted {}{sweep}",
            count(report.created),
            count(report.updated),
            count(report.restored),
            count(report.unchanged),
            count(report.deleted)
        ),
    );
    sheet.field(
        "walk",
        &format!(
            "quarantined {}, retries {}, resumed {}, received {}",
            count(report.quarantined),
            count(report.retries),
            count(report.resumed),
            bytes(report.bytes.max(0) as u64)
        ),
    );
    sheet.into_text()
}

fn took(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!(" in {:.1} s", duration.as_secs_f64())
    } else {
        format!(" in {}", span(duration))
    }
}

async fn dry_run(
    context: &Context,
    api: &Api,
    source: &mut HttpSource,
    signals: &Signals,
    arguments: &Arguments,
) -> Result<Exit, Failure> {
    let deletions = &context.config.deletions;
    let preview = Preview::open(&context.config.mirror.path, &api.source_fingerprint())?;
    let (publisher, progress) = Publisher::new();
    let display = Display::start(progress, context.quiet);
    let result = pass::preview(source, preview, deletions, &publisher, signals.stop.clone()).await;
    drop(display);
    match result? {
        PreviewEnd::Complete(report) => {
            print_preview(&report, arguments.json)?;
            if report.held > 0 {
                let held = plural(report.held as i64, "customer is", "customers are");
                let message = format!("the sweep would be held: {held} not listed any more");
                return Err(Failure::new(Exit::Held, message));
            }
            if arguments.strict && report.quarantined > 0 {
                let records = plural(report.quarantined, "record", "records");
                let message = format!("{records} would be quarantined");
                return Err(Failure::new(Exit::Held, message));
            }
            Ok(Exit::Done)
        }
        PreviewEnd::Interrupted => Err(Failure::new(
            signals.exit(),
            "interrupted; nothing was written",
        )),
        PreviewEnd::SourceFailed(error) => Err(source_failure(&error, None)),
        PreviewEnd::Endless(reason) => Err(Failure::new(Exit::Protocol, reason)),
    }
}

fn print_preview(report: &PreviewReport, json: bool) -> Result<(), Failure> {
    let text = if json {
        serde_json::to_string(report).map_err(|error| Failure::new(Exit::Bug, error.to_string()))?
    } else {
        format!(
            "dry run: {} on {}; nothing was written\n  would create {}, update {}, restore {}; {} unchanged\n  \
             would delete {}, hold {}, of {} that are not listed\n  would quarantine {}",
            plural(report.records, "record", "records"),
            plural(report.pages, "page", "pages"),
            count(report.created),
            count(report.updated),
            count(report.restored),
            count(report.unchanged),
            count(report.deleted as i64),
            count(report.held as i64),
            count(report.absent as i64),
            count(report.quarantined)
        )
    };
    print_text(&format!("{text}\n"))
}
