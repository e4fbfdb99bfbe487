//! The tries of one page: what each failure leads to. Pure: randomness is an argument.

use std::time::Duration;

use super::backoff::Backoff;
use super::classify::{Class, Outcome, Shrink, classify, ending};
use super::{Ending, FailureKind};
use crate::config::Retry;
use crate::model::PageSize;

/// A body that is no page may be a proxy's glitch; one that comes this often is not.
pub(super) const MALFORMED_ANSWERS_MAX: u32 = 3;
/// A certificate may be replaced at this very moment; one that is refused this often is wrong.
const UNTRUSTED_MAX: u32 = 3;

/// What is known of the tries of one page.
#[derive(Debug)]
pub(super) struct Trial {
    /// Requests made.
    pub(super) requests: u32,
    /// How long to wait before the next one, by our own choice.
    pub(super) delay: Duration,
    /// How many customers the last one asked for.
    pub(super) limit: PageSize,
    /// Why the last one failed; empty if none did.
    pub(super) failure: String,
    /// How it ended; `None` if none did.
    pub(super) ending: Option<Ending>,
    malformed_answers: u32,
    untrusted: u32,
    /// 5xx in a row.
    server_errors: u32,
    backoff: Backoff,
}

/// What to do after a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Ask again after [`Trial::delay`], for a smaller page if `shrink`.
    Retry {
        /// Ask for half.
        shrink: bool,
    },
    /// Give up, and tell the operator what may help.
    Final(FailureKind, &'static str),
}

impl Trial {
    pub(super) fn new(retry: &Retry, limit: PageSize) -> Self {
        Self {
            requests: 0,
            delay: Duration::ZERO,
            limit,
            failure: String::new(),
            ending: None,
            malformed_answers: 0,
            untrusted: 0,
            server_errors: 0,
            backoff: Backoff::new(retry),
        }
    }

    /// Requests made beyond the first.
    pub(super) fn retries(&self) -> u32 {
        self.requests.saturating_sub(1)
    }

    /// Takes a failure in. `can_shrink` tells whether the page can be made smaller; `random` is from 0 to 1.
    pub(super) fn judge(
        &mut self,
        outcome: Outcome,
        has_cursor: bool,
        can_shrink: bool,
        random: f64,
    ) -> Verdict {
        let class = classify(outcome, has_cursor);
        self.ending = Some(ending(outcome, has_cursor));
        self.server_errors = match class {
            Class::Transient(Shrink::IfRepeated) => self.server_errors.saturating_add(1),
            _ => 0,
        };
        self.delay = Duration::ZERO;
        let shrink = match class {
            Class::TooLarge if can_shrink => return Verdict::Retry { shrink: true },
            Class::TooLarge => return Verdict::Final(FailureKind::Unavailable, TOO_LARGE),
            Class::AuthRefused => return Verdict::Final(FailureKind::AuthRefused, AUTH_REFUSED),
            Class::CursorRejected => {
                return Verdict::Final(FailureKind::CursorRejected, CURSOR_REJECTED);
            }
            Class::Redirect => return Verdict::Final(FailureKind::Protocol, REDIRECT),
            Class::Permanent => {
                return Verdict::Final(FailureKind::Unavailable, permanent(outcome));
            }
            Class::Malformed => {
                self.malformed_answers += 1;
                if self.malformed_answers >= MALFORMED_ANSWERS_MAX {
                    return Verdict::Final(FailureKind::Protocol, MALFORMED);
                }
                false
            }
            Class::Untrusted => {
                self.untrusted += 1;
                if self.untrusted >= UNTRUSTED_MAX {
                    return Verdict::Final(FailureKind::Unavailable, UNTRUSTED);
                }
                false
            }
            Class::Throttled | Class::Transient(Shrink::No) => false,
            Class::Transient(Shrink::Now) => can_shrink,
            Class::Transient(Shrink::IfRepeated) => can_shrink && self.server_errors >= 2,
        };
        self.delay = self.backoff.next_delay(random);
        Verdict::Retry { shrink }
    }
}

pub(super) const TOO_LARGE: &str =
    "not even a single customer can be had; raise api.max_response_bytes or ask the API's operator";
pub(super) const AUTH_REFUSED: &str =
    "the API key is refused; check the key, and that it may list customers";
const CURSOR_REJECTED: &str = "the cursor is rejected; a pass from the first page is needed";
pub(super) const REDIRECT: &str =
    "redirects aren't followed, the API key stays here; check api.base_url";
const MALFORMED: &str =
    "that is no page of customers, three times over; check api.base_url and any proxy in between";

pub(super) const UNTRUSTED: &str = "check api.base_url and this machine's clock; for a certificate authority of your own, name its bundle in SSL_CERT_FILE";

