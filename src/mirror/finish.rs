//! The end of a proven walk: absences are judged, confirmed ones become tombstones, the pass is complete. One transaction.

use std::time::Duration;

use rusqlite::Connection;

use super::rows::Stamp;
use super::{Mirror, Result, attempts, feed, meta, newcomers, quarantine, schema, sweep};
use crate::config::{Changes, Deletions};
use crate::model::{SweepState, Timestamp, format_timestamp};
use crate::plan::{self, Absences, CompletenessProof, Sweep};

impl Mirror {
    /// Completes a pass whose walk is proven; returns how many customers wait for the operator's decision.
    pub fn finish_pass(
        &mut self,
        pass_id: i64,
        _proof: &CompletenessProof,
        deletions: &Deletions,
        changes: &Changes,
        now: Timestamp,
    ) -> Result<u64> {
        let stamp_text = format_timestamp(now);
        // Their memory is for the sort of the first indexes now.
        (self.newcomers, self.followed) = (None, None);
        self.write(|tx| {
            let stamp = Stamp { pass_id, now: &stamp_text };
            newcomers::forget(tx)?;
            schema::ensure_indexes(tx)?;
            supersede_held(tx)?;
            let (state, deleted, held) = judge(tx, deletions, stamp)?;
            tx.execute(
                "UPDATE passes SET state = 'complete', finished_at = ?2, deleted = ?3, sweep = ?4, error = NULL WHERE pass_id = ?1",
                (pass_id, stamp.now, deleted as i64, state.as_str()),
            )?;
            attempts::forget(tx)?;
            quarantine::heal_listed(tx, pass_id)?;
            tx.execute("DELETE FROM pass_pages", [])?;
            if let Some(keep) = changes.keep {
                forget_old(tx, keep, now)?;
            }
            Ok(held)
        })
    }
}

/// Counts, decides and acts; returns the sweep's state, the tombstones made and the customers held.
fn judge(
    tx: &Connection,
    limits: &Deletions,
    stamp: Stamp<'_>,
) -> rusqlite::Result<(SweepState, u64, u64)> {
    let unreadable = quarantine::unreadable_in_pass(tx, stamp.pass_id)?;
    sweep::reset_seen(tx)?;
    if unreadable == 0 {
        sweep::count_absences(tx)?;
    }
    let confirmed = sweep::confirmed(tx, limits.confirm_passes)?;
    let live: i64 = meta(tx, "live_customers")?.unwrap_or_default();
    let records: i64 = tx.query_row(
        "SELECT records FROM passes WHERE pass_id = ?1",
        [stamp.pass_id],
        |row| row.get(0),
    )?;
    let found = Absences {
        live: live.max(0) as u64,
        confirmed,
        saw_any: records > 0,
        unreadable,
    };
    match plan::sweep(found, limits) {
        Sweep::Skip => Ok((SweepState::None, 0, 0)),
        Sweep::Tombstone => Ok((
            SweepState::Done,
            sweep::tombstone_confirmed(tx, limits.confirm_passes, stamp)?,
            0,
        )),
        Sweep::Hold => {
            sweep::hold(tx, limits.confirm_passes)?;
            Ok((SweepState::Held, 0, confirmed))
        }
        Sweep::HoldAll => {
            sweep::hold(tx, 0)?;
            Ok((SweepState::Held, 0, sweep::confirmed(tx, 0)?))
        }
    }
}

/// A sweep held by an earlier pass is judged afresh by this one.
fn supersede_held(tx: &Connection) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE passes SET sweep = 'superseded' WHERE sweep = 'held'",
        [],
    )?;
    tx.execute("UPDATE absences SET held = 0 WHERE held = 1", [])
        .map(drop)
}

/// Passes that stay whatever their age: ten days of a pass every quarter of an hour.
const PASSES_KEPT_MIN: i64 = 1000;

/// Deletes changes older than `keep`, quarantined records that no walk has met for as long, and passes that are as old, but the last
/// ones.
fn forget_old(tx: &Connection, keep: Duration, now: Timestamp) -> rusqlite::Result<()> {
    let Some(cutoff) = chrono::TimeDelta::from_std(keep)
        .ok()
        .and_then(|keep| now.checked_sub_signed(keep))
    else {
        return Ok(());
    };
    let cutoff = format_timestamp(cutoff);
    feed::prune(tx, &cutoff, &format_timestamp(now))?;
    tx.execute("DELETE FROM quarantine WHERE at < ?1", [&cutoff])?;
    // The pass that has just completed is among those that stay.
    tx.execute(
        "DELETE FROM passes WHERE finished_at < ?1 AND pass_id <= (SELECT max(pass_id) FROM passes) - ?2",
        (&cutoff, PASSES_KEPT_MIN),
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ADA, Fixture, at};

    #[test]
    fn a_held_sweep_is_superseded_by_the_next_complete_pass() {
        let mut fixture = Fixture::filled();
        let held = |fixture: &Fixture| -> (String, i64) {
            let sql =
                "SELECT group_concat(sweep), (SELECT count(*) FROM absences WHERE held = 1) FROM
                         (SELECT sweep FROM passes WHERE pass_id > 4 ORDER BY pass_id)";
            let found = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            fixture
                .mirror
                .read(|db| db.query_row(sql, [], found))
                .unwrap()
        };
        fixture.pass(60, &[&[ADA]]);
        fixture.pass(75, &[&[ADA]]);
        assert_eq!(held(&fixture), ("done,held".to_owned(), 2));
        let twin = "{\"customerId\": \"c-2\", \"referenceId\": \"twin\"}";
        fixture.pass(90, &[&[ADA, twin]]);
        assert_eq!(
            held(&fixture),
            ("done,superseded,done".to_owned(), 0),
            "one absence is few enough"
        );
    }

    #[test]
    fn passes_go_with_the_changes_but_the_last_ones() {
        let mut fixture = Fixture::empty();
        let complete = |fixture: &mut Fixture, days: i64| {
            let pass_id = fixture.pages(days * 1440, &[&[]], None);
            let proof = plan::prove_complete(&fixture.mirror.walk_evidence(pass_id).unwrap());
            let deletions = Deletions {
                confirm_passes: 1,
                max_percent: 10.0,
                always_allow: 1,
                purge_after: None,
            };
            let keep = Duration::from_secs(86_400);
            let changes = Changes { keep: Some(keep) };
            let now = at(days * 1440);
            let proof = proof.unwrap();
            let finished = fixture
                .mirror
                .finish_pass(pass_id, &proof, &deletions, &changes, now);
            finished.unwrap();
            pass_id
        };
        let passes = |fixture: &Fixture| -> (i64, i64) {
            let sql = "SELECT min(pass_id), count(*) FROM passes";
            let found = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            fixture
                .mirror
                .read(|db| db.query_row(sql, [], found))
                .unwrap()
        };
        let history = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
             INSERT INTO passes (state, started_at, finished_at) SELECT 'complete', '{1}', '{1}' FROM n",
            PASSES_KEPT_MIN + 4,
            format_timestamp(at(0))
        );
        fixture
            .mirror
            .read(|db| db.execute_batch(&history))
            .unwrap();
        complete(&mut fixture, 0);
        // None of them is old.
        assert_eq!(passes(&fixture), (1, PASSES_KEPT_MIN + 5));
        let last = complete(&mut fixture, 2);
        assert_eq!(
            passes(&fixture),
            (last - PASSES_KEPT_MIN + 1, PASSES_KEPT_MIN)
        );
    }
}
