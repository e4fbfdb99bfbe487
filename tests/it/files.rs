//! Promises 9 and 14, and §5: whose file it is, who may write it, and what becomes of it when the disk lets it down.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use customer_mirror::simulator::Listing;
use rstest::rstest;
use rusqlite::Connection;

use crate::support::{Bench, Running, after_shell, assert_sound, bytes, customers, quoted};

fn mode(path: &Path) -> String {
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    format!("{:04o}", mode & 0o7777)
}

#[rstest]
#[case("000", "0640", "0750")]
#[case("022", "0640", "0750")]
#[case("077", "0600", "0700")]
#[tokio::test]
async fn files_are_for_owner_and_group_only(
    #[case] umask: &str,
    #[case] file: &str,
    #[case] folder: &str,
) {
    let mut bench = Bench::of(customers(1..=30)).await;
    let upper = bench.folder.path().join("upper");
    let lower = upper.join("lower");
    bench.set("mirror.path", &quoted(lower.join("m.db").to_str().unwrap()));
    bench.sim.hold_request(3);
    let command = after_shell(&format!("umask {umask}"), &bench.command(&["sync"]));
    let running = Running::spawn(command);
    bench.sim.wait_for_requests(3).await;
    for name in ["m.db", "m.db-wal", "m.db-shm", "m.db.lock"] {
        assert_eq!(mode(&lower.join(name)), file, "{name}");
    }
    assert_eq!(
        (mode(&upper).as_str(), mode(&lower).as_str()),
        (folder, folder)
    );
    bench.sim.release();
    running.end().await.exits(0);
}

#[tokio::test]
async fn a_second_writer_is_told_who_holds_the_lock() {
    let bench = Bench::of(customers(1..=30)).await;
    bench.sim.hold_request(2);
    let running = bench.spawn(&["sync"]);
    bench.sim.wait_for_requests(2).await;
    let pid = running.pid().to_string();
    bench
        .run(&["-q", "sync"])
        .await
        .exits(75)
        .says(&["mirror.db", "customer-mirror sync", &pid])
        .says_nothing_else();
    assert_eq!(bench.sim.request_count(), 2);
    bench.sim.release();
    running.end().await.exits(0);
    bench.assert_mirrors();
    bench.synced().await;
}

#[tokio::test]
async fn a_mirror_by_another_name_has_the_same_lock() {
    let mut bench = Bench::of(customers(1..=30)).await;
    bench.synced().await;
    let link = bench.db_path().with_file_name("link.db");
    std::os::unix::fs::symlink(bench.db_path(), &link).unwrap();
    let request = bench.sim.request_count() + 2;
    bench.sim.hold_request(request);
    let running = bench.spawn(&["sync"]);
    bench.sim.wait_for_requests(request).await;
    bench.set("mirror.path", &quoted(&link.display().to_string()));
    bench.run(&["-q", "sync"]).await.exits(75);
    bench.sim.release();
    running.end().await.exits(0);
}

#[tokio::test]
async fn the_lock_of_a_killed_process_is_free() {
    let bench = Bench::of(customers(1..=30)).await;
    bench.sync_killed_at_request(2).await;
    bench.synced().await;
}

#[rstest]
#[case::another_filter("api.filter", "\"acme\"", "acme")]
#[case::another_server(
    "api.base_url",
    "\"https://api.example.com/v2\"",
    "https://api.example.com/v2"
)]
#[tokio::test]
async fn the_mirror_of_another_source_is_refused(
    #[case] key: &str,
    #[case] value: &str,
    #[case] said: &str,
) {
    let mut bench = Bench::of(customers(1..=30)).await;
    bench.synced().await;
    let base_url = bench.sim.base_url();
    let before = bytes(&bench.db_path());
    bench.set(key, value);
    for arguments in [
        &["-q", "sync"][..],
        &["-q", "sync", "--dry-run"],
        &["-q", "sync", "--restart"],
    ] {
        bench
            .run(arguments)
            .await
            .exits(78)
            .says(&["mirror.db", said, &base_url, "mirror.path"])
            .says_nothing_else();
    }
    assert_eq!(bench.sim.request_count(), 3);
    assert_eq!(bytes(&bench.db_path()), before);
}

#[tokio::test]
async fn a_folder_is_told_from_a_broken_disk() {
    let bench = Bench::of(customers(1..=3)).await;
    std::fs::create_dir(bench.db_path()).unwrap();
    for command in ["status", "changes", "quarantine"] {
        bench
            .run(&["-q", command])
            .await
            .exits(78)
            .says(&[
                "mirror.db: not a customer mirror (it is a folder)",
                "mirror.path",
            ])
            .says_nothing_else();
    }
}

#[rstest]
#[case::a_text(b"Dear diary,\n".repeat(1000))]
#[case::a_short_text(b"note\n".to_vec())]
#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone(#[case] content: Vec<u8>) {
    let bench = Bench::of(customers(1..=30)).await;
    std::fs::write(bench.db_path(), &content).unwrap();
    for arguments in [&["-q", "sync"][..], &["-q", "sync", "--dry-run"]] {
        bench
            .run(arguments)
            .await
            .exits(78)
            .says(&["mirror.db", "not a customer mirror"])
            .says_nothing_else();
    }
    assert_eq!(bytes(&bench.db_path()), content);
    assert_eq!(bench.sim.request_count(), 0);
}

