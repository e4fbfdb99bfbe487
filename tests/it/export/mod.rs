//! `export`: what comes out is what the mirror has, of one moment; a file is there whole or as it was.

mod copy;
mod files;
mod rows;

use std::ffi::OsStr;
use std::path::PathBuf;

use customer_mirror::simulator::Listing;
use serde_json::json;

use crate::support::{Bench, Run, until};

/// What people, and those who would harm them, call themselves.
const HOSTILE: [&str; 12] = [
    "",
    "plain",
    "a \"quoted\" name",
    "a,b;c\td",
    "two\nlines\r\nand a third",
    "=HYPERLINK(\"http://evil.example\")",
    "+46701234567",
    "00123",
    "nul\0inside",
    "Åsa 😀 \u{202e}",
    " spaces ",
    "\u{1b}[2J",
];

/// A mirror of customers with such names, and of one without any, `h0`, `h1` …
async fn hostile_bench() -> Bench {
    let named = HOSTILE.iter().enumerate().map(|(number, name)| {
        let users = [
            json!({"userId": "u2", "name": name, "role": "ADMIN"}),
            json!({"userId": "u1"}),
        ];
        json!({"customerId": format!("h{number}"), "name": name, "referenceId": name, "users": users,
               "metadata": {"note": name}, "billing": {"autoPay": true}})
        .to_string()
    });
    let nameless = format!("{{\"customerId\":\r\n\"h{}\"}}", HOSTILE.len());
    let bench = Bench::of(Listing::explicit(named.chain([nameless]))).await;
    bench.synced().await;
    bench
}

async fn export(bench: &Bench, arguments: &[&str]) -> Run {
    let mut all = vec!["-q", "export"];
    all.extend_from_slice(arguments);
    bench.run(&all).await
}

/// A path in the bench's folder for exports, which has nothing else in it.
fn place(bench: &Bench, name: &str) -> PathBuf {
    let folder = bench.folder.path().join("exports");
    let _ = std::fs::create_dir(&folder);
    folder.join(name)
}

/// All names in the folder for exports, sorted.
fn names(bench: &Bench) -> Vec<String> {
    let entries = std::fs::read_dir(place(bench, "")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The unfinished file of an export that runs.
async fn unfinished(bench: &Bench) -> PathBuf {
    let find = || {
        names(bench)
            .into_iter()
            .find(|name| PathBuf::from(name).extension() == Some(OsStr::new("part")))
    };
    until(|| find().is_some()).await;
    place(bench, &find().unwrap())
}

/// Makes the mirror one of customers without end, so that an export of it is always in its middle.
fn make_endless(bench: &Bench) {
    bench
        .db_to_write()
        .execute_batch(
            "DROP VIEW live_customers;
             DROP VIEW reference_conflicts;
             ALTER TABLE customers RENAME TO few;
             CREATE VIEW customers AS
             SELECT few.* FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n), few",
        )
        .unwrap();
}
