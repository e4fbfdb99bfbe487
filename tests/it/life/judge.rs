//! Says of a log whether every pass had a reason, and every due time got its pass. It knows the contract and the log, not the
//! program's agenda: it goes through the time that was lived, due time by due time.
//!
//! Where the clock is set back, there is a stretch that comes twice, and the program may take its due times again or not: hence
//! two [`Track`]s, what it must serve and what it may.

mod reasons;
mod track;

use std::time::Duration;

use chrono::TimeDelta;
use customer_mirror::config::Timing;
use customer_mirror::model::Timestamp;

use super::stage::{Ending, Entry, What};
use reasons::{BACKOFF_MAX, LOOK, SLACK};
use track::{Moment, Track};

/// A clock that is set back by less makes nothing due again; by more than the other, all.
const STEP_MAY: TimeDelta = TimeDelta::seconds(55);
const STEP_MUST: TimeDelta = TimeDelta::seconds(100);

/// The pass under way.
#[derive(Debug)]
struct Pass {
    is_probe: bool,
    key: String,
    requests: u32,
    pages: u32,
    /// Asked for before it began, if it has yet to be made all the same.
    reload: Option<Timing>,
}

/// The last pass failed.
#[derive(Debug)]
struct Trouble {
    ending: Ending,
    failures: u32,
    ended: Moment,
    /// No clock has been set since.
    is_plain: bool,
}

/// What the server said about waiting.
#[derive(Debug, Clone, Copy)]
struct Held {
    until: Timestamp,
    /// The same, less what the clock was set back since.
    earliest: Timestamp,
    said_at: Timestamp,
}

/// What is known so far.
#[derive(Debug)]
pub(super) struct Judge {
    rule: Timing,
    now: Moment,
    is_up: bool,
    pass: Option<Pass>,
    must: Track,
    may: Track,
    /// Since when the program could begin a pass; a clock that is set back begins it anew.
    idle_since: Duration,
    trouble: Option<Trouble>,
    failures: u32,
    /// The clock was set back while it was idle: then what the server said may mean nothing to it any more.
    was_set_back: bool,
    /// It has started over something unfinished.
    start: Option<Start>,
    asked: Option<Duration>,
    changed: Option<Duration>,
    key: String,
    /// Until when the server wants to be left alone, and when it said so.
    held: Option<Held>,
    free_since: Duration,
    pub(super) tally: Tally,
}

#[derive(Debug)]
struct Start {
    must: bool,
    has_attempts: bool,
}

/// What there was to judge.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) passes: u32,
    pub(super) complete: u32,
    pub(super) requests: u32,
}

/// Goes through a log.
pub(super) fn judge(rule: Timing, log: &[Entry]) -> Tally {
    let first = &log[0];
    let now = Moment {
        at: first.at,
        wall: first.wall,
    };
    let mut judge = Judge {
        rule,
        now,
        is_up: false,
        pass: None,
        must: Track::new(now.wall),
        may: Track::new(now.wall),
        idle_since: now.at,
        trouble: None,
        failures: 0,
        was_set_back: false,
        start: None,
        asked: None,
        changed: None,
        key: String::new(),
        held: None,
        free_since: now.at,
        tally: Tally::default(),
    };
    for (number, entry) in log.iter().enumerate() {
        if let Err(problem) = judge.take(entry) {
            for entry in &log[number.saturating_sub(40)..=number] {
                eprintln!("{:>14?} {} {:?}", entry.at, entry.wall, entry.what);
            }
            panic!("{problem}; {judge:#?}");
        }
    }
    judge.tally
}

type Verdict = Result<(), String>;

fn hold(is_true: bool, problem: impl FnOnce() -> String) -> Verdict {
    if is_true { Ok(()) } else { Err(problem()) }
}

impl Judge {
    fn take(&mut self, entry: &Entry) -> Verdict {
        let to = Moment {
            at: entry.at,
            wall: entry.wall,
        };
        self.live(to);
        if self.is_up && self.pass.is_none() {
            let deadline = self.deadline();
            hold(deadline.is_none_or(|deadline| to.at <= deadline), || {
                format!("nothing had begun by {deadline:?}")
            })?;
        }
        match &entry.what {
            What::Boot {
                as_of,
                is_interrupted,
                has_attempts,
            } => self.boot(*as_of, *is_interrupted, *has_attempts),
            What::Down => (self.is_up, self.pass) = (false, None),
            What::Begin { is_probe, key } => return self.begin(*is_probe, key),
            What::Request => return self.request(),
            What::Page => self.pass.as_mut().unwrap().pages += 1,
            What::Held(until) => {
                self.held = Some(Held {
                    until: *until,
                    earliest: *until,
                    said_at: to.wall,
                });
            }
            What::End(ending) => return self.end(*ending),
            What::Jump(wall) => self.jump(*wall),
            What::Asked => self.asked = self.asked.or(Some(to.at)),
            What::Reload(timing) => self.reload(timing),
            What::KeyFile(key) => self.key_file(key),
        }
        Ok(())
    }

