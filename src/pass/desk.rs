//! What a pass works with besides its source: the mirror, the clock, and whoever looks on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::PassError;
use super::walk::stopped;
use crate::clock::Clock;
use crate::mirror::{Mirror, MirrorError, Work};
use crate::model::Timestamp;
use crate::source::Activity;
use crate::status::Publisher;

/// Work on the mirror that shows no progress for so long is stuck: a dead disk. Far over what a busy one needs for a commit, and
/// over the wait for somebody else's write transaction.
const STALL_MAX: Duration = Duration::from_secs(120);

/// Whoever is told to stop while it judges absences has so long to get to the end of it; that is plenty but for the first
/// indexes of a large mirror.
const GRACE: Duration = Duration::from_secs(2);

/// A mirror that a pass may write from another thread while it fetches.
#[derive(Debug, Clone)]
pub struct SharedMirror {
    mirror: Arc<Mutex<Mirror>>,
    work: Work,
}

impl SharedMirror {
    /// Shares a mirror.
    pub fn new(mirror: Mirror) -> Self {
        Self {
            work: mirror.work(),
            mirror: Arc::new(Mutex::new(mirror)),
        }
    }

    pub(super) fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Mirror) -> Result<T, MirrorError> + Send + 'static,
    ) -> JoinHandle<Result<T, MirrorError>> {
        let mirror = Arc::clone(&self.mirror);
        tokio::task::spawn_blocking(move || {
            work(&mut mirror.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// Does something with the mirror, on a thread where it may block.
    ///
    /// # Errors
    /// If `work` fails.
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Mirror) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, PassError> {
        joined(self.start(work).await)
    }

    /// The same, beating as long as it moves on.
    ///
    /// # Errors
    /// If `work` fails.
    pub async fn with_beat<T: Send + 'static>(
        &self,
        publisher: &Publisher,
        work: impl FnOnce(&mut Mirror) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, PassError> {
        let mut vigil = self.vigil();
        publisher
            .during(self.with(work), || vigil.is_moving())
            .await
    }

    pub(super) fn vigil(&self) -> Vigil {
        Vigil {
            work: self.work.clone(),
            steps: self.work.steps(),
            moved_at: Instant::now(),
        }
    }
}

pub(super) fn joined<T>(
    result: Result<Result<T, MirrorError>, tokio::task::JoinError>,
) -> Result<T, PassError> {
    Ok(result.map_err(|error| PassError::Died(error.to_string()))??)
}

/// A request or a wait that takes so much longer than it says is stuck.
const SLACK: Duration = Duration::from_secs(10);

/// Until when what a source does must be over.
#[derive(Debug)]
pub(super) struct Bound(Mutex<Instant>);

impl Default for Bound {
    fn default() -> Self {
        Self(Mutex::new(Instant::now() + SLACK))
    }
}

impl Bound {
    pub(super) fn begin(&self, activity: &Activity) {
        let (Activity::Request { bound, .. } | Activity::Wait { delay: bound, .. }) = activity
        else {
            // What has ended is followed by the next step at once, or by none.
            return;
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + *bound + SLACK;
    }

    pub(super) fn holds(&self) -> bool {
        Instant::now() <= *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether work on the mirror moves on: SQLite counts its steps, so that hours of work are well and a minute of none is not.
#[derive(Debug)]
pub(super) struct Vigil {
    work: Work,
    steps: u64,
    moved_at: Instant,
}

impl Vigil {
    pub(super) fn is_moving(&mut self) -> bool {
        let steps = self.work.steps();
        if steps != self.steps {
            self.steps = steps;
            self.moved_at = Instant::now();
        }
        self.moved_at.elapsed() <= STALL_MAX
    }
}

pub(super) struct Desk<'a> {
    pub(super) mirror: &'a SharedMirror,
    pub(super) publisher: &'a Publisher,
    clock: &'a Clock,
}

impl<'a> Desk<'a> {
    pub(super) fn new(
        mirror: &'a SharedMirror,
        publisher: &'a Publisher,
        clock: &'a Clock,
    ) -> Self {
        Self {
            mirror,
            publisher,
            clock,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Does something with the mirror, beating as long as it moves on.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Mirror) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, PassError> {
        self.mirror.with_beat(self.publisher, work).await
    }

    /// The same with work that may be long and loses nothing by being done later: `None` if there was no time left for it.
    pub(super) async fn with_unless_stopped<T: Send + 'static>(
        &self,
        mut stop: watch::Receiver<bool>,
        work: impl FnOnce(&mut Mirror) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<Option<T>, PassError> {
        let mut done = std::pin::pin!(self.with(work));
        let given_up = async {
            stopped(&mut stop).await;
            tokio::time::sleep(GRACE).await;
        };
        let result = tokio::select! {
            result = &mut done => result,
            () = given_up => {
                self.mirror.work.give_up();
                let result = done.await;
                self.mirror.work.resume();
                result
            }
        };
        match result {
            Err(PassError::Mirror(MirrorError::Interrupted { .. })) => Ok(None),
            other => other.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(folder: &tempfile::TempDir) -> SharedMirror {
        let path = folder.path().join("m.db");
        SharedMirror::new(Mirror::open_or_create(&path, "x", "a test").unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn work_on_the_mirror_is_stuck_when_it_has_not_moved_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let (mirror, (publisher, _progress)) = (shared(&folder), Publisher::new());
        let clock = Clock::system();
        let desk = Desk::new(&mirror, &publisher, &clock);
        let mut vigil = desk.mirror.vigil();
        tokio::time::advance(STALL_MAX).await;
        assert!(vigil.is_moving());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!vigil.is_moving());
        // Any write is a sign of life, even if it finds nothing to do.
        let release = |mirror: &mut Mirror| {
            mirror.hold_requests_until(Timestamp::MIN_UTC, Timestamp::MIN_UTC)
        };
        mirror.with(release).await.unwrap();
        assert!(vigil.is_moving());
        tokio::time::advance(STALL_MAX).await;
        assert!(vigil.is_moving());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_to_stop_does_not_wait_for_long_work() {
        let folder = tempfile::tempdir().unwrap();
        let (mirror, (publisher, _progress)) = (shared(&folder), Publisher::new());
        let clock = Clock::system();
        let desk = Desk::new(&mirror, &publisher, &clock);
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (stop, stopped) = watch::channel(false);
        let work = desk.with_unless_stopped(stopped, move |mirror| {
            begun.send(()).unwrap();
            loop {
                mirror.hold_requests_until(Timestamp::MIN_UTC, Timestamp::MIN_UTC)?;
            }
        });
        let told = async {
            has_begun.await.unwrap();
            stop.send_replace(true);
            // Time stands still while a thread works; it is this test that lets it pass.
            loop {
                tokio::time::advance(GRACE).await;
            }
        };
        tokio::select! {
            done = work => assert!(done.map(|never: Option<()>| never.is_none()).unwrap()),
            () = told => unreachable!(),
        }
        // The mirror is as good as before.
        assert_eq!(
            mirror.with(|mirror| mirror.holdings()).await.unwrap().live,
            0
        );
        mirror.with(Mirror::release_memory).await.unwrap();
    }
}
