//! Looking for customers, and looking through them.

mod form;

use maud::{Markup, html};

use super::frame::Frame;
use super::people::{self, People};
use crate::harmless::harmless;
use crate::human::{count, plural};
use crate::mirror::{BrowsePosition, Browsed, CustomerStanding, Hits};
use crate::model::Timestamp;
pub(crate) use form::{CustomersForm, Misunderstood};

/// What the page of customers shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CustomersView<'a> {
    /// The form as it was filled in.
    pub(crate) form: &'a CustomersForm,
    /// Who was found.
    pub(crate) found: Found<'a>,
    /// The time.
    pub(crate) now: Timestamp,
}

/// Who was found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'a> {
    /// Nobody was looked for: the form can't be understood.
    Misunderstood(&'a Misunderstood),
    /// Nobody was looked for: there is no letter and no digit in the question.
    NothingAsked,
    /// Those who answer the question.
    Answers {
        /// The hits of this page; `more` says that there are more behind it.
        hits: &'a Hits,
        /// Its number, from 1.
        page: usize,
        /// How many hits a page has at most.
        page_size: usize,
        /// How many hits can be looked through in all.
        hits_max: usize,
        /// No live customer answers, but a deleted one does.
        is_known_deleted: bool,
    },
    /// Those who are listed.
    Listed {
        /// They.
        browsed: &'a Browsed,
        /// Behind whom the list goes on; `None` at its beginning.
        after: Option<&'a BrowsePosition>,
    },
}

/// The page of customers.
pub(crate) fn customers(view: &CustomersView<'_>) -> String {
    let question = view.form.q.trim();
    let misunderstood = match view.found {
        Found::Misunderstood(misunderstood) => Some(misunderstood),
        _ => None,
    };
    let content = html! {
        h1 { "Customers" }
        (form::render(view.form, misunderstood))
        section #results aria-labelledby="results-title" {
            (results(view))
        }
    };
    let title = if question.is_empty() {
        "Customers".to_owned()
    } else {
        format!("{question}, customers")
    };
    Frame {
        title: &title,
        place: "/customers",
        live: None,
    }
    .around(&content)
}

