//! Long work in SQLite, seen and stopped from outside: to make the first indexes on a million customers is one statement of
//! many seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;

/// SQLite runs some ten million of its instructions a second, so it looks here a few hundred times a second: often enough to be
/// stopped without a delay that anybody notices, too seldom to be measured.
pub(super) const INSTRUCTIONS_A_STEP: i32 = 100_000;

/// How the work of a [`super::Mirror`] moves on, and the means to stop it. Clones are of the same work.
#[derive(Debug, Clone, Default)]
pub struct Work(Arc<State>);

#[derive(Debug, Default)]
struct State {
    steps: AtomicU64,
    given_up: AtomicBool,
}

impl Work {
    /// Steps done since the mirror was opened: each write is one or more, a long one is very many. As long as this number grows,
    /// something goes on. It stands still while a transaction is brought to disk, while another program's is waited for, and
    /// while there is nothing to do.
    pub fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }

    /// From now on writes fail with [`super::MirrorError::Interrupted`], the one that runs among them, and nothing of them is
    /// kept. A transaction that is already being brought to disk is completed.
    pub fn give_up(&self) {
        self.0.given_up.store(true, Ordering::Relaxed);
    }

    /// Ends [`Work::give_up`].
    pub fn resume(&self) {
        self.0.given_up.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.0.given_up.load(Ordering::Relaxed)
    }

    pub(super) fn step(&self) {
        self.0.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// Lets SQLite count its steps here, and ask whether to go on.
    pub(super) fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let work = self.clone();
        let step = move || {
            work.step();
            work.is_given_up()
        };
        connection.progress_handler(INSTRUCTIONS_A_STEP, Some(step))
    }
}
