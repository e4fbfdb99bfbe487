//! `/metrics`: the mirror's state and the process's counters, as OpenMetrics text or as Prometheus's older one.
//!
//! The gauges are made anew for each answer, from the same snapshot that `status --json` shows, so that nothing is kept that
//! could grow stale. The counters are [`Meters`], where there is a daemon; `serve` shows the state alone.
//!
//! What isn't known is left out: a 0 would be a claim. Nothing of a customer, of a cursor, or of a text from the server is here:
//! numbers are, and words of closed lists.

mod process;
#[cfg(test)]
mod tests;

use std::fmt;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::meters::{Labelled, Meters, PREFIX};
use crate::mirror::{Remedy, Status};
use crate::model::{Timestamp, parse_timestamp};

/// How the text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus's older text format, which every other program reads, and a browser shows instead of saving it.
    Plain,
}

impl Format {
    /// The format for a request with this `Accept`: OpenMetrics for whoever asks for it, as Prometheus does.
    pub(crate) fn for_accept(accept: Option<&str>) -> Self {
        let mut ranges = accept.unwrap_or_default().split(',');
        let asks_for_it = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default();
            media_type.eq_ignore_ascii_case("application/openmetrics-text")
                && !parts.any(|part| part == "q=0")
        };
        if ranges.any(asks_for_it) {
            Self::OpenMetrics
        } else {
            Self::Plain
        }
    }

    /// The media type of what [`render`] writes.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => prometheus_text::CONTENT_TYPE,
        }
    }

    fn write(self, text: &mut String, registry: &Registry) -> fmt::Result {
        match self {
            Self::OpenMetrics => encode_registry(text, registry),
            Self::Plain => prometheus_text::encode(text, registry),
        }
    }
}

/// What is known of a mirror, and of this process, at the moment of asking.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    /// The mirror, with the next due time if there is one.
    pub(crate) status: &'a Status,
    /// Size of the mirror's file.
    pub(crate) mirror_bytes: Option<u64>,
    /// Size of its -wal file; 0 where there is none.
    pub(crate) wal_bytes: Option<u64>,
    /// Time from one due time to the next.
    pub(crate) schedule_period_seconds: Option<f64>,
    /// What `/readyz` says.
    pub(crate) is_ready: bool,
    /// Whether the daemon has found the file to be damaged.
    pub(crate) is_damaged: bool,
    /// When this process began.
    pub(crate) started_at: Timestamp,
}

/// The text, complete; without [`Meters`] the facts alone.
///
/// # Errors
/// If a value can't be written as text, which is a bug.
pub(crate) fn render(
    format: Format,
    facts: &Facts<'_>,
    meters: Option<&Meters>,
) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let mut sheet = Sheet(Registry::with_prefix(PREFIX));
    freshness(&mut sheet, facts);
    soundness(&mut sheet, facts);
    customers(&mut sheet, facts.status);
    running_pass(&mut sheet, facts.status);
    trouble(&mut sheet, facts.status);
    schedule(&mut sheet, facts);
    program(&mut sheet, facts);
    format.write(&mut text, &sheet.0)?;
    if let Some(meters) = meters {
        format.write(&mut text, meters.registry())?;
    }
    let mut sheet = Sheet(Registry::default());
    process::gauges(&mut sheet, facts.started_at);
    format.write(&mut text, &sheet.0)?;
    if format == Format::OpenMetrics {
        encode_eof(&mut text)?;
    }
    Ok(text)
}

/// The metrics of one answer.
struct Sheet(Registry);

impl Sheet {
    /// A number of things, if it is known.
    fn count(&mut self, name: &str, help: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.0.register(name, help, ConstGauge::new(value));
        }
    }

    /// A quantity, if it is known. Its unit is added to its name.
    fn quantity(&mut self, name: &str, help: &str, unit: Unit, value: Option<f64>) {
        if let Some(value) = value {
            let value = ConstGauge::new(value);
            self.0.register_with_unit(name, help, unit, value);
        }
    }

    /// A moment, if it is known.
    fn moment(&mut self, name: &str, help: &str, at: Option<Timestamp>) {
        let name = format!("{name}_timestamp");
        self.quantity(&name, help, Unit::Seconds, at.map(seconds_since_epoch));
    }
}

/// A gauge for each value of a label.
fn labelled(
    label: &'static str,
    values: impl IntoIterator<Item = (&'static str, f64)>,
) -> Labelled<ConstGauge<f64>> {
    let gauges = values.into_iter();
    Labelled::of(
        label,
        gauges.map(|(word, value)| (word, ConstGauge::new(value))),
    )
}

fn seconds_since_epoch(at: Timestamp) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}

