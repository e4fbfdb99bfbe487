//! One page of the listing as a body, with the faults that change a page.

use super::fault::{BadId, Fault};
use super::hash::Dice;
use super::json::{RawObject, shuffled, write_string};
use super::listing::Listing;

/// How the last page says that it is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastPage {
    /// `"nextCursor":null`
    #[default]
    Null,
    /// `"pagination":{}`
    Absent,
    /// `"nextCursor":""`
    Empty,
}

/// The rows of a page and where the next one begins.
pub(super) struct Rows {
    records: Vec<Vec<u8>>,
    /// Position of the next page's first row; `None` on the last page.
    pub(super) next: Option<u64>,
}

/// Collects the rows from position `from` on, at most `limit` (from 1) of those that fit the lower-case `filter`.
pub(super) fn rows(
    listing: &Listing,
    filter: &str,
    from: u64,
    limit: u64,
    faults: &[Fault],
) -> Rows {
    let (mut from, mut limit, mut again) = (from, limit, None);
    for fault in faults {
        match fault {
            Fault::Shift { rows } => from = listing.back(from, *rows, filter),
            Fault::Duplicate => {
                again = Some(listing.back(from, 1, filter)).filter(|row| *row != from);
            }
            Fault::ShortPage => limit = limit.div_ceil(2),
            Fault::EmptyPage => limit = 0,
            _ => {}
        }
    }
    let again = again.filter(|_| limit > 0);
    let fresh = limit - u64::from(again.is_some());
    let mut records = Vec::new();
    let mut next = listing.next(from, filter);
    while let Some(position) = next.filter(|_| (records.len() as u64) < fresh) {
        records.push(record(listing, position));
        next = listing.next(position + 1, filter);
    }
    if let Some(position) = again {
        records.push(record(listing, position));
    }
    for fault in faults {
        match fault {
            Fault::Skip { rows } => {
                for _ in 0..*rows {
                    next = next.and_then(|position| listing.next(position + 1, filter));
                }
            }
            _ => spoil(&mut records, fault),
        }
    }
    Rows { records, next }
}

fn record(listing: &Listing, position: u64) -> Vec<u8> {
    let mut text = String::with_capacity(1400);
    listing.write(position, &mut text);
    text.into_bytes()
}

/// Applies a fault that changes one record: the first, the middle or the last one, so that several faults hit several records.
fn spoil(records: &mut [Vec<u8>], fault: &Fault) {
    let at = match fault {
        Fault::Drift => 0,
        Fault::BadRecord(_) => records.len() / 2,
        Fault::GarbageUtf8 => records.len().saturating_sub(1),
        _ => return,
    };
    let Some(record) = records.get_mut(at) else {
        return;
    };
    if *fault == Fault::GarbageUtf8 {
        if let Some(brace) = record.iter().rposition(|byte| *byte == b'}') {
            let comma: &[u8] = if record[..brace].contains(&b':') {
                b","
            } else {
                b""
            };
            record.splice(
                brace..brace,
                [comma, b"\"garbage\":\"\xff\xc3(\xed\xa0\x80\""].concat(),
            );
        }
        return;
    }
    let Some(text) = std::str::from_utf8(record).ok().and_then(RawObject::parse) else {
        return;
    };
    let spoiled = match fault {
        Fault::BadRecord(how) => text.rewritten(|key, value| match (key, how) {
            ("customerId", BadId::Missing) => None,
            ("customerId", BadId::Number) => Some("4711"),
            ("customerId", BadId::Empty) => Some("\"\""),
            _ => Some(value),
        }),
        _ => text.rewritten(|key, value| {
            Some(match key {
                "name" => r#"{"first":"Drift","last":"Wood"}"#,
                "users" => r#""none""#,
                "contact" => "7",
                "billing" => "[true]",
                "referenceId" => "12.50",
                "metadata" => r#""free""#,
                "preferredLocale" => "false",
                _ => value,
            })
        }),
    };
    *record = spoiled.into_bytes();
}

impl Rows {
    /// Puts every record into another key order and other white space.
    pub(super) fn shuffle(&mut self, dice: Dice) {
        for (number, record) in self.records.iter_mut().enumerate() {
            if let Ok(text) = std::str::from_utf8(record) {
                *record = shuffled(text, dice.fork(number as u64)).into_bytes();
            }
        }
    }

