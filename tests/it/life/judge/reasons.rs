//! Why a pass may begin, and when one must.

use std::time::Duration;

use super::super::stage::Ending;
use super::track::Track;
use super::{Judge, Pass, Trouble, Verdict, hold};

/// How often the program looks at the clock at least, and what it may be late.
pub(super) const LOOK: Duration = Duration::from_secs(30);
pub(super) const SLACK: Duration = Duration::from_secs(5);
/// The longest backoff after a failed pass, and the first.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(300);
pub(super) const BACKOFF_MIN: Duration = Duration::from_secs(30);

impl Judge {
    /// When a pass must have begun at the latest.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let idle = self.idle_since;
        let at_once = [self.asked, self.changed].into_iter().flatten().min();
        let at_once = at_once.map(|since| since.max(idle) + SLACK);
        if self.held.is_some() {
            return at_once;
        }
        let jitter = self.rule.jitter;
        let due = |since: Duration| self.must.due_since.map(|due| due.max(since) + jitter);
        let by_itself = match (&self.trouble, &self.start) {
            (Some(trouble), _) if trouble.ending == Ending::Unavailable => Some(idle + BACKOFF_MAX),
            (Some(_), _) => due(idle + BACKOFF_MAX),
            (None, Some(start)) if start.must && !start.has_attempts => Some(idle),
            (None, Some(start)) if start.must => Some(idle + BACKOFF_MAX),
            _ => due(idle),
        };
        let by_itself = by_itself.map(|at| at.max(self.free_since) + LOOK + SLACK);
        [at_once, by_itself].into_iter().flatten().min()
    }

    pub(super) fn begin(&mut self, is_probe: bool, key: &str) -> Verdict {
        let was_unavailable = self
            .trouble
            .as_ref()
            .is_some_and(|trouble| trouble.ending == Ending::Unavailable);
        let is_told = self.asked.is_some() || self.changed.is_some();
        let is_due = self.may.due_since.is_some() && !was_unavailable;
        let is_again = self.trouble.as_ref().is_none_or(|it| self.has_waited(it));
        hold(self.is_up && self.pass.is_none(), || "two passes".into())?;
        let has_reason = is_told || is_again && (is_due || self.start.is_some() || was_unavailable);
        hold(has_reason, || "a pass begins without a reason".into())?;
        hold(is_told || self.was_set_back || self.held.is_none(), || {
            "a pass begins for which nothing may be asked".into()
        })?;
        hold(
            is_probe || !was_unavailable || self.changed.is_some(),
            || "it should only have asked whether the server answers".into(),
        )?;
        // With the old key it was not yet begun for the new one.
        if self.changed.take().is_none() || *key != self.key {
            self.asked = None;
        }
        (self.start, self.trouble) = (None, None);
        let served = self.now.wall;
        (self.must, self.may) = (Track::new(served), Track::new(served));
        self.tally.passes += 1;
        self.pass = Some(Pass {
            is_probe,
            key: key.to_owned(),
            requests: 0,
            pages: 0,
            reload: None,
        });
        Ok(())
    }

    fn has_waited(&self, trouble: &Trouble) -> bool {
        let doublings = trouble.failures.saturating_sub(1).min(10);
        let backoff = (BACKOFF_MIN * 2u32.pow(doublings)).min(BACKOFF_MAX);
        let waited = self.now.wall - trouble.ended.wall;
        !trouble.is_plain || waited.to_std().unwrap_or_default() + SLACK >= backoff.mul_f64(0.8)
    }
}
