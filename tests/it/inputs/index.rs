//! The same questions put to a mirror: who answers is found by the index, nobody else, and no question is an error.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::{DateTime, Utc};
use customer_mirror::config::{Changes, Deletions};
use customer_mirror::decode;
use customer_mirror::mirror::{Cost, CustomerFilter, CustomerStanding, Mirror, Reader, SearchPage};
use customer_mirror::plan;
use customer_mirror::search::Question;
use tempfile::TempDir;

use super::search;

const TERMS_MAX: usize = 3;

struct Crowd {
    _folder: TempDir,
    reader: Reader,
    records: Vec<(String, String)>,
}

fn crowd() -> &'static Mutex<Crowd> {
    static CROWD: OnceLock<Mutex<Crowd>> = OnceLock::new();
    CROWD.get_or_init(|| Mutex::new(Crowd::new()))
}

impl Crowd {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        let records = search::records();
        let mut mirror = Mirror::open_or_create(&path, "a source", "a test").unwrap();
        let now: DateTime<Utc> = "2026-01-31T09:00:00Z".parse().unwrap();
        let pass_id = mirror.begin_pass(now).unwrap().pass_id;
        let items: Vec<&str> = records.iter().map(|(_, record)| record.as_str()).collect();
        let body = format!(r#"{{"items":[{}],"pagination":{{}}}}"#, items.join(","));
        let page = decode::page(body.into_bytes()).unwrap();
        mirror
            .commit_page(pass_id, None, &page, Cost::default(), now)
            .unwrap();
        let proof = plan::prove_complete(&mirror.walk_evidence(pass_id).unwrap()).unwrap();
        let deletions = Deletions {
            confirm_passes: 1,
            max_percent: 10.0,
            always_allow: 0,
            purge_after: None,
        };
        mirror
            .finish_pass(pass_id, &proof, &deletions, &Changes { keep: None }, now)
            .unwrap();
        drop(mirror);
        let reader = Reader::open(&path).unwrap();
        Self {
            _folder: folder,
            reader,
            records,
        }
    }
}

/// Whether all who answer are promised: of more terms not every way to take them is looked up, and of one or two characters only
/// words and some IDs.
fn is_looked_up(text: &str) -> bool {
    let length = |term: &str| term.chars().filter(|c| c.is_alphanumeric()).count();
    text.split_whitespace().count() <= TERMS_MAX
        && text
            .split_whitespace()
            .all(|term| !matches!(length(term), 1 | 2))
}

/// Any text. True if somebody is found.
pub(super) fn of_question(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let crowd = crowd().lock().unwrap_or_else(PoisonError::into_inner);
    let filter = CustomerFilter {
        standing: CustomerStanding::Any,
        ..CustomerFilter::default()
    };
    let question = Question::new(&text);
    let found = crowd
        .reader
        .search(&question, &filter, SearchPage::first(1000))
        .expect("a question is no error");
    assert!(!found.more && !found.beyond_window);
    let found: BTreeSet<String> = found
        .hits
        .iter()
        .map(|hit| hit.line().customer_id)
        .collect();
    let expected: BTreeSet<String> = search::who_answers(&text, &crowd.records)
        .into_iter()
        .collect();
    assert!(
        found.is_subset(&expected),
        "{found:?} for {text:?}, where {expected:?} answer"
    );
    if is_looked_up(&text) {
        assert_eq!(found, expected, "who answers {text:?} is found");
    }
    !found.is_empty()
}
