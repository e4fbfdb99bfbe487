//! One run of the program over the simulator, perhaps cut short, and what the oracle says that it may have left.

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use customer_mirror::config::Deletions;
use customer_mirror::model::{Cursor, Timestamp};
use customer_mirror::pass::{self, End, Outcome, Rules, SharedMirror};
use customer_mirror::simulator::Simulator;
use customer_mirror::source::{
    Activity, FailureKind, Fetched, HttpSource, PageSource, SourceError,
};
use customer_mirror::status::{Phase, Publisher};
use tokio::sync::watch;

use super::oracle::{GivenPage, Oracle};

/// What the pass asked its source for, and what it got.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    pub(super) asked: Option<String>,
    /// `None` if the run ended first.
    pub(super) got: Option<Result<GivenPage, SourceError>>,
    /// It came to its end, or nobody wanted it any more.
    pub(super) is_over: bool,
}

/// A source that takes down what went through it.
pub(super) struct Recorder {
    pub(super) source: HttpSource,
    pub(super) fetches: Arc<Mutex<Vec<Fetch>>>,
}

/// Marks the last fetch as over when that is dropped.
struct Over(Arc<Mutex<Vec<Fetch>>>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.lock().unwrap().last_mut().unwrap().is_over = true;
    }
}

impl PageSource for Recorder {
    async fn fetch(
        &mut self,
        cursor: Option<&Cursor>,
        on_activity: &(dyn Fn(Activity) + Sync),
    ) -> Result<Fetched, SourceError> {
        let asked = cursor.map(|cursor| cursor.as_str().to_owned());
        self.fetches.lock().unwrap().push(Fetch {
            asked,
            got: None,
            is_over: false,
        });
        let _over = Over(Arc::clone(&self.fetches));
        let fetched = self.source.fetch(cursor, on_activity).await;
        let got = fetched.as_ref().map(|fetched| GivenPage {
            records: fetched.page.records().map(str::to_owned).collect(),
            next: fetched
                .page
                .next
                .as_ref()
                .map(|cursor| cursor.as_str().to_owned()),
            bytes: fetched.bytes,
            retries: fetched.retries,
        });
        let got = Some(got.map_err(SourceError::clone));
        self.fetches.lock().unwrap().last_mut().unwrap().got = got;
        fetched
    }

    fn hold_until(&mut self, at: Timestamp) {
        self.source.hold_until(at);
    }
}

/// What happens to a run besides what the server does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Interruption {
    None,
    /// Killed when its request of this number, from 1, has arrived.
    KillAtRequest(u64),
    /// Killed when this many pages of the pass are committed.
    KillAfterPage(i64),
    /// Killed between the end of the walk and the judgement, or in the latter.
    KillAroundFinish,
    /// The power fails while the page before this request, from 1, or the one that answers it, is being committed.
    PowerCutInCommit(usize),
    /// Killed after it has been polled this often: anywhere.
    KillAtPoll(u32),
    /// Told to stop when its request of this number has arrived.
    StopAtRequest(u64),
    /// The listing changes when its request of this number has arrived.
    MutateAtRequest(u64),
}

/// How a run ended.
pub(super) enum Ended {
    Killed,
    Returned(Box<Outcome>),
}

/// The mirror's file, and where a power cut moves it.
pub(super) struct Disk<'a> {
    pub(super) path: &'a Path,
    pub(super) copy: &'a Path,
}

impl Disk<'_> {
    /// What is on the disk is all there is. Nobody may be writing.
    pub(super) fn cut_power(&self) {
        for suffix in ["", "-wal"] {
            let name = |path: &Path| format!("{}{suffix}", path.display());
            std::fs::copy(name(self.path), name(self.copy)).unwrap();
        }
    }
}