fn results(view: &CustomersView<'_>) -> Markup {
    let title = |words: &str| html! { h2 #results-title { (words) } };
    match view.found {
        Found::Misunderstood(_) => html! {
            (title("Nobody was looked for"))
            p { "One of the fields was not understood; beside it is what would be." }
        },
        Found::NothingAsked => html! {
            (title("Nobody was looked for"))
            p { "There is no letter and no digit in the question. Part of a name, an address, a number or an ID will do." }
        },
        Found::Answers {
            hits,
            page,
            page_size,
            hits_max,
            is_known_deleted,
        } => {
            if hits.hits.is_empty() {
                return no_answer(view.form, page, is_known_deleted);
            }
            let before = page.saturating_sub(1).saturating_mul(page_size);
            let last = before.saturating_add(hits.hits.len());
            let words = if page <= 1 && !hits.more && !hits.beyond_window {
                plural(last as i64, "customer", "customers")
            } else {
                format!(
                    "Customers {} to {}{}",
                    count(before as i64 + 1),
                    count(last as i64),
                    if hits.more || hits.beyond_window {
                        " of more"
                    } else {
                        ""
                    }
                )
            };
            html! {
                (title(&words))
                (people::render(&People::hits("hits", "Customers that were found, the best answers first", &hits.hits, view.now)))
                (answers_paging(view.form, page, hits, hits_max))
            }
        }
        Found::Listed { browsed, after } => listed(view, browsed, after),
    }
}

fn no_answer(form: &CustomersForm, page: usize, is_known_deleted: bool) -> Markup {
    let everybody = CustomersForm {
        standing: "any".to_owned(),
        ..form.clone()
    };
    let anywhere = CustomersForm {
        q: form.q.clone(),
        standing: form.standing.clone(),
        ..CustomersForm::default()
    };
    html! {
        h2 #results-title { "No customer found" }
        @if page > 1 {
            p { "There are no more than the pages before this one have. " a href=(form.address(&[])) { "The first page" } }
        } @else if is_known_deleted {
            p { "No live customer matches, but a deleted one does. " a #with-deleted href=(everybody.address(&[])) { "Search the deleted, too" } }
        } @else {
            p { "No customer matches “" bdi { (harmless(form.q.trim())) } "”. What may help:" }
            ul {
                li { "fewer words, or only the beginning of one: names and addresses are found by their words, or the first three letters of them" }
                li { "any three characters in a row of an e-mail address, a number or an ID; case, diacritics and separators make no difference" }
                @if form.is_narrowed() {
                    li { a #without-filters href=(anywhere.address(&[])) { "the same search without type, country and time" } }
                }
                @if form.standing() != CustomerStanding::Any {
                    li { a #with-deleted href=(everybody.address(&[])) { "the same search among live and deleted customers" } }
                }
            }
        }
    }
}

fn answers_paging(form: &CustomersForm, page: usize, hits: &Hits, hits_max: usize) -> Markup {
    let previous = page.saturating_sub(1).to_string();
    let next = page.saturating_add(1).to_string();
    html! {
        @if hits.beyond_window && !hits.more {
            p #narrow { "There may be more than these: no more than " (count(hits_max as i64)) " are ranked. Narrow the search to see the others." }
        }
        @if page > 1 || hits.more {
            nav.paging aria-label="Pages of results" {
                @if page == 2 { a rel="prev" href=(form.address(&[])) { "← Previous" } }
                @if page > 2 { a rel="prev" href=(form.address(&[("page", &previous)])) { "← Previous" } }
                span { "Page " (count(page as i64)) }
                @if hits.more { a #next-page rel="next" href=(form.address(&[("page", &next)])) { "Next →" } }
            }
        }
    }
}

fn listed(view: &CustomersView<'_>, browsed: &Browsed, after: Option<&BrowsePosition>) -> Markup {
    let form = view.form;
    let next = browsed.next.as_ref().map(|next| {
        let row = next.row_id.to_string();
        form.address(&[("after_at", &next.at), ("after_row", &row)])
    });
    let is_empty = browsed.customers.is_empty();
    html! {
        h2 #results-title {
            @if is_empty && next.is_none() && after.is_none() { "No customer here" }
            @else if is_empty { "None more so far" }
            @else if after.is_some() { "Further customers" }
            @else { "Customers, the latest change first" }
        }
        @if is_empty && next.is_none() {
            @if after.is_some() {
                p { "That was the last of them." }
            } @else if form.is_narrowed() {
                p { "No " (kind(form)) " customer is like this. " a #without-filters href="/customers" { "Look through all of them" } }
            } @else {
                p { "The mirror has no " (kind(form)) " customer." }
            }
        }
        (people::render(&People::lines("listed", "Customers, the one that changed last first", &browsed.customers, view.now)))
        @if let Some(looked_at) = browsed.cut_short_after {
            p #cut-short {
                "Looked at " (plural(looked_at.min(i64::MAX as u64) as i64, "customer", "customers")) ", "
                @if is_empty { "none like this so far." } @else { "no more like this so far." }
            }
        }
        @if after.is_some() || next.is_some() {
            nav.paging aria-label="Pages of customers" {
                @if after.is_some() { a href=(form.address(&[])) { "⇤ To the latest" } }
                @if let Some(next) = next {
                    a #next-page rel="next" href=(next) {
                        @if browsed.cut_short_after.is_some() { "Look further →" } @else { "Next →" }
                    }
                }
            }
        }
    }
}

fn kind(form: &CustomersForm) -> &'static str {
    match form.standing() {
        CustomerStanding::Live => "live",
        CustomerStanding::Deleted => "deleted",
        CustomerStanding::Any => "live or deleted",
    }
}

#[cfg(test)]
mod tests;
