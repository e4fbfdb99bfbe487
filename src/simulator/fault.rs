//! Faults to order: what can go wrong, and when it shall.

use std::time::Duration;

/// Something that the server does wrong, or at least not as hoped.
///
/// Its text form, as `simulate-api --fault` takes it, is read by [`FaultPlan::from_str`](std::str::FromStr) and written by `Display`.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Answers an error status with the documented JSON, perhaps saying when to come back.
    Status {
        /// 400 to 599.
        status: u16,
        /// How the wait is told.
        wait: Option<WaitHint>,
    },
    /// Answers an HTML page with this status, 200 included, as a proxy or a login page would.
    Html {
        /// 200 to 599.
        status: u16,
    },
    /// Answers 413 to a `limit` above this.
    TooLarge {
        /// The largest limit that is served.
        above: u64,
    },
    /// Rejects the cursor of a request that carries one.
    RejectCursor {
        /// 400, 404, 410 or 422.
        status: u16,
    },
    /// Answers 302.
    Redirect {
        /// The `Location`.
        to: String,
    },
    /// Answers 401 with the received key in the message.
    EchoKey,
    /// Takes the request and never answers.
    Stall,
    /// Resets the connection (RST) instead of answering.
    Reset,
    /// Sends headers and half the body, then falls silent.
    StallBody,
    /// Sends headers and half the body, then closes.
    Truncate,
    /// Sends JSON that breaks off, with a `Content-Length` that fits.
    Malformed,
    /// Sends a page without `pagination`.
    WrongShape,
    /// Pads the body with white space to this size.
    HugeBody {
        /// Size of the body in bytes.
        bytes: u64,
    },
    /// Gives the request's own cursor as the next one.
    SameCursor,
    /// Gives the cursor of the page before this one as the next one: A → B → A. On page 2, where there is none, its own.
    Cycle,
    /// The last customer of the page before comes again on this page, at its end.
    Duplicate,
    /// Rows move between pages: this page begins with the last rows of the page before. None is lost.
    Shift {
        /// How many rows.
        rows: u64,
    },
    /// Rows are lost: the next page begins too late.
    Skip {
        /// How many rows.
        rows: u64,
    },
    /// A page without customers that isn't the last.
    EmptyPage,
    /// A page with half the customers asked for.
    ShortPage,
    /// The `customerId` of one record on the page can't be read.
    BadRecord(BadId),
    /// Wrong types in the optional fields of one record on the page.
    Drift,
    /// Bytes that are not UTF-8 in one record on the page.
    GarbageUtf8,
    /// Answers late.
    Latency(Duration),
}

/// How a server says when to come back; each number is in seconds from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitHint {
    /// `Retry-After: 30`.
    RetryAfter(u64),
    /// `Retry-After: Wed, 21 Oct 2026 07:28:00 GMT`.
    RetryAfterDate(u64),
    /// `RateLimit-Limit`, `RateLimit-Remaining: 0` and `RateLimit-Reset: 30`.
    RateLimitReset(u64),
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining: 0` and `X-RateLimit-Reset: <seconds since the Unix epoch>`.
    RateLimitResetEpoch(u64),
}

/// What is wrong with a `customerId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadId {
    /// It isn't there.
    Missing,
    /// It is a number.
    Number,
    /// It is the empty text.
    Empty,
}

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// At every request.
    Always,
    /// At the request with this number, from 1.
    Request(u64),
    /// At this page of a walk, from 1; a repeated request is for the same page.
    Page(u64),
    /// At a share of the requests, 0 to 1, as the seed decides.
    Rate(f64),
}

/// A fault, when it strikes and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultPlan {
    /// What happens.
    pub fault: Fault,
    /// When.
    pub when: When,
    /// How often at most; `None` for no end.
    pub times: Option<u32>,
}

impl Fault {
    /// At every request, without end.
    pub fn always(self) -> FaultPlan {
        FaultPlan {
            fault: self,
            when: When::Always,
            times: None,
        }
    }

    /// At the next request that it can strike, once.
    pub fn once(self) -> FaultPlan {
        self.always().times(1)
    }

    /// At request `number` (from 1), once.
    pub fn on_request(self, number: u64) -> FaultPlan {
        FaultPlan {
            fault: self,
            when: When::Request(number),
            times: Some(1),
        }
    }

    /// At page `page` of a walk (from 1), once; say [`FaultPlan::times`] for more.
    pub fn on_page(self, page: u64) -> FaultPlan {
        FaultPlan {
            fault: self,
            when: When::Page(page),
            times: Some(1),
        }
    }

    /// At a share of the requests, 0 to 1.
    pub fn at_rate(self, rate: f64) -> FaultPlan {
        FaultPlan {
            fault: self,
            when: When::Rate(rate),
            times: None,
        }
    }

