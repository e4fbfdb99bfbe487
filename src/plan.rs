//! The decisions of a pass, as pure functions: values in, decision out. Nothing here reads, writes or waits.

use std::time::Duration;

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
}
