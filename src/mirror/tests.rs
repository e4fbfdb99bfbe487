//! What takes two writers of one mirror in one process, or a hand on its insides.

mod model;

use std::time::{Duration, Instant};

use chrono::Utc;

use super::*;
use crate::config::{Changes, Deletions};
use crate::model::PassState;
use crate::plan::CompletenessProof;
use crate::{decode, plan};

#[test]
fn who_writes_beside_the_lock_s_holder_leaves_a_mirror_alone_that_was_upgraded_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let mut holder = Mirror::open_or_create(&path, "a source", "holder").unwrap();
    let mut beside = Mirror::open_beside(&path, "beside").unwrap();
    assert_eq!(beside.discard_held_sweep().unwrap(), None);
    let newer = SCHEMA_VERSION + 1;
    holder
        .write(|tx| tx.pragma_update(None, "user_version", newer))
        .unwrap();
    let error = beside.discard_held_sweep().unwrap_err();
    assert!(matches!(error, MirrorError::TooNew { .. }), "{error}");
}

#[test]
fn an_older_mirror_is_not_migrated_beside_the_lock_s_holder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    // As a process leaves it for a moment that has just begun to make it.
    let _holder = lock::Lock::acquire(&path, "holder").unwrap();
    drop(files::open_or_create(&path).unwrap());
    let error = Mirror::open_beside(&path, "beside").unwrap_err();
    assert!(error.to_string().contains("`holder`"), "{error}");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

/// A mirror whose first pass has walked all of its customers, but is not judged.
fn walked(path: &Path) -> (Mirror, i64, CompletenessProof) {
    let mut mirror = Mirror::open_or_create(path, "a source", "a test").unwrap();
    let records: Vec<_> = (0..1000)
        .map(|number| format!(r#"{{"customerId":"c{number}","referenceId":"r{number}"}}"#))
        .collect();
    let body = format!(
        r#"{{"items":[{}],"pagination":{{"nextCursor":null}}}}"#,
        records.join(",")
    );
    let page = decode::page(body.into_bytes()).unwrap();
    let pass_id = mirror.begin_pass(Utc::now()).unwrap().pass_id;
    mirror
        .commit_page(pass_id, None, &page, Cost::default(), Utc::now())
        .unwrap();
    let proof = plan::prove_complete(&mirror.walk_evidence(pass_id).unwrap()).unwrap();
    (mirror, pass_id, proof)
}

fn finish(mirror: &mut Mirror, pass_id: i64, proof: &CompletenessProof) -> Result<u64> {
    let deletions = Deletions {
        confirm_passes: 1,
        max_percent: 10.0,
        always_allow: 0,
        purge_after: None,
    };
    let changes = Changes { keep: None };
    mirror.finish_pass(pass_id, proof, &deletions, &changes, Utc::now())
}

#[test]
fn a_pass_that_is_given_up_at_its_end_is_finished_another_time() {
    let folder = tempfile::tempdir().unwrap();
    let (mut mirror, pass_id, proof) = walked(&folder.path().join("m.db"));
    let before = mirror.pass_report(pass_id).unwrap();
    let work = mirror.work();
    work.give_up();
    let error = finish(&mut mirror, pass_id, &proof).unwrap_err();
    assert!(matches!(error, MirrorError::Interrupted { .. }), "{error}");
    assert_eq!(mirror.pass_report(pass_id).unwrap(), before);
    work.resume();
    assert_eq!(finish(&mut mirror, pass_id, &proof).unwrap(), 0);
    let after = mirror.pass_report(pass_id).unwrap();
    assert_eq!(after.state, PassState::Complete);
}

/// Returns when something has come true; a test that would wait for ever fails.
#[track_caller]
fn until(is_true: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < Duration::from_secs(60), "in vain");
        std::thread::yield_now();
    }
}

#[test]
fn a_long_statement_is_seen_to_go_on_and_can_be_stopped_and_nothing_of_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (mut mirror, ..) = walked(&folder.path().join("m.db"));
    let work = mirror.work();
    let endless = std::thread::spawn(move || {
        let stopped = mirror.write(|tx| {
            tx.execute("DELETE FROM customers", [])?;
            tx.execute_batch(
                "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
            )
        });
        (mirror, stopped)
    });
    let begun = work.steps();
    until(|| work.steps() >= begun + 20);
    work.give_up();
    until(|| endless.is_finished());
    let (mut mirror, stopped) = endless.join().unwrap();
    let error = stopped.unwrap_err();
    assert!(matches!(error, MirrorError::Interrupted { .. }), "{error}");
    work.resume();
    let customers = mirror.write(|tx| {
        tx.query_row("SELECT count(*) FROM customers", [], |row| {
            row.get::<_, i64>(0)
        })
    });
    assert_eq!(customers.unwrap(), 1000);
}

/// What `tests/power.sh` sees the use of.
#[test]
fn whoever_writes_waits_for_the_disk() {
    const FULL: i64 = 2;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let (mirror, ..) = walked(&path);
    let beside = Mirror::open_beside(&path, "a test").unwrap();
    for writer in [&mirror, &beside] {
        let mode = writer.read(|connection| {
            connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, i64>(0))
        });
        assert_eq!(mode.unwrap(), FULL);
    }
}

#[test]
fn who_reads_what_was_killed_at_its_making_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let (making, killed) = (folder.path().join("making.db"), folder.path().join("m.db"));
    let connection = rusqlite::Connection::open(&making).unwrap();
    // In a small cache, some of it gets to the file before its time.
    connection
        .execute_batch(
            "PRAGMA cache_size = 1; BEGIN; CREATE TABLE t (x);
             WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n LIMIT 99) INSERT INTO t SELECT zeroblob(9999) FROM n",
        )
        .unwrap();
    for suffix in ["", files::JOURNAL] {
        let name = |path: &Path| files::beside(path, suffix);
        std::fs::copy(name(&making), name(&killed)).unwrap();
    }
    let told = Reader::open(&killed).unwrap_err().to_string();
    assert!(
        told.contains("m.db-journal") && told.contains("customer-mirror sync"),
        "{told}"
    );
    drop(Mirror::open_or_create(&killed, "https://api.example.com", "a test").unwrap());
    Reader::open(&killed).unwrap();
}

#[test]
fn nobody_is_told_to_remove_the_mirror_where_its_folder_can_not_be_searched_for_copies() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    let path = before.join("m.db");
    let (mut mirror, ..) = walked(&path);
    mirror
        .write(|tx| clean_up::make_due(tx, None, &[]))
        .unwrap();
    std::fs::rename(&before, &after).unwrap();
    let told = mirror.clean_up(Duration::ZERO).unwrap_err().to_string();
    assert!(
        told.contains("m.db") && !told.contains("remove it"),
        "{told}"
    );
    std::fs::rename(&after, &before).unwrap();
    assert_eq!(
        mirror.clean_up(Duration::ZERO).unwrap(),
        CleanUp::Done(Vec::new())
    );
}