/// Runs a pass until it returns or is killed. `mutate` is what happens at [`Interruption::MutateAtRequest`].
pub(super) async fn run(
    source: &mut Recorder,
    mirror: SharedMirror,
    rules: &Rules,
    simulator: &Simulator,
    interruption: Interruption,
    disk: Disk<'_>,
    mutate: impl FnOnce(),
) -> Ended {
    let (publisher, mut progress) = Publisher::new();
    let (stop, stopped) = watch::channel(false);
    let requests = simulator.request_count();
    let fetches = Arc::clone(&source.fetches);
    let mut run = pin!(pass::run(source, &mirror, rules, &publisher, stopped));
    let returned = |result: Result<Outcome, pass::PassError>| {
        Ended::Returned(Box::new(result.unwrap_or_else(|error| {
            panic!(
                "{error}, in a run with {interruption:?}, {:?}",
                fetches.lock().unwrap()
            )
        })))
    };
    match interruption {
        Interruption::None => returned(run.await),
        Interruption::KillAfterPage(_) | Interruption::KillAroundFinish => {
            let reached = progress.wait_for(|progress| match interruption {
                Interruption::KillAfterPage(page) => progress.pages >= page,
                _ => progress.phase == Phase::Finishing,
            });
            // The run first, then at once a look at how far it says to be.
            tokio::select! {
                biased;
                result = &mut run => returned(result),
                _ = reached => Ended::Killed,
            }
        }
        Interruption::KillAtPoll(polls) => {
            let mut left = polls;
            let cut = poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                run.as_mut().poll(context).map(Some)
            });
            cut.await.map_or(Ended::Killed, returned)
        }
        Interruption::PowerCutInCommit(number) => {
            let mut blocker = None;
            let cut = poll_fn(|context| {
                let polled = run.as_mut().poll(context).map(Some);
                let fetches = fetches.lock().unwrap();
                let Some(fetch) = fetches.get(number - 1).filter(|_| polled.is_pending()) else {
                    return polled;
                };
                // From the moment of the request on nobody else can write: what is committed next isn't.
                let blocker = blocker.get_or_insert_with(|| {
                    let blocker = rusqlite::Connection::open(disk.path).unwrap();
                    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
                    blocker
                });
                if !fetch.is_over {
                    return polled;
                }
                disk.cut_power();
                blocker.execute_batch("ROLLBACK").unwrap();
                Poll::Ready(None)
            });
            cut.await.map_or(Ended::Killed, returned)
        }
        Interruption::KillAtRequest(number)
        | Interruption::StopAtRequest(number)
        | Interruption::MutateAtRequest(number) => {
            simulator.hold_request(requests + number);
            let first = tokio::select! {
                biased;
                result = &mut run => Some(result),
                () = simulator.wait_for_requests(requests + number) => None,
            };
            let ended = match (first, interruption) {
                (Some(result), _) => returned(result),
                (None, Interruption::KillAtRequest(_)) => Ended::Killed,
                (None, Interruption::StopAtRequest(_)) => {
                    stop.send(true).unwrap();
                    returned(run.await)
                }
                (None, _) => {
                    mutate();
                    simulator.release();
                    returned(run.await)
                }
            };
            simulator.release();
            ended
        }
    }
}

/// A state that a commit leaves, and which one.
pub(super) struct State {
    pub(super) after: String,
    pub(super) oracle: Oracle,
    /// Pages committed by this run, over all its passes.
    pub(super) pages: usize,
    /// What the run returns if this is its last commit.
    pub(super) end: Option<Expected>,
}

/// How a run may return.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Expected {
    Complete { held: u64 },
    Endless,
    Failed(FailureKind),
    Interrupted,
}

impl Expected {
    pub(super) fn of(end: &End) -> Self {
        match end {
            End::Complete { held } => Self::Complete { held: *held },
            End::Endless(_) => Self::Endless,
            End::SourceFailed(error) => Self::Failed(error.kind),
            End::Interrupted => Self::Interrupted,
            End::Unproven(reason) => {
                panic!("a walk from first to last page has no proof: {reason}")
            }
        }
    }
}

