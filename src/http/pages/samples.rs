//! Pages of every kind, for the tests, and to be looked at. Each text and each time that comes from outside goes through a function that
//! may make something else of it.

mod customers;
mod status;

use chrono::TimeDelta;

use crate::mirror::CustomerLine;
use crate::model::{
    PassReport, PassState, SweepState, Timestamp, format_timestamp, parse_timestamp,
};

/// What becomes of texts and times from outside.
#[derive(Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) say: &'a dyn Fn(&str) -> String,
    pub(super) time: &'a dyn Fn(String) -> String,
}

/// As they are.
pub(super) const PLAIN: Sample<'static> = Sample {
    say: &|text| text.to_owned(),
    time: &|time| time,
};

pub(super) fn now() -> Timestamp {
    parse_timestamp("2026-01-31T09:30:00.000Z").unwrap()
}

impl Sample<'_> {
    /// A page of every kind, by a name for its file.
    pub(super) fn pages(self) -> Vec<(&'static str, String)> {
        let mut pages = self.status_pages();
        pages.extend(self.customer_pages());
        pages.extend(self.list_pages());
        pages
    }

    pub(super) fn text(self, text: &str) -> String {
        (self.say)(text)
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is for optional values")]
    pub(super) fn some(self, text: &str) -> Option<String> {
        Some(self.text(text))
    }

    /// A moment so many seconds before now.
    pub(super) fn ago(self, seconds: i64) -> String {
        (self.time)(format_timestamp(now() - TimeDelta::seconds(seconds)))
    }

    /// A customer in a list.
    pub(super) fn line(self, number: i64) -> CustomerLine {
        let names = [
            "Åsa Lindqvist",
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>",
            "ישראל ישראלי \u{202e}txt.exe",
            "\u{1f9d1}\u{200d}\u{1f680} Ästronaut & Söhne GmbH",
            "Kraftwerk-Instandhaltungsgesellschaft-mit-beschränkter-Haftung-und-ohne-jede-Lücke-im-Namen",
        ];
        let name = names.get(number as usize % 8);
        CustomerLine {
            customer_id: self.text(&format!("6f638c2e-0c57-42d9-9c34-{number:012}")),
            reference_id: (number % 3 != 0).then(|| self.text(&format!("crm-customer-{number}"))),
            human_readable_id: (number % 2 == 0).then(|| self.text(&format!("K{number:05}"))),
            customer_type: (number % 5 != 0)
                .then(|| self.text(["CONSUMER", "BUSINESS"][number as usize % 2])),
            name: name.map(|name| self.text(name)),
            contact_email: (number % 4 != 0)
                .then(|| self.text(&format!("someone.with.long.name.{number}@example.com"))),
            contact_msisdn: (number % 3 != 1).then(|| self.text(&format!("+467012345{number:02}"))),
            country: (number % 4 != 3).then(|| self.text(["SE", "FI", "NO"][number as usize % 3])),
            changed_at: self.ago(number * 3600 + 40),
            deleted_at: (number % 7 == 6).then(|| self.ago(number * 3600)),
        }
    }

    pub(super) fn lines(self, range: std::ops::Range<i64>) -> Vec<CustomerLine> {
        range.map(|number| self.line(number)).collect()
    }

    /// A complete pass, which began so many seconds ago.
    pub(super) fn pass(self, pass_id: i64, began_ago: i64, took_seconds: i64) -> PassReport {
        PassReport {
            pass_id,
            state: PassState::Complete,
            started_at: self.ago(began_ago),
            finished_at: Some(self.ago(began_ago - took_seconds)),
            resumed: 0,
            next_cursor: None,
            pages: 100,
            records: 100_000,
            created: 0,
            updated: 0,
            unchanged: 100_000,
            deleted: 0,
            restored: 0,
            quarantined: 0,
            retries: 0,
            bytes: 66_000_000,
            sweep: SweepState::Done,
            error: None,
        }
    }

    /// Sixty passes as they may be, the newest first, the last of them four minutes ago; the first one created everybody.
    pub(super) fn sixty_passes(self) -> Vec<PassReport> {
        let mut passes: Vec<PassReport> = (1..=60)
            .map(|pass_id| {
                let mut pass =
                    self.pass(pass_id, 250 + (60 - pass_id) * 900, 95 + pass_id * 37 % 60);
                pass.created = pass_id * 7919 % 13;
                pass.updated = pass_id * 104_729 % 211;
                pass.deleted = if pass_id % 4 == 0 { pass_id % 7 } else { 0 };
                pass.restored = i64::from(pass_id % 19 == 0);
                pass
            })
            .collect();
        passes[0].created = 1_000_000;
        passes[0].finished_at = Some(self.ago(250 + 59 * 900 - 3000));
        for (index, state) in [(20, PassState::Failed), (41, PassState::Abandoned)] {
            passes[index].state = state;
            passes[index].sweep = SweepState::None;
            passes[index].error = self.some(&format!(
                "the server answered 503 Service Unavailable to page 17: {}",
                "upstream connect error or disconnect/reset before headers. ".repeat(12)
            ));
        }
        passes[30].sweep = SweepState::Superseded;
        passes[57].resumed = 2;
        passes.reverse();
        passes
    }
}
