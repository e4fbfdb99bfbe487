//! Is it alive, is it ready? Pure: what is known in, the answer out.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde::Serialize;

use crate::config::Timing;
use crate::human::{ago, moment};
use crate::model::{Timestamp, format_timestamp};

/// Whether the mirror is fresh enough to be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It is, until then; for ever, if the schedule has no due time left.
    Ready {
        /// Then it won't be any more, unless another pass completes.
        stale_at: Option<Timestamp>,
    },
    /// It isn't.
    NotReady {
        /// Why, for a person.
        reason: String,
    },
}

impl Readiness {
    /// Whether it is.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }
}

/// Judges a mirror that is complete as of a time. It is ready while fewer than so many due times have gone by since: counted by the
/// schedule, so that one that rests at the weekend is ready on Monday morning. A time that is as far in the future says nothing of its
/// age: a clock was wrong, and it would be ready for years.
pub(crate) fn readiness(
    complete_as_of: Option<Timestamp>,
    timing: &Timing,
    periods: u32,
    now: Timestamp,
) -> Readiness {
    let Some(begun) = complete_as_of else {
        return Readiness::NotReady {
            reason: "no pass has been completed yet".to_owned(),
        };
    };
    let Some(end) = stale_at(begun, timing, periods) else {
        return Readiness::Ready { stale_at: None };
    };
    if begun > now && stale_at(now, timing, periods).is_some_and(|latest| latest <= begun) {
        return Readiness::NotReady {
            reason: format!(
                "the last complete pass began at {}, by a clock that was wrong, or is now: nobody knows its age",
                moment(&format_timestamp(begun))
            ),
        };
    }
    if now < end {
        return Readiness::Ready {
            stale_at: Some(end),
        };
    }
    let begun = format_timestamp(begun);
    let times = match periods {
        1 => "a due time has".to_owned(),
        periods => format!("{periods} due times have"),
    };
    Readiness::NotReady {
        reason: format!(
            "the last complete pass began at {} ({}), and {times} gone by since (http.ready_periods)",
            moment(&begun),
            ago(&begun, now)
        ),
    }
}

/// When what is of `begun` is too old; `None` if the schedule ends before.
fn stale_at(begun: Timestamp, timing: &Timing, periods: u32) -> Option<Timestamp> {
    let mut due = begun;
    for _ in 0..periods {
        due = timing.when.next_after(due)?;
    }
    let jitter = TimeDelta::from_std(timing.jitter).unwrap_or_default();
    Some(due.checked_add_signed(jitter).unwrap_or(due))
}

/// The body of `/readyz`.
#[derive(Debug, Serialize)]
pub(super) struct ReadyBody {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    complete_as_of: Option<String>,
    age_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_at: Option<String>,
}

impl ReadyBody {
    pub(super) fn new(
        readiness: Readiness,
        complete_as_of: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let (status, reason, stale_at) = match readiness {
            Readiness::Ready { stale_at } => ("ready", None, stale_at),
            Readiness::NotReady { reason } => ("not ready", Some(reason), None),
        };
        Self {
            status,
            reason,
            complete_as_of: complete_as_of.map(format_timestamp),
            age_seconds: complete_as_of.map(|at| (now - at).num_seconds()),
            stale_at: stale_at.map(format_timestamp),
        }
    }
}

/// The body of `/healthz`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct HealthBody {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Whether the loop that drives the passes is alive: it beats once in an interval, also in long steps, unless one hangs. `None`
/// where there is no such loop.
pub(super) fn health(
    beats: Option<(Option<Instant>, Duration)>,
    started: Instant,
    now: Instant,
) -> HealthBody {
    let Some((beat_at, interval)) = beats else {
        return HealthBody {
            status: "ok",
            reason: None,
        };
    };
    // One beat may come late; systemd's watchdog has the same measure.
    let silence_max = interval * 4;
    let silence = now.saturating_duration_since(beat_at.unwrap_or(started));
    if silence <= silence_max {
        return HealthBody {
            status: "ok",
            reason: None,
        };
    }
    HealthBody {
        status: "stuck",
        reason: Some(format!(
            "the loop that makes the passes has not moved for {} s",
            silence.as_secs()
        )),
    }
}