fn freshness(sheet: &mut Sheet, facts: &Facts<'_>) {
    let of = &facts.status.freshness;
    let moment = |text: &Option<String>| text.as_deref().and_then(parse_timestamp);
    let (started_at, finished_at) = (moment(&of.started_at), moment(&of.finished_at));
    sheet.moment(
        "last_complete_pass_started",
        "When the last complete pass began: every change made before is in the mirror",
        started_at,
    );
    sheet.moment(
        "last_complete_pass_finished",
        "When the last complete pass ended",
        finished_at,
    );
    let both = started_at.zip(finished_at);
    sheet.quantity(
        "last_complete_pass_duration",
        "How long the last complete pass took, interruptions included",
        Unit::Seconds,
        both.map(|(start, end)| (end - start).as_seconds_f64()),
    );
    sheet.count(
        "ready",
        "1 if there is a complete pass that is young enough, as /readyz says",
        Some(i64::from(facts.is_ready)),
    );
}

fn soundness(sheet: &mut Sheet, facts: &Facts<'_>) {
    sheet.count(
        "damaged",
        "1 if the last pass found the mirror's file to be damaged, until one is complete",
        Some(i64::from(facts.is_damaged)),
    );
}

fn customers(sheet: &mut Sheet, status: &Status) {
    sheet.0.register(
        "customers",
        "Customers in the mirror, live ones and tombstones",
        labelled(
            "state",
            [
                ("live", status.mirror.live as f64),
                ("deleted", status.mirror.deleted as f64),
            ],
        ),
    );
    let held = status.held_sweep.as_ref().map_or(0, |held| held.customers);
    sheet.count(
        "held_sweep_customers",
        "Customers whose deletion waits for a decision; 0 if no sweep is held",
        Some(held),
    );
    sheet.count(
        "quarantined_records",
        "Records in quarantine",
        Some(status.quarantined),
    );
    sheet.count(
        "reference_conflicts",
        "referenceIds held by more than one live customer",
        status.reference_conflicts,
    );
}

fn running_pass(sheet: &mut Sheet, status: &Status) {
    let pass = status.running_pass.as_ref();
    sheet.count(
        "running_pass",
        "1 if a pass has begun and not ended: it is under way, or interrupted and able to go on",
        Some(i64::from(pass.is_some())),
    );
    sheet.count(
        "running_pass_pages",
        "Pages that this pass has committed",
        pass.map(|pass| pass.pages),
    );
    sheet.count(
        "running_pass_records",
        "Records on them",
        pass.map(|pass| pass.records),
    );
    sheet.count(
        "expected_records",
        "Records of the last complete pass: about as many are to be expected",
        status.last_complete_pass().map(|pass| pass.records),
    );
}

fn trouble(sheet: &mut Sheet, status: &Status) {
    let retry = status.retry.as_ref();
    sheet.count(
        "failed_attempts",
        "Failed attempts in a row of the daemon to bring a pass to its end",
        Some(retry.map_or(0, |retry| i64::from(retry.failures))),
    );
    let remedies = [
        ("server", Remedy::Server),
        ("time", Remedy::Time),
        ("next_due", Remedy::NextDue),
        ("key", Remedy::Key),
    ];
    let failing = |remedy| retry.is_some_and(|retry| retry.waits_for == remedy);
    sheet.0.register(
        "failing",
        "1 for what the daemon waits for after a failed attempt: the server, time, the next due time, or another key",
        labelled(
            "waits_for",
            remedies.map(|(word, remedy)| (word, f64::from(u8::from(failing(remedy))))),
        ),
    );
}

fn schedule(sheet: &mut Sheet, facts: &Facts<'_>) {
    let next_due_at = facts.status.next_due_at.as_deref();
    sheet.moment(
        "next_due",
        "When the schedule asks for the next pass",
        next_due_at.and_then(parse_timestamp),
    );
    sheet.quantity(
        "schedule_period",
        "Time from one due time to the next",
        Unit::Seconds,
        facts.schedule_period_seconds,
    );
}

fn program(sheet: &mut Sheet, facts: &Facts<'_>) {
    let sizes = [("mirror", facts.mirror_bytes), ("wal", facts.wal_bytes)];
    let known = sizes.into_iter().filter_map(|(file, bytes)| {
        let bytes = bytes?;
        Some((file, bytes as f64))
    });
    sheet.0.register_with_unit(
        "file_size",
        "Size of the mirror's file and of its write-ahead log",
        Unit::Bytes,
        labelled("file", known),
    );
    let schema_version = facts.status.mirror.schema_version.to_string();
    sheet.0.register(
        "build",
        "The program",
        Info::new([
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("schema_version", schema_version),
        ]),
    );
}
