//! All that is known of one customer.
//!
//! The browser keeps titles and addresses in its history, and nothing else of the page. So the title has the ID, as the address does,
//! and not the name.

mod fields;
mod history;

use maud::{Markup, html};

use super::frame::Frame;
use super::lists;
use super::paths::raw_path;
use super::text::{
    LINE_BYTES, RAW_BYTES, VALUE_BYTES, beginning, foreign, foreign_json, foreign_within,
    moment_and_since,
};
use crate::harmless::harmless;
use crate::human::plural;
use crate::mirror::{Conflict, History, Profile, ProfileUser};
use crate::model::Timestamp;

/// A title in big letters is cut behind so many bytes; the whole name is among the fields.
const TITLE_BYTES: usize = 2 * LINE_BYTES;
/// A longer value is in a box of its own, and scrolls there.
const LONG_BYTES: usize = 1000;
/// So much of an ID is searched for.
const FIELD_BYTES: usize = 200;
/// More users are not shown.
const USERS_MAX: usize = 500;

/// What the page of a customer shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CustomerView<'a> {
    /// The customer.
    pub(crate) profile: &'a Profile,
    /// What became of it.
    pub(crate) history: &'a History,
    /// Who is live, too, and has the same referenceId.
    pub(crate) conflict: Option<&'a Conflict>,
    /// The history is of changes before this one; `None` for the latest.
    pub(crate) before_seq: Option<i64>,
    /// The time.
    pub(crate) now: Timestamp,
}

impl<'a> CustomerView<'a> {
    /// The value of a column that is not NULL.
    fn value(&self, column: &str) -> Option<&'a str> {
        let found = self
            .profile
            .columns
            .iter()
            .find(|(name, _)| *name == column);
        found.and_then(|(_, value)| value.as_deref())
    }

    fn id(&self) -> &'a str {
        self.value("customer_id").unwrap_or_default()
    }
}

/// The page of a customer.
pub(crate) fn customer(view: &CustomerView<'_>) -> String {
    let name = view.value("name").filter(|name| !name.trim().is_empty());
    let content = html! {
        article #customer .customer {
            header {
                p.eyebrow {
                    "Customer"
                    @if let Some(kind) = view.value("customer_type") { " " span.chip { (foreign(kind)) } }
                }
                h1 #customer-name { (foreign_within(name.unwrap_or(view.id()), TITLE_BYTES)) }
                @match view.value("deleted_at") {
                    Some(at) => {
                        p #customer-state .deleted data-state="deleted" {
                            strong { "Deleted" } " " (moment_and_since(at, view.now)) ": the API doesn't list this customer any more."
                        }
                    },
                    None => {
                        p #customer-state data-state="live" {
                            strong { "Live" }
                            @if let Some(at) = view.value("changed_at") { ", changed " (moment_and_since(at, view.now)) }
                        }
                    },
                }
            }
            @if let Some(conflict) = view.conflict {
                section #conflict aria-labelledby="conflict-title" {
                    h2 #conflict-title { "Several customers with this referenceId" }
                    (lists::holders(std::slice::from_ref(conflict), "same-reference"))
                }
            }
            (fields::render(view))
            (users(&view.profile.users))
            (history::render(view))
            (raw(view))
        }
    };
    Frame {
        title: &format!("Customer {}", view.id()),
        place: "/customers",
        live: None,
    }
    .around(&content)
}

/// The page of a customer that isn't there.
pub(crate) fn no_such_customer(customer_id: &str) -> String {
    let content = html! {
        section #error .message data-status="404" aria-labelledby="error-title" {
            p.eyebrow { "Error 404" }
            h1 #error-title { "No such customer" }
            p { "The mirror has no customer with the customerId “" (foreign(customer_id)) "”, neither live nor deleted. It may have been erased." }
            form.search.inline method="get" action="/customers" role="search" {
                div.field.question {
                    label for="q" { "Search for it" }
                    input #q name="q" type="search" autocomplete="off" spellcheck="false" dir="auto"
                        value=(harmless(beginning(customer_id, FIELD_BYTES)));
                    input type="hidden" name="standing" value="any";
                }
                div.buttons { button type="submit" { "Search" } }
            }
        }
    };
    Frame {
        title: "No such customer",
        place: "/customers",
        live: None,
    }
    .around(&content)
}

fn users(users: &[ProfileUser]) -> Markup {
    let missing = html! { span.muted { "–" } };
    html! {
        @if !users.is_empty() {
            section #users aria-labelledby="users-title" {
                h2 #users-title { "Users" }
                div.wide role="region" aria-label="Users of this customer" tabindex="0" {
                    table {
                        caption { (plural(users.len() as i64, "user", "users")) }
                        thead { tr { th scope="col" { "Name" } th scope="col" { "Role" } th scope="col" { "User ID" } } }
                        tbody {
                            @for user in users.iter().take(USERS_MAX) {
                                tr {
                                    td { @match &user.name { Some(name) => (foreign(name)), None => (missing) } }
                                    td { @match &user.role { Some(role) => (foreign(role)), None => (missing) } }
                                    td.id { (foreign(&user.user_id)) }
                                }
                            }
                        }
                    }
                }
                @if users.len() > USERS_MAX { p { "The first " (USERS_MAX) "; all of them are in the record below." } }
            }
        }
    }
}

fn raw(view: &CustomerView<'_>) -> Markup {
    html! {
        section #raw aria-labelledby="raw-title" {
            h2 #raw-title { "The record" }
            details {
                summary { "Raw JSON, as the server sent it" }
                pre tabindex="0" { (foreign_json(&view.profile.raw, RAW_BYTES)) }
            }
            p { a #raw-link href=(raw_path(view.id())) { "The JSON alone" } }
        }
    }
}

/// A value of a field, whole unless it is absurdly long.
fn value(text: &str) -> Markup {
    let shown = foreign_within(text, VALUE_BYTES);
    html! {
        @if text.len() > LONG_BYTES { div.long tabindex="0" { (shown) } } @else { (shown) }
    }
}

#[cfg(test)]
mod tests;
