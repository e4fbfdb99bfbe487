//! When the next pass begins. Pure: the caller says what time it is, and that may jump, both ways.
//!
//! A due time is *served* by the first pass that begins at it or after it. So whatever came between — a pass that took too
//! long, a suspended machine, hours switched off — one pass makes up for all the due times that were missed.
//!
//! A pass that fails is tried again after a backoff that grows to minutes, not at the due times in between: an outage of hours
//! costs few requests, and its end is noticed soon. What more tries won't mend (a refused key, a listing that runs in a
//! circle) waits for the next due time.

use std::time::Duration;

use chrono::TimeDelta;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::config::Timing;
use crate::mirror::{Attempts, LastFailure, Remedy};
use crate::model::{Holdings, Timestamp};
use crate::pass::Resume;
use crate::plan::STUCK_FAILURES;

/// The first wait after a failed pass; it doubles with each further failure …
const BACKOFF_MIN: Duration = Duration::from_secs(30);
/// … up to this, so that the end of an outage is noticed within minutes.
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// The clock is set by a little all the time. Going back by less, a due time that was served isn't due again.
const CLOCK_STEP_MIN: TimeDelta = TimeDelta::seconds(60);
/// Missed due times are counted up to this many.
const MISSED_MAX: u32 = 1000;

/// Why a pass begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A due time has come; so many were missed before it.
    Due {
        /// Due times that passed since the last pass began, without the last one.
        missed: u32,
    },
    /// The daemon has started, and a pass was interrupted, or due while it was down.
    Started,
    /// The last pass failed, and the backoff is over.
    Again,
    /// The operator asked for it.
    Asked,
    /// The configuration was read anew in the middle of a pass, or there is another key.
    Changed,
}

/// A pass that is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// When.
    pub at: Timestamp,
    /// Why then.
    pub why: Why,
}

/// How a pass failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What may help.
    pub remedy: Remedy,
    /// What is wrong, for a person.
    pub reason: String,
    /// True if it had got further than the attempt before.
    pub has_moved: bool,
}

impl Failure {
    /// A failure of a pass that got nowhere.
    pub fn new(remedy: Remedy, reason: impl Into<String>) -> Self {
        Self {
            remedy,
            reason: reason.into(),
            has_moved: false,
        }
    }
}

/// What the next pass waits for.
#[derive(Debug, Clone)]
struct Trouble {
    not_before: Timestamp,
    remedy: Remedy,
    reason: String,
}

/// When passes begin.
#[derive(Debug)]
pub struct Agenda {
    timing: Timing,
    /// Makes each due time's jitter, the same whenever it is asked for.
    seed: u64,
    /// Every due time up to here is served.
    served: Timestamp,
    wanted: Option<Why>,
    /// The operator has asked for a pass that has not begun.
    asked: bool,
    /// Failed attempts in a row.
    failures: u32,
    /// The last of them, if it was not cut short.
    last_failure: Option<LastFailure>,
    trouble: Option<Trouble>,
}

/// What is known of the time before the start.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The mirror as it is.
    pub holdings: Holdings,
    /// The pass that was interrupted, and its pages.
    pub interrupted: Option<(i64, i64)>,
    /// The attempts since a pass last ended well.
    pub attempts: Option<Attempts>,
}

