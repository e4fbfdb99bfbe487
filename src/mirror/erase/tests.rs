//! Histories at random, and then a look at every byte.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, TimeDelta};
use fastrand::Rng;

use super::*;
use crate::config::{Changes, Deletions};
use crate::mirror::{CleanUp, Cost, files};
use crate::model::Cursor;
use crate::{decode, plan};

/// Customers by number: which version of them the server lists.
type World = BTreeMap<u32, u32>;

const PAGE: usize = 20;

/// Names no other customer, and no other version: `<00007v003>`.
fn marker(number: u32) -> String {
    format!("<{number:05}v")
}

fn record(number: u32, version: u32, rng: &mut Rng) -> String {
    let id = format!("{}id>", marker(number));
    let mark = format!("{}{version:03}>", marker(number));
    let long = format!("{mark} ").repeat(match rng.u32(0..20) {
        0 => 700,
        1..4 => rng.usize(50..400),
        _ => rng.usize(1..10),
    });
    format!(
        r#"{{"customerId":"{id}","name":"{mark}","contact":{{"email":"{mark}@example.com","msisdn":"+46{mark}"}},
           "referenceId":"ref{mark}","users":[{{"userId":"u{mark}","name":"user {mark}"}}],"metadata":{{"note":"{long}"}}}}"#
    )
}

fn now(pass: i64) -> Timestamp {
    DateTime::UNIX_EPOCH + TimeDelta::days(pass)
}

/// One complete pass.
fn pass(mirror: &mut Mirror, world: &World, day: i64, rng: &mut Rng) {
    let records: Vec<_> = world
        .iter()
        .map(|(number, version)| {
            // The same version is the same record.
            let mut rng = Rng::with_seed(u64::from(*number) << 32 | u64::from(*version));
            record(*number, *version, &mut rng)
        })
        .collect();
    let pass_id = mirror.begin_pass(now(day)).unwrap().pass_id;
    let pages: Vec<_> = records.chunks(PAGE).collect();
    let mut asked = None;
    for (index, page) in pages.iter().enumerate() {
        let next = (index + 1 < pages.len()).then(|| format!("cursor {index}"));
        let body = format!(
            r#"{{"items":[{}],"pagination":{{"nextCursor":{}}}}}"#,
            page.join(","),
            serde_json::to_string(&next).unwrap()
        );
        let page = decode::page(body.into_bytes()).unwrap();
        mirror
            .commit_page(pass_id, asked.as_ref(), &page, Cost::default(), now(day))
            .unwrap();
        asked = next.and_then(Cursor::new);
    }
    let keep = rng.bool().then(|| Duration::from_secs(3 * 86_400));
    finish(mirror, pass_id, keep, day);
}

/// Completes a pass that believes every absence.
fn finish(mirror: &mut Mirror, pass_id: i64, keep: Option<Duration>, day: i64) {
    let proof = plan::prove_complete(&mirror.walk_evidence(pass_id).unwrap()).unwrap();
    let deletions = Deletions {
        confirm_passes: 1,
        max_percent: 100.0,
        always_allow: 0,
        purge_after: None,
    };
    mirror
        .finish_pass(pass_id, &proof, &deletions, &Changes { keep }, now(day))
        .unwrap();
}

/// The customers of whom anything is found in the mirror's files.
fn found(path: &Path) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for suffix in ["", "-wal"] {
        let bytes = std::fs::read(files::beside(path, suffix)).unwrap_or_default();
        for after in bytes.split(|byte| *byte == b'<') {
            if after.get(5) == Some(&b'v') && after[..5].iter().all(u8::is_ascii_digit) {
                let digits = std::str::from_utf8(&after[..5]).unwrap();
                found.insert(digits.parse().unwrap());
            }
        }
    }
    found
}

/// The customers that have a row.
fn rows(mirror: &Mirror) -> BTreeSet<u32> {
    let number = |id: String| id[1..6].parse().unwrap();
    mirror
        .read(|connection| {
            connection
                .prepare("SELECT customer_id FROM customers")?
                .query_map([], |row| row.get(0).map(number))?
                .collect()
        })
        .unwrap()
}

/// Some change, some go, some come, between the others as the listing's order may have it.
fn live_on(world: &mut World, rng: &mut Rng) {
    for version in world.values_mut() {
        *version += u32::from(rng.u32(0..4) == 0);
    }
    let share = rng.u32(4..16);
    world.retain(|_, _| rng.u32(0..share) > 0);
    for _ in 0..rng.u32(0..30) {
        world.entry(rng.u32(0..100_000)).or_insert(0);
    }
}

