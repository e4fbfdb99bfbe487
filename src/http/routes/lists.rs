//! What waits for a person, as whole lists. Each page says in `after` where the next one begins.

use axum::extract::{Query, State};

use super::{Fields, Shared};
use crate::http::answer::Answer;
use crate::http::pages::{self, ConflictsView, DeletionsView, QuarantineView};

/// How many a page has.
const PAGE: usize = 50;

/// The number behind which a page begins; what is no number is the beginning.
fn number(fields: &Fields) -> Option<i64> {
    fields.0.get("after").and_then(|after| after.parse().ok())
}

pub(super) async fn deletions(State(desk): Shared, fields: Fields) -> Answer {
    let after = number(&fields);
    let read = desk.ask(move |reader| {
        let held = reader.held_sweep()?;
        let (customers, next) = match held {
            Some(_) => reader.held_customers(after, PAGE)?,
            None => (Vec::new(), None),
        };
        Ok((held, customers, next))
    });
    match read.await {
        Ok((held, customers, next)) => Answer::html(pages::deletions(&DeletionsView {
            held: held.as_ref(),
            customers: &customers,
            is_first: after.is_none(),
            next_after: next.map(|next| next.to_string()).as_deref(),
            now: desk.now(),
        })),
        Err(trouble) => trouble.page(),
    }
}

pub(super) async fn quarantine(State(desk): Shared, fields: Fields) -> Answer {
    let after = number(&fields);
    let read = desk.ask(move |reader| {
        let total = reader.status()?.quarantined;
        Ok((total, reader.recently_quarantined(after, PAGE + 1)?))
    });
    match read.await {
        Ok((total, mut records)) => {
            let has_more = records.len() > PAGE;
            records.truncate(PAGE);
            let next = records.last().filter(|_| has_more);
            Answer::html(pages::quarantine(&QuarantineView {
                total,
                records: &records,
                is_first: after.is_none(),
                next_after: next.map(|next| next.id.to_string()).as_deref(),
                now: desk.now(),
            }))
        }
        Err(trouble) => trouble.page(),
    }
}

pub(super) async fn conflicts(State(desk): Shared, Query(mut fields): Fields) -> Answer {
    let after = fields.remove("after");
    let is_first = after.is_none();
    let read = desk.ask(move |reader| {
        let total = reader.status()?.reference_conflicts;
        Ok((total, reader.conflicts(after.as_deref(), PAGE + 1)?))
    });
    match read.await {
        Ok((total, mut conflicts)) => {
            let has_more = conflicts.len() > PAGE;
            conflicts.truncate(PAGE);
            let next = conflicts.last().filter(|_| has_more);
            Answer::html(pages::conflicts(&ConflictsView {
                total: total.unwrap_or_default(),
                conflicts: &conflicts,
                is_first,
                next_after: next.map(|next| next.reference_id.as_str()),
            }))
        }
        Err(trouble) => trouble.page(),
    }
}
