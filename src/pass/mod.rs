//! The pass: one walk of the listing, first page to last, into the mirror. The only room that knows source and mirror.
//!
//! Fetching page n+1 overlaps committing page n; one page is in flight, so memory is bounded by the page size. A fetch or a
//! wait can be cancelled at any moment; a commit never is. Whatever ends a walk early leaves the checkpoint of its last
//! commit, and the next pass goes on from there. Only a walk that [`plan::prove_complete`] believes is judged for absences.

mod begin;
mod desk;
mod preview;
mod retention;
mod walk;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use begin::Beginning;
use desk::Desk;
pub use desk::SharedMirror;
pub use preview::{PreviewEnd, preview};
use walk::{Walk, Walker};

use crate::clock::Clock;
use crate::config::{Changes, Deletions};
use crate::meters::PassEnd;
use crate::mirror::{Mirror, MirrorError};
use crate::model::{PassReport, PassState};
use crate::plan::{self, ClockStanding};
use crate::source::{FailureKind, PageSource, SourceError};
use crate::status::{Phase, Publisher};

/// How a run of [`run`] ended.
#[derive(Debug)]
pub struct Outcome {
    /// The pass as it stands.
    pub report: PassReport,
    /// How it ended.
    pub end: End,
}

/// Whether an interrupted pass goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Yes, if its cursor isn't too old.
    Yes,
    /// No, begin at the first page.
    No,
    /// Only if the first page can't be had either: it has failed often, and where only its own page fails, it would for ever.
    UnlessStuck,
}

impl Outcome {
    /// One line in the log at a pass's end; with `error` where nobody else tells why.
    pub fn log(&self, error: Option<&str>) {
        let report = &self.report;
        match self.end {
            End::Complete { .. } => info!(
                pass.id = report.pass_id,
                pages = report.pages,
                records = report.records,
                created = report.created,
                updated = report.updated,
                deleted = report.deleted,
                restored = report.restored,
                quarantined = report.quarantined,
                retries = report.retries,
                sweep = report.sweep.as_str(),
                "pass complete"
            ),
            End::Interrupted => info!(
                pass.id = report.pass_id,
                pages = report.pages,
                records = report.records,
                "pass interrupted"
            ),
            _ => warn!(
                pass.id = report.pass_id,
                pages = report.pages,
                records = report.records,
                error,
                "pass not complete"
            ),
        }
    }
}

/// How a pass ended.
#[derive(Debug)]
pub enum End {
    /// Complete. So many customers wait for the operator's decision; 0 if the sweep was not held.
    Complete {
        /// Customers held.
        held: u64,
    },
    /// Told to stop; the checkpoint is kept.
    Interrupted,
    /// The source failed. The checkpoint is kept, unless its cursor was what failed.
    SourceFailed(SourceError),
    /// The listing runs in a circle, or without an end; the pass failed.
    Endless(String),
    /// The walk ended without a proof; the pass failed.
    Unproven(&'static str),
}

/// Why a pass could not go on at all.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The mirror failed. Its last commit stands.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// A thread of the program died: a bug.
    #[error("the thread that writes the mirror died: {0}")]
    Died(String),
}

/// What a pass goes by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// When an absence is believed.
    pub deletions: Deletions,
    /// How long changes are kept.
    pub changes: Changes,
    /// What becomes of an interrupted pass.
    pub resume: Resume,
    /// What time it is.
    pub clock: Clock,
}

/// Walks the listing once, resuming an interrupted pass; returns when it is complete, failed, or told to stop.
///
/// # Errors
/// If the mirror fails. A failing source is an outcome.
pub async fn run<S: PageSource>(
    source: &mut S,
    mirror: &SharedMirror,
    rules: &Rules,
    publisher: &Publisher,
    stop: watch::Receiver<bool>,
) -> Result<Outcome, PassError> {
    let _under_way = publisher.meters().pass_begins();
    let result = walk_once(
        source,
        &Desk::new(mirror, publisher, &rules.clock),
        rules,
        stop,
    )
    .await;
    if let Ok(Outcome {
        report,
        end: End::Complete { .. },
    }) = &result
    {
        publisher.meters().deleted(report.deleted.unsigned_abs());
    }
    if result.is_ok() {
        tell_overgrown_log(&Desk::new(mirror, publisher, &rules.clock)).await;
    }
    publisher.meters().pass_ended(end_as_counted(&result));
    result
}

/// Warns of a program that reads for so long that the -wal file can't be emptied.
async fn tell_overgrown_log(desk: &Desk<'_>) {
    // What else is wrong, the next step on the mirror tells.
    if let Ok(Some(bytes)) = desk.with(Mirror::overgrown_log).await {
        warn!(
            bytes,
            "the -wal file can't be emptied, since a program has been reading the mirror for long: see who has it open, fuser -v on the \
             file; at a gigabyte, passes wait for it"
        );
    }
}

fn end_as_counted(result: &Result<Outcome, PassError>) -> PassEnd {
    match result.as_ref().map(|outcome| &outcome.end) {
        Ok(End::Complete { .. }) => PassEnd::Complete,
        Ok(End::Interrupted) => PassEnd::Interrupted,
        Ok(End::SourceFailed(error)) => match error.kind {
            FailureKind::Unavailable => PassEnd::Unavailable,
            FailureKind::AuthRefused => PassEnd::AuthRefused,
            FailureKind::CursorRejected => PassEnd::CursorRejected,
            FailureKind::Protocol => PassEnd::Protocol,
        },
        Ok(End::Endless(_) | End::Unproven(_)) => PassEnd::Protocol,
        Err(_) => PassEnd::MirrorFailed,
    }
}