/// Returns how many of those who were erased were found before the clean-up.
fn history(seed: u64) -> usize {
    let mut rng = Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let mut mirror = Mirror::open_or_create(&path, "a source", "a test").unwrap();
    // Another process, as far as SQLite is concerned: what each of the two has cached is its own.
    let mut beside = Mirror::open_beside(&path, "a test").unwrap();
    let mut world = World::new();
    while world.len() < 100 {
        world.entry(rng.u32(0..100_000)).or_insert(0);
    }
    let mut all: BTreeSet<u32> = BTreeSet::new();
    let mut traces = 0;
    for day in 0..rng.i64(4..10) {
        live_on(&mut world, &mut rng);
        all.extend(world.keys());
        pass(&mut mirror, &world, day, &mut rng);
        // Nobody of whom nothing was left has come back, but as a customer.
        let gone: BTreeSet<u32> = all.difference(&rows(&mirror)).copied().collect();
        assert!(found(&path).is_disjoint(&gone), "seed {seed}, day {day}");

        let at_work = if rng.bool() { &mut mirror } else { &mut beside };
        let later = now(day) + TimeDelta::days(rng.i64(0..2));
        let purged = at_work.purge(Duration::from_secs(86_400), later).unwrap();
        let rows = rows(at_work);
        let gone: BTreeSet<u32> = all.difference(&rows).copied().collect();
        at_work.settle().unwrap();
        traces += found(&path).intersection(&gone).count();
        let cleaned = at_work.clean_up(Duration::ZERO).unwrap();
        assert_eq!(cleaned == CleanUp::NotDue, purged == 0);
        let found = found(&path);
        let left: Vec<_> = found.intersection(&gone).collect();
        assert!(left.is_empty(), "seed {seed}, day {day}: {left:?}");
        assert!(found.is_superset(&rows));
    }
    let verdict: String = mirror
        .read(|connection| connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
        .unwrap();
    assert_eq!(verdict, "ok");
    traces
}

#[test]
fn whatever_happened_to_the_mirror_nothing_is_left_of_who_was_erased() {
    let seeds = std::env::var("ERASE_SEEDS").map_or(10, |seeds| seeds.parse().unwrap());
    let traces: usize = (0..seeds).map(history).sum();
    // Else this test would say nothing.
    assert!(traces > 0);
}

/// The JSON functions of older SQLite versions end a text at its first NUL: `z` would go in place of `z\0x`.
#[test]
fn only_who_is_meant_is_erased_whatever_the_ids_are_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let mut mirror = Mirror::open_or_create(&path, "a source", "a test").unwrap();
    let odd = ["z\0x", "\0", "q\"'é\u{1}", "\u{feff}z", "12", "1e1", "null"];
    let near = ["z", "q", "x", "1", "10"];
    let record =
        |id: &&str| serde_json::json!({"customerId": id, "name": format!("is {id:?}")}).to_string();
    let mut listed: Vec<String> = odd.iter().chain(&near).map(record).collect();
    let walk = |mirror: &mut Mirror, records: &[String], day| {
        let pass_id = mirror.begin_pass(now(day)).unwrap().pass_id;
        let body = format!(r#"{{"items":[{}],"pagination":{{}}}}"#, records.join(","));
        let page = decode::page(body.into_bytes()).unwrap();
        mirror
            .commit_page(pass_id, None, &page, Cost::default(), now(day))
            .unwrap();
        finish(mirror, pass_id, None, day);
    };
    walk(&mut mirror, &listed, 0);
    let remaining = listed.split_off(odd.len());
    walk(&mut mirror, &remaining, 1);
    let Forgotten::Erased(erased) = mirror.forget(&[odd[0].to_owned()]).unwrap() else {
        panic!("a tombstone can be forgotten");
    };
    assert_eq!(erased.changes, 2);
    assert_eq!(
        mirror.purge(Duration::from_secs(1), now(3)).unwrap(),
        odd.len() as u64 - 1
    );
    mirror.clean_up(Duration::ZERO).unwrap();
    let left: BTreeSet<String> = mirror
        .read(|connection| {
            connection
                .prepare("SELECT customer_id FROM customers UNION SELECT customer_id FROM customer_changes")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
        .unwrap();
    assert_eq!(left, near.iter().map(|id| (*id).to_owned()).collect());
    let mirror = crate::mirror::Reader::open(&path).unwrap();
    let status = mirror.status().unwrap().mirror;
    assert_eq!((status.live, status.deleted), (near.len() as i64, 0));
}