/// What may help against a refusal for good.
pub(super) fn permanent(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Status {
            code: 400 | 422, ..
        } => "check api.filter, api.page_size and api.parameters",
        Outcome::Status { code: 407, .. } => "check the proxy's settings",
        Outcome::Status {
            code: 414 | 431, ..
        } => "check api.filter, the request is too long",
        _ => "check api.base_url",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        initial_delay: Duration::from_secs(1),
        max_delay: Duration::from_secs(60),
        max_elapsed: Duration::from_secs(900),
    };

    fn status(code: u16) -> Outcome {
        Outcome::Status {
            code,
            retry_after: false,
        }
    }

    /// For each outcome: whether the page shrinks, and the longest delay in seconds.
    fn retries(outcomes: &[Outcome]) -> Vec<(bool, u64)> {
        let mut trial = Trial::new(&RETRY, PageSize::MAX);
        outcomes
            .iter()
            .map(|&outcome| match trial.judge(outcome, true, true, 1.0) {
                Verdict::Retry { shrink } => (shrink, trial.delay.as_secs()),
                verdict @ Verdict::Final(..) => panic!("{verdict:?}"),
            })
            .collect()
    }

    #[test]
    fn only_a_repeated_server_error_shrinks_the_page() {
        assert_eq!(
            retries(&[
                status(500),
                status(502),
                status(503),
                Outcome::Transport,
                status(500)
            ]),
            [(false, 1), (true, 2), (true, 4), (false, 8), (false, 16)]
        );
    }

    #[test]
    fn what_is_too_large_is_asked_for_smaller_at_once() {
        assert_eq!(
            retries(&[
                status(413),
                Outcome::OverCap,
                Outcome::AnswerTimeout,
                status(429)
            ]),
            [(true, 0), (true, 0), (true, 1), (false, 2)]
        );
    }

    #[test]
    fn at_one_customer_nothing_shrinks() {
        let mut trial = Trial::new(&RETRY, PageSize::MAX);
        for outcome in [Outcome::AnswerTimeout, status(500), status(500)] {
            let verdict = trial.judge(outcome, true, false, 1.0);
            assert_eq!(verdict, Verdict::Retry { shrink: false });
        }
        for outcome in [Outcome::OverCap, status(413)] {
            let verdict = trial.judge(outcome, true, false, 1.0);
            assert_eq!(verdict, Verdict::Final(FailureKind::Unavailable, TOO_LARGE));
        }
    }

    /// When the requests for one page are made, in seconds, if each fails at once in the same way, until it is given up.
    fn requests_for(outcome: Outcome, limit: u64, random: impl Fn() -> f64) -> Vec<f64> {
        let mut trial = Trial::new(&RETRY, PageSize::MAX);
        let (mut limit, mut elapsed) = (PageSize::new(limit).unwrap(), Duration::ZERO);
        let mut made = vec![0.0];
        while let Verdict::Retry { shrink } =
            trial.judge(outcome, true, limit > PageSize::MIN, random())
        {
            if shrink {
                limit = limit.halved();
            }
            elapsed += trial.delay;
            if elapsed > RETRY.max_elapsed {
                break;
            }
            made.push(elapsed.as_secs_f64());
        }
        made
    }

    #[test]
    fn no_failure_makes_a_storm() {
        let outcomes = [
            Outcome::Transport,
            Outcome::ConnectTimeout,
            Outcome::AnswerTimeout,
            Outcome::OverCap,
            Outcome::Malformed,
            Outcome::Untrusted,
        ];
        let outcomes = outcomes.into_iter().chain((200..600).map(status));
        let mut random = fastrand::Rng::with_seed(7);
        for outcome in outcomes {
            for _ in 0..20 {
                let shares: Vec<f64> = (0..200).map(|_| random.f64()).collect();
                let next = std::cell::Cell::new(0);
                let made = requests_for(outcome, 1000, || {
                    next.set(next.get() + 1);
                    shares[next.get() % shares.len()]
                });
                let in_first_minute = made.iter().filter(|at| **at < 60.0).count();
                assert!(in_first_minute <= 20, "{outcome:?} {made:?}");
                assert!(made.len() <= 70, "{outcome:?} {made:?}");
            }
        }
    }

    #[test]
    fn the_third_malformed_answer_is_final_whatever_came_between() {
        let mut trial = Trial::new(&RETRY, PageSize::MAX);
        for outcome in [Outcome::Malformed, Outcome::Transport, status(204)] {
            let verdict = trial.judge(outcome, false, true, 0.5);
            assert_eq!(verdict, Verdict::Retry { shrink: false });
        }
        let verdict = trial.judge(Outcome::Malformed, false, true, 0.5);
        assert_eq!(verdict, Verdict::Final(FailureKind::Protocol, MALFORMED));
    }

    #[test]
    fn the_third_refused_certificate_is_final() {
        let mut trial = Trial::new(&RETRY, PageSize::MAX);
        for outcome in [Outcome::Untrusted, Outcome::Transport, Outcome::Untrusted] {
            let verdict = trial.judge(outcome, false, true, 0.5);
            assert_eq!(verdict, Verdict::Retry { shrink: false });
        }
        let verdict = trial.judge(Outcome::Untrusted, false, true, 0.5);
        assert_eq!(verdict, Verdict::Final(FailureKind::Unavailable, UNTRUSTED));
    }

    #[test]
    fn what_is_final() {
        for (code, has_cursor, expected) in [
            (401, true, FailureKind::AuthRefused),
            (403, false, FailureKind::AuthRefused),
            (410, true, FailureKind::CursorRejected),
            (400, false, FailureKind::Unavailable),
            (404, false, FailureKind::Unavailable),
            (501, false, FailureKind::Unavailable),
            (302, true, FailureKind::Protocol),
        ] {
            let verdict =
                Trial::new(&RETRY, PageSize::MAX).judge(status(code), has_cursor, true, 0.5);
            assert!(
                matches!(verdict, Verdict::Final(kind, _) if kind == expected),
                "{code}"
            );
        }
    }
}
