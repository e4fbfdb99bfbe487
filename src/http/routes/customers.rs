//! Looking for customers, through them, and at one.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;

use super::{Fields, Shared};
use crate::http::answer::{Answer, HTML, JSON};
use crate::http::desk::{Desk, Trouble};
use crate::http::pages::{self, CustomerView, CustomersForm, CustomersView, Found};
use crate::mirror::{
    BrowsePosition, CustomerFilter, CustomerStanding, Reader, SEARCH_WINDOW, SearchEffort,
    SearchPage,
};
use crate::search::Question;

/// How many customers a page has.
const PAGE: usize = 50;
/// How long is looked for those whom a rare filter lets through; then the page is shown as it is.
const PATIENCE: Duration = Duration::from_millis(50);
/// How many changes of a customer a page has.
const CHANGES: usize = 20;
/// A larger record is for `customer-mirror get`, in bytes.
const RAW_BYTES_MAX: usize = 4 * 1024 * 1024;

/// `/customers`: a search, a list, or, with `id`, a customer.
pub(super) async fn list(State(desk): Shared, Query(fields): Fields) -> Answer {
    if let Some(id) = fields.get("id") {
        return customer(&desk, id, &fields).await;
    }
    let form = form(&fields);
    let filter = match form.filter() {
        Ok(filter) => filter,
        Err(misunderstood) => return show(&desk, &form, Found::Misunderstood(&misunderstood)),
    };
    let found = if form.q.trim().is_empty() {
        browse(&desk, &form, filter, &fields).await
    } else {
        search(&desk, &form, filter, &fields).await
    };
    found.unwrap_or_else(|trouble| trouble.page())
}

fn form(fields: &HashMap<String, String>) -> CustomersForm {
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    CustomersForm {
        q: field("q"),
        customer_type: field("type"),
        country: field("country"),
        since: field("since"),
        standing: field("standing"),
    }
}

fn show(desk: &Desk, form: &CustomersForm, found: Found<'_>) -> Answer {
    let status = match found {
        Found::Misunderstood(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let page = pages::customers(&CustomersView {
        form,
        found,
        now: desk.now(),
    });
    Answer::new(status, HTML, page)
}

async fn search(
    desk: &Desk,
    form: &CustomersForm,
    filter: CustomerFilter,
    fields: &HashMap<String, String>,
) -> Result<Answer, Trouble> {
    let question = Question::new(form.q.trim());
    if question.is_empty() {
        return Ok(show(desk, form, Found::NothingAsked));
    }
    let page = fields.get("page").and_then(|page| page.parse().ok());
    let page: usize = page.unwrap_or(1).clamp(1, SEARCH_WINDOW / PAGE);
    let read = desk.ask(move |reader| {
        let part = SearchPage {
            offset: (page - 1) * PAGE,
            limit: PAGE,
            effort: SearchEffort::Quick,
        };
        let hits = reader.search(&question, &filter, part)?;
        // After a search that had to be given up, there is no time for another.
        let is_known_deleted = hits.hits.is_empty()
            && !hits.beyond_window
            && page == 1
            && filter.standing == CustomerStanding::Live
            && is_known_deleted(reader, &question, filter)?;
        Ok((hits, is_known_deleted))
    });
    let (hits, is_known_deleted) = read.await?;
    let found = Found::Answers {
        hits: &hits,
        page,
        page_size: PAGE,
        hits_max: SEARCH_WINDOW,
        is_known_deleted,
    };
    Ok(show(desk, form, found))
}

fn is_known_deleted(
    reader: &Reader,
    question: &Question,
    filter: CustomerFilter,
) -> Result<bool, crate::mirror::MirrorError> {
    let deleted = CustomerFilter {
        standing: CustomerStanding::Deleted,
        ..filter
    };
    let part = SearchPage {
        offset: 0,
        limit: 1,
        effort: SearchEffort::Quick,
    };
    Ok(!reader.search(question, &deleted, part)?.hits.is_empty())
}

async fn browse(
    desk: &Desk,
    form: &CustomersForm,
    filter: CustomerFilter,
    fields: &HashMap<String, String>,
) -> Result<Answer, Trouble> {
    let row = fields.get("after_row").and_then(|row| row.parse().ok());
    let at = fields.get("after_at").cloned();
    let after = at
        .zip(row)
        .map(|(at, row_id)| BrowsePosition { at, row_id });
    let behind = after.clone();
    let read = desk.ask(move |reader| reader.browse(&filter, behind.as_ref(), PAGE, PATIENCE));
    let browsed = read.await?;
    let found = Found::Listed {
        browsed: &browsed,
        after: after.as_ref(),
    };
    Ok(show(desk, form, found))
}

/// `/customers/{id}`.
pub(super) async fn one(
    State(desk): Shared,
    Path(id): Path<String>,
    Query(fields): Fields,
) -> Answer {
    customer(&desk, &id, &fields).await
}

async fn customer(desk: &Desk, id: &str, fields: &HashMap<String, String>) -> Answer {
    let before_seq = fields.get("before_seq").and_then(|seq| seq.parse().ok());
    let wanted = id.to_owned();
    let read = desk.ask(move |reader| {
        let Some(profile) = reader.profile(&wanted)? else {
            return Ok(None);
        };
        let history = reader.history(&wanted, before_seq, CHANGES)?;
        Ok(Some((profile, history, reader.conflicting_with(&wanted)?)))
    });
    match read.await {
        Ok(Some((profile, history, conflict))) => Answer::html(pages::customer(&CustomerView {
            profile: &profile,
            history: &history,
            conflict: conflict.as_ref(),
            before_seq,
            now: desk.now(),
        })),
        Ok(None) => Answer::new(StatusCode::NOT_FOUND, HTML, pages::no_such_customer(id)),
        Err(trouble) => trouble.page(),
    }
}

/// `/customers/{id}/raw`.
pub(super) async fn raw(State(desk): Shared, Path(id): Path<String>) -> Answer {
    record(&desk, id).await
}

/// `/customers/raw?id=…`; without `id`, the page of the customer that is called so.
pub(super) async fn raw_by_query(State(desk): Shared, Query(fields): Fields) -> Answer {
    match fields.get("id") {
        Some(id) => record(&desk, id.clone()).await,
        None => customer(&desk, "raw", &fields).await,
    }
}

/// The record as it was sent.
async fn record(desk: &Desk, id: String) -> Answer {
    let wanted = id.clone();
    match desk.ask(move |reader| reader.profile(&wanted)).await {
        Ok(Some(profile)) if profile.raw.len() > RAW_BYTES_MAX => Trouble::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Too large to be shown here",
            format!("the record has {} bytes", profile.raw.len()),
            "`customer-mirror get --raw` prints it.",
        )
        .page(),
        Ok(Some(profile)) => Answer::new(StatusCode::OK, JSON, profile.raw),
        Ok(None) => Answer::new(StatusCode::NOT_FOUND, HTML, pages::no_such_customer(&id)),
        Err(trouble) => trouble.page(),
    }
}
