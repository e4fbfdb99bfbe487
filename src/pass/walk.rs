//! The page loop: fetch page n+1 while committing page n, until the listing ends or something else does.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::{PassError, SharedMirror, joined};
use crate::mirror::{Checkpoint, CommitOutcome, Cost, Mirror, MirrorError, PageCommit, Standing};
use crate::model::{Cursor, Wait};
use crate::source::{Fetched, PageSource, SourceError};
use crate::status::{Phase, Progress, Publisher};

/// A walk of more pages is a server that invents them: at one customer a page it is still 100 million customers.
const PAGES_MAX: i64 = 100_000_000;

/// In mid-walk a cursor is a page's commit old. Rejected younger than this, it was not for its age.
const AGE_WORTH_LEARNING: Duration = Duration::from_secs(1);

/// How a walk ended.
pub(super) enum Walk {
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

pub(super) struct Walker<'a, S> {
    pub(super) source: &'a mut S,
    pub(super) mirror: &'a SharedMirror,
    pub(super) publisher: &'a Publisher,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) drifted: BTreeSet<String>,
}

impl<S: PageSource> Walker<'_, S> {
    pub(super) async fn walk(&mut self, checkpoint: Checkpoint) -> Result<Walk, PassError> {
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
            if let Some(last) = arrived.take_if(|arrived| arrived.fetched.page.next.is_none()) {
                let outcome = joined(self.start_commit(pass_id, last).await)?;
                let repeated = committed(outcome, self.publisher, &mut self.drifted);
                return Ok(repeated.map_or(Walk::Ended, Walk::Endless));
            }
            let step = self.step(pass_id, arrived.take(), next.as_ref()).await?;
            let fetched = match step {
                Step::Repeated(reason) => return Ok(Walk::Endless(reason)),
                Step::Stopped => return Ok(Walk::Stopped),
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

    /// Commits a page while fetching the one at `cursor`, the first one for `None`.
    async fn step(
        &mut self,
        pass_id: i64,
        arrived: Option<Arrived>,
        cursor: Option<&Cursor>,
    ) -> Result<Step, PassError> {
        let mut commit = arrived.map(|arrived| self.start_commit(pass_id, arrived));
        let (waits, mut heard) = mpsc::unbounded_channel();
        let on_wait = |wait: &Wait| {
            // The receiver lives as long as the fetch.
            let _ = waits.send(wait.clone());
        };
        self.publisher
            .update(|progress| progress.phase = Phase::Fetching);
        let mut fetch = std::pin::pin!(self.source.fetch(cursor, &on_wait));
        let mut fetched = None;
        while commit.is_some() || fetched.is_none() {
            tokio::select! {
                Some(result) = finished(&mut commit) => {
                    commit = None;
                    if let Some(reason) = committed(joined(result)?, self.publisher, &mut self.drifted) {
                        return Ok(Step::Repeated(reason));
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
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
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

/// How a step ended.
enum Step {
    Fetched(Result<Fetched, SourceError>),
    Repeated(String),
    Stopped,
}

/// Publishes a commit, and warns of each drifted field once a pass. Gives the reason if the page was refused: its next cursor
/// has been followed before.
fn committed(
    outcome: CommitOutcome,
    publisher: &Publisher,
    drifted: &mut BTreeSet<String>,
) -> Option<String> {
    match outcome {
        CommitOutcome::CursorRepeated { first_page } => Some(format!(
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
            None
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
            .with(move |mirror| mirror.hold_requests_until(until, Utc::now()))
            .await?;
    }
    Ok(())
}
