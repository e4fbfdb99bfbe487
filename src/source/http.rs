//! [`HttpSource`]: the listing over HTTP, and the program's only retry loop.
//!
//! One turn of the loop: wait for what the server, our own backoff and our own rate cap ask for, whichever is longest;
//! make one request; on failure let [`Trial`] judge it. Everything that survives a cancelled `fetch` — the page size, the
//! server's wait, the time of the last request — is changed in one step each, between awaits.

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta, Utc};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::backoff::{interval, overruns, with_jitter};
use super::classify::{Outcome, ending};
use super::headers::{Asked, WAIT_MAX};
use super::listing::{Answer, Failure, Listing};
use super::page_size::AdaptivePageSize;
use super::trial::{Trial, Verdict};
use super::{
    Activity, Ending, FailureKind, Fetched, PageSource, SetupError, SourceError, WaitReason,
};
use crate::config::{Api, ApiKey, Retry};
use crate::model::{Cursor, PageSize, Timestamp, Wait, format_timestamp};

/// The listing of the configured API.
pub struct HttpSource {
    listing: Listing,
    retry: Retry,
    sizes: AdaptivePageSize,
    /// The shortest time between the starts of two requests.
    interval: Option<Duration>,
    last_request: Option<Instant>,
    hold: Option<Hold>,
    /// The wall clock: for what the server says in dates, and for what people read. What is waited for is counted otherwise, as it may
    /// be set meanwhile.
    pub(super) clock: fn() -> Timestamp,
    /// How far the wall clock was ahead of the server's when that last answered with a page.
    clock_ahead: Option<TimeDelta>,
    /// Until the server has answered: ask once, for one customer.
    is_probing: bool,
}

/// A wait that the server asked for.
#[derive(Debug, Clone)]
struct Hold {
    until: Instant,
    reason: String,
}

/// A wait before a request, and who wants it.
struct Turn {
    /// What the server still asks for.
    held: Duration,
    /// What the backoff asks for.
    own: Duration,
    /// What the rate cap asks for.
    paced: Duration,
}

impl HttpSource {
    /// Sets a source up; makes no request.
    ///
    /// # Errors
    /// [`SetupError`] if the base URL would expose the key, or no client can be built.
    pub fn new(api: &Api, retry: &Retry, key: &ApiKey) -> Result<Self, SetupError> {
        Ok(Self {
            listing: Listing::new(api, key)?,
            retry: retry.clone(),
            sizes: AdaptivePageSize::new(api.page_size),
            interval: interval(api.max_requests_per_second),
            last_request: None,
            hold: None,
            clock: Utc::now,
            clock_ahead: None,
            is_probing: false,
        })
    }

    /// The same source where the last pass ended for want of an answer: until there is one, it makes a single small request
    /// and gives up. So an outage of hours costs few requests.
    #[must_use]
    pub fn probing(self) -> Self {
        Self {
            is_probing: true,
            ..self
        }
    }

    /// How many customers the next request asks for.
    pub fn page_size(&self) -> PageSize {
        if self.is_probing {
            PageSize::MIN
        } else {
            self.sizes.current()
        }
    }

    /// How long a page may fail.
    fn patience(&self) -> Duration {
        if self.is_probing {
            Duration::ZERO
        } else {
            self.retry.max_elapsed
        }
    }

    /// Waits until the next request may be made, or says that this would take too long.
    async fn wait_for_turn(
        &mut self,
        trial: &mut Trial,
        started: Instant,
        cursor: Option<&Cursor>,
        on_activity: &(dyn Fn(Activity) + Sync),
    ) -> Result<(), SourceError> {
        let turn = self.turn(trial.delay);
        // Before the first request the rate cap is no trouble of this page, so it isn't counted against it.
        let paced = if trial.requests == 0 {
            Duration::ZERO
        } else {
            turn.paced
        };
        let needed = turn.held.max(turn.own).max(paced);
        let elapsed = started.elapsed();
        let is_free = trial.requests == 0 && needed.is_zero();
        if !is_free && overruns(elapsed, needed, self.patience()) {
            return Err(self.exhausted(trial, &turn, elapsed, cursor));
        }
        if let Some((wait, delay, reason)) = self.wait(trial, &turn) {
            let began = Instant::now();
            on_activity(Activity::Wait { wait, delay });
            sleep(delay).await;
            let took = began.elapsed();
            on_activity(Activity::Waited { reason, took });
        }
        self.hold = None;
        self.last_request = Some(Instant::now());
        trial.requests = trial.requests.saturating_add(1);
        trial.limit = self.page_size();
        on_activity(Activity::Request {
            bound: self.listing.request_timeout,
            limit: trial.limit,
            repeats: trial.ending,
        });
        Ok(())
    }

