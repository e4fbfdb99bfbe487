//! What the connections and the handle share.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::cursor::Place;
use super::fault::{Asked, Fault, Faults};
use super::listing::Listing;
use super::options::Options;
use super::request_log::{Answer, Request, RequestLog};

/// The server's state, set-up and signals.
pub(super) struct Shared {
    pub(super) options: Options,
    state: Mutex<State>,
    /// Requests that have arrived.
    pub(super) arrived: watch::Sender<u64>,
    /// Requests that have been answered.
    pub(super) answered: watch::Sender<u64>,
    /// Numbers of the requests whose answer is held back.
    pub(super) held: watch::Sender<BTreeSet<u64>>,
}

/// What changes while the server runs.
pub(super) struct State {
    pub(super) listing: Arc<Listing>,
    pub(super) key: String,
    pub(super) faults: Faults,
    pub(super) log: RequestLog,
    /// Cursors of an earlier generation have expired.
    pub(super) generation: u32,
    pub(super) clock_ahead: Duration,
    pub(super) pages_served: u64,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        let state = State {
            listing: Arc::new(options.listing.clone()),
            key: options.key.clone(),
            faults: Faults::new(options.faults.clone(), options.seed),
            log: RequestLog::default(),
            generation: 0,
            clock_ahead: Duration::ZERO,
            pages_served: 0,
        };
        Self {
            options,
            state: Mutex::new(state),
            arrived: watch::Sender::new(0),
            answered: watch::Sender::new(0),
            held: watch::Sender::new(BTreeSet::new()),
        }
    }

    /// The state, locked; never hold it across an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Each change of the state is a single assignment: a panic elsewhere can't leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a request has arrived; returns its number.
    pub(super) fn arrive(&self, request: Request) -> u64 {
        let number = self.state().log.push(request);
        self.arrived
            .send_modify(|count| *count = (*count).max(number));
        number
    }

    /// Notes how a request is answered.
    pub(super) fn note_answer(&self, number: u64, answer: Answer) {
        let request = {
            let mut state = self.state();
            let Some(request) = state.log.get_mut(number) else {
                return;
            };
            request.answer = answer;
            request.clone()
        };
        if let Some(observer) = self.options.observer {
            observer(&request);
        }
        self.answered.send_modify(|count| *count += 1);
    }

    /// The faults that strike a request.
    pub(super) fn due_faults(&self, asked: &Asked) -> Vec<Fault> {
        let mut state = self.state();
        let due = state.faults.due(asked);
        if let Some(request) = state.log.get_mut(asked.number) {
            request.faults = due.iter().map(Fault::to_string).collect();
        }
        due
    }

    /// Waits until the answer of request `number` isn't held back.
    pub(super) async fn pass_hold(&self, number: u64) {
        // The sender lives in self: the wait can't fail.
        let _ = self
            .held
            .subscribe()
            .wait_for(|held| !held.contains(&number))
            .await;
    }

    /// Moves to `day`, from 1; an explicit listing has no days.
    pub(super) fn set_day(&self, new_day: u32) {
        let mut state = self.state();
        let mut listing = Listing::clone(&state.listing);
        if let Listing::Seeded { day, .. } = &mut listing {
            *day = new_day;
            state.listing = Arc::new(listing);
        }
    }

    /// Reads a cursor of this server, expired or not.
    pub(super) fn unseal(&self, cursor: &str) -> Option<Place> {
        Place::unseal(cursor, self.options.seed)
    }
}

impl State {
    /// The simulated time in milliseconds since the Unix epoch.
    pub(super) fn now_ms(&self) -> u64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            + self.clock_ahead;
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether a cursor has outlived `lifetime`, or all cursors of its time were made to expire.
    pub(super) fn has_expired(&self, place: &Place, lifetime: Option<Duration>) -> bool {
        let age_ms = u128::from(self.now_ms().saturating_sub(place.issued_at_ms));
        place.generation != self.generation
            || lifetime.is_some_and(|lifetime| age_ms > lifetime.as_millis())
    }
}
