//! Random histories, held against a map: pages, judgements, decisions, erasure, quarantine, dry runs, and a new process in between.
//!
//! The model says what the promises say of each step, slowly. `MODEL_SEEDS=2000` plays so many histories.

mod map;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use fastrand::Rng;
use tempfile::TempDir;

use super::super::{rows, *};
use crate::config::{Changes, Deletions};
use crate::decode;
use crate::model::{Cursor, Page, PassState, Timestamp, format_timestamp};
use crate::plan;
use map::{IDS, Known, Listed, Model, record};

const SOURCE: &str = "a source";
const DAY: Duration = Duration::from_secs(86_400);

struct History {
    random: Rng,
    _folder: TempDir,
    path: PathBuf,
    mirror: Mirror,
    model: Model,
    day: i64,
    /// The pass under way, and pages that are still to come.
    walk: Option<(i64, Vec<Vec<Listed>>)>,
    pages: usize,
}

fn at(day: i64) -> Timestamp {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + day)
}

fn open(path: &Path) -> Mirror {
    Mirror::open_or_create(path, SOURCE, "a test").unwrap()
}

impl History {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        Self {
            random: Rng::with_seed(seed),
            _folder: folder,
            mirror: open(&path),
            path,
            model: Model::default(),
            day: 0,
            walk: None,
            pages: 0,
        }
    }

    fn page(&mut self, listed: &[Listed], next: Option<&str>) -> Page {
        let items: Vec<String> = listed
            .iter()
            .map(|one| record(&mut self.random, *one))
            .collect();
        let body = format!(
            r#"{{"items":[{}],"pagination":{{"nextCursor":"{}"}}}}"#,
            items.join(","),
            next.unwrap_or_default()
        );
        decode::page(body.into_bytes()).unwrap()
    }

    /// What the server lists: most of what it listed before, some changed, some twice, in some order.
    fn listing(&mut self) -> Vec<Vec<Listed>> {
        let random = &mut self.random;
        let share = random.u32(2..9);
        let mut listed: Vec<Listed> = Vec::new();
        for id in IDS {
            let known = self.model.customers.get(id).map(|known| known.value);
            if random.u32(0..share) > 0 {
                let value = known
                    .filter(|_| random.u32(0..4) > 0)
                    .unwrap_or(random.u32(0..5));
                listed.push((Some(id), value));
                if random.u32(0..10) == 0 {
                    listed.push((
                        Some(id),
                        if random.bool() {
                            value
                        } else {
                            random.u32(0..5)
                        },
                    ));
                }
            }
        }
        if random.u32(0..12) == 0 {
            listed.clear();
        }
        if random.u32(0..6) == 0 {
            listed.push((None, random.u32(0..3)));
        }
        if random.bool() {
            random.shuffle(&mut listed);
        }
        let size = random.usize(1..6);
        let mut pages: Vec<Vec<Listed>> = listed.chunks(size).map(<[_]>::to_vec).collect();
        if pages.is_empty() || random.u32(0..5) == 0 {
            pages.insert(random.usize(0..=pages.len()), Vec::new());
        }
        pages
    }

    fn begin(&mut self) {
        let pages = self.listing();
        let pass_id = self.mirror.begin_pass(at(self.day)).unwrap().pass_id;
        self.model.seen.clear();
        self.pages = 0;
        self.walk = Some((pass_id, pages));
    }

    /// The next page of the pass under way, or its end.
    fn step(&mut self) {
        let Some((pass_id, mut pages)) = self.walk.take() else {
            return self.begin();
        };
        if pages.is_empty() {
            return self.finish(pass_id);
        }
        let listed = pages.remove(0);
        let cursor = |number: usize| Cursor::new(format!("cursor {number}"));
        let asked = (self.pages > 0).then(|| cursor(self.pages)).flatten();
        self.pages += 1;
        let next = (!pages.is_empty()).then(|| format!("cursor {}", self.pages));
        let page = self.page(&listed, next.as_deref());
        let outcome = self
            .mirror
            .commit_page(
                pass_id,
                asked.as_ref(),
                &page,
                Cost::default(),
                at(self.day),
            )
            .unwrap();
        let CommitOutcome::Committed(commit) = outcome else {
            panic!("{outcome:?}");
        };
        let before = self.model.feed.len();
        for (text, one) in page.records().zip(&listed) {
            self.model.list(pass_id, text, *one, self.day);
        }
        let kinds = |kind| {
            self.model.feed[before..]
                .iter()
                .filter(|change| change.1 == kind)
                .count() as i64
        };
        assert_eq!(
            (commit.created, commit.updated, commit.restored),
            (kinds("created"), kinds("updated"), kinds("restored"))
        );
        self.walk = Some((pass_id, pages));
    }

    fn deletions(&mut self) -> Deletions {
        Deletions {
            confirm_passes: self.random.u32(1..4),
            max_percent: [0.0, 25.0, 50.0, 100.0][self.random.usize(0..4)],
            always_allow: self.random.u64(0..4),
            purge_after: None,
        }
    }

    fn finish(&mut self, pass_id: i64) {
        let deletions = self.deletions();
        let keep = (self.random.u32(0..3) == 0).then(|| DAY * self.random.u32(1..20));
        let proof = plan::prove_complete(&self.mirror.walk_evidence(pass_id).unwrap()).unwrap();
        let held = self
            .mirror
            .finish_pass(pass_id, &proof, &deletions, &Changes { keep }, at(self.day))
            .unwrap();
        let records = self.mirror.pass_report(pass_id).unwrap().records;
        let expected = self.model.judge(pass_id, records, &deletions, self.day);
        assert_eq!(held, expected, "held");
        if let Some(keep) = keep {
            self.model.prune(self.day - keep.as_secs() as i64 / 86_400);
        }
    }

    /// A dry run foretells the pass that then comes, if nobody else does anything.
    fn foretold_pass(&mut self) {
        if let Some((pass_id, _)) = self.walk.take() {
            self.mirror
                .end_pass(pass_id, PassState::Abandoned, "a test", at(self.day))
                .unwrap();
            self.model.seen.clear();
        }
        let pages = self.listing();
        let deletions = self.deletions();
        let mut preview = Preview::open(&self.path, SOURCE).unwrap();
        for (number, listed) in pages.iter().enumerate() {
            let next = (number + 1 < pages.len()).then(|| format!("cursor {number}"));
            let page = self.page(listed, next.as_deref());
            assert_eq!(preview.page(&page).unwrap(), None);
        }
        let foretold = preview.finish(&deletions).unwrap();
        let pass_id = self.walk_all(&pages);
        let proof = plan::prove_complete(&self.mirror.walk_evidence(pass_id).unwrap()).unwrap();
        let held = self
            .mirror
            .finish_pass(
                pass_id,
                &proof,
                &deletions,
                &Changes { keep: None },
                at(self.day),
            )
            .unwrap();
        let done = self.mirror.pass_report(pass_id).unwrap();
        assert_eq!(
            self.model
                .judge(pass_id, done.records, &deletions, self.day),
            held
        );
        assert_eq!(
            [
                foretold.pages,
                foretold.records,
                foretold.created,
                foretold.updated,
                foretold.unchanged,
                foretold.restored,
                foretold.quarantined
            ],
            [
                done.pages,
                done.records,
                done.created,
                done.updated,
                done.unchanged,
                done.restored,
                done.quarantined
            ],
            "a dry run and the pass: {pages:?}"
        );
        assert_eq!(
            (foretold.deleted as i64, foretold.held),
            (done.deleted, held)
        );
    }

    /// All pages of a new pass, which is not judged yet.
    fn walk_all(&mut self, pages: &[Vec<Listed>]) -> i64 {
        let pass_id = self.mirror.begin_pass(at(self.day)).unwrap().pass_id;
        let mut asked = None;
        for (number, listed) in pages.iter().enumerate() {
            let next = (number + 1 < pages.len()).then(|| format!("cursor {number}"));
            let page = self.page(listed, next.as_deref());
            let cost = Cost::default();
            self.mirror
                .commit_page(pass_id, asked.as_ref(), &page, cost, at(self.day))
                .unwrap();
            for (text, one) in page.records().zip(listed) {
                self.model.list(pass_id, text, *one, self.day);
            }
            asked = next.and_then(Cursor::new);
        }
        pass_id
    }

    fn decide(&mut self) {
        let approve = self.random.bool();
        let decided = if approve {
            self.mirror.approve_held_sweep(at(self.day))
        } else {
            self.mirror.discard_held_sweep()
        };
        let count = decided.unwrap().map(|decided| decided.customers);
        let held: Vec<&str> = self
            .model
            .customers
            .iter()
            .filter(|(_, known)| known.held)
            .map(|(id, _)| *id)
            .collect();
        let is_held = !held.is_empty();
        let mut decided = 0;
        for id in held {
            let is_spared = approve && self.model.seen.contains(id);
            let known = self.model.customers.get_mut(id).unwrap();
            (known.held, known.absences) = (false, 0);
            if approve && !is_spared {
                self.model.delete(id, self.day);
            }
            decided += u64::from(!is_spared);
        }
        if is_held {
            assert_eq!(count, Some(decided));
        } else {
            assert_eq!(count.unwrap_or_default(), 0);
        }
    }

    fn forget(&mut self) {
        let id = IDS[self.random.usize(0..IDS.len())];
        let forgotten = self.mirror.forget(&[id.to_owned()]).unwrap();
        let known = self.model.customers.get(id);
        if known.is_some_and(|known| !known.live) {
            assert!(matches!(forgotten, Forgotten::Erased(_)), "{forgotten:?}");
            self.model.erase(id);
        } else {
            assert!(
                known.is_none() || matches!(forgotten, Forgotten::Refused(_)),
                "a live customer is refused: {forgotten:?}"
            );
        }
    }

    fn purge(&mut self) {
        let days = self.random.i64(1..12);
        let purged = self.mirror.purge(DAY * days as u32, at(self.day)).unwrap();
        let old: Vec<&str> = (self.model.customers.iter())
            .filter(|(_, known)| known.deleted_day.is_some_and(|day| day < self.day - days))
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(purged as usize, old.len());
        for id in old {
            self.model.erase(id);
        }
    }

    /// An older program set a record apart that this one understands.
    fn misjudge(&mut self) {
        let Some((pass_id, _)) = self.walk.as_ref().filter(|_| self.pages > 0) else {
            return;
        };
        let id = IDS[self.random.usize(0..IDS.len())];
        let raw = record(&mut Rng::with_seed(3), (Some(id), 9));
        let hash = rows::raw_hash(raw.as_bytes(), self.mirror.seed);
        let (page, now) = (self.pages as i64, format_timestamp(at(self.day)));
        self.mirror
            .write(|tx| {
                tx.execute(
                    "INSERT OR IGNORE INTO quarantine (pass_id, page, reason, raw, at, raw_hash) VALUES (?1, ?2, 'a test', ?3, ?4, ?5)",
                    (pass_id, page, raw, now, hash),
                )
            })
            .unwrap();
        self.model
            .misjudged
            .entry(id)
            .or_insert((*pass_id, self.day));
    }

    fn retry(&mut self) {
        let retried = self.mirror.retry_quarantine(at(self.day)).unwrap();
        let again = std::mem::take(&mut self.model.misjudged);
        assert_eq!(
            (retried.mirrored, retried.remaining),
            (again.len() as u64, self.model.bad.len() as u64)
        );
        // In the order of their numbers; here all of them are new customers, or left alone.
        let running = self.walk.as_ref().map(|(pass_id, _)| *pass_id);
        for (id, (pass_id, _)) in again {
            if !self.model.customers.contains_key(id) {
                self.model.create(id, 9, self.day);
            }
            if running == Some(pass_id) {
                self.model.seen.insert(id);
            }
        }
    }

    fn look(&mut self) {
        let model = &self.model;
        let customers: BTreeMap<String, (bool, u32, bool)> = self
            .mirror
            .read(|connection| {
                connection
                    .prepare(
                        "SELECT customer_id, deleted_at IS NULL, ifnull(passes, 0), ifnull(held, 0) FROM customers LEFT JOIN absences USING (row_id)",
                    )?
                    .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?))))?
                    .collect()
            })
            .unwrap();
        let expected = model.customers.iter();
        let expected: BTreeMap<String, _> = expected
            .map(|(id, known)| ((*id).to_owned(), (known.live, known.absences, known.held)))
            .collect();
        assert_eq!(customers, expected);
        let values: BTreeMap<String, u32> = self
            .mirror
            .read(|connection| {
                connection
                    .prepare("SELECT customer_id, metadata ->> '$.v' FROM customers")?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect()
            })
            .unwrap();
        let expected = model
            .customers
            .iter()
            .map(|(id, known)| ((*id).to_owned(), known.value));
        assert_eq!(values, expected.collect());
        let mut feed: Vec<(String, String, bool)> = self
            .mirror
            .read(|connection| {
                connection
                    .prepare("SELECT customer_id, kind, before IS NOT NULL FROM customer_changes ORDER BY customer_id, seq")?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                    .collect()
            })
            .unwrap();
        let mut expected: Vec<_> = model
            .feed
            .iter()
            .map(|(id, kind, before, _)| (id.clone(), (*kind).to_owned(), before.is_some()))
            .collect();
        // The order of one customer's changes counts; that of several in one sweep is the mirror's own affair.
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        feed.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(feed, expected);
        let status = Reader::open(&self.path).unwrap().status().unwrap();
        let count = |is: &dyn Fn(&Known) -> bool| {
            model.customers.values().filter(|known| is(known)).count() as i64
        };
        assert_eq!(
            (status.mirror.live, status.mirror.deleted),
            (count(&|known| known.live), count(&|known| !known.live))
        );
        assert_eq!(
            status.quarantined as usize,
            model.bad.len() + model.misjudged.len()
        );
        let ok: String = self
            .mirror
            .read(|connection| connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
            .unwrap();
        assert_eq!(ok, "ok");
    }

    fn live(&mut self) {
        for _ in 0..self.random.u32(20..80) {
            match self.random.u32(0..30) {
                0 | 1 => self.decide(),
                2 => self.forget(),
                3 => self.purge(),
                4 => self.retry(),
                5 => self.misjudge(),
                6 => self.foretold_pass(),
                7 => {
                    // Another process goes on where the last commit was.
                    drop(std::mem::replace(
                        &mut self.mirror,
                        open(&self.path.with_extension("other")),
                    ));
                    self.mirror = open(&self.path);
                }
                8 => drop(self.mirror.clean_up(Duration::ZERO).unwrap()),
                9 if self.walk.is_some() => {
                    let (pass_id, _) = self.walk.take().unwrap();
                    self.mirror
                        .end_pass(pass_id, PassState::Failed, "a test", at(self.day))
                        .unwrap();
                    self.model.seen.clear();
                }
                _ => self.step(),
            }
            self.day += i64::from(self.random.u32(0..3) == 0);
            self.look();
        }
    }
}

#[test]
fn histories_end_as_the_model_says() {
    let seeds = std::env::var("MODEL_SEEDS").map_or(12, |seeds| seeds.parse().unwrap());
    let first = std::env::var("MODEL_FIRST").map_or(1, |first| first.parse().unwrap());
    for seed in first..first + seeds {
        let story = std::panic::AssertUnwindSafe(|| History::new(seed).live());
        assert!(
            std::panic::catch_unwind(story).is_ok(),
            "MODEL_FIRST={seed} MODEL_SEEDS=1 repeats it"
        );
    }
}