impl HealthBody {
    pub(super) fn is_ok(&self) -> bool {
        self.reason.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parse_timestamp;
    use crate::schedule::{Schedule, parse_timezone};

    fn at(text: &str) -> Timestamp {
        parse_timestamp(&format!("{text}:00.000Z")).unwrap()
    }

    fn timing(cron: &str, jitter_s: u64) -> Timing {
        let zone = parse_timezone("UTC").unwrap();
        Timing {
            when: Schedule::parse(cron, zone, at("2026-01-01T00:00")).unwrap(),
            jitter: Duration::from_secs(jitter_s),
            run_on_start: true,
        }
    }

    #[test]
    fn ready_for_so_many_periods() {
        // 2026-01-30 is a Friday.
        for (cron, jitter, periods, begun, stale_at) in [
            ("*/15 * * * *", 0, 3, "2026-01-31T09:15", "2026-01-31T10:00"),
            ("*/15 * * * *", 0, 3, "2026-01-31T09:16", "2026-01-31T10:00"),
            (
                "*/15 * * * *",
                300,
                1,
                "2026-01-31T09:15",
                "2026-01-31T09:35",
            ),
            (
                "0 8-17 * * Mon-Fri",
                0,
                2,
                "2026-01-30T17:00",
                "2026-02-02T09:00",
            ),
        ] {
            let (timing, stale_at) = (timing(cron, jitter), at(stale_at));
            let judge = |now| readiness(Some(at(begun)), &timing, periods, now);
            let ready = Readiness::Ready {
                stale_at: Some(stale_at),
            };
            assert_eq!(
                judge(stale_at - TimeDelta::milliseconds(1)),
                ready,
                "{cron}"
            );
            let Readiness::NotReady { reason } = judge(stale_at) else {
                panic!("{cron}");
            };
            assert!(
                reason.starts_with("the last complete pass began at 2026-01-3"),
                "{reason}"
            );
        }
    }

    #[test]
    fn a_pass_of_the_future_makes_nobody_ready_for_years() {
        let (timing, now) = (timing("*/15 * * * *", 0), at("2026-01-31T09:10"));
        for (begun, is_ready) in [
            ("2026-01-31T09:10", true),
            ("2026-01-31T09:44", true),
            ("2026-01-31T09:45", false),
            ("2026-02-01T09:10", false),
            ("2099-01-31T09:10", false),
        ] {
            let found = readiness(Some(at(begun)), &timing, 3, now);
            assert_eq!(found.is_ready(), is_ready, "{begun}: {found:?}");
        }
    }

    #[test]
    fn never_complete_is_not_ready_and_a_schedule_without_end_is() {
        let timing_once = timing("0 0 9 1 2 * 2026", 0);
        let now = at("2026-01-31T09:00");
        assert!(!readiness(None, &timing_once, 3, now).is_ready());
        let after = readiness(
            Some(at("2026-02-01T09:00")),
            &timing_once,
            3,
            at("2036-01-01T00:00"),
        );
        assert_eq!(after, Readiness::Ready { stale_at: None });
    }

    #[test]
    fn a_loop_that_does_not_beat_is_stuck() {
        let (started, interval) = (Instant::now(), Duration::from_secs(15));
        let judge = |beat_at: Option<u64>, now: u64| {
            let at = |seconds| started + Duration::from_secs(seconds);
            health(Some((beat_at.map(at), interval)), started, at(now)).is_ok()
        };
        assert!(judge(None, 60) && !judge(None, 61));
        assert!(judge(Some(100), 160) && !judge(Some(100), 161));
        assert!(health(None, started, started + Duration::from_secs(1000)).is_ok());
    }
}
