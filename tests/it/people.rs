//! Promises 8 and 14 among several users of one machine: who may read the mirror, and what root leaves behind.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

use crate::support::{Bench, Run, Running, bytes, customers, program, quoted};
use crate::tools::not_tested;

/// Users and a group that need no entry in any file.
const SERVICE: u32 = 4242;
const COLLEAGUE: u32 = 4243;
const GROUP: u32 = 4244;

/// A bench whose mirror is in a folder of its own, with this owner, group and mode. `None`, and it says so, without the means
/// to become somebody else.
async fn bench_for_others(owner: u32, group: u32, mode: u32) -> Option<Bench> {
    if std::fs::metadata("/proc/self").map_or(1, |process| process.uid()) != 0 {
        not_tested("to become another user takes root");
        return None;
    }
    let version = program().arg("--version").uid(COLLEAGUE).output().await;
    if !version.is_ok_and(|version| version.status.success()) {
        not_tested("other users can't run the program where it was built");
        return None;
    }
    let mut bench = Bench::of(customers(1..=30)).await;
    let open_to_all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bench.folder.path(), open_to_all).unwrap();
    let folder = folder(&bench);
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    chown(&folder, Some(owner), Some(group)).unwrap();
    let path = quoted(mirror(&bench).to_str().unwrap());
    bench.set("mirror.path", &path);
    Some(bench)
}

fn folder(bench: &Bench) -> PathBuf {
    bench.folder.path().join("lib")
}

fn mirror(bench: &Bench) -> PathBuf {
    folder(bench).join("m.db")
}

fn beside(bench: &Bench, suffix: &str) -> PathBuf {
    folder(bench).join(format!("m.db{suffix}"))
}

async fn run_as(bench: &Bench, user: u32, group: u32, arguments: &[&str]) -> Run {
    let mut command: Command = bench.command(arguments);
    command.uid(user).gid(group);
    Running::spawn(command).end().await
}

/// What the mirror says to a user by each of the commands that read.
async fn told(bench: &Bench, user: u32, group: u32) -> Vec<String> {
    let mut told = Vec::new();
    for arguments in [
        &["status", "--json"][..],
        &["get", "c7"],
        &[
            "query",
            "SELECT count(*) AS live, max(raw) FROM live_customers",
        ],
    ] {
        let run = run_as(bench, user, group, arguments).await;
        run.exits(0);
        let mut said: Value = serde_json::from_str(&run.stdout).unwrap();
        if let Some(freshness) = said.get_mut("freshness") {
            freshness["age_seconds"] = Value::Null;
        }
        told.push(said.to_string());
    }
    told
}

fn chgrp_all(bench: &Bench) {
    for entry in std::fs::read_dir(folder(bench)).unwrap() {
        chown(entry.unwrap().path(), None, Some(GROUP)).unwrap();
    }
}

#[tokio::test]
async fn the_group_reads_without_write_access() {
    let Some(bench) = bench_for_others(0, GROUP, 0o750).await else {
        return;
    };
    bench.synced().await;
    chgrp_all(&bench);

    // Idle.
    for suffix in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(beside(&bench, suffix)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o640, "{suffix}");
    }
    assert_eq!(bytes(&beside(&bench, "-wal")), b"");
    let idle = told(&bench, 0, 0).await;
    assert_eq!(told(&bench, COLLEAGUE, GROUP).await, idle);
    run_as(&bench, COLLEAGUE, COLLEAGUE, &["-q", "status"])
        .await
        .exits(66)
        .says(&["can't be read"]);

    // While somebody writes.
    bench.sim.set_listing(customers(1..=50));
    let request = bench.sim.request_count() + 5;
    bench.sim.hold_request(request);
    let running = bench.spawn(&["sync"]);
    bench.sim.wait_for_requests(request).await;
    let busy = told(&bench, 0, 0).await;
    assert_ne!(busy, idle);
    assert_eq!(told(&bench, COLLEAGUE, GROUP).await, busy);

    // After a crash, with commits that are in the -wal file only.
    running.kill().await;
    bench.sim.release();
    assert_ne!(bytes(&beside(&bench, "-wal")), b"");
    let crashed = told(&bench, 0, 0).await;
    assert_eq!(told(&bench, COLLEAGUE, GROUP).await, crashed);
}

