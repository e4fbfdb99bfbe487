//! The pass: one walk of the listing, first page to last, into the mirror. The only room that knows source and mirror.
//!
//! Fetching page n+1 overlaps committing page n; one page is in flight, so memory is bounded by the page size. A fetch or a
//! wait can be cancelled at any moment; a commit never is. Whatever ends a walk early leaves the checkpoint of its last
//! commit, and the next pass goes on from there. Only a walk that [`plan::prove_complete`] believes is judged for absences.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use crate::config::{Changes, Deletions};
use crate::mirror::{
    Checkpoint, CommitOutcome, Cost, Mirror, MirrorError, PageCommit, Preview, PreviewReport,
    Standing,
};
use crate::model::{Cursor, Page, PassReport, PassState, Wait};
use crate::plan;
use crate::source::{FailureKind, Fetched, PageSource, SourceError};
use crate::status::{Phase, Progress, Publisher};

/// A walk of more pages is a server that invents them: at one customer a page it is still 100 million customers.
const PAGES_MAX: i64 = 100_000_000;

/// In mid-walk a cursor is a page's commit old. Rejected younger than this, it was not for its age.
const AGE_WORTH_LEARNING: Duration = Duration::from_secs(1);

/// How a run of [`run`] ended.
#[derive(Debug)]
pub struct Outcome {
    /// The pass as it stands.
    pub report: PassReport,
    /// How it ended.
    pub end: End,
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
}

/// A mirror that a pass may write from another thread while it fetches.
#[derive(Debug, Clone)]
pub struct SharedMirror(Arc<Mutex<Mirror>>);

impl SharedMirror {
    /// Shares a mirror.
    pub fn new(mirror: Mirror) -> Self {
        Self(Arc::new(Mutex::new(mirror)))
    }

    fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Mirror) -> Result<T, MirrorError> + Send + 'static,
    ) -> JoinHandle<Result<T, MirrorError>> {
        let mirror = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            work(&mut mirror.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Mirror) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, PassError> {
        joined(self.start(work).await)
    }
}

fn joined<T>(
    result: Result<Result<T, MirrorError>, tokio::task::JoinError>,
) -> Result<T, PassError> {
    Ok(result.map_err(|error| PassError::Died(error.to_string()))??)
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
    let now = Utc::now();
    if let Some(until) = mirror
        .with(move |mirror| mirror.requests_not_before(now))
        .await?
    {
        source.hold_until(until);
    }
    let mut checkpoint = resume_or_begin(mirror, rules.restart).await?;
    let mut walker = Walker {
        source,
        mirror,
        publisher,
        stop,
        drifted: BTreeSet::new(),
    };
    let mut rejected_before = false;
    loop {
        let pass_id = checkpoint.pass_id;
        let end = match walker.walk(checkpoint).await? {
            Walk::Ended => finish(mirror, publisher, pass_id, rules).await?,
            Walk::Stopped => {
                mirror
                    .with(move |mirror| mirror.interrupt_pass(pass_id, "interrupted", 0))
                    .await?;
                End::Interrupted
            }
            Walk::Endless(reason) => {
                end_pass(mirror, pass_id, PassState::Failed, &reason).await?;
                End::Endless(reason)
            }
            Walk::Failed { error, cursor_age } if error.kind == FailureKind::CursorRejected => {
                learn(mirror, cursor_age).await?;
                if !rejected_before {
                    rejected_before = true;
                    warn!(pass.id = pass_id, error = %error, "cursor rejected: the pass is abandoned, a new one begins");
                    end_pass(mirror, pass_id, PassState::Abandoned, &error.message).await?;
                    checkpoint = begin(mirror).await?;
                    continue;
                }
                end_pass(mirror, pass_id, PassState::Failed, &error.message).await?;
                End::SourceFailed(error)
            }
            Walk::Failed { error, .. } => {
                let (message, retries, until) =
                    (error.message.clone(), error.retries, error.wait_until);
                mirror
                    .with(move |mirror| mirror.interrupt_pass(pass_id, &message, retries))
                    .await?;
                if let Some(until) = until {
                    mirror
                        .with(move |mirror| mirror.hold_requests_until(until))
                        .await?;
                }
                End::SourceFailed(error)
            }
        };
        publisher.update(|progress| progress.phase = Phase::Ended);
        let report = mirror
            .with(move |mirror| mirror.pass_report(pass_id))
            .await?;
        return Ok(Outcome { report, end });
    }
}

