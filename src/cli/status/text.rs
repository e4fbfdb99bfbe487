//! The status in words, the most important first.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::cli::output::{
    Cell, Format, RowWriter, Screen, Sheet, ago, bytes, count, moment, plural, span,
};
use crate::mirror::{OVERGROWN_BYTES, Remedy, RetryStatus, Status};
use crate::model::{PassReport, PassState, SweepState, Timestamp, parse_timestamp};

const LABEL_WIDTH: usize = 11;
/// Narrower screens get fewer columns.
const WIDE: usize = 76;

/// What the mirror itself doesn't know.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) now: Timestamp,
    pub(super) screen: Screen,
    /// What is wrong with the configuration.
    pub(super) warning: Option<String>,
    pub(super) size_bytes: u64,
    /// What of that is the -wal file.
    pub(super) wal_bytes: u64,
    /// The schedule as configured.
    pub(super) schedule: String,
    /// Until when the server wants to be left alone.
    pub(super) requests_not_before: Option<String>,
}

/// Lays out the status.
pub(super) fn render(status: &Status, around: &Surroundings) -> String {
    let mut sheet = Sheet::new(around.screen, LABEL_WIDTH);
    let (style, headline) = headline(status, around.now);
    sheet.paragraph(style.bold(), &headline);
    if let Some(warning) = &around.warning {
        sheet.paragraph(warning_style(), &format!("Warning: {warning}."));
    }
    sheet.gap();
    if let Some(pass) = &status.running_pass {
        running(&mut sheet, pass, status, around);
    }
    if let Some(retry) = &status.retry {
        failing(&mut sheet, retry, status, around);
    }
    to_decide(&mut sheet, status);
    if around.wal_bytes > OVERGROWN_BYTES {
        let log = format!(
            "its -wal file has {} and can't be emptied: a program has been reading the mirror for long; see who has it open, fuser -v {}",
            bytes(around.wal_bytes),
            status.mirror.path
        );
        sheet.styled_field("log", warning_style(), &log);
    }
    if let Some(due) = &status.next_due_at {
        let due = format!(
            "{} ({}), schedule {}",
            moment(due),
            ago(due, around.now),
            around.schedule
        );
        sheet.field("next due", &due);
    }
    if let Some(owner) = &status.lock {
        let process = if owner.pid == 0 {
            String::new()
        } else {
            format!(", process {}", owner.pid)
        };
        let since = if owner.started_at.is_empty() {
            String::new()
        } else {
            format!(", since {}", moment(&owner.started_at))
        };
        sheet.field("writer", &format!("{}{process}{since}", owner.command));
    } else {
        sheet.field("writer", "none at the moment");
    }
    sheet.field(
        "source",
        status.mirror.source.as_deref().unwrap_or("none yet"),
    );
    let file = format!(
        "{} ({}, schema version {})",
        status.mirror.path,
        bytes(around.size_bytes),
        status.mirror.schema_version
    );
    sheet.field("mirror", &file);
    last_passes(&mut sheet, &status.last_passes, around);
    sheet.into_text()
}

fn warning_style() -> Style {
    AnsiColor::Yellow.on_default()
}

fn headline(status: &Status, now: Timestamp) -> (Style, String) {
    let customers = format!(
        "{}, {} deleted",
        plural(status.mirror.live, "live customer", "live customers"),
        count(status.mirror.deleted)
    );
    match &status.freshness.started_at {
        None => (
            warning_style(),
            format!("Not complete: no pass has been completed yet. So far: {customers}."),
        ),
        Some(at) => {
            let style = if status.held_sweep.is_some() {
                warning_style()
            } else {
                AnsiColor::Green.on_default()
            };
            (
                style,
                format!(
                    "Complete as of {} ({}): {customers}.",
                    moment(at),
                    ago(at, now)
                ),
            )
        }
    }
}

fn running(sheet: &mut Sheet, pass: &PassReport, status: &Status, around: &Surroundings) {
    let expected = status.last_complete_pass().map(|pass| pass.records);
    let of_expected =
        expected
            .filter(|expected| *expected > 0)
            .map_or_else(String::new, |expected| {
                format!(
                    " of about {} ({} %)",
                    count(expected),
                    (pass.records * 100 / expected).min(100)
                )
            });
    let state = if status.lock.is_some() {
        ""
    } else {
        ", interrupted; `customer-mirror sync` goes on with it"
    };
    let progress = format!(
        "{}, begun {}: {}, {}{of_expected}{state}",
        pass.pass_id,
        ago(&pass.started_at, around.now),
        plural(pass.pages, "page", "pages"),
        plural(pass.records, "record", "records"),
    );
    sheet.field("pass", &progress);
    if let Some(error) = &pass.error {
        sheet.styled_field("stopped", AnsiColor::Red.on_default(), error);
    }
    if let Some(until) = &around.requests_not_before {
        let wait = format!(
            "until {} ({}), as the server asked",
            moment(until),
            ago(until, around.now)
        );
        sheet.styled_field("waiting", warning_style(), &wait);
    }
}