async fn walk_once<S: PageSource>(
    source: &mut S,
    desk: &Desk<'_>,
    rules: &Rules,
    stop: watch::Receiver<bool>,
) -> Result<Outcome, PassError> {
    let now = desk.now();
    if let Some(until) = desk
        .with(move |mirror| mirror.requests_not_before(now))
        .await?
    {
        source.hold_until(until);
    }
    let Beginning {
        mut checkpoint,
        mut ended,
    } = begin::begin_or_resume(source, desk, rules.resume, stop.clone()).await?;
    let mut walker = Walker {
        source,
        desk,
        stop: stop.clone(),
        drifted: BTreeSet::new(),
    };
    let mut rejected_before = false;
    loop {
        let pass_id = checkpoint.pass_id;
        let walk = match ended.take() {
            Some(walk) => walk,
            None => walker.walk(checkpoint).await?,
        };
        let end = match walk {
            Walk::Ended => {
                let clock = plan::clock_standing(walker.source.clock_ahead());
                finish(desk, pass_id, rules, clock, stop.clone()).await?
            }
            Walk::Stopped => {
                desk.with(move |mirror| mirror.interrupt_pass(pass_id, "interrupted", 0))
                    .await?;
                End::Interrupted
            }
            Walk::Endless(reason) => {
                end_pass(desk, pass_id, PassState::Failed, &reason).await?;
                End::Endless(reason)
            }
            Walk::Failed { error, cursor_age } if error.kind == FailureKind::CursorRejected => {
                learn(desk, cursor_age).await?;
                if !rejected_before {
                    rejected_before = true;
                    warn!(pass.id = pass_id, error = %error, "cursor rejected: the pass is abandoned, a new one begins");
                    end_pass(desk, pass_id, PassState::Abandoned, &error.message).await?;
                    checkpoint = begin::begin(desk).await?;
                    continue;
                }
                end_pass(desk, pass_id, PassState::Failed, &error.message).await?;
                End::SourceFailed(error)
            }
            Walk::Failed { error, .. } => {
                put_off(desk, pass_id, &error).await?;
                End::SourceFailed(error)
            }
        };
        desk.publisher
            .update(|progress| progress.phase = Phase::Ended);
        let report = desk.with(move |mirror| mirror.pass_report(pass_id)).await?;
        return Ok(Outcome { report, end });
    }
}

/// Keeps the checkpoint of a pass that the source has failed, and what the server asked for.
async fn put_off(desk: &Desk<'_>, pass_id: i64, error: &SourceError) -> Result<(), PassError> {
    let (message, retries) = (error.message.clone(), error.retries);
    desk.with(move |mirror| mirror.interrupt_pass(pass_id, &message, retries))
        .await?;
    note_setback(desk, error).await?;
    if let Some(until) = error.wait_until {
        let now = desk.now();
        desk.with(move |mirror| mirror.hold_requests_until(until, now))
            .await?;
    }
    Ok(())
}

async fn end_pass(
    desk: &Desk<'_>,
    pass_id: i64,
    state: PassState,
    error: &str,
) -> Result<(), PassError> {
    let (error, now) = (error.to_owned(), desk.now());
    desk.with(move |mirror| mirror.end_pass(pass_id, state, &error, now))
        .await?;
    if state == PassState::Abandoned {
        desk.publisher.meters().pass_ended(PassEnd::Abandoned);
    }
    Ok(())
}

/// A page that failed by itself, and not for the key or because the server wants to be left alone, may never come.
async fn note_setback(desk: &Desk<'_>, error: &SourceError) -> Result<(), PassError> {
    let is_setback = matches!(error.kind, FailureKind::Unavailable | FailureKind::Protocol);
    if is_setback && error.wait_until.is_none() {
        let now = desk.now();
        desk.with(move |mirror| mirror.note_setback(now)).await?;
    }
    Ok(())
}

async fn learn(desk: &Desk<'_>, age: Option<Duration>) -> Result<(), PassError> {
    match age {
        Some(age) => {
            desk.with(move |mirror| mirror.learn_cursor_lifetime(age))
                .await
        }
        None => Ok(()),
    }
}

/// Proves the walk and completes the pass, or fails it.
async fn finish(
    desk: &Desk<'_>,
    pass_id: i64,
    rules: &Rules,
    clock: ClockStanding,
    stop: watch::Receiver<bool>,
) -> Result<End, PassError> {
    desk.publisher
        .update(|progress| progress.phase = Phase::Finishing);
    let evidence = desk
        .with(move |mirror| mirror.walk_evidence(pass_id))
        .await?;
    let proof = match plan::prove_complete(&evidence) {
        Ok(proof) => proof,
        Err(reason) => {
            end_pass(desk, pass_id, PassState::Failed, reason).await?;
            return Ok(End::Unproven(reason));
        }
    };
    let (deletions, changes, now) = (
        rules.deletions.clone(),
        retention::changes(rules, clock),
        desk.now(),
    );
    let held = desk
        .with_unless_stopped(stop.clone(), move |mirror| {
            mirror.finish_pass(pass_id, &proof, &deletions, &changes, now)
        })
        .await?;
    let Some(held) = held else {
        // The walk stays on record: the next run judges it.
        return Ok(End::Interrupted);
    };
    retention::purge(desk, rules, clock, stop).await?;
    Ok(End::Complete { held })
}
