//! `changes --follow`: each change arrives, whatever happens to the daemon, the mirror, or the consumer.

use std::path::{Path, PathBuf};

use customer_mirror::simulator::Listing;
use rstest::rstest;
use serde_json::Value;

use crate::support::{Bench, Running, customer, customers};

/// A follower, and the seq of the last line that it printed.
struct Follower {
    running: Running,
    last: i64,
}

impl Bench {
    fn follow(&self, arguments: &[&str]) -> Follower {
        Follower {
            running: self.spawn(&[&["changes", "--follow"], arguments].concat()),
            last: 0,
        }
    }

    /// Another version of all customers: as many changes.
    async fn renamed(&self, name: &str) {
        let ids = self.sim.customer_ids();
        let renamed = ids
            .iter()
            .map(|id| customer(id, &format!(r#","name":"{name}""#)));
        self.sim.set_listing(Listing::explicit(renamed));
        self.synced().await;
    }

    fn newest(&self) -> i64 {
        self.one("SELECT max(seq) FROM customer_changes")
    }

    /// The mirror's files.
    fn mirror_files(&self) -> Vec<PathBuf> {
        ["mirror.db", "mirror.db-wal", "mirror.db-shm"]
            .map(|name| self.folder.path().join(name))
            .to_vec()
    }

    /// A copy of the idle mirror.
    fn copy(&self) -> PathBuf {
        let copy = self.folder.path().join("copy");
        std::fs::copy(self.db_path(), &copy).unwrap();
        copy
    }

    /// Puts another file in the place of the mirror, as who restores it from a copy does.
    fn replace_by(&self, other: &Path) {
        for file in &self.mirror_files()[1..] {
            std::fs::remove_file(file).unwrap();
        }
        std::fs::rename(other, self.db_path()).unwrap();
    }
}

impl Follower {
    async fn change(&mut self) -> Value {
        let change: Value = serde_json::from_str(&self.running.line().await).unwrap();
        self.last = change["seq"].as_i64().unwrap();
        change
    }

    /// Reads up to a seq; each line is the one after the last.
    async fn read_through(&mut self, seq: i64) {
        while self.last < seq {
            let before = self.last;
            self.change().await;
            assert_eq!(self.last, before + 1);
        }
    }
}

#[tokio::test]
async fn each_change_arrives_once_it_is_committed() {
    let bench = Bench::of(customers(1..=12)).await;
    bench.synced().await;
    let mut follower = bench.follow(&[]);
    follower.read_through(12).await;
    for name in ["A", "B"] {
        bench.renamed(name).await;
        let first = follower.change().await;
        assert_eq!(
            (&first["kind"], &first["after"]["name"]),
            (&"updated".into(), &name.into())
        );
        follower.read_through(bench.newest()).await;
    }
    // While a pass is under way, too: what its first page changed is there before it goes on.
    bench.sim.set_listing(customers(1..=12));
    let request = bench.sim.request_count() + 2;
    bench.sim.hold_request(request);
    let pass = bench.spawn(&["sync"]);
    bench.sim.wait_for_requests(request).await;
    follower.read_through(12 * 3 + 10).await;
    bench.sim.release();
    pass.end().await.exits(0);
    follower.read_through(12 * 4).await;
}

#[rstest]
#[case("TERM", 143)]
#[case("INT", 130)]
#[tokio::test]
async fn it_ends_when_it_is_told(#[case] signal: &str, #[case] status: i32) {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let mut follower = bench.follow(&[]);
    follower.read_through(3).await;
    follower.running.signal(signal).await;
    follower.running.end().await.exits(status);

    // Also while nobody takes what it prints.
    bench.sim.set_listing(Listing::seeded(3, 900));
    bench.synced().await;
    let mut follower = bench.follow(&[]);
    follower.change().await;
    follower.running.signal(signal).await;
    follower.running.end().await.exits(status);
}

#[tokio::test]
async fn it_ends_quietly_when_its_reader_is_gone_and_after_its_limit() {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let mut follower = bench.follow(&[]);
    follower.read_through(3).await;
    // There is nothing to write that could fail.
    follower.running.stop_reading();
    let run = follower.running.end().await;
    run.exits(0);
    assert_eq!(run.stderr, "");

    let mut follower = bench.follow(&["--after", "2", "--limit", "2"]);
    follower.last = 2;
    follower.read_through(3).await;
    bench.renamed("A").await;
    let run = follower.running.end().await;
    run.exits(0);
    assert_eq!(run.stdout.lines().count(), 1);
    bench
        .run(&["changes", "--follow", "--format", "json"])
        .await
        .exits(64);
}

/// A consumer that is killed after any line, and begins again behind the last one that it got.
#[tokio::test]
async fn killed_and_begun_again_it_misses_nothing() {
    let bench = Bench::of(Listing::seeded(11, 200)).await;
    bench.synced().await;
    let mut last = 0;
    let mut applied = 0;
    for day in 2..8 {
        let mut follower = bench.follow(&["--after", &last.to_string()]);
        follower.last = last;
        // Somewhere within, and then again within what comes while it follows.
        follower
            .read_through(last + (bench.newest() - last) / 3)
            .await;
        bench.sim.set_day(day * 10);
        let pass = bench.spawn(&["sync"]);
        let whole = follower.last + 7;
        follower.read_through(whole).await;
        applied += follower.last - last;
        last = follower.last;
        follower.running.kill().await;
        pass.end().await.exits(0);
    }
    let mut follower = bench.follow(&["--after", &last.to_string()]);
    follower.last = last;
    follower.read_through(bench.newest()).await;
    assert_eq!(applied + follower.last - last, bench.newest());
    assert!(last > 200, "{last}");
}

#[tokio::test]
async fn pruning_hurts_only_who_is_behind() {
    let bench = Bench::of(customers(1..=5)).await;
    bench.synced().await;
    let mut up_to_date = bench.follow(&[]);
    up_to_date.read_through(5).await;
    let mut stopped = bench.follow(&[]);
    stopped.read_through(5).await;
    stopped.running.signal("STOP").await;
    bench.renamed("A").await;
    up_to_date.read_through(10).await;
    bench
        .db_to_write()
        .execute_batch("UPDATE customer_changes SET changed_at = '2020-01-31T09:30:00.000Z'")
        .unwrap();
    bench.synced().await;
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM customer_changes"), 0);
    stopped.running.signal("CONT").await;
    let run = stopped.running.end().await;
    run.exits(66)
        .says(&["changes 6 to 10 are not all in the feed", "export"]);
    assert_eq!(run.stdout, "");

    bench.renamed("B").await;
    up_to_date.read_through(15).await;
}

#[tokio::test]
async fn a_mirror_that_is_gone_for_a_while_is_waited_for() {
    let bench = Bench::of(customers(1..=5)).await;
    bench.synced().await;
    let mut follower = bench.follow(&[]);
    follower.read_through(5).await;
    let aside = |file: &PathBuf| {
        file.with_extension(format!(
            "{}-aside",
            file.extension().unwrap().to_str().unwrap()
        ))
    };
    for file in bench.mirror_files() {
        std::fs::rename(&file, aside(&file)).unwrap();
    }
    let told = follower.running.stderr_line().await;
    assert!(
        told.contains("waiting for the mirror") && told.contains("no such mirror"),
        "{told}"
    );
    for file in bench.mirror_files() {
        std::fs::rename(aside(&file), &file).unwrap();
    }
    bench.renamed("A").await;
    follower.read_through(10).await;

    // Restored from a copy that is not older, or from a new one: nothing is lost.
    let copy = bench.copy();
    bench.replace_by(&copy);
    bench.renamed("B").await;
    follower.read_through(15).await;
}

#[rstest]
#[case::older("newest is 5")]
#[case::other("another mirror")]
#[tokio::test]
async fn a_mirror_that_was_replaced_is_not_followed(#[case] reason: &str) {
    let bench = Bench::of(customers(1..=5)).await;
    bench.synced().await;
    let copy = bench.copy();
    bench.renamed("A").await;
    let mut follower = bench.follow(&["-q"]);
    follower.read_through(10).await;
    if reason == "another mirror" {
        let other = Bench::of(customers(1..=50)).await;
        other.synced().await;
        std::fs::copy(other.db_path(), &copy).unwrap();
    }
    bench.replace_by(&copy);
    let run = follower.running.end().await;
    run.exits(66).says(&[reason, "export"]);
    assert_eq!(run.stdout, "");
}