/// The states that a run's commits leave, one after the other; checks that the pass asks for what it must.
pub(super) fn replay(
    before: &Oracle,
    fetches: &[Fetch],
    restart: bool,
    is_too_old: bool,
    deletions: &Deletions,
) -> Vec<State> {
    let mut replay = Replay {
        oracle: before.clone(),
        states: Vec::new(),
        pages: 0,
    };
    replay.commit("nothing", None);
    let mut pass_id = match before.running() {
        Some(pass_id) if restart || is_too_old => {
            replay.oracle.end(pass_id, "abandoned");
            replay.commit("giving the old pass up", None);
            replay.begin()
        }
        Some(pass_id) => {
            replay.oracle.resume(pass_id);
            replay.commit("resuming", None);
            pass_id
        }
        None => replay.begin(),
    };
    let mut was_rejected = false;
    if replay.is_walked(pass_id) {
        assert!(fetches.is_empty(), "a walk at its end asks for more");
        replay.finish(pass_id, deletions);
        return replay.states;
    }
    for fetch in fetches {
        let expected = replay.oracle.picture.passes[&pass_id].next_cursor.clone();
        assert_eq!(
            fetch.asked, expected,
            "each page is asked for with its predecessor's cursor"
        );
        match &fetch.got {
            None => break,
            Some(Ok(page)) => {
                if !replay.oracle.page(pass_id, fetch.asked.clone(), page) {
                    replay.oracle.end(pass_id, "failed");
                    replay.commit("a circle", Some(Expected::Endless));
                    // The fetch of the page after it was under way.
                    break;
                }
                replay.pages += 1;
                replay.commit("a page", None);
                if replay.is_walked(pass_id) {
                    replay.finish(pass_id, deletions);
                    break;
                }
            }
            Some(Err(error)) if error.kind == FailureKind::CursorRejected && !was_rejected => {
                was_rejected = true;
                replay.oracle.end(pass_id, "abandoned");
                replay.commit("a rejected cursor", None);
                pass_id = replay.begin();
            }
            Some(Err(error)) if error.kind == FailureKind::CursorRejected => {
                replay.oracle.end(pass_id, "failed");
                replay.commit(
                    "the second rejected cursor",
                    Some(Expected::Failed(error.kind)),
                );
            }
            Some(Err(error)) => {
                replay.oracle.interrupt(pass_id, error.retries);
                replay.commit("a failure", Some(Expected::Failed(error.kind)));
            }
        }
    }
    replay.states
}

struct Replay {
    oracle: Oracle,
    states: Vec<State>,
    pages: usize,
}

impl Replay {
    fn commit(&mut self, after: &str, end: Option<Expected>) {
        self.states.push(State {
            after: format!("{after} (commit {} of the run)", self.states.len()),
            oracle: self.oracle.clone(),
            pages: self.pages,
            end,
        });
    }

    fn begin(&mut self) -> i64 {
        let pass_id = self.oracle.begin();
        self.commit("beginning", None);
        pass_id
    }

    fn is_walked(&self, pass_id: i64) -> bool {
        let pass = &self.oracle.picture.passes[&pass_id];
        pass.pages > 0 && pass.next_cursor.is_none()
    }

    fn finish(&mut self, pass_id: i64, deletions: &Deletions) {
        let held = self.oracle.finish(pass_id, deletions);
        self.commit("the judgement", Some(Expected::Complete { held }));
    }
}

/// The states that a run leaves which was told to stop: any of its last ones, marked as interrupted.
pub(super) fn stopped(states: &mut Vec<State>, fetched_pages: usize) {
    let mut marked: Vec<State> = Vec::new();
    for state in states.iter() {
        if let Some(pass_id) = state.oracle.running()
            && state.end.is_none()
            // A page that came while its predecessor was being committed is dropped.
            && state.pages + 1 >= fetched_pages
            && !state.after.starts_with("nothing")
        {
            let mut oracle = state.oracle.clone();
            oracle.interrupt(pass_id, 0);
            marked.push(State {
                after: format!("the stop after {}", state.after),
                oracle,
                pages: state.pages,
                end: Some(Expected::Interrupted),
            });
        }
    }
    states.extend(marked);
}
