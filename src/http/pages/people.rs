//! Customers in a list: who each is, in a few lines that link to its page.

use std::ops::Range;

use maud::{Markup, html};

use super::paths::customer_path;
use super::text::{foreign, marked, since};
use crate::mirror::{CustomerLine, Hit, SUMMARY};
use crate::model::Timestamp;

/// A list of customers.
pub(super) struct People<'a> {
    id: &'a str,
    label: &'a str,
    persons: Vec<Person<'a>>,
    now: Timestamp,
}

/// A text and which bytes of it answer a question.
#[derive(Debug, Clone, Copy)]
struct Value<'a> {
    text: &'a str,
    marks: &'a [Range<usize>],
}

/// Who somebody is.
struct Person<'a> {
    customer_id: &'a str,
    name: Option<Value<'a>>,
    customer_type: Option<&'a str>,
    country: Option<&'a str>,
    deleted_at: Option<&'a str>,
    changed_at: Option<&'a str>,
    contact: Vec<Value<'a>>,
    ids: Vec<Value<'a>>,
    /// What else answers: the column, and the text.
    others: Vec<(&'static str, Value<'a>)>,
}

impl<'a> People<'a> {
    /// Customers as the mirror lists them.
    pub(super) fn lines(
        id: &'a str,
        label: &'a str,
        lines: &'a [CustomerLine],
        now: Timestamp,
    ) -> Self {
        let persons = lines.iter().map(Person::of_line).collect();
        Self {
            id,
            label,
            persons,
            now,
        }
    }

    /// Customers that answer a question.
    pub(super) fn hits(id: &'a str, label: &'a str, hits: &'a [Hit], now: Timestamp) -> Self {
        let persons = hits.iter().map(Person::of_hit).collect();
        Self {
            id,
            label,
            persons,
            now,
        }
    }
}

fn unmarked(text: &str) -> Value<'_> {
    Value { text, marks: &[] }
}

impl<'a> Person<'a> {
    fn has_name(&self) -> bool {
        self.name.is_some_and(|name| !name.text.trim().is_empty())
    }

    fn of_line(line: &'a CustomerLine) -> Self {
        let values = |values: [&'a Option<String>; 2]| {
            let present = values.into_iter().flatten();
            present.map(|text| unmarked(text)).collect::<Vec<_>>()
        };
        let mut ids = values([&line.reference_id, &line.human_readable_id]);
        ids.push(unmarked(&line.customer_id));
        Self {
            customer_id: &line.customer_id,
            name: line.name.as_deref().map(unmarked),
            customer_type: line.customer_type.as_deref(),
            country: line.country.as_deref(),
            deleted_at: line.deleted_at.as_deref(),
            changed_at: Some(&line.changed_at),
            contact: values([&line.contact_email, &line.contact_msisdn]),
            ids,
            others: Vec::new(),
        }
    }

    fn of_hit(hit: &'a Hit) -> Self {
        let value = |index: usize| -> Option<Value<'a>> {
            let text = hit.summary.get(index)?.as_deref()?;
            let column = SUMMARY.get(index)?;
            let found = hit
                .matches
                .iter()
                .find(|found| found.column == *column && found.text == text);
            let marks = found.map_or(&[][..], |found| &found.marks);
            Some(Value { text, marks })
        };
        let others = hit
            .matches
            .iter()
            .filter(|found| !SUMMARY.contains(&found.column))
            .map(|found| {
                let value = Value {
                    text: &found.text,
                    marks: &found.marks,
                };
                (found.column, value)
            });
        Self {
            customer_id: hit.summary[0].as_deref().unwrap_or_default(),
            name: value(4),
            customer_type: hit.summary[3].as_deref(),
            country: None,
            deleted_at: hit.summary[7].as_deref(),
            changed_at: None,
            contact: [5, 6].into_iter().filter_map(value).collect(),
            ids: [1, 2, 0].into_iter().filter_map(value).collect(),
            others: others.collect(),
        }
    }
}

/// Who they are, and no more: a name and an ID.
pub(super) fn names(id: &str, label: &str, lines: &[CustomerLine]) -> Markup {
    html! {
        @if !lines.is_empty() {
            ul id=(id) .names aria-label=(label) {
                @for line in lines {
                    @let person = Person::of_line(line);
                    li {
                        (link(&person))
                        @if person.has_name() { " " span.muted { (foreign(line.reference_id.as_ref().unwrap_or(&line.customer_id))) } }
                    }
                }
            }
        }
    }
}

/// The list; nothing for nobody.
pub(super) fn render(list: &People<'_>) -> Markup {
    html! {
        @if !list.persons.is_empty() {
            ul id=(list.id) .people aria-label=(list.label) {
                @for person in &list.persons { li { (one(person, list.now)) } }
            }
        }
    }
}

fn one(person: &Person<'_>, now: Timestamp) -> Markup {
    html! {
        div.who {
            (link(person))
            @if let Some(kind) = person.customer_type { " " span.chip { (shown(unmarked(kind))) } }
            @if let Some(country) = person.country { " " span.chip { (shown(unmarked(country))) } }
            @if let Some(at) = person.deleted_at { " " span.chip.deleted { "deleted " (since(at, now)) } }
        }
        div.reach { (values(&person.contact)) }
        div.ids { (values(&person.ids)) }
        @if let Some(at) = person.changed_at { div.when { "changed " (since(at, now)) } }
        @for (column, value) in &person.others {
            div.other { span.label { (column.replace('_', " ")) } " " (shown(*value)) }
        }
    }
}

/// The name, or the ID of who has none.
fn link(person: &Person<'_>) -> Markup {
    let id = unmarked(person.customer_id);
    let name = person.name.filter(|_| person.has_name());
    html! {
        a.name href=(customer_path(person.customer_id)) { (shown(name.unwrap_or(id))) }
    }
}

fn values(values: &[Value<'_>]) -> Markup {
    html! { @for value in values { span { (shown(*value)) } " " } }
}

fn shown(value: Value<'_>) -> Markup {
    marked(value.text, value.marks)
}
