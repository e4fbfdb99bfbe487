//! What the program is doing now, on one watch channel: read by the progress bar, the log, systemd's notification and whoever
//! else wants to look.
//!
//! It carries the *beat* too, which feeds systemd's watchdog: whoever drives the work beats when a step ends, and during a
//! long step as long as that is within its own bound. There is no timer that beats by itself, so that what hangs is noticed.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::meters::Meters;
use crate::model::{Holdings, Timestamp, Wait};

/// What is being done.
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
    /// The pass has ended.
    Ended,
    /// The daemon waits for the next pass.
    Idle(Idle),
}

/// What an idle daemon waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// When the next pass begins; `None` if the schedule has no due time left.
    pub next_at: Option<Timestamp>,
    /// Why the last pass did not end well.
    pub trouble: Option<String>,
}

/// A pass under way, or the wait for one.
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
    /// The mirror as the last complete pass left it; the daemon fills it in.
    pub holdings: Holdings,
    /// What the last pass found to be wrong with the mirror's file, until one is complete.
    pub damage: Option<String>,
    /// Counts up as long as the work moves on.
    pub beats: u64,
    /// When it last did.
    pub beat_at: Option<Instant>,
}

/// Where a pass publishes its progress. Publishing never waits, whoever looks.
#[derive(Debug, Clone)]
pub struct Publisher {
    sender: watch::Sender<Progress>,
    beat_interval: Option<Duration>,
    meters: Meters,
}

impl Publisher {
    /// A publisher, and one that looks.
    pub fn new() -> (Self, watch::Receiver<Progress>) {
        Self::with_beat(None)
    }

    /// The same; during long steps it beats once in an interval.
    pub fn with_beat(beat_interval: Option<Duration>) -> (Self, watch::Receiver<Progress>) {
        let (sender, receiver) = watch::channel(Progress::default());
        let publisher = Self {
            sender,
            beat_interval,
            meters: Meters::default(),
        };
        (publisher, receiver)
    }

    /// What was done so far, counted: by every clone of this publisher, for as long as there is one.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.sender.send_modify(change);
    }

    /// Says that the work moves on.
    pub(crate) fn beat(&self) {
        if self.beat_interval.is_some() {
            self.update(|progress| {
                progress.beats += 1;
                progress.beat_at = Some(Instant::now());
            });
        }
    }

    /// Returns when the next beat is due; never if nobody wants any.
    pub(crate) async fn next_beat(&self) {
        match self.beat_interval {
            Some(interval) => tokio::time::sleep(interval).await,
            None => std::future::pending().await,
        }
    }

    /// Does a step, beating while it lasts and `is_moving` says that it is not stuck.
    pub(crate) async fn during<T>(
        &self,
        work: impl Future<Output = T>,
        mut is_moving: impl FnMut() -> bool,
    ) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => {
                    self.beat();
                    return result;
                }
                () = self.next_beat() => if is_moving() {
                    self.beat();
                },
            }
        }
    }
}
