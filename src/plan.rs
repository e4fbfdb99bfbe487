//! The decisions of a pass, as pure functions: values in, decision out. Nothing here reads, writes or waits.

use std::time::Duration;

use chrono::TimeDelta;

use crate::config::Deletions;

/// What is on record of a walk when its last page has been committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkEvidence {
    /// The pass's own count of committed pages.
    pub pages: i64,
    /// How many pages have a record of their own.
    pub recorded: i64,
    /// The smallest recorded page number.
    pub first: i64,
    /// The largest recorded page number.
    pub last: i64,
    /// How many recorded pages had a next cursor.
    pub with_next: i64,
    /// How many different next cursors those had.
    pub distinct_cursors: i64,
    /// Whether the last recorded page had none.
    pub ended: bool,
}

/// Shows that a walk saw the listing from its first to its last page. Only [`prove_complete`] makes one.
#[derive(Debug)]
pub struct CompletenessProof(());

/// Proves a walk complete: numbered from 1 without a gap, each page but the last leading on, no cursor twice, the last one a last page.
///
/// # Errors
/// What is missing.
pub fn prove_complete(walk: &WalkEvidence) -> Result<CompletenessProof, &'static str> {
    if walk.pages == 0 {
        return Err("no page was walked");
    }
    if !walk.ended {
        return Err("the last page leads on");
    }
    if walk.first != 1 || walk.last != walk.pages || walk.recorded != walk.pages {
        return Err("pages are missing from the walk's record");
    }
    if walk.with_next != walk.pages - 1 {
        return Err("the chain of cursors is broken");
    }
    if walk.distinct_cursors != walk.with_next {
        return Err("a cursor came twice");
    }
    Ok(CompletenessProof(()))
}

/// A walk of more pages is a server that invents them: at one customer a page it is still 100 million customers.
const PAGES_MAX: i64 = 100_000_000;
/// So many pages in a row without a record are a listing that leads nowhere, and no gap in one: at a thousand customers a page, ten
/// million that the key may not see.
const EMPTY_PAGES_MAX: u32 = 10_000;
/// So many records are listed between two looks at how many customers the mirror has …
const RECORDS_TO_LOOK: i64 = 100_000;
/// … which, with ten times as many records on the pages, are listed again and again. Rows that move while a walk goes on come twice, not
/// ten times.
const RECORDS_PER_CUSTOMER_MAX: i64 = 10;

/// How far a walk has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Course {
    /// Pages walked, those of earlier processes included.
    pub pages: i64,
    /// Records on them.
    pub records: i64,
    /// Pages without a record, in a row.
    empty_in_a_row: u32,
    /// The records at the last look.
    looked_at: i64,
}

impl Course {
    /// The course of a walk that goes on after so many pages and records.
    pub fn after(pages: i64, records: i64) -> Self {
        Self {
            pages,
            records,
            ..Self::default()
        }
    }

    /// Goes on by a page of so many records. Why the walk is believed to have no end, if it is. A cursor that comes twice is found
    /// elsewhere; this is for a server that always has a new one.
    pub fn go_on(&mut self, records: usize) -> Option<String> {
        self.pages += 1;
        self.records += records as i64;
        self.empty_in_a_row = if records == 0 {
            self.empty_in_a_row + 1
        } else {
            0
        };
        if self.empty_in_a_row >= EMPTY_PAGES_MAX {
            Some(format!(
                "the listing has no end: the last {EMPTY_PAGES_MAX} pages had no customer on them"
            ))
        } else if self.pages > PAGES_MAX {
            Some(format!(
                "the listing has no end: {PAGES_MAX} pages were walked"
            ))
        } else {
            None
        }
    }

    /// Whether it is time to look how many customers the mirror has, for [`Self::repeats`].
    pub fn is_to_look(&mut self) -> bool {
        let is_due = self.records - self.looked_at >= RECORDS_TO_LOOK;
        if is_due {
            self.looked_at = self.records;
        }
        is_due
    }

    /// Why the walk is believed to have no end, if it is, where the mirror has so many customers, deleted ones and bad records included.
    pub fn repeats(&self, known: i64) -> Option<String> {
        let records = self.records;
        (records >= RECORDS_TO_LOOK && records > known.saturating_mul(RECORDS_PER_CUSTOMER_MAX))
            .then(|| {
                format!(
                    "the listing has no end: it has {records} records by now, of {known} customers"
                )
            })
    }
}

/// After so many failures to get a step further, and again after as many more, it is looked whether the server is well but for the page
/// that is asked for. To the daemon that is half an hour of an outage; `sync` …
pub const STUCK_FAILURES: u32 = 6;
/// … also wants them to have gone on for so long: a server that restarts is no reason to begin anew.
const STUCK_AFTER: Duration = Duration::from_secs(600);

