//! What became of a customer, the latest first, field by field.

use maud::{Markup, html};

use super::CustomerView;
use crate::http::pages::paths::{customer_path, with_query};
use crate::http::pages::text::{foreign, foreign_json, moment_and_since};
use crate::human::{count, moment};
use crate::mirror::{FieldChange, PastChange};

/// Of a value before or after, so many bytes are shown.
const CHANGED_BYTES: usize = 2000;

pub(super) fn render(view: &CustomerView<'_>) -> Markup {
    let history = view.history;
    let path = customer_path(view.id());
    html! {
        section #history aria-labelledby="history-title" {
            h2 #history-title { "What changed" }
            @if let Some(seq) = view.before_seq {
                p { "Before change " (seq) ". " a href={ (path) "#history" } { "The latest changes" } }
            }
            @if history.changes.is_empty() {
                p.muted { "The change feed has nothing on this customer" @if view.before_seq.is_some() { " before that" } "." }
            }
            ol.history {
                @for change in &history.changes { li id={ "change-" (change.seq) } data-kind=(change.kind) { (one(change, view)) } }
            }
            @if let (true, Some(oldest)) = (history.has_older, history.changes.last()) {
                p {
                    a #older-changes href={ (with_query(&path, &[("before_seq", &oldest.seq.to_string())])) "#history" } { "Older changes →" }
                }
            }
            @if let Some(at) = &history.pruned_before {
                @if !history.has_older {
                    p.muted { "Changes made before " time datetime=(at) { (moment(at)) } " are not in the feed any more." }
                }
            }
        }
    }
}

fn one(change: &PastChange, view: &CustomerView<'_>) -> Markup {
    html! {
        h3 {
            (sign_and_word(&change.kind))
            " " span.when { (moment_and_since(&change.changed_at, view.now)) }
        }
        p.muted {
            "change " (change.seq)
            @if let Some(pass_id) = change.pass_id { ", found by pass " (pass_id) }
        }
        @if !change.fields.is_empty() {
            dl.changed {
                @for field in &change.fields { (one_field(field)) }
            }
        }
        @if change.more_fields > 0 {
            p.muted { "and " (count(change.more_fields as i64)) " more places" }
        }
    }
}

fn sign_and_word(kind: &str) -> Markup {
    html! {
        @match kind {
            "created" => { span.sign.created aria-hidden="true" { "+" } " Created" },
            "updated" => { span.sign.updated aria-hidden="true" { "~" } " Updated" },
            "deleted" => { span.sign.deleted aria-hidden="true" { "−" } " Deleted" },
            "restored" => { span.sign.restored aria-hidden="true" { "^" } " Restored" },
            other => (foreign(other)),
        }
    }
}

/// Before and after. That there was nothing is told in words: a field can be `null`, or an empty text, too.
fn one_field(field: &FieldChange) -> Markup {
    html! {
        div {
            dt { code { (foreign(if field.pointer.is_empty() { "the whole record" } else { &field.pointer })) } }
            dd {
                @match &field.before {
                    Some(json) => del { span.hidden { "before: " } (foreign_json(json, CHANGED_BYTES)) },
                    None => span.none { "not there before" },
                }
                span.arrow aria-hidden="true" { " → " }
                @match &field.after {
                    Some(json) => ins { span.hidden { "after: " } (foreign_json(json, CHANGED_BYTES)) },
                    None => span.none { "not there any more" },
                }
            }
        }
    }
}
