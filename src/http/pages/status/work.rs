//! What is being done now: the pass under way, or the wait for one.

use maud::{Markup, html};

use super::StatusView;
use crate::http::pages::text::{command, foreign_within, moment_and_since, since};
use crate::human::{count, plural};
use crate::model::{PassReport, PassState, Timestamp, Wait, format_timestamp};
use crate::status::{Idle, Phase, Progress};

/// A reason to wait is shown up to here.
const REASON_BYTES: usize = 1000;

/// How far a pass is.
struct Extent {
    pass_id: i64,
    pages: i64,
    records: i64,
    retries: i64,
    expected: Option<i64>,
    /// Whether it was picked up again.
    is_resumed: bool,
}

pub(super) fn render(view: &StatusView<'_>) -> Markup {
    let (title, doing, content) = now(view);
    let content = html! { div #work-state data-doing=(doing) { (content) } };
    super::section("work", &title, Some(&content))
}

/// The title, a word for programs, and the rest.
fn now(view: &StatusView<'_>) -> (String, &'static str, Markup) {
    if let Some(progress) = view.in_pass() {
        return in_pass(view, progress);
    }
    if let Some(Progress {
        phase: Phase::Idle(idle),
        ..
    }) = view.progress
    {
        return ("Idle".to_owned(), "idle", waiting_for_next(view, idle));
    }
    let running = view.status.running_pass.as_ref();
    match (running, view.progress, &view.status.lock) {
        // The daemon is between two steps, or this page is not its own and another process is at work.
        (Some(pass), Some(_), _) | (Some(pass), None, Some(_)) => {
            let extent = Extent::stored(pass, view);
            let title = format!("Pass {} under way", pass.pass_id);
            (
                title,
                "running",
                html! { (bar(&extent)) (numbers(&extent, &began(pass, view))) },
            )
        }
        (Some(pass), None, None) => {
            let extent = Extent::stored(pass, view);
            let content = html! {
                p { "Nobody is at work on it. To go on where it was: " (command("customer-mirror sync")) }
                (bar(&extent))
                (numbers(&extent, &began(pass, view)))
            };
            (
                format!("Pass {} was interrupted", pass.pass_id),
                "interrupted",
                content,
            )
        }
        (None, Some(_), _) => ("Starting".to_owned(), "starting", next_due(view)),
        (None, None, _) => ("No pass under way".to_owned(), "idle", next_due(view)),
    }
}

fn in_pass(view: &StatusView<'_>, progress: &Progress) -> (String, &'static str, Markup) {
    let stored = view
        .status
        .running_pass
        .as_ref()
        .filter(|pass| pass.pass_id == progress.pass_id);
    let extent = Extent {
        pass_id: progress.pass_id,
        pages: progress.pages,
        records: progress.records,
        retries: (progress.retries as i64).max(stored.map_or(0, |pass| pass.retries)),
        expected: progress.expected_records,
        is_resumed: progress.resumed,
    };
    let (doing, words) = match &progress.phase {
        Phase::Waiting(wait) => ("waiting", waiting(wait, view.now)),
        Phase::Finishing => (
            "finishing",
            html! { "All pages are here. Looking for customers that are gone." },
        ),
        _ => (
            "fetching",
            html! { "Asking for page " (count(progress.pages + 1)) "." },
        ),
    };
    let content = html! {
        p #doing .doing .(doing) { (words) }
        (bar(&extent))
        (numbers(&extent, &stored.map_or_else(|| html! {}, |pass| began(pass, view))))
    };
    (
        format!("Pass {} under way", progress.pass_id),
        doing,
        content,
    )
}

fn waiting(wait: &Wait, now: Timestamp) -> Markup {
    html! {
        strong { "Waiting" } " until " (moment_and_since(&format_timestamp(wait.until), now))
        @if wait.asked_by_server { ", as the server asked" }
        @if wait.retry > 0 { ", before retry " (wait.retry) }
        ": " (foreign_within(&wait.reason, REASON_BYTES))
    }
}

fn waiting_for_next(view: &StatusView<'_>, idle: &Idle) -> Markup {
    html! {
        @match idle.next_at {
            Some(at) => p #next-pass { "The next pass begins " (moment_and_since(&format_timestamp(at), view.now)) "." },
            None => p #next-pass { "The schedule has no due time left: no pass will begin by itself." },
        }
        @if let Some(trouble) = &idle.trouble {
            p.trouble { "The last pass did not end well: " (foreign_within(trouble, REASON_BYTES)) }
        }
        @if let Some(pass) = &view.status.running_pass {
            p { "It goes on with pass " (pass.pass_id) ", which has " (plural(pass.pages, "page", "pages")) " so far." }
        }
    }
}

fn next_due(view: &StatusView<'_>) -> Markup {
    let due = view.status.next_due_at.as_ref();
    let due = due.map(|at| html! { "The next pass is due " (moment_and_since(at, view.now)) ". " });
    html! {
        p #next-pass {
            @if let Some(due) = due { (due) }
            @if view.progress.is_none() && view.status.lock.is_none() {
                "No daemon is at work on this mirror. A pass now: " (command("customer-mirror sync"))
            }
        }
    }
}

fn began(pass: &PassReport, view: &StatusView<'_>) -> Markup {
    html! {
        div { dt { "begun" } dd { (since(&pass.started_at, view.now)) } }
        // A pass that is followed says by itself what it waits for.
        @if let Some(until) = view.requests_not_before.filter(|_| view.in_pass().is_none()) {
            div { dt { "next request" } dd { "not before " (moment_and_since(&format_timestamp(until), view.now)) ", as the server asked" } }
        }
    }
}

impl Extent {
    fn stored(pass: &PassReport, view: &StatusView<'_>) -> Self {
        let last_complete = view
            .passes
            .iter()
            .chain(&view.status.last_passes)
            .find(|pass| pass.state == PassState::Complete);
        Self {
            pass_id: pass.pass_id,
            pages: pass.pages,
            records: pass.records,
            retries: pass.retries,
            expected: last_complete.map(|pass| pass.records),
            is_resumed: pass.resumed > 0,
        }
    }

    /// How many records there will be about, if that is known, and how many of a hundred are here. A listing that has grown is not over
    /// at the number of the last time.
    fn percent(&self) -> Option<(i64, i64)> {
        let expected = self.expected.filter(|expected| *expected > 0)?;
        Some((
            expected,
            self.records
                .saturating_mul(100)
                .checked_div(expected)?
                .clamp(0, 100),
        ))
    }
}

fn bar(extent: &Extent) -> Markup {
    html! {
        @if let Some((expected, percent)) = extent.percent() {
            div.progress {
                progress #progress max="100" value=(percent) aria-label={ "Progress of pass " (extent.pass_id) } { (percent) " %" }
                p { (percent) " % of about " (plural(expected, "record", "records")) }
            }
        } @else {
            p.muted { "How many records there are will be known when a first pass is complete." }
        }
    }
}

fn numbers(extent: &Extent, more: &Markup) -> Markup {
    html! {
        dl.numbers.small {
            div { dt { "pages" } dd #pass-pages { (count(extent.pages)) } }
            div { dt { "records" } dd #pass-records { (count(extent.records)) } }
            div { dt { "retries" } dd #pass-retries { (count(extent.retries)) } }
            @if extent.is_resumed { div { dt { "resumed" } dd { "yes" } } }
            (more)
        }
    }
}