/// The pass to walk: the interrupted one if it is worth trying, else a new one.
async fn resume_or_begin(mirror: &SharedMirror, restart: bool) -> Result<Checkpoint, PassError> {
    let now = Utc::now();
    let Some(checkpoint) = mirror
        .with(move |mirror| mirror.interrupted_pass(now))
        .await?
    else {
        return begin(mirror).await;
    };
    let pass_id = checkpoint.pass_id;
    let reason = if restart {
        Some("restarted by the operator".to_owned())
    } else {
        let limit = mirror.with(|mirror| mirror.cursor_lifetime()).await?;
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
        end_pass(mirror, pass_id, PassState::Abandoned, &reason).await?;
        return begin(mirror).await;
    }
    mirror
        .with(move |mirror| mirror.resume_pass(pass_id))
        .await?;
    info!(
        pass.id = pass_id,
        page.number = checkpoint.pages + 1,
        records = checkpoint.records,
        "pass resumed"
    );
    Ok(checkpoint)
}

async fn begin(mirror: &SharedMirror) -> Result<Checkpoint, PassError> {
    let now = Utc::now();
    let checkpoint = mirror.with(move |mirror| mirror.begin_pass(now)).await?;
    info!(pass.id = checkpoint.pass_id, "pass started");
    Ok(checkpoint)
}

async fn end_pass(
    mirror: &SharedMirror,
    pass_id: i64,
    state: PassState,
    error: &str,
) -> Result<(), PassError> {
    let (error, now) = (error.to_owned(), Utc::now());
    mirror
        .with(move |mirror| mirror.end_pass(pass_id, state, &error, now))
        .await
}

async fn learn(mirror: &SharedMirror, age: Option<Duration>) -> Result<(), PassError> {
    match age {
        Some(age) => {
            mirror
                .with(move |mirror| mirror.learn_cursor_lifetime(age))
                .await
        }
        None => Ok(()),
    }
}

/// Proves the walk and completes the pass, or fails it.
async fn finish(
    mirror: &SharedMirror,
    publisher: &Publisher,
    pass_id: i64,
    rules: &Rules,
) -> Result<End, PassError> {
    publisher.update(|progress| progress.phase = Phase::Finishing);
    let evidence = mirror
        .with(move |mirror| mirror.walk_evidence(pass_id))
        .await?;
    let proof = match plan::prove_complete(&evidence) {
        Ok(proof) => proof,
        Err(reason) => {
            end_pass(mirror, pass_id, PassState::Failed, reason).await?;
            return Ok(End::Unproven(reason));
        }
    };
    let (deletions, changes, now) = (rules.deletions.clone(), rules.changes.clone(), Utc::now());
    let finished = mirror
        .with(move |mirror| mirror.finish_pass(pass_id, &proof, &deletions, &changes, now))
        .await?;
    Ok(End::Complete {
        held: finished.held,
    })
}

/// How a walk ended.
enum Walk {
    Ended,
    Stopped,
    Endless(String),
    Failed {
        error: SourceError,
        cursor_age: Option<Duration>,
    },
}

/// A page to commit and the cursor it was asked for with.
struct Arrived {
    asked: Option<Cursor>,
    fetched: Fetched,
}

struct Walker<'a, S> {
    source: &'a mut S,
    mirror: &'a SharedMirror,
    publisher: &'a Publisher,
    stop: watch::Receiver<bool>,
    drifted: BTreeSet<String>,
}

