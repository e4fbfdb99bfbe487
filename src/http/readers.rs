//! The endpoint's connections to the mirror: two, whoever asks, each question with an end.
//!
//! Their work has a budget, a small one while a pass is under way: however many ask, the pass has the machine. (A lower priority for
//! their threads would do, too, but a sandboxed service may not set one.)
//!
//! A question is answered into memory before a byte goes out, so that a slow client holds no snapshot; and it is over after
//! [`QUESTION_TIME_MAX`], so that none keeps the -wal file from being emptied.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::budget::Budget;
use crate::mirror::{MirrorError, Reader};
use crate::status::{Phase, Progress};

/// Questions that are answered at the same time.
pub(super) const READERS: usize = 2;
/// Questions that wait for their turn; more are sent away.
const WAITING_MAX: usize = 32;
/// What no question takes that is worth its answer.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(5);
/// SQLite looks at the time once in so many steps of its machine: some tenths of a millisecond.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;
/// A connection is given up after a while: with it go its cache, and what it knows of a schema that may have been upgraded.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(60);

/// Why a question has no answer.
#[derive(Debug)]
pub(super) enum ReadError {
    /// Too many ask.
    Busy,
    /// It took too long.
    Late,
    /// The mirror can't be read.
    Mirror(MirrorError),
    /// A bug: the question ended its thread.
    Died,
}

/// The connections.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Open>>>,
    admitted: Arc<Semaphore>,
    next: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    budget: Arc<Mutex<Budget>>,
    /// What the daemon does; `None` where others make the passes.
    progress: Option<watch::Receiver<Progress>>,
}

/// An open connection, and to which file.
#[derive(Debug)]
struct Open {
    reader: Reader,
    file: (u64, u64),
    opened_at: Instant,
}

impl Readers {
    pub(super) fn new(path: &Path, progress: Option<watch::Receiver<Progress>>) -> Self {
        Self {
            path: path.to_owned(),
            progress,
            idle: Arc::default(),
            admitted: Arc::new(Semaphore::new(READERS + WAITING_MAX)),
            next: Arc::new(Semaphore::new(1)),
            turns: Arc::new(Semaphore::new(READERS)),
            budget: Arc::new(Mutex::new(Budget::new(Instant::now()))),
        }
    }

