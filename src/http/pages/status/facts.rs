//! What is seldom asked for: where the mirror is, of what, how large, and who writes to it.

use maud::{Markup, html};

use super::StatusView;
use crate::http::health::Readiness;
use crate::http::pages::text::{exact, foreign, foreign_within, moment_and_since};
use crate::human::bytes;
use crate::model::format_timestamp;

/// Base URLs, filters and paths are shown up to here.
const LONG_BYTES: usize = 2000;

pub(super) fn render(view: &StatusView<'_>) -> Markup {
    let mirror = &view.status.mirror;
    let now = format_timestamp(view.now);
    let content = html! {
        dl.facts {
            dt { "Next due" }
            dd #next-due {
                @match &view.status.next_due_at {
                    Some(at) => (moment_and_since(at, view.now)),
                    None => "never, by the schedule",
                }
            }
            dt { "Schedule" }
            dd { code { (foreign(view.schedule)) } }
            dt { "Source" }
            dd #source {
                @match &mirror.source {
                    Some(source) => (foreign_within(source, LONG_BYTES)),
                    None => "none yet",
                }
            }
            dt { "Mirror" }
            dd #mirror-path { (foreign_within(&mirror.path, LONG_BYTES)) ", schema version " (mirror.schema_version) }
            dt { "Size" }
            dd { (bytes(view.mirror_bytes)) ", and a write-ahead log of " (bytes(view.wal_bytes)) }
            dt { "Writer" }
            dd #writer { (writer(view)) }
            dt { "Ready" }
            dd #readiness {
                @match view.readiness {
                    Readiness::Ready { .. } => "yes",
                    Readiness::NotReady { reason } => { "no: " (foreign_within(reason, LONG_BYTES)) },
                }
            }
            dt { "Program" }
            dd { "customer-mirror " (env!("CARGO_PKG_VERSION")) }
            dt { "This page" }
            dd { "shows the state of " time datetime=(now) { (exact(&now)) } }
        }
    };
    super::section("facts", "About this mirror", Some(&content))
}

fn writer(view: &StatusView<'_>) -> Markup {
    html! {
        @match &view.status.lock {
            None => "none at the moment",
            Some(owner) => {
                code { (foreign(&owner.command)) }
                @if owner.pid != 0 { ", process " (owner.pid) }
                @if !owner.started_at.is_empty() { ", since " (moment_and_since(&owner.started_at, view.now)) }
            },
        }
    }
}
