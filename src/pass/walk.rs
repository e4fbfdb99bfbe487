//! The page loop: fetch page n+1 while committing page n, until the listing ends or something else does.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::PassError;
use super::desk::{Bound, Desk, joined};
use crate::mirror::{Checkpoint, CommitOutcome, Cost, Mirror, MirrorError, PageCommit, Standing};
use crate::model::Cursor;
use crate::plan::Course;
use crate::source::{Activity, Fetched, PageSource, SourceError};
use crate::status::{Phase, Publisher};

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
    pub(super) desk: &'a Desk<'a>,
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
        let lifetime = self.desk.with(|mirror| mirror.cursor_lifetime()).await?;
        let expected_records = self.desk.with(|mirror| mirror.expected_records()).await?;
        self.desk.publisher.update(|progress| {
            let (pages, records, resumed) =
                (checkpoint.pages, checkpoint.records, checkpoint.resumed);
            progress.pass_id = pass_id;
            progress.resumed = resumed;
            progress.pages = pages;
            progress.records = records;
            progress.expected_records = expected_records;
            progress.retries = 0;
            progress.phase = Phase::Starting;
        });
        // A resumed cursor's age is known from its page's commit; in mid-walk it is counted from its arrival.
        let mut age_before = checkpoint.cursor_age;
        let mut arrived_at = Instant::now();
        let mut arrived: Option<Arrived> = None;
        let mut course = Course::after(checkpoint.pages, checkpoint.records);
        loop {
            if let Some(last) = arrived.take_if(|arrived| arrived.fetched.page.next.is_none()) {
                let outcome = joined(self.start_commit(pass_id, last).await)?;
                let repeated = committed(outcome, self.desk.publisher, &mut self.drifted);
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
                self.desk.with(Mirror::unlearn_cursor_lifetime).await?;
            }
            age_before = None;
            arrived_at = Instant::now();
            if let Some(reason) = self.endless(&mut course, &fetched).await? {
                return Ok(Walk::Endless(reason));
            }
            let following = fetched.page.next.clone();
            arrived = Some(Arrived {
                asked: next,
                fetched,
            });
            next = following;
        }
    }

    /// Why there is no end to the walk, if it seems so now that another page has come.
    async fn endless(
        &self,
        course: &mut Course,
        fetched: &Fetched,
    ) -> Result<Option<String>, PassError> {
        let reason = course.go_on(fetched.page.len());
        if fetched.page.next.is_none() {
            return Ok(None);
        }
        if reason.is_some() || !course.is_to_look() {
            return Ok(reason);
        }
        let known = self.desk.with(|mirror| mirror.known_records()).await?;
        Ok(course.repeats(known))
    }

    /// Commits a page while fetching the one at `cursor`, the first one for `None`.
    async fn step(
        &mut self,
        pass_id: i64,
        arrived: Option<Arrived>,
        cursor: Option<&Cursor>,
    ) -> Result<Step, PassError> {
        let mut commit = arrived.map(|arrived| self.start_commit(pass_id, arrived));
        let mut vigil = self.desk.mirror.vigil();
        let (activities, mut heard) = mpsc::unbounded_channel();
        let meters = self.desk.publisher.meters();
        let on_activity = |activity| {
            meters.hear(&activity);
            // The receiver lives as long as the fetch.
            let _ = activities.send(activity);
        };
        self.desk
            .publisher
            .update(|progress| progress.phase = Phase::Fetching);
        let mut fetch = std::pin::pin!(self.source.fetch(cursor, &on_activity));
        let mut fetched = None;
        let bound = Bound::default();
        while commit.is_some() || fetched.is_none() {
            // Whatever ends a step below is a sign of life, unless the other half of the work is stuck.
            if (commit.is_none() || vigil.is_moving()) && (fetched.is_some() || bound.holds()) {
                self.desk.publisher.beat();
            }
            tokio::select! {
                Some(result) = finished(&mut commit) => {
                    commit = None;
                    if let Some(reason) = committed(joined(result)?, self.desk.publisher, &mut self.drifted) {
                        return Ok(Step::Repeated(reason));
                    }
                }
                result = &mut fetch, if fetched.is_none() => fetched = Some(result),
                Some(activity) = heard.recv() => {
                    bound.begin(&activity);
                    hear(self.desk, activity).await?;
                }
                () = self.desk.publisher.next_beat() => {}
                () = stopped(&mut self.stop) => {
                    if let Some(commit) = commit {
                        committed(joined(commit.await)?, self.desk.publisher, &mut self.drifted);
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
        let now = self.desk.now();
        let meters = self.desk.publisher.meters().clone();
        let stop = self.stop.clone();
        self.desk.mirror.start(move |mirror| {
            let began = std::time::Instant::now();
            let cost = Cost { bytes, retries };
            let outcome = mirror.commit_page(pass_id, asked.as_ref(), &page, cost, now)?;
            if let CommitOutcome::Committed(commit) = &outcome {
                meters.committed(commit, bytes, began.elapsed());
            }
            mirror.bound_log(|| *stop.borrow())?;
            Ok(outcome)
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
        page = commit.page,
        records = commit.records,
        created = commit.created,
        updated = commit.updated,
        unchanged = commit.unchanged,
        "page committed"
    );
    if commit.quarantined > 0 {
        warn!(
            page = commit.page,
            records = commit.quarantined,
            "records quarantined; `customer-mirror quarantine` lists them"
        );
    }
}

/// Publishes what the source does; a wait that the server asked for is remembered, so that a restart obeys it too.
async fn hear(desk: &Desk<'_>, activity: Activity) -> Result<(), PassError> {
    let wait = match activity {
        Activity::Wait { wait, .. } => wait,
        Activity::Request { .. } => {
            desk.publisher
                .update(|progress| progress.phase = Phase::Fetching);
            return Ok(());
        }
        Activity::Answered { .. } | Activity::Waited { .. } => return Ok(()),
    };
    let (until, asked_by_server) = (wait.until, wait.asked_by_server);
    desk.publisher.update(|progress| {
        progress.retries += u64::from(wait.retry > 0);
        progress.phase = Phase::Waiting(wait);
    });
    if asked_by_server {
        let now = desk.now();
        desk.with(move |mirror| mirror.hold_requests_until(until, now))
            .await?;
    }
    Ok(())
}