/// Whether a checkpoint is in doubt: its page has failed so often in a row, since so long.
pub fn is_doubtful(failures: u32, since: Duration) -> bool {
    failures > 0 && failures.is_multiple_of(STUCK_FAILURES) && since >= STUCK_AFTER
}

/// What a complete pass found out about absences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absences {
    /// Customers live in the mirror before the sweep.
    pub live: u64,
    /// Live customers that were not listed in as many consecutive complete passes as it takes, this one included.
    pub confirmed: u64,
    /// Whether the pass listed anything at all.
    pub saw_any: bool,
    /// Records without a readable customerId; any absent customer may be one of them.
    pub unreadable: u64,
}

/// What to do about the absences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Nothing, and don't count this pass as one that missed anybody.
    Skip,
    /// Turn the confirmed absences (perhaps none) into tombstones.
    Tombstone,
    /// Ask the operator about the confirmed absences: they are suspiciously many.
    Hold,
    /// Ask the operator about every live customer: the listing is empty.
    HoldAll,
}

/// Decides on the sweep at the end of a complete pass.
pub fn sweep(found: Absences, limits: &Deletions) -> Sweep {
    if found.unreadable > 0 {
        return Sweep::Skip;
    }
    if !found.saw_any && found.live > 0 {
        return Sweep::HoldAll;
    }
    let over_percent = found.confirmed as f64 * 100.0 > limits.max_percent * found.live as f64;
    if over_percent && found.confirmed > limits.always_allow {
        Sweep::Hold
    } else {
        Sweep::Tombstone
    }
}

/// Whether a checkpoint of this age is worth a request, given the age at which the server is known to have rejected a cursor.
pub fn worth_trying(age: Duration, rejected_at_age: Option<Duration>) -> bool {
    rejected_at_age.is_none_or(|limit| age < limit)
}

/// Our clock and the server's may differ by so much: a time zone that was mistaken for another is within it.
const CLOCK_DIFFERENCE_MAX: TimeDelta = TimeDelta::days(1);

/// What the server's clock says of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockStanding {
    /// They agree.
    Agrees,
    /// The server doesn't tell the time, or was not asked.
    Unknown,
    /// They differ by so much that one of them is wrong.
    Differs(TimeDelta),
}

/// Judges the wall clock by how far it is ahead of the server's.
pub fn clock_standing(ahead: Option<TimeDelta>) -> ClockStanding {
    match ahead {
        None => ClockStanding::Unknown,
        Some(ahead) if ahead.abs() <= CLOCK_DIFFERENCE_MAX => ClockStanding::Agrees,
        Some(ahead) => ClockStanding::Differs(ahead),
    }
}

impl ClockStanding {
    /// Whether anything may be erased for its age. There is no way back from that, so a clock that another one contradicts is not
    /// enough; where there is no other, it is.
    pub fn lets_erase(self) -> bool {
        !matches!(self, Self::Differs(_))
    }