    fn live(&mut self, to: Moment) {
        self.must.live(&self.rule.when, self.now, to);
        self.may.live(&self.rule.when, self.now, to);
        if let Some(held) = self.held.take_if(|held| held.earliest <= to.wall) {
            let after = (held.earliest - self.now.wall).to_std().unwrap_or_default();
            self.free_since = self.free_since.max(to.at.min(self.now.at + after));
        }
        self.now = to;
    }

    fn jump(&mut self, wall: Timestamp) {
        let to = Moment {
            at: self.now.at,
            wall,
        };
        let before = self.now.wall;
        let is_back = wall < before;
        self.live(to);
        if let Some(trouble) = &mut self.trouble {
            trouble.is_plain = false;
        }
        if !is_back {
            return;
        }
        self.idle_since = to.at;
        self.was_set_back = true;
        self.must.due_since = None;
        if self.may.served - wall > STEP_MAY {
            self.may.served = wall;
        }
        if self.pass.is_none() && self.must.served - wall > STEP_MUST {
            // It may take a moment to notice, and what is due then passes unseen.
            self.must.served = wall + LOOK + SLACK;
        }
        if let Some(held) = &mut self.held {
            // A wait under way has a length, and ends that much earlier by the clock …
            held.earliest -= before - wall;
            // … others go by the clock. What was said in what is the future now means nothing, but it may be the past again before
            // anybody acts on that.
            if held.said_at <= wall + BACKOFF_MAX + LOOK + SLACK {
                let after = (held.until - wall).to_std().unwrap_or_default();
                self.free_since = self.free_since.max(to.at + after);
            }
            self.held.take_if(|held| held.said_at > wall);
        }
    }

    fn boot(&mut self, as_of: Option<Timestamp>, is_interrupted: bool, has_attempts: bool) {
        (self.is_up, self.was_set_back) = (true, false);
        self.idle_since = self.now.at;
        (self.must, self.may) = (Track::new(self.now.wall), Track::new(self.now.wall));
        (self.trouble, self.asked, self.changed) = (None, None, None);
        // What came before may count for nothing; what it does count for, a story of its own tells.
        self.failures = 0;
        let when = &self.rule.when;
        let is_stale =
            as_of.is_none_or(|at| when.next_after(at).is_some_and(|due| due <= self.now.wall));
        let must = is_stale || is_interrupted;
        self.start = (self.rule.run_on_start && (must || has_attempts))
            .then_some(Start { must, has_attempts });
        if has_attempts {
            // Even if it need not begin, it may wait with what is due.
            self.free_since = self.free_since.max(self.now.at + BACKOFF_MAX);
        }
    }

    fn request(&mut self) -> Verdict {
        self.tally.requests += 1;
        self.pass.as_mut().unwrap().requests += 1;
        hold(self.held.is_none(), || {
            "the server wants to be left alone".into()
        })
    }

    fn end(&mut self, ending: Ending) -> Verdict {
        let pass = self.pass.take().unwrap();
        (self.idle_since, self.was_set_back) = (self.now.at, false);
        if self.must.served - self.now.wall > STEP_MUST {
            // The clock was set back during the pass, and now is the first look at it.
            self.must = Track::new(self.now.wall);
        }
        let got_nowhere = pass.pages == 0;
        hold(!(pass.is_probe && got_nowhere && pass.requests > 1), || {
            format!("{} requests for nothing", pass.requests)
        })?;
        match ending {
            Ending::Complete => {
                self.failures = 0;
                self.tally.complete += 1;
            }
            // It was told to stop or to reload, or it was killed.
            Ending::Cut => {}
            Ending::Unavailable | Ending::Refused | Ending::Circle => {
                self.failures = if got_nowhere { self.failures + 1 } else { 1 };
                self.trouble = Some(Trouble {
                    ending,
                    failures: self.failures,
                    ended: self.now,
                    is_plain: true,
                });
                if ending == Ending::Refused && pass.key != self.key {
                    self.changed = Some(self.now.at);
                }
            }
        }
        if let Some(timing) = pass.reload {
            // It goes on with what was read, unless it had come to its end.
            if ending == Ending::Cut {
                self.changed = Some(self.now.at);
            }
            self.take_over(timing);
        }
        Ok(())
    }

    fn reload(&mut self, timing: &Timing) {
        match &mut self.pass {
            Some(pass) => pass.reload = Some(timing.clone()),
            None => self.take_over(timing.clone()),
        }
    }

    fn take_over(&mut self, timing: Timing) {
        self.rule = timing;
        // What is due by the old schedule and has not begun may be due by the new one.
        self.must = Track::new(self.must.served.max(self.now.wall));
        if self.may.due_since.is_none() {
            self.may.served = self.may.served.max(self.now.wall);
        }
    }

    fn key_file(&mut self, key: &str) {
        key.clone_into(&mut self.key);
        let refused = self.trouble.as_ref();
        if refused.is_some_and(|trouble| trouble.ending == Ending::Refused) {
            self.changed = Some(self.now.at);
        }
    }
}
