//! The status page: is the mirror complete, how old is it, is something wrong? The most important first, as in `customer-mirror status`, and
//! in its words.

mod attention;
mod facts;
mod headline;
mod last_passes;
mod work;

use maud::{Markup, html};

use super::frame::{Frame, Live};
use super::people;
use super::{chart, lists};
use crate::http::health::Readiness;
use crate::human::{count, plural};
use crate::mirror::{Conflict, CustomerLine, Quarantined, Status};
use crate::model::{PassReport, Timestamp, format_timestamp};
use crate::status::{Phase, Progress};

use super::text::command;

/// While a pass runs, the page is asked for this often.
const RUNNING_INTERVAL_SECONDS: u32 = 2;
/// Otherwise, this often.
const IDLE_INTERVAL_SECONDS: u32 = 10;
/// So many of the customers that a sweep concerns are on the status page.
const HELD_SHOWN_MAX: usize = 20;
/// So many quarantined records and conflicts are on the status page.
const FEW: usize = 5;

/// What the status page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StatusView<'a> {
    /// What the mirror says.
    pub(crate) status: &'a Status,
    /// What the daemon does; `None` if the pages are served without it.
    pub(crate) progress: Option<&'a Progress>,
    /// The latest passes, the newest first, 60 at most.
    pub(crate) passes: &'a [PassReport],
    /// The first customers that the held sweep concerns.
    pub(crate) held: &'a [CustomerLine],
    /// The records that came into quarantine last.
    pub(crate) quarantined: &'a [Quarantined],
    /// The first referenceIds that are held by more than one customer.
    pub(crate) conflicts: &'a [Conflict],
    /// Whether the mirror is fresh enough.
    pub(crate) readiness: &'a Readiness,
    /// Until when the server wants to be left alone.
    pub(crate) requests_not_before: Option<Timestamp>,
    /// What is wrong with the configuration, if it is known.
    pub(crate) warning: Option<&'a str>,
    /// The schedule as configured.
    pub(crate) schedule: &'a str,
    /// Size of the mirror's file.
    pub(crate) mirror_bytes: u64,
    /// Size of its write-ahead log.
    pub(crate) wal_bytes: u64,
    /// The time.
    pub(crate) now: Timestamp,
}

impl<'a> StatusView<'a> {
    /// The daemon's progress in a pass, if one is under way.
    fn in_pass(&self) -> Option<&'a Progress> {
        self.progress.filter(|progress| {
            matches!(
                progress.phase,
                Phase::Fetching | Phase::Waiting(_) | Phase::Finishing
            )
        })
    }

    /// Whether a pass is under way, here or in another process.
    fn is_running(&self) -> bool {
        match self.progress {
            Some(_) => self.in_pass().is_some(),
            None => self.status.running_pass.is_some() && self.status.lock.is_some(),
        }
    }
}

/// The status page.
pub(crate) fn status(view: &StatusView<'_>) -> String {
    let standing = headline::Standing::of(view);
    let now = format_timestamp(view.now);
    let interval_seconds = if view.is_running() {
        RUNNING_INTERVAL_SECONDS
    } else {
        IDLE_INTERVAL_SECONDS
    };
    let content = html! {
        (headline::render(view, standing))
        (attention::render(view))
        (work::render(view))
        (held_sweep(view))
        (last_passes(view))
        (quarantine(view))
        (conflicts(view))
        (facts::render(view))
    };
    Frame {
        title: &headline::title(view, standing),
        place: "/",
        live: Some(Live {
            interval_seconds,
            now: &now,
        }),
    }
    .around(&content)
}

/// A part of the page that is kept up to date. It is there without content too, so that it can be when there is some.
fn section(id: &str, title: &str, content: Option<&Markup>) -> Markup {
    html! {
        section id=(id) data-live aria-labelledby=[content.map(|_| format!("{id}-title"))] hidden[content.is_none()] {
            @if let Some(content) = content {
                h2 id={ (id) "-title" } { (title) }
                (content)
            }
        }
    }
}

fn held_sweep(view: &StatusView<'_>) -> Markup {
    let content = view.status.held_sweep.as_ref().map(|held| {
        let shown = &view.held[..view.held.len().min(HELD_SHOWN_MAX)];
        let more = held.customers.saturating_sub(shown.len() as i64).max(0);
        html! {
            p {
                (plural(held.customers, "customer was", "customers were")) " missing in pass " (held.pass_id)
                ", too many to delete them unasked. They are live until you decide, or until the next complete pass judges afresh."
            }
            (lists::decision())
            (people::names("held-customers", "Customers that the held sweep concerns", shown))
            @if more > 0 {
                p { a #all-held href="/deletions" { "… and " (count(more)) " more" } }
            } @else {
                p { a #all-held href="/deletions" { "All of them on a page of their own" } }
            }
        }
    });
    section("held-sweep", "Held sweep", content.as_ref())
}

fn last_passes(view: &StatusView<'_>) -> Markup {
    let content = (!view.passes.is_empty()).then(|| {
        html! {
            (chart::draw(view.passes, view.now))
            (last_passes::tables(view.passes, view.now))
        }
    });
    section("passes", "Last passes", content.as_ref())
}

fn quarantine(view: &StatusView<'_>) -> Markup {
    let total = view.status.quarantined;
    let shown = &view.quarantined[..view.quarantined.len().min(FEW)];
    let content = (total > 0).then(|| {
        html! {
            p {
                (plural(total, "record", "records")) " could not be mirrored. Each is kept as it was sent, and tried again when it comes again."
            }
            (lists::records(shown, "quarantined-records", false, view.now))
            p { a href="/quarantine" { "See " @if total == 1 { "it" } @else { "them" } " with what was sent" } }
        }
    });
    section("quarantined", "Quarantine", content.as_ref())
}

fn conflicts(view: &StatusView<'_>) -> Markup {
    let total = view.status.reference_conflicts.unwrap_or_default();
    let shown = &view.conflicts[..view.conflicts.len().min(FEW)];
    let content = (total > 0).then(|| {
        html! {
            p {
                (plural(total, "referenceId is", "referenceIds are")) " held by several live customers. The mirror is as the API has it: "
                "what is to be done is done there."
            }
            (lists::holders(shown, "conflicting-references"))
            @if total > shown.len() as i64 {
                p { a href="/conflicts" { "All " (count(total)) } ", or " (command("customer-mirror query reference-conflicts")) }
            }
        }
    });
    section("conflicts", "Conflicts", content.as_ref())
}

#[cfg(test)]
mod tests;