impl<S: PageSource> Walker<'_, S> {
    async fn walk(&mut self, checkpoint: Checkpoint) -> Result<Walk, PassError> {
        let pass_id = checkpoint.pass_id;
        let mut next = match checkpoint.standing {
            Standing::Walked => return Ok(Walk::Ended),
            Standing::First => None,
            Standing::At(cursor) => Some(cursor),
        };
        let lifetime = self.mirror.with(|mirror| mirror.cursor_lifetime()).await?;
        let expected_records = self.mirror.with(|mirror| mirror.expected_records()).await?;
        self.publisher.update(|progress| {
            let (pages, records, resumed) =
                (checkpoint.pages, checkpoint.records, checkpoint.resumed);
            *progress = Progress {
                pass_id,
                resumed,
                pages,
                records,
                expected_records,
                ..Progress::default()
            };
        });
        // A resumed cursor's age is known from its page's commit; in mid-walk it is counted from its arrival.
        let mut age_before = checkpoint.cursor_age;
        let mut arrived_at = tokio::time::Instant::now();
        let mut arrived: Option<Arrived> = None;
        let mut pages = checkpoint.pages;
        loop {
            let done = arrived
                .as_ref()
                .is_some_and(|arrived| arrived.fetched.page.next.is_none());
            let step = self
                .step(pass_id, arrived.take(), (!done).then_some(next.as_ref()))
                .await?;
            let fetched = match step {
                Step::Repeated(reason) => return Ok(Walk::Endless(reason)),
                Step::Stopped => return Ok(Walk::Stopped),
                Step::Committed => return Ok(Walk::Ended),
                Step::Fetched(Err(error)) => {
                    let age = age_before.unwrap_or_default() + arrived_at.elapsed();
                    let known =
                        next.is_some() && (age_before.is_some() || age >= AGE_WORTH_LEARNING);
                    return Ok(Walk::Failed {
                        error,
                        cursor_age: known.then_some(age),
                    });
                }
                Step::Fetched(Ok(fetched)) => fetched,
            };
            if lifetime
                .is_some_and(|limit| age_before.unwrap_or_default() + arrived_at.elapsed() > limit)
            {
                self.mirror.with(Mirror::unlearn_cursor_lifetime).await?;
            }
            age_before = None;
            arrived_at = tokio::time::Instant::now();
            pages += 1;
            if pages > PAGES_MAX {
                return Ok(Walk::Endless(format!(
                    "the listing has no end: {PAGES_MAX} pages were walked"
                )));
            }
            let following = fetched.page.next.clone();
            arrived = Some(Arrived {
                asked: next,
                fetched,
            });
            next = following;
        }
    }

    /// Commits a page while fetching the one after it. `next`: the cursor to fetch, `Some(None)` for the first page.
    async fn step(
        &mut self,
        pass_id: i64,
        arrived: Option<Arrived>,
        next: Option<Option<&Cursor>>,
    ) -> Result<Step, PassError> {
        let mut commit = arrived.map(|arrived| self.start_commit(pass_id, arrived));
        let (waits, mut heard) = mpsc::unbounded_channel();
        let on_wait = |wait: &Wait| {
            // The receiver lives as long as the fetch.
            let _ = waits.send(wait.clone());
        };
        let Some(cursor) = next else {
            return Ok(match commit {
                Some(commit) => committed(joined(commit.await)?, self.publisher, &mut self.drifted),
                None => Step::Committed,
            });
        };
        self.publisher
            .update(|progress| progress.phase = Phase::Fetching);
        let mut fetch = std::pin::pin!(self.source.fetch(cursor, &on_wait));
        let mut fetched = None;
        while commit.is_some() || fetched.is_none() {
            tokio::select! {
                Some(result) = finished(&mut commit) => {
                    commit = None;
                    if let repeated @ Step::Repeated(_) = committed(joined(result)?, self.publisher, &mut self.drifted) {
                        return Ok(repeated);
                    }
                }
                result = &mut fetch, if fetched.is_none() => fetched = Some(result),
                Some(wait) = heard.recv() => hear(self.mirror, self.publisher, wait).await?,
                () = stopped(&mut self.stop) => {
                    if let Some(commit) = commit {
                        committed(joined(commit.await)?, self.publisher, &mut self.drifted);
                    }
                    return Ok(Step::Stopped);
                }
            }
        }
        Ok(fetched.map_or(Step::Stopped, Step::Fetched))
    }

    fn start_commit(
        &self,
        pass_id: i64,
        arrived: Arrived,
    ) -> JoinHandle<Result<CommitOutcome, MirrorError>> {
        let Arrived { asked, fetched } = arrived;
        let Fetched {
            page,
            bytes,
            retries,
        } = fetched;
        self.mirror.start(move |mirror| {
            mirror.commit_page(
                pass_id,
                asked.as_ref(),
                &page,
                Cost { bytes, retries },
                Utc::now(),
            )
        })
    }
}