#[rstest]
#[case::with_a_table("CREATE TABLE letters (a)")]
#[case::with_a_table_of_ours("CREATE TABLE customers (customer_id)")]
#[case::in_wal_mode("PRAGMA journal_mode = wal; CREATE TABLE letters (a)")]
#[case::empty_but_claimed("PRAGMA application_id = 7")]
#[case::empty_but_versioned("PRAGMA user_version = 1")]
#[tokio::test]
async fn a_database_of_another_program_is_left_alone(#[case] sql: &str) {
    let bench = Bench::of(customers(1..=30)).await;
    let other = Connection::open(bench.db_path()).unwrap();
    other.execute_batch(sql).unwrap();
    other.close().unwrap();
    let before = bytes(&bench.db_path());
    for arguments in [&["-q", "sync"][..], &["-q", "sync", "--dry-run"]] {
        bench
            .run(arguments)
            .await
            .exits(78)
            .says(&["mirror.db", "another program"])
            .says_nothing_else();
    }
    assert_eq!(bytes(&bench.db_path()), before);
    assert_eq!(bench.sim.request_count(), 0);
}

#[tokio::test]
async fn an_empty_file_becomes_a_mirror() {
    let bench = Bench::of(customers(1..=30)).await;
    std::fs::write(bench.db_path(), "").unwrap();
    bench.synced().await;
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_mirror_of_a_newer_program_is_refused() {
    let bench = Bench::of(customers(1..=30)).await;
    bench.synced().await;
    bench
        .db_to_write()
        .pragma_update(None, "user_version", 999)
        .unwrap();
    for arguments in [&["-q", "sync"][..], &["-q", "sync", "--dry-run"]] {
        bench
            .run(arguments)
            .await
            .exits(78)
            .says(&["mirror.db", "999", "upgrade"])
            .says_nothing_else();
    }
    assert_eq!(bench.sim.request_count(), 3);
}

#[tokio::test]
async fn a_mirror_can_be_known_by_its_header() {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    assert_eq!(bench.one::<i64>("PRAGMA user_version"), 1);
    assert_eq!(bench.one::<i64>("PRAGMA application_id"), 0x434D_6972);
    assert_eq!(bench.one::<String>("PRAGMA journal_mode"), "wal");
}

#[tokio::test]
async fn a_mirror_that_can_not_be_created_has_its_exit_status() {
    let mut bench = Bench::of(customers(1..=30)).await;
    let file = bench.folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let folder = bench.folder.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let mut paths = vec![file.join("m.db"), file.join("sub").join("m.db"), folder];
    // Linux lets nobody make files there, root included.
    if Path::new("/proc/self").exists() {
        paths.push("/proc/m.db".into());
    }
    for path in paths {
        let path = path.to_str().unwrap();
        bench.set("mirror.path", &quoted(path));
        bench
            .run(&["-q", "sync"])
            .await
            .exits(73)
            .says(&["writing"])
            .says_nothing_else();
    }
    assert_eq!(bench.sim.request_count(), 0);
}

#[rstest]
#[case::overwritten(|content: &mut Vec<u8>| content[4096..].fill(0xAA))]
#[case::cut_off(|content: &mut Vec<u8>| content.truncate(4096 * 5))]
#[tokio::test]
async fn a_damaged_mirror_has_its_exit_status(#[case] damage: fn(&mut Vec<u8>)) {
    let bench = Bench::of(Listing::seeded(31, 100)).await;
    bench.synced().await;
    let mut content = bytes(&bench.db_path());
    damage(&mut content);
    std::fs::write(bench.db_path(), content).unwrap();
    for arguments in [&["-q", "sync"][..], &["-q", "sync", "--dry-run"]] {
        bench
            .run(arguments)
            .await
            .exits(74)
            .says(&["mirror.db", "damaged"])
            .says_nothing_else();
    }
}

/// A file-size limit is what a full disk looks like to a process, without a disk to fill.
#[tokio::test]
async fn a_full_disk_leaves_the_last_commit_and_the_pass_goes_on_with_room() {
    let mut bench = Bench::of(Listing::seeded(37, 3000)).await;
    bench.set("api.page_size", "50");
    for blocks in [4000, 8000] {
        let limit = format!("trap '' XFSZ; ulimit -f {blocks}");
        let command = after_shell(&limit, &bench.command(&["-q", "sync"]));
        let run = Running::spawn(command).end().await;
        run.exits(74).says(&["mirror.db"]).says_nothing_else();

        assert_sound(&bench.db());
        let records: i64 = bench.one("SELECT records FROM passes");
        assert!((1..3000).contains(&records), "{records}");
        let listed = bench.sim.customer_ids();
        assert_eq!(
            bench.column::<String>("SELECT customer_id FROM customers ORDER BY row_id"),
            listed[..records as usize]
        );
    }
    let report = bench.synced().await;
    assert_eq!(
        (&report["resumed"], &report["records"]),
        (&2.into(), &3000.into())
    );
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_disk_without_any_room_has_its_exit_status() {
    let bench = Bench::of(customers(1..=30)).await;
    let command = after_shell("trap '' XFSZ; ulimit -f 8", &bench.command(&["-q", "sync"]));
    let run = Running::spawn(command).end().await;
    run.exits(74).says(&["mirror.db"]).says_nothing_else();
    // Nothing of it is in the way.
    bench.synced().await;
    bench.assert_mirrors();
}
