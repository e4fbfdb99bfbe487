//! How old the mirror is, in big letters, and how it stands in one word.

use maud::{Markup, html};

use super::StatusView;
use crate::http::health::Readiness;
use crate::http::pages::text::{exact, moment_and_since, since};
use crate::human::{ago, count};
use crate::model::format_timestamp;

/// How the mirror stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Complete and fresh, and nothing waits for a person.
    Fine,
    /// Complete and fresh, but somebody has to see to something.
    NeedsAttention,
    /// Complete, but older than it should be.
    Stale,
    /// No pass has been completed yet.
    NotComplete,
}

impl Standing {
    pub(super) fn of(view: &StatusView<'_>) -> Self {
        let is_ready = matches!(view.readiness, Readiness::Ready { .. });
        if view.status.freshness.started_at.is_none() {
            Self::NotComplete
        } else if !is_ready {
            Self::Stale
        } else if super::attention::has_urgent(view) {
            Self::NeedsAttention
        } else {
            Self::Fine
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Fine => "OK",
            Self::NeedsAttention => "Needs attention",
            Self::Stale => "Stale",
            Self::NotComplete => "Not complete",
        }
    }

    /// Its shape says it as well as its colour.
    fn sign(self) -> &'static str {
        match self {
            Self::Fine => "●",
            Self::NeedsAttention => "▲",
            Self::Stale => "■",
            Self::NotComplete => "○",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::NeedsAttention => "attention",
            Self::Stale => "stale",
            Self::NotComplete => "incomplete",
        }
    }
}

/// What the browser's tab says; a pinned one shows hardly more than the sign.
pub(super) fn title(view: &StatusView<'_>, standing: Standing) -> String {
    let sign = standing.sign();
    let words = match standing {
        Standing::Fine => String::new(),
        other => format!(" {}", other.words().to_lowercase()),
    };
    match &view.status.freshness.started_at {
        None => format!("{sign}{words}"),
        Some(at) => {
            let age = ago(at, view.now);
            let age = age.strip_suffix(" ago").unwrap_or(&age);
            let comma = if words.is_empty() { "" } else { "," };
            format!("{sign}{words}{comma} {age}")
        }
    }
}

pub(super) fn render(view: &StatusView<'_>, standing: Standing) -> Markup {
    let mirror = &view.status.mirror;
    html! {
        section #headline data-live .headline .(standing.name()) data-standing=(standing.name()) aria-labelledby="freshness" {
            // Told aloud when it changes: the standing alone, and not each minute that passes.
            p #state .state role="status" {
                span aria-hidden="true" { (standing.sign()) } " " (standing.words())
            }
            div.split {
                div {
                    h1 #freshness {
                        @match &view.status.freshness.started_at {
                            Some(at) => { "Complete as of " (since(at, view.now)) },
                            None => "Not complete",
                        }
                    }
                    p #freshness-exact .exact { (explanation(view)) }
                }
                dl.numbers {
                    div { dt { "live customers" } dd #live-customers { (count(mirror.live)) } }
                    div { dt { "deleted" } dd #deleted-customers { (count(mirror.deleted)) } }
                }
            }
        }
    }
}

fn explanation(view: &StatusView<'_>) -> Markup {
    let freshness = &view.status.freshness;
    html! {
        @match (&freshness.started_at, freshness.pass_id) {
            (Some(at), Some(pass_id)) => {
                "Every change made before " time datetime=(at) { (exact(at)) } " is in the mirror: pass " (pass_id) " began then and was complete."
            },
            (Some(at), None) => { time datetime=(at) { (exact(at)) } },
            (None, _) => {
                "No pass has been completed yet. "
                @if view.status.mirror.live == 0 { "Nothing is here so far." } @else { "What is here so far is a part." }
            },
        }
        @if let Readiness::Ready { stale_at: Some(at) } = view.readiness {
            " Stale from " (moment_and_since(&format_timestamp(*at), view.now)) " on, unless another pass is complete by then."
        }
    }
}