    /// Asks the mirror something that may take a while, within the budget.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let admitted = self.admit()?;
        // One after another, so that what one takes is known when the next one is let in.
        let next = self.next.acquire().await.map_err(|_| ReadError::Died)?;
        self.wait_for_budget().await;
        let turn = self.turn().await?;
        drop(next);
        self.answer(question, (Some(admitted), turn)).await
    }

    /// Asks the mirror what is answered in no time, whoever else asks for what.
    pub(super) async fn ask_at_once<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, MirrorError> + Send + 'static,
    ) -> Result<T, ReadError> {
        // Connections are bounded, and so are these.
        let turn = self.turn().await?;
        self.answer(question, (None, turn)).await
    }

    fn admit(&self) -> Result<OwnedSemaphorePermit, ReadError> {
        let admitted = Arc::clone(&self.admitted);
        admitted.try_acquire_owned().map_err(|_| ReadError::Busy)
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, ReadError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        turn.map_err(|_| ReadError::Died)
    }

    /// Has a question answered on a thread where that may take a while.
    async fn answer<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, MirrorError> + Send + 'static,
        places: (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit),
    ) -> Result<T, ReadError> {
        let readers = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            // Kept until the work is done, also if nobody waits for it any more.
            let _places = places;
            let begun = Instant::now();
            let answer = readers.read(question);
            readers.budget().pay(begun.elapsed());
            answer
        });
        answer.await.map_err(|_| ReadError::Died)?
    }

    /// Bounded by the time that a request may take, and so is what is owed.
    async fn wait_for_budget(&self) {
        loop {
            let wait = self.budget().wait(self.is_in_pass(), Instant::now());
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_in_pass(&self) -> bool {
        let is_idle = |phase: &Phase| matches!(phase, Phase::Idle(_));
        self.progress
            .as_ref()
            .is_some_and(|progress| !is_idle(&progress.borrow().phase))
    }

    fn read<T>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, MirrorError>,
    ) -> Result<T, ReadError> {
        let mut open = self.open().map_err(ReadError::Mirror)?;
        let deadline = Instant::now() + QUESTION_TIME_MAX;
        let is_late = move || Instant::now() > deadline;
        let connection = open.reader.connection_mut();
        let set = connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(is_late));
        set.map_err(|error| ReadError::Mirror(open.reader.sorted(error)))?;
        match question(&open.reader) {
            Ok(answer) => {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.push(open);
                Ok(answer)
            }
            Err(MirrorError::Interrupted { .. }) => Err(ReadError::Late),
            Err(error) => Err(ReadError::Mirror(error)),
        }
    }

    /// A connection to the file that is there now.
    fn open(&self) -> Result<Open, MirrorError> {
        let file = identity(&self.path);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|open| {
            Some(open.file) == file && open.opened_at.elapsed() <= CONNECTION_AGE_MAX
        });
        if let Some(open) = idle.pop() {
            return Ok(open);
        }
        drop(idle);
        Ok(Open {
            reader: Reader::open(&self.path)?,
            file: file.unwrap_or_default(),
            opened_at: Instant::now(),
        })
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ADA, Fixture};

    async fn live(readers: &Readers) -> i64 {
        let status = readers.ask(Reader::status).await.unwrap();
        status.mirror.live
    }

    #[tokio::test]
    async fn a_mirror_that_takes_the_place_of_another_is_seen() {
        let (first, second) = (Fixture::filled(), Fixture::empty());
        let readers = Readers::new(&first.path, None);
        assert_eq!(live(&readers).await, 3);
        let (from, to) = (second.path.clone(), first.path.clone());
        drop((first.mirror, second.mirror));
        for suffix in ["", "-wal", "-shm"] {
            let name = |path: &Path| format!("{}{suffix}", path.display());
            std::fs::rename(name(&from), name(&to)).unwrap();
        }
        assert_eq!(live(&readers).await, 0);
    }

    #[tokio::test]
    async fn a_pass_is_seen_when_it_is_committed() {
        let mut fixture = Fixture::empty();
        let readers = Readers::new(&fixture.path, None);
        assert_eq!(live(&readers).await, 0);
        fixture.pass(0, &[&[ADA]]);
        assert_eq!(live(&readers).await, 1);
    }

    #[tokio::test]
    async fn more_than_may_wait_are_sent_away_and_nobody_is_forgotten() {
        let fixture = Fixture::filled();
        let readers = Readers::new(&fixture.path, None);
        let (gate, opened) = std::sync::mpsc::channel::<()>();
        let opened = Arc::new(Mutex::new(opened));
        let mut asked = Vec::new();
        for _ in 0..READERS + WAITING_MAX {
            let (readers, opened) = (readers.clone(), Arc::clone(&opened));
            let question = move |reader: &Reader| {
                opened.lock().unwrap().recv().unwrap();
                reader.status()
            };
            let mut question = Box::pin(async move { readers.ask(question).await });
            // One poll: it is admitted.
            assert!(futures_util::poll!(&mut question).is_pending());
            asked.push(question);
        }
        assert!(matches!(
            readers.ask(Reader::status).await,
            Err(ReadError::Busy)
        ));
        for _ in &asked {
            gate.send(()).unwrap();
        }
        for question in asked {
            question.await.unwrap();
        }
        assert_eq!(live(&readers).await, 3);
    }

    #[tokio::test]
    async fn however_many_wait_the_status_is_told_at_once() {
        let fixture = Fixture::filled();
        let readers = Readers::new(&fixture.path, None);
        readers.budget().pay(Duration::from_secs(100_000));
        let mut crowd = Vec::new();
        for _ in 0..READERS + WAITING_MAX {
            let mut question = Box::pin(readers.ask(Reader::status));
            assert!(futures_util::poll!(&mut question).is_pending());
            crowd.push(question);
        }
        // None of them is being answered.
        assert_eq!(readers.turns.available_permits(), READERS);
        assert!(matches!(
            readers.ask(Reader::status).await,
            Err(ReadError::Busy)
        ));
        let status = readers.ask_at_once(Reader::status).await.unwrap();
        assert_eq!(status.mirror.live, 3);
    }

    #[tokio::test]
    async fn what_is_missing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let readers = Readers::new(&folder.path().join("none.db"), None);
        let error = readers.ask(Reader::status).await.unwrap_err();
        assert!(matches!(
            error,
            ReadError::Mirror(MirrorError::Missing { .. })
        ));
    }
}