impl Agenda {
    /// The agenda of a daemon that starts `now`.
    pub fn new(timing: Timing, past: &Past, seed: u64, now: Timestamp) -> Self {
        let mut agenda = Self {
            timing,
            seed,
            served: now,
            wanted: None,
            asked: false,
            failures: 0,
            last_failure: None,
            trouble: None,
        };
        // One that began in what is now the future says nothing of how long ago that was: the clock was wrong then, or is now.
        let known = past.holdings.complete_as_of;
        let known = known.filter(|at| *at - now <= CLOCK_STEP_MIN);
        let was_due = known.is_none_or(|at| {
            let next = agenda.timing.when.next_after(at);
            next.is_some_and(|due| due <= now)
        });
        if agenda.timing.run_on_start && (was_due || past.interrupted.is_some()) {
            agenda.wanted = Some(Why::Started);
        }
        if let Some(attempts) = past.attempts.as_ref().filter(|it| !has_moved(it, past)) {
            agenda.failures = attempts.count;
            agenda.last_failure.clone_from(&attempts.failure);
            let failure = attempts.failure.clone().unwrap_or_else(|| LastFailure {
                remedy: Remedy::Time,
                reason: "the last attempt was cut short".to_owned(),
            });
            let backoff_max = TimeDelta::from_std(BACKOFF_MAX).unwrap_or_default();
            let not_before = attempts
                .not_before(now)
                .filter(|until| *until - now <= backoff_max);
            agenda.trouble = not_before.map(|not_before| Trouble {
                not_before,
                remedy: if agenda.timing.run_on_start {
                    failure.remedy
                } else {
                    Remedy::NextDue
                },
                reason: failure.reason,
            });
        }
        agenda
    }

    /// Goes by another schedule from now on. What it would have asked for until now was not missed; what the old one did, was.
    pub fn change_timing(&mut self, timing: Timing, now: Timestamp) {
        let next = self.timing.when.next_after(self.served);
        if next.is_none_or(|due| due > now) {
            self.served = now;
        }
        self.timing = timing;
    }

    /// A pass is to begin at once, whatever the schedule and the backoff say.
    pub fn want(&mut self, why: Why) {
        match why {
            // Going on with a pass is not yet the one that was asked for meanwhile.
            Why::Asked => self.asked = true,
            _ => self.wanted = Some(why),
        }
    }

    /// The next pass; `None` if the schedule has no due time left. Not before `held_until`, as the server asked.
    pub fn next(&mut self, held_until: Option<Timestamp>, now: Timestamp) -> Option<Next> {
        if self.served - now > CLOCK_STEP_MIN {
            // The clock went back: due times that come again are due again.
            self.served = now;
        }
        if let Some(trouble) = &mut self.trouble {
            // No backoff is longer: the clock went back.
            trouble.not_before = trouble.not_before.min(after(now, BACKOFF_MAX));
        }
        let at_once = match self.wanted {
            Some(Why::Changed) => Some(Why::Changed),
            _ => self.asked.then_some(Why::Asked),
        };
        if let Some(why) = at_once {
            return Some(Next { at: now, why });
        }
        let mut next = match (&self.trouble, self.wanted) {
            (Some(trouble), _) if trouble.remedy.is_soon() => Next {
                at: trouble.not_before,
                why: Why::Again,
            },
            (_, Some(why)) => Next { at: now, why },
            (_, None) => self.due(now)?,
        };
        if let Some(trouble) = &self.trouble {
            next.at = next.at.max(trouble.not_before);
        }
        next.at = held_until.map_or(next.at, |until| next.at.max(until));
        Some(next)
    }

    /// The last due time that is over but not served, else the next one.
    fn due(&self, now: Timestamp) -> Option<Next> {
        let mut due = self.timing.when.next_after(self.served)?;
        let mut later = self.timing.when.next_after(due);
        let mut missed = 0;
        while missed < MISSED_MAX
            && let Some(next) = later.filter(|later| *later <= now)
        {
            due = next;
            later = self.timing.when.next_after(due);
            missed += 1;
        }
        let at = if missed > 0 {
            // That is late enough.
            due
        } else {
            let delayed = self.delayed(due);
            later.map_or(delayed, |later| delayed.min(later))
        };
        let why = Why::Due { missed };
        Some(Next { at, why })
    }

    fn delayed(&self, due: Timestamp) -> Timestamp {
        let jitter_ms = u64::try_from(self.timing.jitter.as_millis()).unwrap_or(u64::MAX);
        let random = xxh3_64_with_seed(&due.timestamp_millis().to_le_bytes(), self.seed);
        let delay_ms = random % jitter_ms.saturating_add(1).max(1);
        i64::try_from(delay_ms)
            .ok()
            .and_then(TimeDelta::try_milliseconds)
            .and_then(|delay| due.checked_add_signed(delay))
            .unwrap_or(due)
    }

