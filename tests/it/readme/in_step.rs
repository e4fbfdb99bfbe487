//! "Keep your CRM in step": both consumers, killed and begun again, on a feed that is pruned before they have read it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use customer_mirror::simulator::{Listing, Options};
use rstest::rstest;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::blocks;
use crate::support::{Bench, KEY, until};
use crate::tools;

/// Name and e-mail of each customer, by customerId.
type Customers = BTreeMap<String, (Option<String>, Option<String>)>;

/// A program that keeps a CRM in step with the mirror of a bench.
struct Consumer {
    bench: Bench,
    script: PathBuf,
}

impl Consumer {
    /// The script of README that begins with this line.
    async fn of_readme(first_line: &str) -> Self {
        let mut bench = Bench::with(Options {
            listing: Listing::seeded(7, 80),
            ..Options::default()
        })
        .await;
        bench
            .set("deletions.confirm_passes", "1")
            .set("deletions.max_percent", "100");
        let text = blocks("Keep your CRM in step")
            .into_iter()
            .find(|block| block.starts_with(first_line))
            .unwrap();
        let script = bench.folder.path().join("consumer");
        std::fs::write(&script, text).unwrap();
        Self { bench, script }
    }

    /// Starts it in a process group of its own; what it says is added to the file `said`.
    fn start(&self, interpreter: &str) -> Child {
        let folder = self.bench.folder.path();
        let said = File::options().create(true).append(true).open(self.said());
        let mut command = Command::new(interpreter);
        command
            .arg(&self.script)
            .env_clear()
            .env("PATH", tools::path_with_program(folder))
            .env("CUSTOMER_MIRROR_CONFIG", self.bench.write_config())
            .env("CUSTOMER_MIRROR__API__KEY", KEY)
            .current_dir(folder)
            .process_group(0)
            .stderr(said.unwrap())
            .kill_on_drop(true);
        command.spawn().unwrap()
    }

    fn said(&self) -> PathBuf {
        self.bench.folder.path().join("said")
    }

    fn crm<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        let path = self.bench.folder.path().join("crm.db");
        // What a crash left of a transaction is rolled back by whoever comes next.
        let crm = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
        crm.busy_timeout(Duration::from_secs(60)).unwrap();
        read(&crm).ok()
    }

    /// What the CRM has; `None` before it has anything.
    fn customers(&self) -> Option<(i64, Customers)> {
        self.crm(|crm| {
            crm.execute_batch("BEGIN")?;
            let seq = crm.query_row("SELECT seq FROM position", [], |row| row.get(0))?;
            Ok((
                seq,
                customers(crm, "SELECT id, name, email FROM customers")?,
            ))
        })
    }

    fn mirrored(&self) -> Customers {
        let sql = "SELECT customer_id, name, contact_email FROM live_customers";
        customers(&self.bench.db(), sql).unwrap()
    }

    async fn until_in_step(&self) {
        let newest: i64 = self.bench.one("SELECT max(seq) FROM customer_changes");
        until(|| self.customers().is_some_and(|(seq, _)| seq >= newest)).await;
        assert_eq!(self.customers().unwrap().1, self.mirrored());
    }

    /// Killed at any point, it has what the feed says up to its position, and nothing else.
    async fn assert_is_at_its_position(&self) {
        let Some((seq, customers)) = self.customers() else {
            return;
        };
        let run = self.bench.run(&["changes"]).await;
        let mut expected = Customers::new();
        for line in run.stdout.lines() {
            let change: Value = serde_json::from_str(line).unwrap();
            if change["seq"].as_i64().unwrap() > seq {
                break;
            }
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let id = text(&change["customer_id"]).unwrap();
            let after = &change["after"];
            expected.remove(&id);
            if !after.is_null() {
                expected.insert(id, (text(&after["name"]), text(&after["contact"]["email"])));
            }
        }
        assert_eq!(customers, expected, "at {seq}");
    }

    /// Another version of some customers, and others that go and come back.
    async fn change(&self, version: u32) {
        let kept = (0..40).filter(|number| number % 5 != version % 5);
        let record = |id: String| {
            let name = format!("O'Hara \"{version}\" \n$HOME `id` 🦊");
            let email = format!("v{version}@example.com");
            json!({"customerId": id, "name": name, "contact": {"email": email}}).to_string()
        };
        let odd = format!("it's \"odd\" {}", version % 3);
        let ids = kept.map(|number| format!("c{number}")).chain([odd]);
        let listing = Listing::explicit(ids.map(record));
        self.bench.sim.set_listing(listing);
        self.bench.synced().await;
    }
}

fn customers(db: &Connection, sql: &str) -> rusqlite::Result<Customers> {
    db.prepare(sql)?
        .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
        .collect()
}

/// Kills the consumer and all that it started, without warning.
async fn kill(mut consumer: Child) {
    let group = format!("kill -s KILL -- -{}", consumer.id().unwrap());
    let killed = Command::new("sh").args(["-c", &group]).status().await;
    assert!(killed.unwrap().success());
    consumer.wait().await.unwrap();
}

#[rstest]
#[case::shell("#!/usr/bin/env bash", "bash")]
#[case::python("#!/usr/bin/env python3", "python3")]
#[tokio::test]
async fn a_crm_stays_in_step_whatever_happens(#[case] first_line: &str, #[case] interpreter: &str) {
    let json_operators = "SELECT '{}' ->> 'a'";
    let in_python = format!("import sqlite3; sqlite3.connect('').execute(\"{json_operators}\")");
    let has_tools = if interpreter == "bash" {
        tools::can_run("sqlite3", &[":memory:", json_operators])
    } else {
        tools::can_run(interpreter, &["-c", &in_python])
    };
    if !has_tools {
        return;
    }
    let consumer = Consumer::of_readme(first_line).await;
    consumer.bench.synced().await;

    // Killed ever later, while there is always more to apply.
    let mut stops = 0;
    for version in 0..60 {
        if version >= 12 && stops > 3 {
            // On a busy machine it takes longer to get anywhere.
            break;
        }
        let running = consumer.start(interpreter);
        consumer.change(version).await;
        tokio::time::sleep(Duration::from_millis(u64::from(version) * 40)).await;
        kill(running).await;
        consumer.assert_is_at_its_position().await;
        stops += i64::from(consumer.customers().is_some_and(|(seq, _)| seq > 0));
    }
    assert!(stops > 3, "it never got anywhere");
    let running = consumer.start(interpreter);
    consumer.until_in_step().await;
    consumer.change(20).await;
    consumer.until_in_step().await;
    kill(running).await;

    // What happens while it is away is gone from the feed before it is back.
    consumer.change(21).await;
    consumer
        .bench
        .db_to_write()
        .execute_batch("UPDATE customer_changes SET changed_at = '2020-01-31T09:30:00.000Z'")
        .unwrap();
    consumer.change(22).await;
    let mut running = consumer.start(interpreter);
    consumer.until_in_step().await;
    let said = std::fs::read_to_string(consumer.said()).unwrap();
    assert!(said.contains("are not all in the feed any more"), "{said}");
    consumer.change(23).await;
    consumer.until_in_step().await;
    assert_eq!(running.try_wait().unwrap(), None);
    kill(running).await;
}