/// The daemon's trouble with the API or the disk.
fn failing(sheet: &mut Sheet, retry: &RetryStatus, status: &Status, around: &Surroundings) {
    let shown = status
        .running_pass
        .as_ref()
        .and_then(|pass| pass.error.as_deref());
    let reason = if shown == Some(retry.reason.as_str()) {
        String::new()
    } else {
        format!(": {}", retry.reason)
    };
    let again = match retry.waits_for {
        Remedy::Server | Remedy::Time => format!(
            "not before {} ({})",
            moment(&retry.not_before),
            ago(&retry.not_before, around.now)
        ),
        Remedy::NextDue => "at the next due time".to_owned(),
        Remedy::Key => "with another key, or at the next due time".to_owned(),
    };
    let what = format!(
        "{} in a row; the daemon tries again {again}{reason}",
        plural(retry.failures.into(), "failed attempt", "failed attempts"),
    );
    sheet.styled_field("failing", warning_style(), &what);
}

/// What waits for a person, with the commands for it.
fn to_decide(sheet: &mut Sheet, status: &Status) {
    if let Some(held) = &status.held_sweep {
        let what = format!(
            "{} missing in pass {}, too many to delete them unasked. See `customer-mirror deletions`, then run \
             `customer-mirror deletions approve` or `customer-mirror deletions discard`",
            plural(held.customers, "customer was", "customers were"),
            held.pass_id
        );
        sheet.styled_field("held sweep", warning_style(), &what);
    }
    if status.quarantined > 0 {
        let what = format!(
            "{}: see `customer-mirror quarantine`",
            plural(status.quarantined, "record", "records")
        );
        sheet.styled_field("quarantine", warning_style(), &what);
    }
    if let Some(conflicts @ 1..) = status.reference_conflicts {
        let what = format!(
            "{} held by several live customers: see `customer-mirror query reference-conflicts`",
            plural(conflicts, "referenceId", "referenceIds")
        );
        sheet.styled_field("conflicts", warning_style(), &what);
    }
}

fn last_passes(sheet: &mut Sheet, passes: &[PassReport], around: &Surroundings) {
    if passes.is_empty() {
        return;
    }
    sheet.gap();
    let wide = around.screen.width.is_none_or(|width| width >= WIDE);
    let columns: &[&str] = if wide {
        &[
            "pass", "state", "began", "took", "records", "changes", "sweep",
        ]
    } else {
        &["pass", "state", "records", "changes"]
    };
    let mut table = Vec::new();
    let written =
        RowWriter::new(&mut table, Format::Table, columns, around.screen).and_then(|mut writer| {
            for pass in passes {
                let all = row(pass);
                let [id, state, began, took, records, changes, sweep] = all;
                let cells = if wide {
                    vec![id, state, began, took, records, changes, sweep]
                } else {
                    vec![id, state, records, changes]
                };
                writer.write(&cells)?;
            }
            writer.finish()
        });
    // Writing to memory doesn't fail.
    if written.is_ok() {
        sheet.verbatim(&String::from_utf8_lossy(&table));
    }
    sheet.paragraph(
        Style::new().dimmed(),
        "changes: + created, ~ updated, - deleted, ^ restored, ! quarantined",
    );
    for pass in passes
        .iter()
        .filter(|pass| pass.state != PassState::Running)
    {
        if let Some(error) = &pass.error {
            sheet.paragraph(
                AnsiColor::Red.on_default(),
                &format!("pass {}: {error}", pass.pass_id),
            );
        }
    }
}

fn row(pass: &PassReport) -> [Cell<'static>; 7] {
    let text = |text: String| Cell::Text(text.into());
    let began = parse_timestamp(&pass.started_at);
    let took = pass
        .finished_at
        .as_deref()
        .and_then(parse_timestamp)
        .zip(began)
        .map(|(end, began)| {
            let took = (end - began).to_std().unwrap_or_default();
            span(if took < Duration::from_secs(1) {
                Duration::from_secs(took.as_secs_f64().ceil() as u64)
            } else {
                took
            })
        });
    let sweep = match pass.sweep {
        SweepState::None => Cell::Null,
        sweep => Cell::from(sweep.as_str()),
    };
    [
        Cell::Integer(pass.pass_id),
        Cell::from(pass.state.as_str()),
        text(began.map_or_else(
            || pass.started_at.clone(),
            |at| at.format("%m-%d %H:%M").to_string(),
        )),
        took.map_or(Cell::Null, text),
        text(count(pass.records)),
        text(changes(pass)),
        sweep,
    ]
}

fn changes(pass: &PassReport) -> String {
    let kinds = [
        ('+', pass.created),
        ('~', pass.updated),
        ('-', pass.deleted),
        ('^', pass.restored),
        ('!', pass.quarantined),
    ];
    let kinds: Vec<String> = kinds
        .iter()
        .filter(|(_, number)| *number > 0)
        .map(|(sign, number)| format!("{sign}{}", count(*number)))
        .collect();
    if kinds.is_empty() {
        "no change".to_owned()
    } else {
        kinds.join(" ")
    }
}