    /// A pass begins; it serves every due time up to now. Returns what to put on record first: should the program die in this
    /// attempt, the next one is not at once again.
    pub fn begin(&mut self, interrupted: Option<(i64, i64)>, now: Timestamp) -> Attempts {
        self.served = now;
        if self.wanted.take() != Some(Why::Changed) {
            self.asked = false;
        }
        self.trouble = None;
        let (pass_id, pages) = interrupted.unwrap_or_default();
        Attempts {
            count: self.failures + 1,
            not_before: after(now, backoff(self.failures)),
            noted_at: now,
            failure: self.last_failure.clone(),
            is_over: false,
            pass_id,
            pages,
        }
    }

    /// What becomes of an interrupted pass in the next attempt.
    pub fn resume(&self) -> Resume {
        if self.doubts_server() && self.failures.is_multiple_of(STUCK_FAILURES) {
            Resume::UnlessStuck
        } else {
            Resume::Yes
        }
    }

    /// True if the server did not answer at the end of the last pass.
    pub fn doubts_server(&self) -> bool {
        self.last_failure
            .as_ref()
            .is_some_and(|failure| failure.remedy == Remedy::Server)
    }

    /// Why the next pass waits, besides for its due time.
    pub fn trouble(&self) -> Option<&str> {
        Some(self.trouble.as_ref()?.reason.as_str())
    }

    /// True if another key may help.
    pub fn wants_key(&self) -> bool {
        self.trouble
            .as_ref()
            .is_some_and(|trouble| trouble.remedy == Remedy::Key)
    }

    /// The pass came to its end.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.last_failure = None;
    }

    /// The pass was stopped on purpose. Returns what to put on record: as it was before the attempt.
    pub fn interrupted(&self, attempt: &Attempts) -> Attempts {
        Attempts {
            count: self.failures,
            is_over: true,
            ..attempt.clone()
        }
    }

    /// The pass failed; `random` is from 0 to 1. Returns what to put on record.
    pub fn failed(
        &mut self,
        attempt: &Attempts,
        failure: Failure,
        random: f64,
        now: Timestamp,
    ) -> Attempts {
        self.failures = if failure.has_moved { 1 } else { attempt.count };
        // Up to a fifth less, so that mirrors which failed together don't come back together.
        let not_before = after(
            now,
            backoff(self.failures).mul_f64(1.0 - random.clamp(0.0, 1.0) / 5.0),
        );
        let last_failure = LastFailure {
            remedy: failure.remedy,
            reason: failure.reason,
        };
        self.trouble = Some(Trouble {
            not_before,
            remedy: last_failure.remedy,
            reason: last_failure.reason.clone(),
        });
        self.last_failure = Some(last_failure.clone());
        Attempts {
            count: self.failures,
            not_before,
            noted_at: now,
            failure: Some(last_failure),
            is_over: true,
            ..attempt.clone()
        }
    }
}

/// Whether an attempt that was cut short got further than the one before: such a row of crashes is no crash loop.
fn has_moved(attempts: &Attempts, past: &Past) -> bool {
    !attempts.is_over
        && past.interrupted.is_some_and(|(pass_id, pages)| {
            pages > 0 && (pass_id != attempts.pass_id || pages > attempts.pages)
        })
}

/// The wait after so many failures in a row.
fn backoff(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => BACKOFF_MIN
            .saturating_mul(1 << doublings.min(10))
            .min(BACKOFF_MAX),
    }
}

fn after(now: Timestamp, delay: Duration) -> Timestamp {
    TimeDelta::from_std(delay)
        .ok()
        .and_then(|delay| now.checked_add_signed(delay))
        .unwrap_or(now)
}

#[cfg(test)]
mod tests;
