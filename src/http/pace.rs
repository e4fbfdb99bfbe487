//! How many requests are answered: a bucket that fills at a steady rate. Pure: time is an argument.

use std::time::{Duration, Instant};

/// So many questions at once, after a quiet time: several browsers that open the page.
pub(super) const BURST: f64 = 200.0;
/// So many a second for long: far over what people and a few monitors ask, far under what would keep a core busy.
pub(super) const PER_SECOND: f64 = 50.0;

/// The bucket.
#[derive(Debug)]
pub(super) struct Pace {
    burst: f64,
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant, burst: f64, per_second: f64) -> Self {
        Self {
            burst,
            per_second,
            left: burst,
            at: now,
        }
    }

    /// Takes one out; if there is none, how long until there is.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * self.per_second).min(self.burst);
        self.at = now;
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / self.per_second));
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(start, BURST, PER_SECOND);
        let answered = |pace: &mut Pace, at: Duration| {
            (0..1000).filter(|_| pace.take(start + at).is_ok()).count()
        };
        assert_eq!(answered(&mut pace, Duration::ZERO), 200);
        assert_eq!(answered(&mut pace, Duration::from_secs(1)), 50);
        assert_eq!(answered(&mut pace, Duration::from_secs(1)), 0);
        assert_eq!(answered(&mut pace, Duration::from_secs(3600)), 200);
        let wait = pace.take(start + Duration::from_secs(3600)).unwrap_err();
        assert_eq!(wait, Duration::from_millis(20));
    }
}
