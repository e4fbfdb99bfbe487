//! The pass: one walk of the listing, first page to last, into the mirror. The only room that knows source and mirror.
//!
//! Fetching page n+1 overlaps committing page n; one page is in flight, so memory is bounded by the page size. A fetch or a
//! wait can be cancelled at any moment; a commit never is. Whatever ends a walk early leaves the checkpoint of its last
//! commit, and the next pass goes on from there. Only a walk that [`plan::prove_complete`] believes is judged for absences.

mod desk;
mod preview;
mod walk;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use desk::Desk;
pub use desk::SharedMirror;
pub use preview::{PreviewEnd, preview};
use walk::{Walk, Walker};

use crate::clock::Clock;
use crate::config::{Changes, Deletions};
use crate::mirror::{Checkpoint, MirrorError};
use crate::model::{PassReport, PassState};
use crate::plan;
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
    /// Begin at the first page even if an interrupted pass could go on.
    pub restart: bool,
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
    let desk = Desk::new(mirror, publisher, &rules.clock);
    let now = desk.now();
    if let Some(until) = desk
        .with(move |mirror| mirror.requests_not_before(now))
        .await?
    {
        source.hold_until(until);
    }
    let mut checkpoint = resume_or_begin(&desk, rules.restart).await?;
    let mut walker = Walker {
        source,
        desk: &desk,
        stop: stop.clone(),
        drifted: BTreeSet::new(),
    };
    let mut rejected_before = false;
    loop {
        let pass_id = checkpoint.pass_id;
        let end = match walker.walk(checkpoint).await? {
            Walk::Ended => finish(&desk, pass_id, rules, stop.clone()).await?,
            Walk::Stopped => {
                desk.with(move |mirror| mirror.interrupt_pass(pass_id, "interrupted", 0))
                    .await?;
                End::Interrupted
            }
            Walk::Endless(reason) => {
                end_pass(&desk, pass_id, PassState::Failed, &reason).await?;
                End::Endless(reason)
            }
            Walk::Failed { error, cursor_age } if error.kind == FailureKind::CursorRejected => {
                learn(&desk, cursor_age).await?;
                if !rejected_before {
                    rejected_before = true;
                    warn!(pass.id = pass_id, error = %error, "cursor rejected: the pass is abandoned, a new one begins");
                    end_pass(&desk, pass_id, PassState::Abandoned, &error.message).await?;
                    checkpoint = begin(&desk).await?;
                    continue;
                }
                end_pass(&desk, pass_id, PassState::Failed, &error.message).await?;
                End::SourceFailed(error)
            }
            Walk::Failed { error, .. } => {
                let (message, retries, until) =
                    (error.message.clone(), error.retries, error.wait_until);
                desk.with(move |mirror| mirror.interrupt_pass(pass_id, &message, retries))
                    .await?;
                if let Some(until) = until {
                    let now = desk.now();
                    desk.with(move |mirror| mirror.hold_requests_until(until, now))
                        .await?;
                }
                End::SourceFailed(error)
            }
        };
        publisher.update(|progress| progress.phase = Phase::Ended);
        let report = desk.with(move |mirror| mirror.pass_report(pass_id)).await?;
        return Ok(Outcome { report, end });
    }
}

/// The pass to walk: the interrupted one if it is worth trying, else a new one.
async fn resume_or_begin(desk: &Desk<'_>, restart: bool) -> Result<Checkpoint, PassError> {
    let now = desk.now();
    let Some(checkpoint) = desk
        .with(move |mirror| mirror.interrupted_pass(now))
        .await?
    else {
        return begin(desk).await;
    };
    let pass_id = checkpoint.pass_id;
    let reason = if restart {
        Some("restarted by the operator".to_owned())
    } else {
        let limit = desk.with(|mirror| mirror.cursor_lifetime()).await?;
        checkpoint
            .cursor_age
            .filter(|age| !plan::worth_trying(*age, limit))
            .map(|age| {
                format!(
                    "its cursor is {} s old; the server has rejected a younger one",
                    age.as_secs()
                )
            })
    };
    if let Some(reason) = reason {
        info!(
            pass.id = pass_id,
            reason, "interrupted pass given up, a new one begins"
        );
        end_pass(desk, pass_id, PassState::Abandoned, &reason).await?;
        return begin(desk).await;
    }
    desk.with(move |mirror| mirror.resume_pass(pass_id)).await?;
    info!(
        pass.id = pass_id,
        page = checkpoint.pages + 1,
        records = checkpoint.records,
        "pass resumed"
    );
    Ok(checkpoint)
}

async fn begin(desk: &Desk<'_>) -> Result<Checkpoint, PassError> {
    let now = desk.now();
    let checkpoint = desk.with(move |mirror| mirror.begin_pass(now)).await?;
    info!(pass.id = checkpoint.pass_id, "pass started");
    Ok(checkpoint)
}

async fn end_pass(
    desk: &Desk<'_>,
    pass_id: i64,
    state: PassState,
    error: &str,
) -> Result<(), PassError> {
    let (error, now) = (error.to_owned(), desk.now());
    desk.with(move |mirror| mirror.end_pass(pass_id, state, &error, now))
        .await
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
    let (deletions, changes, now) = (rules.deletions.clone(), rules.changes.clone(), desk.now());
    let held = desk
        .with_unless_stopped(stop, move |mirror| {
            mirror.finish_pass(pass_id, &proof, &deletions, &changes, now)
        })
        .await?;
    Ok(match held {
        Some(held) => End::Complete { held },
        // The walk stays on record: the next run judges it.
        None => End::Interrupted,
    })
}
