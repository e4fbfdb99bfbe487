//! What is measured on: simulated customers, pages of them, and mirrors of those pages.

use chrono::Utc;
use customer_mirror::config::{Changes, Deletions};
use customer_mirror::decode;
use customer_mirror::mirror::{CommitOutcome, Cost, Mirror, PageCommit};
use customer_mirror::model::{Cursor, Page};
use customer_mirror::plan;
use customer_mirror::simulator;
use tempfile::TempDir;

pub(crate) const PAGE_RECORDS: u64 = 1000;

const SEED: u64 = 1;

/// How many pages a mirror is made of: 20,000 customers to measure, 2000 where it is only shown that all of it runs.
pub(crate) fn pages_count() -> u64 {
    // What Criterion itself goes by: `cargo bench` says so.
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    if is_measured { 20 } else { 2 }
}

/// The records of page `number`, from 0, as they are on the first day.
pub(crate) fn records(number: u64) -> Vec<String> {
    of_day(number, 1)
}

/// The same customers a day later: one in a hundred has changed. Who has gone by then stays as before.
pub(crate) fn records_of_next_day(number: u64) -> Vec<String> {
    of_day(number, 2)
}

fn of_day(number: u64, day: u32) -> Vec<String> {
    let indices = number * PAGE_RECORDS..(number + 1) * PAGE_RECORDS;
    indices
        .map(|index| {
            simulator::customer(SEED, index, day)
                .or_else(|| simulator::customer(SEED, index, 1))
                .unwrap()
        })
        .collect()
}

/// A response with these records.
pub(crate) fn body(records: &[String]) -> Vec<u8> {
    let items = records.join(",");
    format!(r#"{{"items":[{items}],"pagination":{{"nextCursor":"a-cursor"}}}}"#).into_bytes()
}

/// The same, split into records.
pub(crate) fn page(records: &[String]) -> Page {
    decode::page(body(records)).unwrap()
}

/// A mirror with a pass under way, in a folder that goes with it.
pub(crate) struct Shelf {
    pub(crate) mirror: Mirror,
    pass_id: i64,
    asked: Option<Cursor>,
    commits: u64,
    _folder: TempDir,
}

impl Shelf {
    /// Of nobody yet.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("customers.db");
        let source = "https://api.example.com/v1";
        let mut mirror = Mirror::open_or_create(&path, source, "customer-mirror bench").unwrap();
        let pass_id = mirror.begin_pass(Utc::now()).unwrap().pass_id;
        Self {
            mirror,
            pass_id,
            asked: None,
            commits: 0,
            _folder: folder,
        }
    }

    /// Of these pages, by a complete pass; the next one is under way.
    pub(crate) fn filled(pages: &mut [Page]) -> Self {
        let mut shelf = Self::empty();
        for page in pages.iter_mut() {
            shelf.commit(page);
        }
        shelf.commit_last();
        let proof = plan::prove_complete(&shelf.mirror.walk_evidence(shelf.pass_id).unwrap());
        let deletions = Deletions {
            confirm_passes: 2,
            max_percent: 10.0,
            always_allow: 20,
            purge_after: None,
        };
        let changes = Changes { keep: None };
        let (proof, now) = (proof.unwrap(), Utc::now());
        shelf
            .mirror
            .finish_pass(shelf.pass_id, &proof, &deletions, &changes, now)
            .unwrap();
        shelf.pass_id = shelf.mirror.begin_pass(now).unwrap().pass_id;
        shelf.asked = None;
        shelf
    }

    /// Commits a page as the next one of the pass, with a cursor that has not been there before.
    pub(crate) fn commit(&mut self, page: &mut Page) -> PageCommit {
        self.commits += 1;
        page.next = Cursor::new(format!("cursor-{}", self.commits));
        self.commit_as_it_is(page)
    }

    fn commit_last(&mut self) {
        let mut last = page(&[]);
        last.next = None;
        self.commit_as_it_is(&last);
    }

    fn commit_as_it_is(&mut self, page: &Page) -> PageCommit {
        let cost = Cost::default();
        let asked = self.asked.take();
        let outcome = self
            .mirror
            .commit_page(self.pass_id, asked.as_ref(), page, cost, Utc::now());
        let CommitOutcome::Committed(commit) = outcome.unwrap() else {
            panic!("the cursor has been there before");
        };
        self.mirror.bound_log(|| false).unwrap();
        self.asked.clone_from(&page.next);
        commit
    }
}
