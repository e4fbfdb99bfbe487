//! The file that an export writes: whose it is, what it replaces, and what is left when something goes wrong.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rstest::rstest;

use super::{export, hostile_bench, make_endless, names, place, unfinished};
use crate::support::{Bench, Running, after_shell, bytes, customer, customers};
use customer_mirror::simulator::Listing;

const OLD: &str = "what was there before";

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

fn text(path: &Path) -> String {
    String::from_utf8(bytes(path)).unwrap()
}

#[tokio::test]
async fn a_file_is_what_standard_output_would_be_and_replaces_another_whole() {
    let bench = hostile_bench().await;
    for (name, format) in [("c.csv", "csv"), ("c.jsonl", "ndjson"), ("c.json", "json")] {
        let path = place(&bench, name);
        std::fs::write(&path, OLD.repeat(10_000)).unwrap();
        let run = export(&bench, &["--output", path.to_str().unwrap()]).await;
        run.exits(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
        let printed = export(&bench, &["--format", format, "--output", "-"]).await;
        assert_eq!(text(&path), printed.stdout);
    }
    assert_eq!(names(&bench), ["c.csv", "c.json", "c.jsonl"]);
}

#[tokio::test]
async fn nobody_but_owner_and_group_reads_it() {
    let bench = hostile_bench().await;
    for (name, old_mode, expected) in [
        ("new.csv", None, 0o640),
        ("new.db", None, 0o640),
        ("open.csv", Some(0o666), 0o640),
        ("open.db", Some(0o666), 0o640),
        ("private.csv", Some(0o600), 0o600),
        ("private.db", Some(0o600), 0o600),
    ] {
        let path = place(&bench, name);
        if let Some(mode) = old_mode {
            std::fs::write(&path, OLD).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let command = bench.command(&["-q", "export", "--output", path.to_str().unwrap()]);
        let run = Running::spawn(after_shell("umask 000", &command))
            .end()
            .await;
        run.exits(0);
        assert_eq!(mode(&path), expected, "{name}");
    }
}

#[rstest]
#[case("")]
#[case("-wal")]
#[case("-shm")]
#[case("-journal")]
#[case(".lock")]
#[tokio::test]
async fn the_mirror_s_own_files_are_refused_by_any_name(#[case] suffix: &str) {
    let bench = Bench::of(customers(1..=30)).await;
    bench.synced().await;
    let target = format!("{}{suffix}", bench.db_path().display());
    symlink(&target, place(&bench, "link")).unwrap();
    symlink("link", place(&bench, "link to a link")).unwrap();
    let mut ways = vec![
        target.clone(),
        format!(
            "{}/../exports/../mirror.db{suffix}",
            place(&bench, "").display()
        ),
        place(&bench, "link to a link").display().to_string(),
    ];
    if Path::new(&target).exists() {
        std::fs::hard_link(&target, place(&bench, "hard")).unwrap();
        ways.push(place(&bench, "hard").display().to_string());
    }
    for way in ways {
        for format in ["csv", "sqlite"] {
            let run = export(&bench, &["--format", format, "--output", &way]).await;
            run.exits(64).says(&["belongs to the mirror"]);
        }
    }
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_link_is_followed_and_stays() {
    let bench = hostile_bench().await;
    let path = place(&bench, "real.csv");
    std::fs::write(&path, OLD).unwrap();
    let link = place(&bench, "link.csv");
    symlink("real.csv", &link).unwrap();
    let run = export(&bench, &["--output", link.to_str().unwrap()]).await;
    run.exits(0);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(text(&path).starts_with("customer_id,"));
}

#[tokio::test]
async fn standard_output_by_name_is_written_to_where_it_stands() {
    let bench = hostile_bench().await;
    let path = place(&bench, "log");
    for (name, number) in [("/dev/stdout", 1), ("/dev/fd/3", 3), ("/dev/null", 3)] {
        std::fs::write(&path, OLD).unwrap();
        let command = bench.command(&["-q", "export", "--raw", "--output", name]);
        let script = format!("exec {number}>>'{}'", path.display());
        let run = Running::spawn(after_shell(&script, &command)).end().await;
        run.exits(0);
        let added = text(&path).strip_prefix(OLD).unwrap().to_owned();
        let expected = export(&bench, &["--raw"]).await.stdout;
        assert_eq!(added, if name == "/dev/null" { "" } else { &expected });
    }
    assert_eq!(names(&bench), ["log"]);
}

#[rstest]
#[case("missing/x.csv", 73, "No such file or directory")]
#[case("", 73, "is a folder")]
#[case("new/", 73, "is a folder")]
#[case("dangling/x.csv", 73, "No such file or directory")]
#[case("loop.csv", 73, "Too many levels of symbolic links")]
#[tokio::test]
async fn a_place_that_takes_no_file_is_told(
    #[case] name: &str,
    #[case] status: i32,
    #[case] part: &str,
) {
    let bench = hostile_bench().await;
    symlink("nowhere", place(&bench, "dangling")).unwrap();
    symlink("loop.csv", place(&bench, "loop.csv")).unwrap();
    let before = names(&bench);
    let path = place(&bench, name).display().to_string();
    for format in ["csv", "sqlite"] {
        let run = export(&bench, &["--format", format, "--output", &path]).await;
        run.exits(status).says(&[part]).says_nothing_else();
    }
    assert_eq!(names(&bench), before);
}

#[tokio::test]
async fn without_a_mirror_nothing_is_made() {
    let bench = Bench::of(customers(1..=3)).await;
    for name in ["x.csv", "x.db"] {
        let path = place(&bench, name);
        let run = export(&bench, &["--output", path.to_str().unwrap()]).await;
        run.exits(66).says(&["no such mirror"]).says_nothing_else();
    }
    assert_eq!(names(&bench), Vec::<String>::new());
}

/// A file-size limit is what a full disk looks like to a process, without a disk to fill.
#[rstest]
#[case("x.csv")]
#[case("x.ndjson")]
#[case("x.parquet")]
#[case("x.db")]
#[tokio::test]
async fn when_it_can_t_be_written_the_old_file_stands_alone(#[case] name: &str) {
    // Nothing that compresses well.
    let mut random = fastrand::Rng::with_seed(1);
    let listed = (1..=100).map(|number| {
        let note: String = (0..10_000).map(|_| random.alphanumeric()).collect();
        customer(&format!("c{number}"), &format!(r#","note":"{note}""#))
    });
    let bench = Bench::of(Listing::explicit(listed)).await;
    bench.synced().await;
    let path = place(&bench, name);
    std::fs::write(&path, OLD).unwrap();
    let command = bench.command(&["-q", "export", "--output", path.to_str().unwrap()]);
    // In blocks of 512 or 1024 bytes, as the shell has it; the mirror's -shm file has 32 KiB.
    let command = after_shell("trap '' XFSZ; ulimit -f 400", &command);
    let run = Running::spawn(command).end().await;
    run.exits(74)
        .says(&[name, "can't be written"])
        .says_nothing_else();
    assert_eq!(names(&bench), [name]);
    assert_eq!(text(&path), OLD);
}

#[tokio::test]
async fn a_full_device_is_told() {
    let bench = hostile_bench().await;
    export(&bench, &["--output", "/dev/full"])
        .await
        .exits(74)
        .says(&["/dev/full", "the disk is full"]);
}

#[rstest]
#[case("INT", 130)]
#[case("TERM", 143)]
#[tokio::test]
async fn an_interrupted_export_leaves_nothing_but_the_old_file(
    #[case] signal: &str,
    #[case] status: i32,
) {
    let bench = hostile_bench().await;
    make_endless(&bench);
    let path = place(&bench, "x.csv");
    std::fs::write(&path, OLD).unwrap();
    let running = bench.spawn(&["-q", "export", "--output", path.to_str().unwrap()]);
    unfinished(&bench).await;
    assert_eq!(text(&path), OLD);
    running.signal(signal).await;
    let run = running.end().await;
    run.exits(status).says(&["interrupted"]).says_nothing_else();
    assert_eq!(names(&bench), ["x.csv"]);
    assert_eq!(text(&path), OLD);
}

#[tokio::test]
async fn what_a_killed_export_left_goes_with_a_later_one() {
    let bench = hostile_bench().await;
    let kept = bench.folder.path().join("kept");
    std::fs::copy(bench.db_path(), &kept).unwrap();
    make_endless(&bench);
    let path = place(&bench, "x.csv");
    let arguments = ["-q", "export", "--output", path.to_str().unwrap()];
    let running = bench.spawn(&arguments);
    let left = unfinished(&bench).await;
    running.kill().await;
    assert_eq!(mode(&left) & 0o007, 0);
    let journal = format!("{}-journal", left.display());
    std::fs::write(&journal, "").unwrap();
    let others = [
        ".y.csv.0123456789abcdef.part",
        ".x.csv.mine.part",
        "x.csv.part",
    ];
    for name in others {
        std::fs::write(place(&bench, name), "").unwrap();
    }
    let mut bench = bench;
    bench.set(
        "mirror.path",
        &crate::support::quoted(kept.to_str().unwrap()),
    );

    // It may be another export that is under way.
    bench.run(&arguments).await.exits(0);
    assert!(left.exists());

    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    for name in names(&bench) {
        let file = std::fs::File::options()
            .write(true)
            .open(place(&bench, &name));
        file.unwrap().set_modified(long_ago).unwrap();
    }
    bench.run(&arguments).await.exits(0);
    let mut expected = [&others[..], &["x.csv"]].concat();
    expected.sort_unstable();
    assert_eq!(names(&bench), expected);
}

#[tokio::test]
async fn a_database_in_use_is_not_replaced_under_its_users() {
    let bench = hostile_bench().await;
    let path = place(&bench, "other.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .unwrap();
    let run = export(&bench, &["--output", path.to_str().unwrap()]).await;
    run.exits(73).says(&["other.db", "in use", "other.db-wal"]);
    assert_eq!(
        other.query_row("SELECT x FROM t", [], |row| row.get::<_, i64>(0)),
        Ok(1)
    );
}
