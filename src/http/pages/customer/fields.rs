//! The fields of a customer in sections. What is absent is left out, and a section without a field too.

use maud::{Markup, html};

use super::{CustomerView, value};
use crate::http::pages::text::{VALUE_BYTES, foreign_json, moment_and_since};
use crate::json::{Kind, Node};

/// A label and the column that it is of.
type Labels = &'static [(&'static str, &'static str)];

const IDENTITY: Labels = &[
    ("Name", "name"),
    ("Customer ID", "customer_id"),
    ("Reference ID", "reference_id"),
    ("Readable ID", "human_readable_id"),
    ("Type", "customer_type"),
    ("Identity", "identity"),
    ("Locale", "preferred_locale"),
];
const CONTACT: Labels = &[("E-mail", "contact_email"), ("Phone", "contact_msisdn")];
const PERSON: Labels = &[
    ("Name", "contact_person_name"),
    ("Role", "contact_person_role"),
    ("User ID", "contact_person_user_id"),
];
const BILLING: Labels = &[
    ("Method", "billing_method"),
    ("Currency", "billing_currency"),
    ("E-mail", "billing_email"),
];
const BILLING_REST: Labels = &[("Payment profile", "billing_default_payment_profile_id")];
const SHIPPING: Labels = &[("Name", "shipping_name")];
const SHIPPING_REST: Labels = &[
    ("Phone", "shipping_msisdn"),
    ("Instructions", "shipping_instructions"),
];

/// Columns that are shown: what else there is, a later version's perhaps, is listed by its name.
const SHOWN_ELSEWHERE: [&str; 7] = [
    "metadata",
    "upstream_created_at",
    "upstream_updated_at",
    "first_seen_at",
    "changed_at",
    "deleted_at",
    "billing_auto_pay",
];

/// Indentation of a level of pretty-printed JSON.
const INDENT: &str = "  ";

pub(super) fn render(view: &CustomerView<'_>) -> Markup {
    html! {
        div.sections {
            (section("identity", "Identity", texts(view, IDENTITY)))
            (section("contact", "Contact", texts(view, CONTACT)))
            (section("contact-person", "Contact person", texts(view, PERSON)))
            (section("billing", "Billing", billing(view)))
            (section("shipping", "Shipping", shipping(view)))
            (section("times", "Times", times(view)))
            (section("others", "More", others(view)))
            (metadata(view))
        }
    }
}

type Fields = Vec<(String, Markup)>;

fn texts(view: &CustomerView<'_>, labels: Labels) -> Fields {
    labels
        .iter()
        .filter_map(|(label, column)| Some(((*label).to_owned(), value(view.value(column)?))))
        .collect()
}

fn section(id: &str, title: &str, fields: Fields) -> Markup {
    html! {
        @if !fields.is_empty() {
            section id=(id) aria-labelledby={ (id) "-title" } {
                h2 id={ (id) "-title" } { (title) }
                dl.fields {
                    @for (label, value) in fields { dt { (label) } dd { (value) } }
                }
            }
        }
    }
}

fn billing(view: &CustomerView<'_>) -> Fields {
    let mut fields = texts(view, BILLING);
    fields.extend(address(view, "billing"));
    fields.extend(texts(view, BILLING_REST));
    if let Some(auto_pay) = view.value("billing_auto_pay") {
        let words = if auto_pay == "0" { "no" } else { "yes" };
        fields.push(("Auto-pay".to_owned(), html! { (words) }));
    }
    fields
}

fn shipping(view: &CustomerView<'_>) -> Fields {
    let mut fields = texts(view, SHIPPING);
    fields.extend(address(view, "shipping"));
    fields.extend(texts(view, SHIPPING_REST));
    fields
}

/// An address in lines, as letters have it.
fn address(view: &CustomerView<'_>, kind: &str) -> Option<(String, Markup)> {
    let part = |name: &str| {
        view.value(&format!("{kind}_address_{name}"))
            .filter(|text| !text.trim().is_empty())
    };
    let lines = [
        vec![part("attention")],
        vec![part("street1")],
        vec![part("street2")],
        vec![part("zip"), part("city")],
        vec![part("region"), part("state")],
        vec![part("country")],
    ];
    let lines: Vec<Vec<&str>> = lines
        .into_iter()
        .map(|line| line.into_iter().flatten().collect::<Vec<_>>())
        .filter(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        return None;
    }
    let text = html! {
        @for line in lines {
            span.line {
                @for (index, part) in line.iter().enumerate() {
                    @if index > 0 { " " }
                    (value(part))
                }
            }
        }
    };
    Some(("Address".to_owned(), text))
}

