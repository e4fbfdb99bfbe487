//! The last passes in numbers.

use maud::{Markup, html};

use crate::http::pages::chart::{PASSES_MAX, told_span, took};
use crate::http::pages::text::{exact, foreign_within};
use crate::human::{bytes, count, moment};
use crate::model::{PassReport, PassState, SweepState, Timestamp};

/// So many are in sight; the others can be opened.
const IN_SIGHT: usize = 10;
/// Of an error, the beginning is in the table.
const ERROR_BYTES: usize = 600;
/// A row has so many cells.
const COLUMNS: usize = 12;

/// Tables of passes, the newest first.
pub(super) fn tables(passes: &[PassReport], now: Timestamp) -> Markup {
    let passes = &passes[..passes.len().min(PASSES_MAX)];
    let (recent, earlier) = passes.split_at(passes.len().min(IN_SIGHT));
    html! {
        (table("recent-passes", "The last passes, the newest first", recent, now))
        @if !earlier.is_empty() {
            details #earlier-passes {
                summary { (count(earlier.len() as i64)) " earlier" }
                (table("earlier-passes-table", "Earlier passes, the newest first", earlier, now))
            }
        }
    }
}

fn table(id: &str, caption: &str, passes: &[PassReport], now: Timestamp) -> Markup {
    html! {
        div.wide role="region" aria-label=(caption) tabindex="0" {
            table id=(id) .passes {
                caption { (caption) }
                thead {
                    tr {
                        th scope="col" { "Pass" }
                        th scope="col" { "State" }
                        th scope="col" { "Began" }
                        @for name in ["Took", "Pages", "Records", "Created", "Updated", "Deleted", "Restored", "Bad"] {
                            th.number scope="col" { (name) }
                        }
                        th scope="col" { "Sweep" }
                    }
                }
                tbody {
                    @for pass in passes { (row(pass, now)) }
                }
            }
        }
    }
}

fn row(pass: &PassReport, now: Timestamp) -> Markup {
    let numbers = [
        pass.pages,
        pass.records,
        pass.created,
        pass.updated,
        pass.deleted,
        pass.restored,
        pass.quarantined,
    ];
    html! {
        tr data-pass=(pass.pass_id) {
            th scope="row" { (pass.pass_id) }
            td .(pass.state.as_str()) { (state(pass.state)) @if pass.resumed > 0 { ", resumed " (pass.resumed) "×" } }
            td { time datetime=(pass.started_at) title=(exact(&pass.started_at)) { (moment(&pass.started_at).trim_end_matches(" UTC")) } }
            td.number title=(format!("{} received, {} retries", bytes(pass.bytes.max(0).unsigned_abs()), count(pass.retries))) {
                @if let Some(took) = took(pass, now) {
                    (told_span(took)) @if pass.finished_at.is_none() { " so far" }
                }
            }
            @for number in numbers {
                td.number .zero[number == 0] { (count(number)) }
            }
            td { (sweep(pass.sweep)) }
        }
        @if let Some(error) = &pass.error {
            tr.error {
                td colspan=(COLUMNS) { "Pass " (pass.pass_id) ": " (foreign_within(error, ERROR_BYTES)) }
            }
        }
    }
}

/// A sign and a word, for those that are not as usual.
fn state(state: PassState) -> Markup {
    html! {
        @match state {
            PassState::Failed | PassState::Abandoned => { span aria-hidden="true" { "✕ " } (state.as_str()) },
            other => (other.as_str()),
        }
    }
}

fn sweep(sweep: SweepState) -> Markup {
    html! {
        @match sweep {
            SweepState::None => span.muted { "none" },
            SweepState::Held => strong { "held" },
            other => (other.as_str()),
        }
    }
}
