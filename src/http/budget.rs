//! How much work is done for those who ask: an account that fills as time goes by. Pure: time is an argument.
//!
//! Somebody who looks around gets every answer at once. Those who ask all the time get no more than a pass can spare.

use std::time::{Duration, Instant};

/// Work that is done at once, in seconds: some thirty searches.
const SAVED_MAX: f64 = 1.0;
/// What is earned in a second: a processor's whole time, for all readers together …
const IDLE: f64 = 1.0;
/// … or, while a pass is under way, a tenth.
const IN_PASS: f64 = 0.1;

/// The account.
#[derive(Debug)]
pub(super) struct Budget {
    saved: f64,
    at: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            saved: SAVED_MAX,
            at: now,
        }
    }

    /// How long the next question has to wait.
    pub(super) fn wait(&mut self, is_in_pass: bool, now: Instant) -> Duration {
        let rate = if is_in_pass { IN_PASS } else { IDLE };
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.saved = (self.saved + passed * rate).min(SAVED_MAX);
        self.at = now;
        Duration::from_secs_f64((-self.saved).max(0.0) / rate)
    }

    /// Pays for the work that a question took.
    pub(super) fn pay(&mut self, took: Duration) {
        self.saved -= took.as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much work is done in so many seconds for those who ask all the time, in questions of 50 ms.
    fn work_done(is_in_pass: bool, seconds: u64) -> f64 {
        let (start, question) = (Instant::now(), Duration::from_millis(50));
        let (mut now, mut done) = (start, Duration::ZERO);
        let mut budget = Budget::new(start);
        while now < start + Duration::from_secs(seconds) {
            let wait = budget.wait(is_in_pass, now);
            if wait.is_zero() {
                // Two readers at once.
                budget.pay(2 * question);
                done += 2 * question;
            }
            now += wait.max(question);
        }
        done.as_secs_f64()
    }

    #[test]
    fn who_asks_all_the_time_gets_what_can_be_spared() {
        for (is_in_pass, least, most) in [(true, 10.9, 11.2), (false, 100.9, 101.2)] {
            let done = work_done(is_in_pass, 100);
            assert!(least <= done && done <= most, "{is_in_pass}: {done}");
        }
    }

    #[test]
    fn who_looks_around_waits_for_nothing() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        for second in 0..1000 {
            let wait = budget.wait(true, start + Duration::from_secs(second));
            assert_eq!(wait, Duration::ZERO, "{second}");
            budget.pay(Duration::from_millis(100));
        }
    }

    #[test]
    fn what_took_long_is_worked_off() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        budget.pay(Duration::from_secs(4));
        assert_eq!(budget.wait(true, start), Duration::from_secs(30));
        assert_eq!(budget.wait(false, start), Duration::from_secs(3));
        assert_eq!(
            budget.wait(false, start + Duration::from_secs(4)),
            Duration::ZERO
        );
    }
}