    fn turn(&self, own: Duration) -> Turn {
        let now = Instant::now();
        let held = self
            .hold
            .as_ref()
            .map(|hold| hold.until.saturating_duration_since(now));
        let paced = self.interval.zip(self.last_request);
        Turn {
            held: held.unwrap_or_default(),
            own,
            paced: paced.map_or(Duration::ZERO, |(interval, last)| {
                interval.saturating_sub(last.elapsed())
            }),
        }
    }

    /// The wait to announce, its length, and who wants it; `None` if there is nothing to wait for.
    fn wait(&self, trial: &Trial, turn: &Turn) -> Option<(Wait, Duration, WaitReason)> {
        let longest = turn.held.max(turn.own).max(turn.paced);
        if longest.is_zero() {
            return None;
        }
        let hold = self.hold.as_ref().filter(|_| turn.held == longest);
        let (delay, words, reason) = match hold {
            Some(hold) => (
                with_jitter(longest, fastrand::f64()),
                hold.reason.clone(),
                WaitReason::Server,
            ),
            None if turn.own == longest => (longest, trial.failure.clone(), WaitReason::Backoff),
            None => (
                longest,
                "api.max_requests_per_second".to_owned(),
                WaitReason::RateCap,
            ),
        };
        let wait = Wait {
            until: later((self.clock)(), delay),
            reason: words,
            asked_by_server: hold.is_some(),
            retry: trial.requests,
        };
        Some((wait, delay, reason))
    }

    /// Takes a failure in: either the next turn can come, or that was it.
    fn take_failure(
        &mut self,
        failure: Failure,
        trial: &mut Trial,
        cursor: Option<&Cursor>,
    ) -> Result<(), SourceError> {
        let can_shrink = self.page_size() > PageSize::MIN;
        let verdict = trial.judge(
            failure.outcome,
            cursor.is_some(),
            can_shrink,
            fastrand::f64(),
        );
        let Failure {
            outcome,
            what,
            asked,
        } = failure;
        // Something may be wrong with whom, or with what, this connection leads to.
        let is_doubtful = matches!(
            outcome,
            Outcome::AnswerTimeout | Outcome::Transport | Outcome::Status { code: 500.., .. }
        );
        match verdict {
            Verdict::Final(kind, remedy) => {
                let message = format!(
                    "{}: {what}; {remedy}",
                    self.listing.request_line(cursor, trial.limit)
                );
                Err(self.error(kind, &message, trial, None))
            }
            Verdict::Retry { shrink } => {
                if shrink {
                    self.sizes.shrink();
                }
                if is_doubtful {
                    self.listing.reconnect();
                }
                if let Some(asked) = asked.filter(|asked| !asked.delay.is_zero()) {
                    // The server may know that it takes longer than our backoff, and be wrong that it takes less: whichever
                    // is longer counts.
                    self.hold_for(&asked, what.clone());
                }
                let next_limit = self.page_size().get();
                if trial.requests == 1 {
                    warn!(page.limit = next_limit, error = %what, "request failed, retrying");
                } else {
                    debug!(page.limit = next_limit, retries = trial.requests, error = %what, "request failed again, retrying");
                }
                trial.failure = what;
                Ok(())
            }
        }
    }

    fn take_answer(&mut self, answer: Answer, trial: &Trial) -> Fetched {
        if std::mem::take(&mut self.is_probing) {
            info!("the server answers again");
        } else {
            self.sizes.good_page();
        }
        self.clock_ahead = answer.clock_ahead;
        if let Some(asked) = answer.asked {
            let reason = format!("the rate limit is used up, {}", asked.words);
            self.hold_for(&asked, reason);
        }
        Fetched {
            page: answer.page,
            bytes: answer.bytes,
            retries: trial.retries(),
        }
    }

