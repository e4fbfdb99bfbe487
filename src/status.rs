//! What a pass is doing now, on one watch channel: read by the progress bar, the log and whoever else wants to look.

use tokio::sync::watch;

use crate::model::Wait;

/// What a pass is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing yet.
    #[default]
    Starting,
    /// Asking for a page.
    Fetching,
    /// Waiting before it asks again.
    Waiting(Wait),
    /// Judging absences.
    Finishing,
    /// Nothing any more.
    Ended,
}

/// A pass under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The pass; 0 for a dry run.
    pub pass_id: i64,
    /// True if it was begun by an earlier process.
    pub resumed: bool,
    /// Pages committed.
    pub pages: i64,
    /// Records on them.
    pub records: i64,
    /// Records of the last complete pass: about as many are to be expected.
    pub expected_records: Option<i64>,
    /// Requests repeated in this run.
    pub retries: u64,
    /// What it is doing.
    pub phase: Phase,
}

/// Where a pass publishes its progress. Publishing never waits, whoever looks.
#[derive(Debug, Clone)]
pub struct Publisher(watch::Sender<Progress>);

impl Publisher {
    /// A publisher, and one that looks.
    pub fn new() -> (Self, watch::Receiver<Progress>) {
        let (sender, receiver) = watch::channel(Progress::default());
        (Self(sender), receiver)
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.0.send_modify(change);
    }
}
