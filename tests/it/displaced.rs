//! What becomes of a daemon whose files are taken away, or others put in their place: it doesn't write for ever what nobody sees.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use customer_mirror::simulator::Listing;
use rusqlite::{Connection, OpenFlags};

use crate::service::Service;
use crate::support::{Bench, customer, customers, quoted, until};

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// A daemon that has made its first pass.
async fn idle() -> (Bench, Service) {
    let bench = Bench::for_daemon(customers(1..=47)).await;
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    (bench, service)
}

/// A copy of the mirror as it is.
async fn backup_of(bench: &Bench) -> PathBuf {
    let backup = bench.folder.path().join("backup.db");
    let export = bench
        .run(&["export", "--output", backup.to_str().unwrap()])
        .await;
    export.exits(0);
    backup
}

fn remove_all(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        std::fs::remove_file(beside(path, suffix)).unwrap();
    }
}

/// `None` where there is no mirror that could be read.
fn complete_passes(path: &Path) -> Option<i64> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let sql = "SELECT count(*) FROM passes WHERE state = 'complete'";
    db.query_row(sql, [], |row| row.get(0)).ok()
}

#[tokio::test]
async fn a_deleted_mirror_is_made_anew() {
    let (bench, service) = idle().await;
    remove_all(&bench.db_path());
    service.signal("USR1").await;
    until(|| complete_passes(&bench.db_path()) == Some(1)).await;
    bench.assert_mirrors();
    let log = service.stop().await.stderr;
    assert!(log.contains("the file was deleted"), "{log}");
}

#[tokio::test]
async fn a_deleted_folder_is_made_anew() {
    let mut bench = Bench::for_daemon(customers(1..=47)).await;
    let folder = bench.folder.path().join("state");
    let path = folder.join("m.db");
    bench.set("mirror.path", &quoted(path.to_str().unwrap()));
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    std::fs::remove_dir_all(&folder).unwrap();
    service.signal("USR1").await;
    until(|| complete_passes(&path) == Some(1)).await;
    let run = bench.run(&["get", "c47"]).await;
    run.exits(0);
    // It has the lock of the new one.
    bench.run(&["-q", "sync"]).await.exits(75);
    service.stop().await;
}

#[tokio::test]
async fn a_backup_moved_into_its_place_is_gone_on_with() {
    let (bench, service) = idle().await;
    let backup = backup_of(&bench).await;
    bench.sim.set_listing(customers(1..=60));
    service.makes_a_pass(&bench).await;
    // The -wal file of the one that goes has commits in it.
    let reader = bench.db();
    reader.execute_batch("BEGIN; SELECT * FROM passes").unwrap();
    bench.sim.set_listing(customers(3..=61));
    service.makes_a_pass(&bench).await;
    assert!(
        std::fs::metadata(beside(&bench.db_path(), "-wal"))
            .unwrap()
            .len()
            > 0
    );
    let wal = || {
        let wal = std::fs::metadata(beside(&bench.db_path(), "-wal"));
        wal.ok().map(|wal| wal.ino())
    };
    let old = wal();
    std::fs::rename(&backup, bench.db_path()).unwrap();
    service.signal("USR1").await;
    // Until then, SQLite takes the one for the other's.
    until(|| wal().is_some_and(|wal| Some(wal) != old)).await;
    until(|| complete_passes(&bench.db_path()) == Some(2)).await;
    service.makes_a_pass(&bench).await;
    bench.assert_mirrors();
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM passes"), 3);
    let log = service.stop().await.stderr;
    assert!(log.contains("replaced by another file"), "{log}");
}

#[tokio::test]
async fn a_backup_copied_over_it_ends_the_daemon_and_the_next_start_goes_on() {
    let (bench, mut service) = idle().await;
    let backup = backup_of(&bench).await;
    bench.sim.set_listing(customers(1..=400));
    service.makes_a_pass(&bench).await;
    // It has emptied the -wal file, and is at rest.
    service.hears("; next pass ").await;
    std::fs::copy(&backup, bench.db_path()).unwrap();
    service.signal("USR1").await;
    service.end().await.exits(74).says(&["overwritten"]);

    let service = Service::start(&bench).await;
    service.makes_a_pass(&bench).await;
    service.stop().await;
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_deleted_wal_file_in_the_midst_of_a_pass_ends_it_and_loses_nothing() {
    let bench = Bench::for_daemon(customers(1..=47)).await;
    bench.sim.hold_request(4);
    let service = Service::start(&bench).await;
    bench.sim.wait_for_requests(4).await;
    std::fs::remove_file(beside(&bench.db_path(), "-wal")).unwrap();
    std::fs::remove_file(beside(&bench.db_path(), "-shm")).unwrap();
    bench.sim.release();
    service
        .end()
        .await
        .exits(74)
        .says(&["-wal file was deleted"]);
    assert!(bench.one::<i64>("SELECT pages FROM passes") >= 2);
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    service.stop().await;
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_pass_whose_mirror_is_deleted_is_no_success() {
    let bench = Bench::of(customers(1..=47)).await;
    bench.sim.hold_request(5);
    let running = bench.spawn(&["-q", "sync"]);
    bench.sim.wait_for_requests(5).await;
    remove_all(&bench.db_path());
    bench.sim.release();
    let run = running.end().await;
    run.exits(74)
        .says(&["mirror.db", "was deleted while it was in use"])
        .says_nothing_else();
    bench.synced().await;
    bench.assert_mirrors();
}

#[tokio::test]
async fn the_mirror_of_another_source_is_left_alone() {
    let (bench, service) = idle().await;
    let mut other = Bench::for_daemon(customers(1..=3)).await;
    let path = bench.folder.path().join("other.db");
    other.set("mirror.path", &quoted(path.to_str().unwrap()));
    other.synced().await;
    std::fs::rename(&path, bench.db_path()).unwrap();
    service.signal("USR1").await;
    service.end().await.exits(78).says(&["is the mirror of"]);
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM passes"), 1);
}

#[tokio::test]
async fn who_follows_the_feed_of_a_restored_mirror_is_told() {
    let (bench, service) = idle().await;
    let backup = backup_of(&bench).await;
    let more = (1..=60).map(|number| customer(&format!("c{number}"), ""));
    bench.sim.set_listing(Listing::explicit(more));
    service.makes_a_pass(&bench).await;
    let mut follower = bench.spawn(&["changes", "--after", "59", "--follow"]);
    follower.line().await;
    // Which empties the -wal file.
    service.stop().await;
    std::fs::rename(&backup, bench.db_path()).unwrap();
    follower
        .end()
        .await
        .exits(66)
        .says(&["restored from a copy"]);
}
