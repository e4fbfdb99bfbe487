//! Wrong tokens: a guesser gets few answers, and the operator hears of it. Pure: time is an argument.

use std::time::{Duration, Instant};

use super::pace::Pace;

/// So many wrong ones at once are an old bookmark and its page's parts.
const BURST: f64 = 20.0;
/// So many a second for long.
const PER_SECOND: f64 = 1.0;
/// The log hears of them no more often.
const TOLD_INTERVAL: Duration = Duration::from_secs(60);

/// The wrong tokens so far.
#[derive(Debug)]
pub(super) struct Guesses {
    pace: Pace,
    untold: u64,
    told_at: Option<Instant>,
}

/// What to make of a wrong token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guess {
    /// They come too fast to be answered.
    pub(super) is_too_fast: bool,
    /// How many there were since the log heard of them last, if it is to hear of them now.
    pub(super) tell: Option<u64>,
}

impl Guesses {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            pace: Pace::new(now, BURST, PER_SECOND),
            untold: 0,
            told_at: None,
        }
    }

    /// One more.
    pub(super) fn take(&mut self, now: Instant) -> Guess {
        self.untold += 1;
        let is_time = |told: Instant| now.saturating_duration_since(told) >= TOLD_INTERVAL;
        let tell = self.told_at.is_none_or(is_time).then_some(self.untold);
        if tell.is_some() {
            self.untold = 0;
            self.told_at = Some(now);
        }
        Guess {
            is_too_fast: self.pace.take(now).is_err(),
            tell,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guesser_is_slowed_down_and_told_of_once_a_minute() {
        let start = Instant::now();
        let mut guesses = Guesses::new(start);
        let mut answered = 0;
        let mut told = Vec::new();
        for second in 0..120 {
            for _ in 0..50 {
                let guess = guesses.take(start + Duration::from_secs(second));
                answered += u32::from(!guess.is_too_fast);
                told.extend(guess.tell);
            }
        }
        assert_eq!(answered, 20 + 119);
        assert_eq!(told, [1, 3000]);
    }
}
