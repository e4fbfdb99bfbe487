//! What waits for a person, with the command to run, right under the headline.

use maud::{Markup, html};

use super::StatusView;
use crate::harmless::harmless;
use crate::http::health::Readiness;
use crate::http::pages::text::{command, foreign_within, moment_and_since};
use crate::human::plural;
use crate::mirror::{Remedy, RetryStatus};

/// An error's text is shown up to here.
const REASON_BYTES: usize = 2000;

/// Something to see to.
struct Matter {
    /// What a test or a program finds it by.
    name: &'static str,
    /// Whether it can't wait.
    is_urgent: bool,
    title: String,
    /// What is the matter, and what to do.
    text: Markup,
}

/// Whether something can't wait.
pub(super) fn has_urgent(view: &StatusView<'_>) -> bool {
    matters(view).iter().any(|matter| matter.is_urgent)
}

pub(super) fn render(view: &StatusView<'_>) -> Markup {
    let matters = matters(view);
    let has_urgent = matters.iter().any(|matter| matter.is_urgent);
    let title = if has_urgent {
        "What needs you"
    } else {
        "To look at when there is time"
    };
    let content = (!matters.is_empty()).then(|| {
        html! {
            ul.matters {
                @for matter in &matters {
                    li id={ "matter-" (matter.name) } class=(if matter.is_urgent { "urgent" } else { "notice" }) {
                        h3 { span.sign aria-hidden="true" { (if matter.is_urgent { "▲" } else { "•" }) } " " (matter.title) }
                        (matter.text)
                    }
                }
            }
        }
    });
    super::section("attention", title, content.as_ref())
}

/// All there is to see to, the most urgent first.
fn matters(view: &StatusView<'_>) -> Vec<Matter> {
    let mut matters = Vec::new();
    if let Some(warning) = view.warning {
        matters.push(Matter {
            name: "configuration",
            is_urgent: true,
            title: "The configuration doesn't fit this mirror".to_owned(),
            text: html! { p { (foreign_within(warning, REASON_BYTES)) } },
        });
    }
    if let Some(retry) = &view.status.retry {
        matters.push(failing(retry, view));
    }
    matters.extend(held(view));
    matters.extend(stale(view));
    matters.extend(stopped(view));
    let quarantined = view.status.quarantined;
    if quarantined > 0 {
        matters.push(Matter {
            name: "quarantine",
            is_urgent: false,
            title: format!("{} in quarantine", plural(quarantined, "record", "records")),
            text: html! { p { a href="/quarantine" { "What could not be mirrored, and why" } ", or " (command("customer-mirror quarantine")) } },
        });
    }
    if let Some(conflicts @ 1..) = view.status.reference_conflicts {
        matters.push(Matter {
            name: "conflicts",
            is_urgent: false,
            title: format!(
                "{} held by several live customers",
                plural(conflicts, "referenceId", "referenceIds")
            ),
            text: html! { p { a href="/conflicts" { "Which, and by whom" } ", or " (command("customer-mirror query reference-conflicts")) } },
        });
    }
    matters
}

/// The daemon's trouble with the API or the disk.
fn failing(retry: &RetryStatus, view: &StatusView<'_>) -> Matter {
    let is_key = retry.waits_for == Remedy::Key;
    let failures = plural(retry.failures.into(), "failed attempt", "failed attempts");
    Matter {
        name: if is_key { "key-refused" } else { "failing" },
        is_urgent: true,
        title: if is_key {
            "The API key was refused".to_owned()
        } else {
            format!("{failures} in a row")
        },
        text: html! {
            p { (foreign_within(&retry.reason, REASON_BYTES)) }
            p {
                @match retry.waits_for {
                    Remedy::Server | Remedy::Time => {
                        "The daemon tries again by itself, not before " (moment_and_since(&retry.not_before, view.now)) ". What is wrong: "
                        (command("customer-mirror check"))
                    },
                    Remedy::NextDue => {
                        "The daemon tries again at the next due time. What is wrong: " (command("customer-mirror check"))
                    },
                    Remedy::Key => {
                        "Put a valid key where the old one is: the daemon notices, or tries again at the next due time (" (failures)
                        " so far). Whether a key is accepted: " (command("customer-mirror check"))
                    },
                }
            }
        },
    }
}

fn held(view: &StatusView<'_>) -> Option<Matter> {
    let held = view.status.held_sweep.as_ref()?;
    let were_missing = plural(held.customers, "customer was", "customers were");
    Some(Matter {
        name: "held-sweep",
        is_urgent: true,
        title: format!("{were_missing} missing at once"),
        text: html! {
            p {
                "Too many to delete them unasked, so pass " (held.pass_id) " deleted none. "
                a href="#held-sweep" { "See who they are" } ", then run "
                (command("customer-mirror deletions approve")) " or " (command("customer-mirror deletions discard")) "."
            }
        },
    })
}

fn stale(view: &StatusView<'_>) -> Option<Matter> {
    let Readiness::NotReady { reason } = view.readiness else {
        return None;
    };
    // Before a first pass is complete there is nothing to be stale; the headline says so.
    view.status.freshness.started_at.as_ref()?;
    Some(Matter {
        name: "stale",
        is_urgent: true,
        title: "The mirror is stale".to_owned(),
        text: html! { p { (harmless(reason)) ". What is wrong: " (command("customer-mirror check")) } },
    })
}

/// A pass that was interrupted with an error, and nobody is there to go on with it.
fn stopped(view: &StatusView<'_>) -> Option<Matter> {
    if view.status.retry.is_some() || view.is_running() {
        return None;
    }
    let pass = view.status.running_pass.as_ref()?;
    let error = pass.error.as_ref()?;
    Some(Matter {
        name: "stopped",
        is_urgent: true,
        title: format!("Pass {} stopped", pass.pass_id),
        text: html! {
            p { (foreign_within(error, REASON_BYTES)) }
            @if view.progress.is_none() {
                p { "To go on with it where it was: " (command("customer-mirror sync")) }
            }
        },
    })
}
