//! The end of a complete pass: what is old enough goes for good.
//!
//! That is the one thing that a wrong clock could not take back: set years ahead for a minute, it would erase all tombstones and the
//! whole change feed. So where the server's clock contradicts ours by more than a day, nothing is erased until they agree. What a wrong
//! clock has dated in the future would never grow old: with a clock that the server confirms, it counts from now on.

use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::desk::Desk;
use super::{PassError, Rules};
use crate::config::Changes;
use crate::human::span;
use crate::mirror::CleanUp;
use crate::plan::ClockStanding;

/// How long changes are kept, as far as the clock can be believed; says so where it can't.
pub(super) fn changes(rules: &Rules, clock: ClockStanding) -> Changes {
    let keeps_all = rules.changes.keep.is_none() && rules.deletions.purge_after.is_none();
    if let (ClockStanding::Differs(ahead), false) = (clock, keeps_all) {
        let by = span(ahead.abs().to_std().unwrap_or_default());
        let way = if ahead.num_seconds() > 0 {
            "ahead of"
        } else {
            "behind"
        };
        warn!(
            "this machine's clock is {by} {way} the server's: nothing is erased for its age (changes.keep, deletions.purge_after) until \
             they agree; see timedatectl"
        );
    }
    Changes {
        keep: rules.changes.keep.filter(|_| clock.lets_erase()),
    }
}

/// Erases tombstones that are old enough, and what is left of them in the file. What can't be done is left to the next pass:
/// this one is complete.
pub(super) async fn purge(
    desk: &Desk<'_>,
    rules: &Rules,
    clock: ClockStanding,
    stop: watch::Receiver<bool>,
) -> Result<(), PassError> {
    let now = desk.now();
    let purge_after = rules.deletions.purge_after.filter(|_| clock.lets_erase());
    let done = desk
        .with_unless_stopped(stop, move |mirror| {
            if clock.lets_redate() {
                mirror.redate_future(now)?;
            }
            let purged = match purge_after {
                Some(purge_after) => mirror.purge(purge_after, now)?,
                None => 0,
            };
            mirror.compact_search_when_due(now)?;
            Ok((purged, mirror.clean_up(Duration::ZERO)?))
        })
        .await;
    let cleaned = match done {
        Ok(None) => return Ok(()),
        Ok(Some((purged, cleaned))) => {
            if purged > 0 {
                info!(
                    customers = purged,
                    "erased for good: deleted longer ago than deletions.purge_after"
                );
            }
            cleaned
        }
        Err(PassError::Mirror(error)) => {
            warn!(%error, "deleted customers could not be erased wholly; the next pass tries again");
            return Ok(());
        }
        Err(died @ PassError::Died(_)) => return Err(died),
    };
    match cleaned {
        CleanUp::NotDue => {}
        CleanUp::Done(copies) => {
            for copy in copies {
                info!(copy = %copy.display(), "removed what an upgrade kept of the mirror: it held erased customers");
            }
        }
        CleanUp::InUse => info!(
            "another program reads the mirror as it was: bytes of erased customers stay in its files until the end of the next pass"
        ),
    }
    Ok(())
}