    /// The body; `next_cursor` is `None` on the last page.
    pub(super) fn body(
        &self,
        next_cursor: Option<&str>,
        last: LastPage,
        with_pagination: bool,
    ) -> Vec<u8> {
        let size: usize = self.records.iter().map(|record| record.len() + 1).sum();
        let mut body = Vec::with_capacity(size + 200);
        body.extend(b"{\"items\":[");
        for (number, record) in self.records.iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            body.extend(record);
        }
        body.push(b']');
        if with_pagination {
            let mut cursor = String::new();
            match (next_cursor, last) {
                (Some(text), _) => write_string(&mut cursor, text),
                (None, LastPage::Null) => cursor.push_str("null"),
                (None, LastPage::Empty) => cursor.push_str("\"\""),
                (None, LastPage::Absent) => {}
            }
            body.extend(b",\"pagination\":{");
            if !cursor.is_empty() {
                body.extend(b"\"nextCursor\":");
                body.extend(cursor.as_bytes());
            }
            body.push(b'}');
        }
        body.push(b'}');
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten() -> Listing {
        Listing::explicit((0..10).map(|n| format!(r#"{{"customerId":"{n}","name":"N{n}"}}"#)))
    }

    /// The page's ids, and where the next page begins.
    fn page(from: u64, limit: u64, faults: &[Fault]) -> (String, Option<u64>) {
        let rows = rows(&ten(), "", from, limit, faults);
        let body = rows.body(None, LastPage::Null, true);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let ids = body["items"].as_array().unwrap().iter();
        (
            ids.map(|item| item["customerId"].as_str().unwrap_or("-").to_owned())
                .collect(),
            rows.next,
        )
    }

    #[test]
    fn rows_move_as_the_faults_say() {
        type Row<'a> = (u64, u64, &'a [Fault], &'a str, Option<u64>);
        let table: [Row<'_>; 12] = [
            (0, 4, &[], "0123", Some(4)),
            (8, 4, &[], "89", None),
            (6, 4, &[], "6789", None),
            (4, 3, &[Fault::Shift { rows: 2 }], "234", Some(5)),
            (4, 3, &[Fault::Duplicate], "453", Some(6)),
            (4, 1, &[Fault::Duplicate], "3", Some(4)),
            (0, 3, &[Fault::Duplicate], "012", Some(3)),
            (2, 3, &[Fault::Skip { rows: 2 }], "234", Some(7)),
            (2, 3, &[Fault::Skip { rows: 9 }], "234", None),
            (2, 3, &[Fault::EmptyPage], "", Some(2)),
            (2, 3, &[Fault::ShortPage], "23", Some(4)),
            (2, 3, &[Fault::BadRecord(BadId::Number)], "2-4", Some(5)),
        ];
        for (from, limit, faults, ids, next) in table {
            assert_eq!(
                page(from, limit, faults),
                (ids.to_owned(), next),
                "{from} {limit} {faults:?}"
            );
        }
    }

    #[test]
    fn the_last_page_is_told_in_three_ways() {
        let rows = rows(&ten(), "", 0, 1, &[]);
        for (last, end) in [
            (LastPage::Null, r#","pagination":{"nextCursor":null}}"#),
            (LastPage::Empty, r#","pagination":{"nextCursor":""}}"#),
            (LastPage::Absent, r#","pagination":{}}"#),
        ] {
            assert!(
                String::from_utf8(rows.body(None, last, true))
                    .unwrap()
                    .ends_with(end)
            );
            assert!(
                rows.body(Some("x"), last, true)
                    .ends_with(br#"{"nextCursor":"x"}}"#)
            );
            assert!(rows.body(Some("x"), last, false).ends_with(b"}]}"));
        }
    }

    #[test]
    fn spoiled_records_are_spoiled_and_the_rest_is_json() {
        let drifted = rows(&ten(), "", 0, 2, &[Fault::Drift]).body(None, LastPage::Null, true);
        let drifted: serde_json::Value = serde_json::from_slice(&drifted).unwrap();
        assert_eq!(drifted["items"][0]["customerId"], "0");
        assert!(drifted["items"][0]["name"].is_object() && drifted["items"][1]["name"].is_string());
        let garbage =
            rows(&ten(), "", 0, 2, &[Fault::GarbageUtf8]).body(None, LastPage::Null, true);
        assert!(std::str::from_utf8(&garbage).is_err());
        let readable: serde_json::Value =
            serde_json::from_str(&String::from_utf8_lossy(&garbage)).unwrap();
        assert_eq!(readable["items"][1]["customerId"], "1");
        let mut bare = [b"{}".to_vec()];
        spoil(&mut bare, &Fault::GarbageUtf8);
        assert!(
            serde_json::from_str::<serde_json::Value>(&String::from_utf8_lossy(&bare[0])).is_ok()
        );
    }
}
