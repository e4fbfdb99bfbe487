//! How long to wait before a page is asked for again. Pure: elapsed time and randomness are arguments.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::config::Retry;

/// The most that is added to a wait that the server named, so that its clients don't all come back at once.
const SERVER_WAIT_JITTER_MAX: Duration = Duration::from_secs(1);

/// The delays of one page: exponential, with full jitter.
#[derive(Debug)]
pub(super) struct Backoff {
    ceilings: <ExponentialBuilder as BackoffBuilder>::Backoff,
    delay_max: Duration,
}

impl Backoff {
    pub(super) fn new(retry: &Retry) -> Self {
        // backon's own jitter, [d, 2d), keeps clients in step and can exceed the maximum, hence ours.
        let ceilings = ExponentialBuilder::new()
            .with_min_delay(retry.initial_delay)
            .with_max_delay(retry.max_delay)
            .without_max_times()
            .build();
        Self {
            ceilings,
            delay_max: retry.max_delay,
        }
    }

    /// The next delay: anything from 0 to min(`max_delay`, `initial_delay` · 2ⁿ); `random` is from 0 to 1.
    pub(super) fn next_delay(&mut self, random: f64) -> Duration {
        let ceiling = self.ceilings.next().unwrap_or(self.delay_max);
        scaled(ceiling.min(self.delay_max), random)
    }
}

/// A little more than the server asked for, never less; `random` is from 0 to 1.
pub(super) fn with_jitter(asked: Duration, random: f64) -> Duration {
    asked.saturating_add(scaled((asked / 10).min(SERVER_WAIT_JITTER_MAX), random))
}

/// True if a wait of `delay` would end after the page's deadline.
pub(super) fn overruns(elapsed: Duration, delay: Duration, elapsed_max: Duration) -> bool {
    elapsed.saturating_add(delay) > elapsed_max
}

/// The shortest time between the starts of two requests, for a cap in requests a second.
/// `None` for no cap, or one that is no positive number.
pub(super) fn interval(requests_per_second_max: Option<f64>) -> Option<Duration> {
    let cap = requests_per_second_max.filter(|cap| *cap > 0.0)?;
    Some(Duration::try_from_secs_f64(1.0 / cap).unwrap_or(Duration::MAX))
}

/// `random` · `ceiling`, kept within 0..=`ceiling` whatever the rounding.
fn scaled(ceiling: Duration, random: f64) -> Duration {
    Duration::try_from_secs_f64(ceiling.as_secs_f64() * random.clamp(0.0, 1.0))
        .unwrap_or(ceiling)
        .min(ceiling)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn retry(initial_ms: u64, max_ms: u64) -> Retry {
        Retry {
            initial_delay: Duration::from_millis(initial_ms),
            max_delay: Duration::from_millis(max_ms),
            max_elapsed: Duration::from_secs(900),
        }
    }

    #[test]
    fn ceilings_double_up_to_the_maximum() {
        let mut backoff = Backoff::new(&retry(500, 60_000));
        let ceilings: Vec<u128> = (0..10)
            .map(|_| backoff.next_delay(1.0).as_millis())
            .collect();
        assert_eq!(
            ceilings,
            [
                500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000
            ]
        );
    }

    #[rstest]
    #[case(None, None)]
    #[case(Some(0.0), None)]
    #[case(Some(-1.0), None)]
    #[case(Some(f64::NAN), None)]
    #[case(Some(4.0), Some(Duration::from_millis(250)))]
    #[case(Some(0.5), Some(Duration::from_secs(2)))]
    #[case(Some(1e-300), Some(Duration::MAX))]
    #[case(Some(f64::INFINITY), Some(Duration::ZERO))]
    fn a_cap_is_an_interval(#[case] cap: Option<f64>, #[case] expected: Option<Duration>) {
        assert_eq!(interval(cap), expected);
    }

    #[test]
    fn a_wait_may_end_at_the_deadline_but_not_after() {
        let second = Duration::from_secs(1);
        assert!(!overruns(second, second, 2 * second));
        assert!(overruns(
            second,
            second + Duration::from_nanos(1),
            2 * second
        ));
        assert!(overruns(second, Duration::MAX, 2 * second));
        assert!(!overruns(second, Duration::MAX, Duration::MAX));
    }

    proptest! {
        #[test]
        fn every_delay_is_within_its_ceiling(
            initial_ms in 0u64..100_000,
            max_ms in 0u64..10_000_000,
            randoms in prop::collection::vec(0.0..=1.0f64, 1..80),
        ) {
            let mut backoff = Backoff::new(&retry(initial_ms, max_ms));
            let slack = Duration::from_millis(1); // backon multiplies in f32
            for (n, random) in randoms.into_iter().enumerate() {
                let delay = backoff.next_delay(random);
                let ceiling = u128::from(initial_ms) << n.min(60);
                prop_assert!(delay <= Duration::from_millis(max_ms));
                prop_assert!(delay.as_millis() <= ceiling + ceiling / 1000 + slack.as_millis());
            }
        }

        #[test]
        fn jitter_reaches_both_ends(initial_ms in 1u64..100_000) {
            let retry = retry(initial_ms, u64::MAX);
            prop_assert_eq!(Backoff::new(&retry).next_delay(0.0), Duration::ZERO);
            prop_assert_eq!(Backoff::new(&retry).next_delay(1.0), retry.initial_delay);
        }

        #[test]
        fn a_servers_wait_is_never_shortened(seconds in any::<u64>(), random in any::<f64>()) {
            let asked = Duration::from_secs(seconds);
            let waited = with_jitter(asked, random);
            prop_assert!(waited >= asked);
            prop_assert!(waited <= asked.saturating_add(SERVER_WAIT_JITTER_MAX));
        }
    }
}