#[tokio::test]
async fn what_another_program_removed_comes_back_with_the_next_pass() {
    let Some(bench) = bench_for_others(0, GROUP, 0o750).await else {
        return;
    };
    bench.synced().await;
    chgrp_all(&bench);
    let other = rusqlite::Connection::open(mirror(&bench)).unwrap();
    other.execute_batch("SELECT 1 FROM passes").unwrap();
    other.close().unwrap();
    assert!(!beside(&bench, "-shm").exists());
    run_as(&bench, COLLEAGUE, GROUP, &["-q", "status"])
        .await
        .exits(66)
        .says(&["can't be read", "-shm", "next pass"]);

    bench.synced().await;
    assert_eq!(
        told(&bench, COLLEAGUE, GROUP).await,
        told(&bench, 0, 0).await
    );
}

#[tokio::test]
async fn a_copy_of_the_idle_mirror_file_is_complete() {
    let bench = Bench::of(customers(1..=30)).await;
    bench.synced().await;
    let copy = bench.folder.path().join("copy.db");
    std::fs::copy(bench.db_path(), &copy).unwrap();
    let copy = rusqlite::Connection::open(Path::new(&copy)).unwrap();
    crate::support::assert_sound(&copy);
    let count = |sql: &str| -> i64 { copy.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM live_customers"), 30);
    assert_eq!(
        count("SELECT count(*) FROM passes WHERE state = 'complete'"),
        1
    );
}

/// The owners and groups of all that is in the mirror's folder, by name.
fn owners(bench: &Bench) -> Vec<(String, u32, u32)> {
    let mut owners: Vec<_> = std::fs::read_dir(folder(bench))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, metadata.uid(), metadata.gid())
        })
        .collect();
    owners.sort();
    owners
}

#[tokio::test]
async fn what_root_makes_belongs_to_the_owner_of_the_folder() {
    let Some(bench) = bench_for_others(SERVICE, GROUP, 0o750).await else {
        return;
    };
    let names = ["m.db", "m.db-shm", "m.db-wal", "m.db.lock"];
    let all_of_the_service = names.map(|name| (name.to_owned(), SERVICE, GROUP));
    bench.synced().await;
    assert_eq!(owners(&bench), all_of_the_service);
    for _ in 0..2 {
        run_as(&bench, SERVICE, GROUP, &["sync"]).await.exits(0);
        assert_eq!(owners(&bench), all_of_the_service);
        bench.synced().await;
        assert_eq!(owners(&bench), all_of_the_service);
    }
    // Where the service made them, root leaves them so.
    for name in names {
        std::fs::remove_file(folder(&bench).join(name)).unwrap();
    }
    run_as(&bench, SERVICE, GROUP, &["sync"]).await.exits(0);
    bench.synced().await;
    assert_eq!(owners(&bench), all_of_the_service);
}

#[tokio::test]
async fn a_folder_that_root_makes_stays_root_s() {
    let Some(mut bench) = bench_for_others(SERVICE, GROUP, 0o750).await else {
        return;
    };
    let path = folder(&bench).join("below").join("m.db");
    bench.set("mirror.path", &quoted(path.to_str().unwrap()));
    bench.synced().await;
    for path in [path.parent().unwrap(), &path] {
        assert_eq!(std::fs::metadata(path).unwrap().uid(), 0, "{path:?}");
    }
}

/// The service's own group is another than that of the mirror, which it is in, too.
#[tokio::test]
async fn the_group_of_the_mirror_is_that_of_its_other_files() {
    let Some(bench) = bench_for_others(SERVICE, SERVICE, 0o750).await else {
        return;
    };
    let tool = Command::new("setpriv").arg("--version").output().await;
    if tool.is_err() {
        not_tested("to be in several groups takes setpriv");
        return;
    }
    let sync = async || {
        let inner = bench.command(&["sync"]);
        let mut command = Command::new("setpriv");
        command
            .env_clear()
            .arg(format!("--reuid={SERVICE}"))
            .arg(format!("--regid={SERVICE}"))
            .arg(format!("--groups={GROUP}"))
            .arg(inner.as_std().get_program())
            .args(inner.as_std().get_args());
        for (name, value) in inner.as_std().get_envs() {
            command.env(name, value.unwrap());
        }
        Running::spawn(command).end().await.exits(0);
    };
    sync().await;
    chown(mirror(&bench), None, Some(GROUP)).unwrap();
    for _ in 0..2 {
        sync().await;
        for suffix in ["-wal", "-shm"] {
            let file = std::fs::metadata(beside(&bench, suffix)).unwrap();
            assert_eq!((file.uid(), file.gid()), (SERVICE, GROUP), "{suffix}");
            std::fs::remove_file(beside(&bench, suffix)).unwrap();
        }
    }
}
