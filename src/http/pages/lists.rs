//! What waits for a person, as whole lists: held customers, quarantined records, conflicts.

use maud::{Markup, html};

use super::frame::Frame;
use super::paths::{customer_path, with_query};
use super::people::{self, People};
use super::text::{RAW_BYTES, command, foreign, foreign_json, foreign_within, since};
use crate::human::{count, plural};
use crate::mirror::{Conflict, CustomerLine, HeldSweep, Quarantined};
use crate::model::Timestamp;

/// Of a record in a list, so many bytes are shown.
const RECORD_BYTES: usize = RAW_BYTES / 25;
/// Why a record can't be mirrored, up to here.
const REASON_BYTES: usize = 1000;

/// What the page of a held sweep shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeletionsView<'a> {
    /// The sweep; `None` if none is held.
    pub(crate) held: Option<&'a HeldSweep>,
    /// A page of the customers that it concerns.
    pub(crate) customers: &'a [CustomerLine],
    /// Whether this is the first page.
    pub(crate) is_first: bool,
    /// What `after` is on the next page; `None` on the last.
    pub(crate) next_after: Option<&'a str>,
    /// The time.
    pub(crate) now: Timestamp,
}

/// What the page of quarantined records shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QuarantineView<'a> {
    /// How many there are in all.
    pub(crate) total: i64,
    /// A page of them, the latest first.
    pub(crate) records: &'a [Quarantined],
    /// Whether this is the first page.
    pub(crate) is_first: bool,
    /// What `after` is on the next page; `None` on the last.
    pub(crate) next_after: Option<&'a str>,
    /// The time.
    pub(crate) now: Timestamp,
}

/// What the page of conflicts shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConflictsView<'a> {
    /// How many there are in all.
    pub(crate) total: i64,
    /// A page of them.
    pub(crate) conflicts: &'a [Conflict],
    /// Whether this is the first page.
    pub(crate) is_first: bool,
    /// What `after` is on the next page; `None` on the last.
    pub(crate) next_after: Option<&'a str>,
}

/// The page of the held sweep.
pub(crate) fn deletions(view: &DeletionsView<'_>) -> String {
    let content = html! {
        h1 { "Held sweep" }
        @if let Some(held) = view.held {
            p #held-summary {
                (plural(held.customers, "customer was", "customers were")) " missing in pass " (held.pass_id)
                ", too many to delete them unasked. They are live until you decide, or until the next complete pass judges afresh."
            }
            (decision())
            section aria-labelledby="held-title" {
                h2 #held-title { "Who they are" }
                (people::render(&People::lines("held-customers", "Customers that the held sweep concerns", view.customers, view.now)))
                (paging("/deletions", view.is_first, view.next_after))
            }
        } @else {
            p #held-summary {
                "No sweep is held. If many customers are missing at once, they are not deleted, but listed here until you decide."
            }
            p { a href="/customers?standing=deleted" { "Customers that are deleted" } }
        }
    };
    page("Held sweep", "/deletions", &content)
}

/// The page of quarantined records.
pub(crate) fn quarantine(view: &QuarantineView<'_>) -> String {
    let content = html! {
        h1 { "Quarantine" }
        @if view.total > 0 {
            p #quarantine-summary {
                (plural(view.total, "record", "records")) " could not be mirrored. Each is kept as it was sent. After an upgrade of "
                "the program, all of them can be tried again: " (command("customer-mirror quarantine retry"))
            }
            section aria-label="Records" {
                (records(view.records, "quarantined-records", true, view.now))
                (paging("/quarantine", view.is_first, view.next_after))
            }
        } @else {
            p #quarantine-summary { "Nothing is in quarantine: every record that was sent is in the mirror." }
        }
    };
    page("Quarantine", "/quarantine", &content)
}

/// The page of conflicts.
pub(crate) fn conflicts(view: &ConflictsView<'_>) -> String {
    let content = html! {
        h1 { "Conflicts" }
        @if view.total > 0 {
            p #conflicts-summary {
                (plural(view.total, "referenceId is", "referenceIds are")) " held by several live customers. The mirror is as the API has it: "
                "what is to be done is done there."
            }
            section aria-label="referenceIds and who holds them" {
                @if view.conflicts.is_empty() && view.is_first { p { "Which ones is told when the first pass is complete." } }
                (holders(view.conflicts, "conflicting-references"))
                (paging("/conflicts", view.is_first, view.next_after))
            }
        } @else {
            p #conflicts-summary { "No referenceId is held by more than one live customer." }
        }
    };
    page("Conflicts", "/conflicts", &content)
}

fn page(title: &str, place: &str, content: &Markup) -> String {
    Frame {
        title,
        place,
        live: None,
    }
    .around(content)
}

fn paging(path: &str, is_first: bool, next_after: Option<&str>) -> Markup {
    html! {
        @if !is_first || next_after.is_some() {
            nav.paging aria-label="Pages of the list" {
                @if !is_first { a href=(path) { "⇤ To the first" } }
                @if let Some(after) = next_after {
                    a #next-page rel="next" href=(with_query(path, &[("after", after)])) { "Next →" }
                }
            }
        }
    }
}

/// The commands that end a held sweep, and what each does.
pub(super) fn decision() -> Markup {
    html! {
        dl.commands {
            dt { (command("customer-mirror deletions approve")) }
            dd { "marks them as deleted" }
            dt { (command("customer-mirror deletions discard")) }
            dd { "keeps them live, and begins to count their absences anew" }
        }
    }
}

/// Quarantined records.
pub(super) fn records(records: &[Quarantined], id: &str, with_raw: bool, now: Timestamp) -> Markup {
    html! {
        @if !records.is_empty() {
            ul id=(id) .records aria-label="Quarantined records" {
                @for record in records {
                    li id={ "record-" (record.id) } {
                        p.reason { (foreign_within(&record.reason, REASON_BYTES)) }
                        p.muted { (met(record, now)) }
                        @if with_raw {
                            details {
                                summary { "What was sent" }
                                pre tabindex="0" { (foreign_json(&record.raw, RECORD_BYTES)) }
                                @if record.raw.len() > RECORD_BYTES {
                                    p { "All of it: " (command(&format!("customer-mirror quarantine show {} --raw", record.id))) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where and when a record was met, and whose it is.
fn met(record: &Quarantined, now: Timestamp) -> Markup {
    html! {
        "Record " (record.id) ", met " (since(&record.at, now))
        @if let Some(pass_id) = record.pass_id { ", pass " (pass_id) }
        @if let Some(page) = record.page { ", page " (page) }
        ", "
        @match &record.customer_id {
            Some(id) => { "of customer " a href=(customer_path(id)) { (foreign(id)) } },
            None => "of a customer that can't be told",
        }
    }
}

/// referenceIds and who holds them.
pub(super) fn holders(conflicts: &[Conflict], id: &str) -> Markup {
    html! {
        @if !conflicts.is_empty() {
            dl id=(id) .conflicts {
                @for conflict in conflicts {
                    dt { (foreign(&conflict.reference_id)) }
                    dd {
                        ul {
                            @for customer in &conflict.customers {
                                li {
                                    a href=(customer_path(&customer.customer_id)) {
                                        (foreign(customer.name.as_deref().filter(|name| !name.trim().is_empty()).unwrap_or(&customer.customer_id)))
                                    }
                                    @if customer.name.is_some() { " " span.muted { (foreign(&customer.customer_id)) } }
                                }
                            }
                            @let more = conflict.holders.saturating_sub(conflict.customers.len() as i64);
                            @if more > 0 { li.muted { "and " (count(more)) " more" } }
                        }
                    }
                }
            }
        }
    }
}
