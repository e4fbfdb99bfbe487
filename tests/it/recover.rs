//! A damaged mirror is told as such, and `recover` saves what can be read. What of it can be lost and what comes of it is tested page by
//! page in `src/mirror/recover`; here the program does it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use customer_mirror::simulator::Listing;
use serde_json::Value;

use crate::service::Service;
use crate::support::{Bench, Running, after_shell, assert_sound, bytes, customers};

/// Two passes over customers that fill many pages, of which some have changed and some are gone.
async fn eventful() -> Bench {
    let mut bench = Bench::of(Listing::seeded(31, 200)).await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    bench.sim.set_day(3);
    bench.synced().await;
    bench
}

/// Overwrites the page of a table, or of an index, that holds most of its rows' bytes: one in its midst.
pub(crate) fn damage_page_of(bench: &Bench, name: &str) {
    let page = {
        let db = bench.db();
        let sql = "SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY ncell DESC, pageno LIMIT 1";
        let page: u32 = db.query_row(sql, [name], |row| row.get(0)).unwrap();
        page as usize
    };
    let mut content = bytes(&bench.db_path());
    let size = bench.page_bytes();
    content[(page - 1) * size..page * size].fill(0xAA);
    std::fs::write(bench.db_path(), content).unwrap();
}

fn kept(bench: &Bench) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(bench.folder.path()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().contains(".damaged-"))
        .collect()
}

/// A consumer's copy, by the feed from a position on; the new position.
async fn follow(bench: &Bench, position: i64, copy: &mut BTreeMap<String, Value>) -> i64 {
    let after = position.to_string();
    let run = bench
        .run(&["changes", "--after", &after, "--format", "json"])
        .await;
    run.exits(0);
    let mut seq = position;
    for change in run.report().as_array().unwrap() {
        seq = change["seq"].as_i64().unwrap();
        let id = change["customer_id"].as_str().unwrap().to_owned();
        match &change["after"] {
            Value::Null => copy.remove(&id),
            after => copy.insert(id, after.clone()),
        };
    }
    seq
}

#[tokio::test]
async fn what_is_lost_comes_back_and_consumers_keep_their_place() {
    let bench = eventful().await;
    let mut copy = BTreeMap::new();
    let position = follow(&bench, 0, &mut copy).await;
    damage_page_of(&bench, "customers");
    let damaged = bytes(&bench.db_path());
    bench
        .run(&["-q", "check", "--offline"])
        .await
        .exits(74)
        .stdout
        .find("customer-mirror recover")
        .expect("the way out");

    let run = bench.run(&["recover"]).await;
    run.exits(0);
    assert!(run.stdout.starts_with("saved "), "{run:?}");
    assert!(
        run.stderr.contains("the next pass fills them in"),
        "{run:?}"
    );
    assert_eq!(kept(&bench).len(), 1);
    assert_eq!(bytes(&kept(&bench)[0]), damaged);
    assert_sound(&bench.db());
    // It does not say that it is complete.
    let status = bench.run(&["status", "--json"]).await.report();
    assert_eq!(status["freshness"]["started_at"], Value::Null);

    bench.sim.set_day(4);
    bench.synced().await;
    bench.assert_mirrors();
    follow(&bench, position, &mut copy).await;
    let listed: BTreeMap<String, Value> = bench
        .sim
        .listing()
        .iter()
        .map(|raw| serde_json::from_str::<Value>(&raw).unwrap())
        .map(|customer| {
            (
                customer["customerId"].as_str().unwrap().to_owned(),
                customer,
            )
        })
        .collect();
    assert_eq!(copy, listed);
    bench.run(&["check", "--full", "--offline"]).await.exits(0);
    let run = bench.run(&["recover"]).await;
    run.exits(0);
    assert!(run.stdout.contains("nothing is wrong with it"), "{run:?}");
    assert_eq!(kept(&bench).len(), 1);
}

#[tokio::test]
async fn a_lost_part_of_the_feed_is_a_gap_for_those_who_have_not_read_it() {
    let bench = eventful().await;
    let newest: i64 = bench.one("SELECT max(seq) FROM customer_changes");
    damage_page_of(&bench, "customer_changes");
    bench
        .run(&["-q", "sync"])
        .await
        .exits(74)
        .says(&["damaged", "customer-mirror recover"]);
    let run = bench.run(&["recover"]).await;
    run.exits(0);
    assert!(run.stderr.contains("has a gap up to"), "{run:?}");
    bench
        .run(&["-q", "changes", "--after", "1"])
        .await
        .exits(66);
    let newest = newest.to_string();
    bench
        .run(&["-q", "changes", "--after", &newest])
        .await
        .exits(0);
    bench.synced().await;
    bench.run(&["check", "--full", "--offline"]).await.exits(0);
    let mut listed = bench.sim.customer_ids();
    listed.sort();
    assert_eq!(bench.live(), listed);
}

#[tokio::test]
async fn whose_it_was_is_kept_and_else_taken_from_the_configuration() {
    let bench = eventful().await;
    damage_page_of(&bench, "mirror_meta");
    let run = bench.run(&["recover"]).await;
    run.exits(0);
    assert!(
        run.stderr.contains("whose mirror it is could not be read"),
        "{run:?}"
    );
    bench.synced().await;
    bench.assert_mirrors();
}

#[tokio::test]
async fn nobody_else_may_have_it() {
    let bench = Bench::for_daemon(customers(1..=30)).await;
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    let run = bench.run(&["-q", "recover", "--force"]).await;
    run.exits(75).says(&["the daemon"]).says_nothing_else();
    service.stop().await;
    bench.run(&["-q", "recover", "--force"]).await.exits(0);
    bench.assert_mirrors();
}

#[tokio::test]
async fn what_is_no_mirror_has_its_exit_status() {
    let bench = Bench::of(customers(1..=3)).await;
    bench
        .run(&["-q", "recover"])
        .await
        .exits(66)
        .says_nothing_else();
    std::fs::write(bench.db_path(), "Dear diary, ".repeat(1000)).unwrap();
    let run = bench.run(&["-q", "recover"]).await;
    run.exits(78)
        .says(&["not a customer mirror"])
        .says_nothing_else();
}

#[tokio::test]
async fn without_room_nothing_is_done() {
    let bench = eventful().await;
    damage_page_of(&bench, "customers");
    let before = bytes(&bench.db_path());
    for blocks in [100, 1000] {
        let limit = format!("trap '' XFSZ; ulimit -f {blocks}");
        let command = after_shell(&limit, &bench.command(&["-q", "recover"]));
        let run = Running::spawn(command).end().await;
        run.exits(74)
            .says(&["mirror.db", "left as it is"])
            .says_nothing_else();
        assert_eq!(bytes(&bench.db_path()), before);
        let mut names: Vec<_> = std::fs::read_dir(bench.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "config.toml",
                "mirror.db",
                "mirror.db-shm",
                "mirror.db-wal",
                "mirror.db.lock"
            ]
        );
    }
    bench.run(&["-q", "recover"]).await.exits(0);
}

#[tokio::test]
async fn who_is_erased_is_erased_from_the_damaged_file_too() {
    let mut bench = Bench::of(customers(1..=30)).await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    bench.sim.set_listing(customers(2..=30));
    bench.synced().await;
    bench.run(&["recover", "--force"]).await.exits(0);
    assert_eq!(kept(&bench).len(), 1);
    bench.run(&["forget", "c1"]).await.exits(0);
    assert_eq!(kept(&bench).len(), 0);
}