    /// True if it takes the place of the page; false if it changes the page or only delays it.
    pub(super) fn replaces_page(&self) -> bool {
        matches!(
            self,
            Self::Status { .. }
                | Self::Html { .. }
                | Self::TooLarge { .. }
                | Self::RejectCursor { .. }
                | Self::Redirect { .. }
                | Self::EchoKey
                | Self::Stall
                | Self::Reset
        )
    }

    /// Whether it makes sense for this request.
    fn can_strike(&self, asked: &Asked) -> bool {
        match self {
            Self::TooLarge { above } => asked.limit > *above,
            Self::RejectCursor { .. }
            | Self::SameCursor
            | Self::Cycle
            | Self::Duplicate
            | Self::Shift { .. } => asked.page > 1,
            _ => true,
        }
    }
}

impl FaultPlan {
    /// At most `times` times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    /// Without end.
    #[must_use]
    pub fn forever(self) -> Self {
        Self {
            times: None,
            ..self
        }
    }
}

impl From<Fault> for FaultPlan {
    fn from(fault: Fault) -> Self {
        fault.always()
    }
}

/// What of a request decides which faults strike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) number: u64,
    /// 1 without a cursor, more with one.
    pub(super) page: u64,
    pub(super) limit: u64,
}

/// The faults in force.
#[derive(Debug)]
pub(super) struct Faults {
    plans: Vec<FaultPlan>,
    random: fastrand::Rng,
}

impl Faults {
    pub(super) fn new(plans: Vec<FaultPlan>, seed: u64) -> Self {
        Self {
            plans,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn push(&mut self, plan: FaultPlan) {
        self.plans.push(plan);
    }

    pub(super) fn clear(&mut self) {
        self.plans.clear();
    }

    /// The faults that strike this request, in the order they were pushed; at most one of them replaces the page.
    pub(super) fn due(&mut self, asked: &Asked) -> Vec<Fault> {
        let mut due: Vec<Fault> = Vec::new();
        for plan in &mut self.plans {
            let strikes = match plan.when {
                When::Always => true,
                When::Request(number) => number == asked.number,
                When::Page(page) => page == asked.page,
                When::Rate(rate) => self.random.f64() < rate,
            };
            let replaced = plan.fault.replaces_page() && due.iter().any(Fault::replaces_page);
            if strikes && !replaced && plan.times != Some(0) && plan.fault.can_strike(asked) {
                plan.times = plan.times.map(|times| times - 1);
                due.push(plan.fault.clone());
            }
        }
        self.plans.retain(|plan| plan.times != Some(0));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD_GATEWAY: Fault = Fault::Html { status: 502 };

    fn asked(number: u64, page: u64) -> Asked {
        Asked {
            number,
            page,
            limit: 100,
        }
    }

    /// At which of twelve requests (three for each page of four) the plan strikes.
    fn strikes(plan: FaultPlan) -> Vec<u64> {
        let mut faults = Faults::new(vec![plan], 1);
        (1..=12)
            .filter(|number| !faults.due(&asked(*number, (number - 1) / 3 + 1)).is_empty())
            .collect()
    }

    #[test]
    fn plans_strike_when_they_should() {
        let table = [
            (BAD_GATEWAY.always(), (1..=12).collect()),
            (BAD_GATEWAY.once(), vec![1]),
            (BAD_GATEWAY.on_request(5), vec![5]),
            (BAD_GATEWAY.on_page(2), vec![4]),
            (BAD_GATEWAY.on_page(2).times(2), vec![4, 5]),
            (BAD_GATEWAY.on_page(2).forever(), vec![4, 5, 6]),
            (BAD_GATEWAY.at_rate(0.0), vec![]),
            (BAD_GATEWAY.at_rate(1.0).times(3), vec![1, 2, 3]),
            (Fault::Cycle.once(), vec![4]),
            (Fault::TooLarge { above: 100 }.always(), vec![]),
            (Fault::TooLarge { above: 99 }.on_page(4), vec![10]),
        ];
        for (plan, expected) in table {
            assert_eq!(strikes(plan.clone()), expected, "{plan:?}");
        }
        let share = strikes(BAD_GATEWAY.at_rate(0.5));
        assert!((1..12).contains(&share.len()), "{share:?}");
        assert_eq!(share, strikes(BAD_GATEWAY.at_rate(0.5)), "the seed decides");
    }

    #[test]
    fn one_answer_at_a_time_and_the_other_is_kept() {
        let unavailable = Fault::Status {
            status: 503,
            wait: None,
        };
        let late = Fault::Latency(Duration::from_millis(1));
        let mut faults = Faults::new(
            vec![
                BAD_GATEWAY.once(),
                late.clone().once(),
                unavailable.clone().once(),
            ],
            1,
        );
        assert_eq!(faults.due(&asked(1, 1)), [BAD_GATEWAY, late]);
        assert_eq!(faults.due(&asked(2, 1)), [unavailable]);
        assert!(faults.due(&asked(3, 1)).is_empty());
    }
}
