//! A small mirror for the tests of what reads one.

use std::path::PathBuf;

use chrono::TimeDelta;

use crate::config::{Changes, Deletions};
use crate::decode;
use crate::mirror::{CommitOutcome, Cost, Mirror};
use crate::model::{Cursor, Timestamp, parse_timestamp};
use crate::plan;

/// Minutes after the fixture's beginning of time.
pub(crate) fn at(minutes: i64) -> Timestamp {
    parse_timestamp("2026-01-31T09:00:00.000Z").unwrap() + TimeDelta::minutes(minutes)
}

pub(crate) const ADA: &str = "{\"customerId\": \"c-1\", \"referenceId\": \"r-1\", \"humanReadableId\": \"K1\", \
    \"name\": \"Ada \\u001b[31mLovelace\", \"customerType\": \"BUSINESS\", \"balance\": 1.50,\n \
    \"contact\": {\"email\": \"ada@example.com\", \"msisdn\": \"46700000001\"}, \
    \"billing\": {\"method\": \"EMAIL_INVOICE\", \"currency\": \"SEK\", \"autoPay\": true, \
      \"address\": {\"street1\": \"Storgatan 1\", \"city\": \"Malmö\", \"zip\": \"211 34\", \"country\": \"SE\"}}, \
    \"shipping\": {\"name\": \"Ada\", \"instructions\": \"Leave it at the door, please, and ring the bell twice\"}, \
    \"users\": [{\"userId\": \"u-1\", \"name\": \"Ada\", \"role\": \"ADMIN\"}], \
    \"metadata\": {\"tier\": \"gold\", \"seats\": 12}}";

/// Whose mirror it is.
pub(crate) const SOURCE: &str = "https://api.example.com/v1";

/// A mirror in a folder of its own, which goes with it.
pub(crate) struct Fixture {
    pub(crate) mirror: Mirror,
    pub(crate) path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("customers.db");
        Self::at(path, folder)
    }

    /// Two customers share a referenceId, one is deleted after that, one record can't be mirrored.
    pub(crate) fn filled() -> Self {
        let mut fixture = Self::empty();
        let twin = "{\"customerId\": \"c-2\", \"referenceId\": \"twin\"}";
        let other_twin =
            "{\"customerId\": \"c-3\", \"referenceId\": \"twin\", \"name\": \"Grace\"}";
        let leaving = "{\"customerId\": \"c-4\", \"name\": \"Edsger\"}";
        let bad = "{\"customerId\": \"\", \"name\": \"nobody\"}";
        fixture.pass(0, &[&[ADA, twin], &[other_twin, leaving]]);
        fixture.pass(15, &[&[ADA, twin, other_twin]]);
        fixture.pass(30, &[&[ADA, twin, other_twin]]);
        fixture.pass(45, &[&[ADA, twin, other_twin, bad]]);
        fixture
    }

    /// The mirror at `path`, in a folder that goes with it.
    pub(crate) fn at(path: PathBuf, folder: tempfile::TempDir) -> Self {
        Self {
            mirror: Mirror::open_or_create(&path, SOURCE, "customer-mirror sync").unwrap(),
            path,
            _folder: folder,
        }
    }

    /// A complete pass over these pages, a minute long.
    pub(crate) fn pass(&mut self, minutes: i64, pages: &[&[&str]]) {
        let pass_id = self.pages(minutes, pages, None);
        let proof = plan::prove_complete(&self.mirror.walk_evidence(pass_id).unwrap()).unwrap();
        let deletions = Deletions {
            confirm_passes: 2,
            max_percent: 10.0,
            always_allow: 1,
            purge_after: None,
        };
        self.mirror
            .finish_pass(
                pass_id,
                &proof,
                &deletions,
                &Changes { keep: None },
                at(minutes + 1),
            )
            .unwrap();
    }

    /// A pass that goes on after these pages with `next`, if there is one.
    pub(crate) fn pages(&mut self, minutes: i64, pages: &[&[&str]], next: Option<&str>) -> i64 {
        let pass_id = self.mirror.begin_pass(at(minutes)).unwrap().pass_id;
        let mut asked = None;
        for (index, records) in pages.iter().enumerate() {
            let inner = (index + 1 < pages.len()).then(|| format!("cursor-{index}"));
            let cursor = inner
                .or_else(|| next.map(str::to_owned))
                .unwrap_or_default();
            let body = format!(
                "{{\"items\": [{}], \"pagination\": {{\"nextCursor\": \"{cursor}\"}}}}",
                records.join(",")
            );
            let cost = Cost {
                bytes: body.len() as u64,
                retries: 0,
            };
            let page = decode::page(body.into_bytes()).unwrap();
            let outcome = self
                .mirror
                .commit_page(pass_id, asked.as_ref(), &page, cost, at(minutes))
                .unwrap();
            assert!(
                matches!(outcome, CommitOutcome::Committed(_)),
                "{outcome:?}"
            );
            asked = Cursor::new(cursor);
        }
        pass_id
    }
}
