//! What somebody else may have laid out where the program makes its files: nothing of his is written to, and nobody waits for ever.
//! And who is told of what others could change.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use customer_mirror::simulator::Listing;
use rstest::rstest;

use crate::support::{Bench, KEY, Running, after_shell, customers, program, quoted};

const PRECIOUS: &str = "precious";

/// What stands at a name that the program is about to use.
#[derive(Clone, Copy, Debug)]
enum Trap {
    Link,
    DanglingLink,
    HardLink,
    Pipe,
    Folder,
}

impl Trap {
    fn lay(self, bench: &Bench, place: &Path) {
        let precious = bench.folder.path().join("precious");
        std::fs::write(&precious, PRECIOUS).unwrap();
        match self {
            Self::Link => symlink(&precious, place).unwrap(),
            Self::DanglingLink => symlink(bench.folder.path().join("made"), place).unwrap(),
            Self::HardLink => std::fs::hard_link(&precious, place).unwrap(),
            Self::Pipe => assert!(
                Command::new("mkfifo")
                    .arg(place)
                    .status()
                    .unwrap()
                    .success()
            ),
            Self::Folder => std::fs::create_dir(place).unwrap(),
        }
    }

    #[track_caller]
    fn has_caught_nothing(bench: &Bench) {
        let precious = std::fs::read_to_string(bench.folder.path().join("precious")).unwrap();
        assert_eq!(precious, PRECIOUS);
        assert!(!bench.folder.path().join("made").exists());
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[rstest]
#[tokio::test]
async fn nothing_is_written_by_way_of_a_trap_and_nobody_waits(
    #[values(".lock", "-shm", "-wal")] suffix: &str,
    #[values(
        Trap::Link,
        Trap::DanglingLink,
        Trap::HardLink,
        Trap::Pipe,
        Trap::Folder
    )]
    trap: Trap,
) {
    let bench = Bench::of(customers(1..=30)).await;
    bench.synced().await;
    let place = bench.folder.path().join(format!("mirror.db{suffix}"));
    std::fs::remove_file(&place).unwrap();
    trap.lay(&bench, &place);
    let run = bench.run(&["-q", "sync"]).await;
    run.exits(73).says(&["mirror.db"]).says_nothing_else();
    let said = ["symbolic link", "hard link", "named pipe", "folder"];
    assert!(
        said.iter().any(|said| run.message().contains(said)),
        "{run:?}"
    );
    // What is at the place of the lock keeps no reader out.
    let status = bench.run(&["-q", "status"]).await;
    status.exits(if suffix == ".lock" { 0 } else { 66 });
    bench.run(&["check", "--offline"]).await;
    Trap::has_caught_nothing(&bench);
    // And with it out of the way, all is well.
    std::fs::remove_file(&place)
        .or_else(|_| std::fs::remove_dir(&place))
        .unwrap();
    bench.synced().await;
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_pipe_is_no_mirror_and_nobody_waits_for_its_other_end() {
    let bench = Bench::of(customers(1..=3)).await;
    Trap::Pipe.lay(&bench, &bench.db_path());
    for (arguments, exit) in [
        (&["-q", "sync"][..], 73),
        (&["-q", "status"], 78),
        (&["-q", "export"], 78),
        (&["-q", "changes"], 78),
    ] {
        let run = bench.run(arguments).await;
        run.exits(exit)
            .says(&["mirror.db", "named pipe"])
            .says_nothing_else();
    }
}

/// A link of one's own to a larger disk is no trap, whether the mirror is there yet or not.
#[tokio::test]
async fn a_mirror_may_be_on_another_disk_by_a_link() {
    let bench = Bench::of(customers(1..=30)).await;
    let disk = bench.folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    symlink(disk.join("customers.db"), bench.db_path()).unwrap();
    bench.synced().await;
    bench.synced().await;
    bench.assert_mirrors();
    assert!(disk.join("customers.db.lock").exists() && disk.join("customers.db-wal").exists());
}

/// Where everybody may make files, what a stranger has put there is not ours. It takes root to be a stranger.
#[tokio::test]
async fn what_a_stranger_has_put_into_a_shared_folder_is_not_used() {
    let stranger = 65_534;
    let mut bench = Bench::of(customers(1..=30)).await;
    let shared = bench.folder.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    set_mode(&shared, 0o1777);
    let path = shared.join("m.db");
    bench.set("mirror.path", &quoted(text(&path)));
    let run = bench.run(&["sync"]).await;
    let said = "every user of this machine can put files beside the mirror";
    assert!(run.exits(0).stderr.contains(said), "{run:?}");
    let run = bench.run(&["check", "--offline"]).await;
    let remedy = "give the mirror a folder of its own";
    assert!(run.stdout.contains(remedy), "{run:?}");
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let give = |file: &Path| {
        std::os::unix::fs::lchown(file, Some(stranger), Some(stranger)).unwrap();
    };
    let wal = shared.join("m.db-wal");
    give(&wal);
    let run = bench.run(&["-q", "sync"]).await;
    run.exits(73)
        .says(&["m.db-wal is of user 65534", "folder of its own"]);
    std::fs::remove_file(&wal).unwrap();
    // Links that lead into a folder of ours.
    let elsewhere = bench.folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(elsewhere.join("x.db"), shared.join("link.db")).unwrap();
    symlink(&elsewhere, shared.join("folder")).unwrap();
    give(&shared.join("link.db"));
    give(&shared.join("folder"));
    for named in [shared.join("link.db"), shared.join("folder/x.db")] {
        let said = &["user 65534 has put the symbolic link"];
        bench.set("mirror.path", &quoted(text(&named)));
        bench.run(&["-q", "sync"]).await.exits(73).says(said);
        bench.set("mirror.path", &quoted(text(&path)));
        let run = bench.run(&["-q", "export", "--output", text(&named)]).await;
        run.exits(73).says(said);
    }
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

/// A bench whose `name` is two folders down, the upper one of which is returned, too.
async fn with_far_below(name: &str) -> (Bench, PathBuf, PathBuf) {
    let mut bench = Bench::of(Listing::seeded(3, 5)).await;
    let upper = bench.folder.path().canonicalize().unwrap().join("upper");
    let lower = upper.join("lower");
    std::fs::create_dir_all(&lower).unwrap();
    for (file, content, key) in [
        ("key", KEY, "api.key_file"),
        ("token", "a-token-that-is-long", "http.token_file"),
    ] {
        let folder = if file == name {
            lower.clone()
        } else {
            bench.folder.path().to_owned()
        };
        let path = folder.join(file);
        std::fs::write(&path, content).unwrap();
        set_mode(&path, 0o600);
        bench.set(key, &quoted(text(&path)));
    }
    bench.set("http.listen", "\"127.0.0.1:0\"");
    let mut config = bench.write_config();
    if name == "config.toml" {
        let below = lower.join(name);
        std::fs::copy(config, &below).unwrap();
        config = below;
    }
    (bench, upper, config)
}

/// Whoever else can change the configuration, or what the key is read from, is told of: once in the log, and by `check`.
#[rstest]
#[case::the_configuration("config.toml", "and so have the key sent elsewhere", "config")]
#[case::the_key("key", "and it holds the API key", "key")]
#[case::the_token("token", "and it holds the token of [http]", "http")]
#[tokio::test]
async fn who_else_can_change_what_counts_is_told_of(
    #[case] name: &str,
    #[case] leads_to: &str,
    #[case] check: &str,
) {
    let (_bench, upper, config) = with_far_below(name).await;
    let run = async |arguments: &[&str]| {
        let mut command = program();
        command.arg("--config").arg(&config).args(arguments);
        Running::spawn(command)
    };
    run(&["sync"]).await.end().await.exits(0);
    for is_open in [false, true] {
        set_mode(&upper, if is_open { 0o777 } else { 0o755 });
        let mut said = String::new();
        if check == "http" {
            let mut serving = run(&["serve"]).await;
            while !said.contains("serving at") {
                said += &serving.stderr_line().await;
            }
            serving.signal("TERM").await;
            serving.end().await.exits(0);
        } else {
            said = run(&["sync"]).await.end().await.stderr;
        }
        let way = format!(
            "every user of this machine can put another in its place, by way of {}",
            upper.display()
        );
        assert_eq!(said.matches(&way).count(), usize::from(is_open), "{said}");
        assert_eq!(said.contains(leads_to), is_open, "{said}");
        let checked = run(&["check", "--json", "--offline"]).await.end().await;
        let report = checked.exits(0).report();
        let mut lines = report["checks"].as_array().unwrap().iter();
        let line = lines.find(|line| line["name"] == check).unwrap();
        let status = if is_open { "warn" } else { "ok" };
        assert_eq!(line["status"], status, "{checked:?}");
        let remedy = format!("chmod o-w {}", upper.display());
        assert_eq!(line["remedy"] == remedy, is_open, "{checked:?}");
    }
}

/// A umask that leaves the owner nothing locks nobody out, and one that leaves others everything lets nobody in.
#[rstest]
#[tokio::test]
async fn under_every_umask_others_get_nothing_and_the_owner_all(
    #[values(
        "000", "002", "007", "022", "027", "037", "067", "077", "0177", "0277", "0777"
    )]
    umask: &str,
) {
    let mut bench = Bench::of(customers(1..=30)).await;
    let folder = bench.folder.path().join("upper").join("lower");
    bench.set("mirror.path", &quoted(text(&folder.join("m.db"))));
    let (csv, copy) = (folder.join("all.csv"), folder.join("copy.db"));
    for arguments in [
        &["sync"][..],
        &["export", "--output", text(&csv)],
        &["export", "--output", text(&copy)],
    ] {
        let command = after_shell(&format!("umask {umask}"), &bench.command(arguments));
        Running::spawn(command).end().await.exits(0);
    }
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode() & 0o7777;
        let (wrong, needed) = (mode & 0o137, mode & 0o600);
        assert_eq!((wrong, needed), (0, 0o600), "{:?} {mode:o}", entry.path());
        seen += 1;
    }
    assert_eq!(seen, 6);
    for folder in [&folder, folder.parent().unwrap()] {
        let mode = std::fs::metadata(folder).unwrap().mode() & 0o7777;
        assert_eq!((mode & 0o027, mode & 0o700), (0, 0o700), "{mode:o}");
    }
}
