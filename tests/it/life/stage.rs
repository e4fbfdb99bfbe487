//! Time, the log of all that happens in it, and the server: what the program and the story share.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::TimeDelta;
use customer_mirror::clock::Clock;
use customer_mirror::config::Timing;
use customer_mirror::model::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::server::{Fault, Server};

/// How a pass ended, as far as its source knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The last page was handed over.
    Complete,
    /// Nobody wanted the next page any more.
    Cut,
    /// The source gave up.
    Unavailable,
    /// The key was refused.
    Refused,
    /// The server sent a cursor for the second time.
    Circle,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// The program started with this in its mirror.
    Boot {
        as_of: Option<Timestamp>,
        is_interrupted: bool,
        has_attempts: bool,
    },
    /// It ended, or was killed.
    Down,
    Begin {
        is_probe: bool,
        key: String,
    },
    Request,
    /// A page was handed over.
    Page,
    /// The source learnt until when the server wants to be left alone.
    Held(Timestamp),
    End(Ending),
    /// The wall clock jumped to this: it was set, or the machine slept.
    Jump(Timestamp),
    Asked,
    /// The configuration is to be read again; it has this in it.
    Reload(Box<Timing>),
    /// Another key is in the file.
    KeyFile(String),
}

/// When something happened.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// By the clock of the timers, since the beginning.
    pub(super) at: Duration,
    /// By the clock on the wall, which may have been set.
    pub(super) wall: Timestamp,
    pub(super) what: What,
}

struct State {
    /// What the clock on the wall is ahead, because it was set.
    ahead: TimeDelta,
    /// What the timers have missed, because the machine slept.
    slept: TimeDelta,
    log: Vec<Entry>,
    server: Server,
}

/// All of it.
pub(super) struct Stage {
    began: Instant,
    base: Timestamp,
    state: Mutex<State>,
    /// Counts the requests.
    requests: watch::Sender<u64>,
    /// Passes under way.
    passes: AtomicI64,
}

impl Stage {
    /// To be made inside of a paused runtime.
    pub(super) fn new(base: Timestamp, server: Server) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            base,
            state: Mutex::new(State {
                ahead: TimeDelta::zero(),
                slept: TimeDelta::zero(),
                log: Vec::new(),
                server,
            }),
            requests: watch::Sender::new(0),
            passes: AtomicI64::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What the timers have counted since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// What time it is on the server, whose clock nobody sets.
    pub(super) fn truth(&self) -> Timestamp {
        self.base + self.elapsed() + self.state().slept
    }

    /// What time it is on this machine's wall.
    pub(super) fn wall(&self) -> Timestamp {
        self.truth() + self.state().ahead
    }

    pub(super) fn clock(self: &Arc<Self>) -> Clock {
        let stage = Arc::clone(self);
        Clock::new(move || stage.wall())
    }

    /// Somebody sets the clock.
    pub(super) fn set_clock(&self, by: TimeDelta) {
        self.jump(|state| state.ahead += by, by);
    }

    /// The machine sleeps.
    pub(super) fn suspend(&self, time: TimeDelta) {
        self.jump(|state| state.slept += time, time);
    }

    fn jump(&self, change: impl FnOnce(&mut State), by: TimeDelta) {
        let to = self.wall() + by;
        self.note(What::Jump(to));
        change(&mut self.state());
    }

    pub(super) fn note(&self, what: What) {
        let (at, wall) = (self.elapsed(), self.wall());
        self.state().log.push(Entry { at, wall, what });
    }

    pub(super) fn log(&self) -> Vec<Entry> {
        self.state().log.clone()
    }

    pub(super) fn server<T>(&self, change: impl FnOnce(&mut Server) -> T) -> T {
        change(&mut self.state().server)
    }

    /// True but while [`Fault::NoCertificates`] lasts.
    pub(super) fn has_certificates(&self) -> bool {
        let now = self.wall();
        self.server(|server| {
            !server.faults.iter().any(|(from, until, fault)| {
                matches!(fault, Fault::NoCertificates) && (*from..*until).contains(&now)
            })
        })
    }

    pub(super) fn begin(&self, is_probe: bool, key: &str) {
        let key = key.to_owned();
        self.note(What::Begin { is_probe, key });
        assert_eq!(self.passes.fetch_add(1, Ordering::SeqCst), 0, "two passes");
    }

    pub(super) fn end(&self, ending: Ending) {
        self.note(What::End(ending));
        self.passes.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn request(&self) {
        self.note(What::Request);
        self.requests.send_modify(|count| *count += 1);
    }

    pub(super) fn request_count(&self) -> u64 {
        *self.requests.borrow()
    }

    /// Returns when so many requests have been made since the beginning.
    pub(super) async fn wait_for_requests(&self, count: u64) {
        let mut requests = self.requests.subscribe();
        requests.wait_for(|made| *made >= count).await.unwrap();
    }
}