    /// Whether what is dated in the future was dated by a clock that was wrong: the one of today has a witness.
    pub fn lets_redate(self) -> bool {
        self == Self::Agrees
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Deletions = Deletions {
        confirm_passes: 2,
        max_percent: 10.0,
        always_allow: 20,
        purge_after: None,
    };

    #[test]
    fn only_a_whole_walk_is_proven() {
        let whole = WalkEvidence {
            pages: 3,
            recorded: 3,
            first: 1,
            last: 3,
            with_next: 2,
            distinct_cursors: 2,
            ended: true,
        };
        assert!(prove_complete(&whole).is_ok());
        let one = WalkEvidence {
            pages: 1,
            recorded: 1,
            first: 1,
            last: 1,
            with_next: 0,
            distinct_cursors: 0,
            ended: true,
        };
        assert!(prove_complete(&one).is_ok());
        for broken in [
            WalkEvidence {
                pages: 0,
                recorded: 0,
                first: 0,
                last: 0,
                with_next: 0,
                distinct_cursors: 0,
                ended: true,
            },
            WalkEvidence {
                ended: false,
                ..whole
            },
            WalkEvidence {
                recorded: 2,
                ..whole
            },
            WalkEvidence { first: 2, ..whole },
            WalkEvidence { last: 4, ..whole },
            WalkEvidence {
                with_next: 1,
                ..whole
            },
            WalkEvidence {
                with_next: 3,
                ..whole
            },
            WalkEvidence {
                distinct_cursors: 1,
                ..whole
            },
        ] {
            assert!(prove_complete(&broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn only_what_leads_nowhere_has_no_end() {
        let mut course = Course::after(3, 45);
        for _ in 1..EMPTY_PAGES_MAX {
            assert_eq!(course.go_on(0), None);
        }
        assert_eq!(course.go_on(1), None);
        for _ in 1..EMPTY_PAGES_MAX {
            assert_eq!(course.go_on(0), None);
        }
        assert!(course.go_on(0).is_some());
        assert_eq!(Course::after(PAGES_MAX - 1, 0).go_on(1), None);
        assert!(Course::after(PAGES_MAX, 0).go_on(1).is_some());
    }

    #[test]
    fn a_listing_that_repeats_itself_has_no_end() {
        for (records, known, is_endless) in [
            (1_000_000, 1_000_000, false),
            (100_000, 10_000, false),
            (100_000, 9_999, true),
            // A small mirror, and one that is filled for the first time.
            (99_999, 0, false),
            (200_000, 198_000, false),
        ] {
            let repeats = Course::after(1, records).repeats(known);
            assert_eq!(repeats.is_some(), is_endless, "{records} {known}");
        }
        let mut course = Course::after(1, 99_999);
        assert!(!course.is_to_look());
        course.go_on(1);
        assert!(course.is_to_look() && !course.is_to_look());
    }

    #[test]
    fn a_checkpoint_is_doubted_now_and_then() {
        let doubted = |since| -> Vec<u32> { (0..14).filter(|n| is_doubtful(*n, since)).collect() };
        assert_eq!(doubted(STUCK_AFTER), [6, 12]);
        let earlier = STUCK_AFTER.saturating_sub(Duration::from_millis(1));
        assert!(doubted(earlier).is_empty());
    }

    #[test]
    fn a_sweep_is_held_only_over_both_limits_or_on_an_empty_listing() {
        let found = |live, confirmed| Absences {
            live,
            confirmed,
            saw_any: true,
            unreadable: 0,
        };
        for (found, decision) in [
            (found(1000, 0), Sweep::Tombstone),
            (found(1000, 100), Sweep::Tombstone),
            (found(1000, 101), Sweep::Hold),
            (found(20, 20), Sweep::Tombstone),
            (found(22, 21), Sweep::Hold),
            (found(1000, 20), Sweep::Tombstone),
            (found(0, 0), Sweep::Tombstone),
            (
                Absences {
                    saw_any: false,
                    ..found(3, 0)
                },
                Sweep::HoldAll,
            ),
            (
                Absences {
                    saw_any: false,
                    ..found(3, 3)
                },
                Sweep::HoldAll,
            ),
            (
                Absences {
                    saw_any: false,
                    ..found(0, 0)
                },
                Sweep::Tombstone,
            ),
            (
                Absences {
                    unreadable: 1,
                    ..found(1000, 5)
                },
                Sweep::Skip,
            ),
            (
                Absences {
                    unreadable: 1,
                    saw_any: false,
                    ..found(1000, 1000)
                },
                Sweep::Skip,
            ),
        ] {
            assert_eq!(sweep(found, &LIMITS), decision, "{found:?}");
        }
        let never = Deletions {
            max_percent: 0.0,
            always_allow: 0,
            ..LIMITS
        };
        assert_eq!(sweep(found(1000, 1), &never), Sweep::Hold);
        assert_eq!(sweep(found(1000, 0), &never), Sweep::Tombstone);
    }

    #[test]
    fn a_checkpoint_as_old_as_a_rejected_one_is_not_tried() {
        let minute = Duration::from_mins(1);
        assert!(worth_trying(minute, None));
        assert!(worth_trying(minute, Some(minute * 2)));
        assert!(!worth_trying(minute, Some(minute)));
    }

    proptest::proptest! {
        /// No history of numbers lets more than the allowed share go without being asked.
        #[test]
        fn nothing_over_the_limits_is_tombstoned(live in 0_u64..10_000, confirmed in 0_u64..10_000, saw_any: bool, unreadable in 0_u64..2) {
            let confirmed = confirmed.min(live);
            if sweep(Absences { live, confirmed, saw_any, unreadable }, &LIMITS) == Sweep::Tombstone {
                proptest::prop_assert!(confirmed <= 20 || confirmed * 10 <= live);
                proptest::prop_assert!(unreadable == 0 && (saw_any || live == 0));
            }
        }
    }

    #[test]
    fn a_clock_that_the_server_contradicts_erases_nothing() {
        for (ahead, lets_erase, lets_redate) in [
            (None, true, false),
            (Some(TimeDelta::zero()), true, true),
            (Some(TimeDelta::days(1)), true, true),
            (Some(TimeDelta::days(-1)), true, true),
            (Some(TimeDelta::seconds(86_401)), false, false),
            (Some(TimeDelta::seconds(-86_401)), false, false),
            (Some(TimeDelta::MAX), false, false),
            (Some(TimeDelta::MIN), false, false),
        ] {
            let standing = clock_standing(ahead);
            let found = (standing.lets_erase(), standing.lets_redate());
            assert_eq!(found, (lets_erase, lets_redate), "{ahead:?}");
        }
    }
}