    fn hold_for(&mut self, asked: &Asked, reason: String) {
        self.hold(asked.delay, reason);
    }

    fn hold(&mut self, delay: Duration, reason: String) {
        let until = Instant::now() + delay;
        if self.hold.as_ref().is_none_or(|hold| hold.until < until) {
            self.hold = Some(Hold { until, reason });
        }
    }

    /// There is no time left for another try.
    fn exhausted(
        &self,
        trial: &Trial,
        turn: &Turn,
        elapsed: Duration,
        cursor: Option<&Cursor>,
    ) -> SourceError {
        let is_asked_by_server = !turn.held.is_zero() && turn.held >= turn.own;
        let hold = self.hold.as_ref().filter(|_| is_asked_by_server);
        let wait_until = hold.map(|_| later((self.clock)(), turn.held));
        let bound = humantime::format_duration(self.retry.max_elapsed);
        let most = if self.is_probing {
            "longer than a single try after a failed pass may take".to_owned()
        } else {
            format!("over retry.max_elapsed ({bound})")
        };
        let request = self.listing.request_line(cursor, trial.limit);
        let message = match hold.zip(wait_until) {
            Some((hold, until)) => format!(
                "{request}: {}; the server asks to wait until {}, which is {most}",
                hold.reason,
                format_timestamp(until),
            ),
            None if self.is_probing => {
                format!(
                    "{request}: {}; a single try after a failed pass",
                    trial.failure
                )
            }
            None => format!(
                "{request}: {}; given up after {}s and {}, retry.max_elapsed is {bound}",
                trial.failure,
                elapsed.as_secs(),
                match trial.retries() {
                    1 => "1 retry".to_owned(),
                    retries => format!("{retries} retries"),
                },
            ),
        };
        self.error(FailureKind::Unavailable, &message, trial, wait_until)
    }

    fn error(
        &self,
        kind: FailureKind,
        message: &str,
        trial: &Trial,
        wait_until: Option<Timestamp>,
    ) -> SourceError {
        SourceError {
            kind,
            message: self.listing.redactor.redact(message),
            retries: trial.retries(),
            wait_until,
        }
    }
}

impl PageSource for HttpSource {
    async fn fetch(
        &mut self,
        cursor: Option<&Cursor>,
        on_activity: &(dyn Fn(Activity) + Sync),
    ) -> Result<Fetched, SourceError> {
        let started = Instant::now();
        let mut trial = Trial::new(&self.retry, self.page_size());
        // Bounded by `retry.max_elapsed`: each turn either waits, or asks for half (ten times at most).
        loop {
            self.wait_for_turn(&mut trial, started, cursor, on_activity)
                .await?;
            let began = Instant::now();
            let result = self.listing.request(cursor, trial.limit, self.clock).await;
            on_activity(Activity::Answered {
                ending: result.as_ref().map_or_else(
                    |failure| ending(failure.outcome, cursor.is_some()),
                    |_| Ending::Ok,
                ),
                took: began.elapsed(),
            });
            match result {
                Ok(answer) => return Ok(self.take_answer(answer, &trial)),
                Err(failure) => self.take_failure(failure, &mut trial, cursor)?,
            }
        }
    }

    fn hold_until(&mut self, at: Timestamp) {
        let delay = (at - (self.clock)()).to_std().unwrap_or_default();
        // Nobody asked for more: the clock was wrong when it was stored, or is now.
        if delay <= WAIT_MAX + Duration::from_secs(1) {
            self.hold(delay, "the server asked for this wait before".to_owned());
        }
    }

    fn clock_ahead(&self) -> Option<TimeDelta> {
        self.clock_ahead
    }
}

/// `delay` after `now`, rounded up to the millisecond, which is what the mirror keeps of it.
fn later(now: Timestamp, delay: Duration) -> Timestamp {
    TimeDelta::from_std(delay)
        .ok()
        .and_then(|delay| now.checked_add_signed(delay))
        .and_then(|at| at.checked_add_signed(TimeDelta::nanoseconds(999_999)))
        .map_or(Timestamp::MAX_UTC, |at| at.trunc_subsecs(3))
}