/// Of the server, as sent; of the mirror, with how long ago that was.
fn times(view: &CustomerView<'_>) -> Fields {
    let mut fields = texts(
        view,
        &[
            ("Created, says the API", "upstream_created_at"),
            ("Updated, says the API", "upstream_updated_at"),
        ],
    );
    for (label, column) in [
        ("First seen here", "first_seen_at"),
        ("Changed here", "changed_at"),
        ("Deleted here", "deleted_at"),
    ] {
        if let Some(at) = view.value(column) {
            fields.push((label.to_owned(), moment_and_since(at, view.now)));
        }
    }
    fields
}

/// Columns that this page has no place for.
fn others(view: &CustomerView<'_>) -> Fields {
    let has_place = |column: &str| {
        [
            IDENTITY,
            CONTACT,
            PERSON,
            BILLING,
            BILLING_REST,
            SHIPPING,
            SHIPPING_REST,
        ]
        .iter()
        .any(|labels| labels.iter().any(|(_, known)| *known == column))
            || SHOWN_ELSEWHERE.contains(&column)
            || column.starts_with("billing_address_")
            || column.starts_with("shipping_address_")
    };
    let columns = view.profile.columns.iter();
    columns
        .filter(|(column, _)| !has_place(column))
        .filter_map(|(column, text)| Some((column.replace('_', " "), value(text.as_deref()?))))
        .collect()
}

fn metadata(view: &CustomerView<'_>) -> Markup {
    html! {
        @if let Some(json) = view.value("metadata") {
            section #metadata aria-labelledby="metadata-title" {
                h2 #metadata-title { "Metadata" }
                pre tabindex="0" { (foreign_json(&pretty(json), VALUE_BYTES)) }
            }
        }
    }
}

/// JSON with a line for each member, its numbers and strings as they were sent. What is no JSON stays as it is.
fn pretty(json: &str) -> String {
    let Some(node) = Node::parse(json) else {
        return json.to_owned();
    };
    let mut text = String::with_capacity(json.len() * 2);
    write_pretty(&node, 0, &mut text);
    text
}

/// How deep it goes is bounded by the reader, which takes what is nested deeper for a literal; how much it writes, here.
fn write_pretty(node: &Node<'_>, depth: usize, out: &mut String) {
    if out.len() > VALUE_BYTES {
        return;
    }
    match &node.kind {
        Kind::Object(members) if !members.is_empty() => {
            out.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                new_line(index > 0, depth + 1, out);
                out.push_str(&serde_json::to_string(&key.to_lossy()).unwrap_or_default());
                out.push_str(": ");
                write_pretty(member, depth + 1, out);
            }
            new_line(false, depth, out);
            out.push('}');
        }
        Kind::Array(items) if !items.is_empty() => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                new_line(index > 0, depth + 1, out);
                write_pretty(item, depth + 1, out);
            }
            new_line(false, depth, out);
            out.push(']');
        }
        _ => out.push_str(node.text),
    }
}

fn new_line(has_comma: bool, depth: usize, out: &mut String) {
    if has_comma {
        out.push(',');
    }
    out.push('\n');
    out.push_str(&INDENT.repeat(depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_has_a_line_a_member_and_keeps_its_numbers() {
        assert_eq!(
            pretty(r#"{"b":[1.10,{"c":null}],"a":"g\u00f6ld","e":{},"f":[]}"#),
            "{\n  \"a\": \"g\\u00f6ld\",\n  \"b\": [\n    1.10,\n    {\n      \"c\": null\n    }\n  ],\n  \"e\": {},\n  \"f\": []\n}"
        );
        assert_eq!(pretty("no json"), "no json");
        // A small text that would become a huge one.
        let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
        let wide = format!("[{}]", vec![deep; 2000].join(","));
        assert!(pretty(&wide).len() < wide.len());
    }
}