/// Returns when told to stop; never if whoever could tell is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits for a commit, if there is one; the handle stays where it is, so that this can be dropped.
async fn finished<T>(
    commit: &mut Option<JoinHandle<T>>,
) -> Option<Result<T, tokio::task::JoinError>> {
    Some(commit.as_mut()?.await)
}

enum Step {
    Fetched(Result<Fetched, SourceError>),
    Committed,
    Repeated(String),
    Stopped,
}

/// Publishes a commit, and warns of each drifted field once a pass.
fn committed(
    outcome: CommitOutcome,
    publisher: &Publisher,
    drifted: &mut BTreeSet<String>,
) -> Step {
    match outcome {
        CommitOutcome::CursorRepeated { first_page } => Step::Repeated(format!(
            "the listing runs in a circle: the next cursor is one that page {first_page} led to already"
        )),
        CommitOutcome::Committed(commit) => {
            report_commit(&commit);
            for (pointer, records) in commit.drift {
                if drifted.insert(pointer.clone()) {
                    warn!(
                        field = pointer,
                        records,
                        "drift: a value is not of the documented type, its column stays NULL"
                    );
                }
            }
            publisher.update(|progress| {
                progress.pages = commit.page;
                progress.records += commit.records;
            });
            Step::Committed
        }
    }
}

fn report_commit(commit: &PageCommit) {
    debug!(
        page.number = commit.page,
        records = commit.records,
        created = commit.created,
        updated = commit.updated,
        unchanged = commit.unchanged,
        "page committed"
    );
    if commit.quarantined > 0 {
        warn!(
            page.number = commit.page,
            records = commit.quarantined,
            "records quarantined; `customer-mirror quarantine` lists them"
        );
    }
}

/// Publishes a wait; one that the server asked for is remembered, so that a restart obeys it too.
async fn hear(mirror: &SharedMirror, publisher: &Publisher, wait: Wait) -> Result<(), PassError> {
    let (until, asked_by_server) = (wait.until, wait.asked_by_server);
    publisher.update(|progress| {
        progress.retries += u64::from(wait.retry > 0);
        progress.phase = Phase::Waiting(wait);
    });
    if asked_by_server {
        mirror
            .with(move |mirror| mirror.hold_requests_until(until))
            .await?;
    }
    Ok(())
}

/// How a dry run ended.
#[derive(Debug)]
pub enum PreviewEnd {
    /// Walked to the end; this is what a pass would do.
    Complete(PreviewReport),
    /// Told to stop.
    Interrupted,
    /// The source failed.
    SourceFailed(SourceError),
    /// The listing runs in a circle.
    Endless(String),
}

/// Walks the listing from its first page and compares it with the mirror, writing nothing.
///
/// # Errors
/// If the mirror can't be read.
pub async fn preview<S: PageSource>(
    source: &mut S,
    mut preview: Preview,
    deletions: &Deletions,
    publisher: &Publisher,
    mut stop: watch::Receiver<bool>,
) -> Result<PreviewEnd, PassError> {
    if let Some(until) = preview.requests_not_before(Utc::now())? {
        source.hold_until(until);
    }
    let mut next: Option<Cursor> = None;
    loop {
        publisher.update(|progress| progress.phase = Phase::Fetching);
        let on_wait = |wait: &Wait| {
            publisher.update(|progress| progress.phase = Phase::Waiting(wait.clone()))
        };
        let fetched = tokio::select! {
            fetched = source.fetch(next.as_ref(), &on_wait) => fetched,
            () = stopped(&mut stop) => return Ok(PreviewEnd::Interrupted),
        };
        let page: Page = match fetched {
            Ok(fetched) => fetched.page,
            Err(error) => return Ok(PreviewEnd::SourceFailed(error)),
        };
        publisher.update(|progress| {
            progress.pages += 1;
            progress.records += page.len() as i64;
        });
        if let Some(first_page) = tokio::task::block_in_place(|| preview.page(&page))? {
            return Ok(PreviewEnd::Endless(format!(
                "the listing runs in a circle: the next cursor is one that page {first_page} led to already"
            )));
        }
        next = page.next;
        if next.is_none() {
            return Ok(PreviewEnd::Complete(tokio::task::block_in_place(|| {
                preview.finish(deletions)
            })?));
        }
    }
}
