//! The due times of the time that was lived.

use std::time::Duration;

use customer_mirror::model::Timestamp;
use customer_mirror::schedule::Schedule;

/// A moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Duration,
    pub(super) wall: Timestamp,
}

/// Since when something is due.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) served: Timestamp,
    pub(super) due_since: Option<Duration>,
}

impl Track {
    pub(super) fn new(served: Timestamp) -> Self {
        Self {
            served,
            due_since: None,
        }
    }

    /// Time passes, or the wall clock jumps.
    pub(super) fn live(&mut self, when: &Schedule, from: Moment, to: Moment) {
        if self.due_since.is_some() || to.wall <= from.wall {
            return;
        }
        let from_wall = from.wall.max(self.served);
        let due = when.next_after(from_wall).filter(|due| *due <= to.wall);
        self.due_since = due.map(|due| {
            let after = (due - from.wall).to_std().unwrap();
            to.at.min(from.at + after)
        });
    }
}
