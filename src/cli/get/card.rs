//! A customer for reading: what is known, section by section.

use anstyle::{AnsiColor, Style};
use rusqlite::Row;

use crate::cli::output::{Screen, Sheet, ago, moment};
use crate::json::{Kind, Node};
use crate::mirror::ProfileUser;
use crate::model::Timestamp;

const LABEL_WIDTH: usize = 16;

type Fields = Vec<(&'static str, Option<String>)>;

/// Lays out a row of `customers`. What is NULL is left out, and sections without a value too.
pub(super) fn render(
    row: &Row<'_>,
    users: &[ProfileUser],
    screen: Screen,
    now: Timestamp,
) -> rusqlite::Result<String> {
    let mut sheet = Sheet::new(screen, LABEL_WIDTH);
    let name: Option<String> = row.get("name")?;
    sheet.paragraph(
        Style::new().bold(),
        &name.map_or_else(|| row.get("customer_id"), Ok)?,
    );
    if let Some(deleted_at) = row.get::<_, Option<String>>("deleted_at")? {
        let deleted = format!("DELETED {}", time(&deleted_at, now));
        sheet.paragraph(AnsiColor::Red.on_default().bold(), &deleted);
    }
    let identity = texts(
        row,
        &[
            ("customer ID", "customer_id"),
            ("reference ID", "reference_id"),
            ("readable ID", "human_readable_id"),
            ("type", "customer_type"),
            ("identity", "identity"),
            ("locale", "preferred_locale"),
        ],
    )?;
    section(&mut sheet, "Identity", identity);
    let contact = texts(
        row,
        &[
            ("e-mail", "contact_email"),
            ("phone", "contact_msisdn"),
            ("person", "contact_person_name"),
            ("person's role", "contact_person_role"),
            ("person's ID", "contact_person_user_id"),
        ],
    )?;
    section(&mut sheet, "Contact", contact);
    section(&mut sheet, "Billing", billing(row)?);
    section(&mut sheet, "Shipping", shipping(row)?);
    section(
        &mut sheet,
        "Users",
        users.iter().map(|user| {
            (
                user.role.as_deref().unwrap_or("user"),
                Some(described(user)),
            )
        }),
    );
    let metadata = members(row.get::<_, Option<String>>("metadata")?.as_deref());
    section(
        &mut sheet,
        "Metadata",
        metadata
            .iter()
            .map(|(key, value)| (key.as_str(), Some(value.clone()))),
    );
    section(&mut sheet, "Times", times(row, now)?);
    Ok(sheet.into_text())
}

fn billing(row: &Row<'_>) -> rusqlite::Result<Fields> {
    let mut fields = texts(
        row,
        &[
            ("method", "billing_method"),
            ("currency", "billing_currency"),
            ("e-mail", "billing_email"),
        ],
    )?;
    fields.push(("address", address(row, "billing")?));
    fields.extend(texts(
        row,
        &[("payment profile", "billing_default_payment_profile_id")],
    )?);
    let auto_pay: Option<bool> = row.get("billing_auto_pay")?;
    fields.push((
        "auto-pay",
        auto_pay.map(|yes| if yes { "yes" } else { "no" }.to_owned()),
    ));
    Ok(fields)
}

fn shipping(row: &Row<'_>) -> rusqlite::Result<Fields> {
    let mut fields = texts(row, &[("name", "shipping_name")])?;
    fields.push(("address", address(row, "shipping")?));
    fields.extend(texts(
        row,
        &[
            ("phone", "shipping_msisdn"),
            ("instructions", "shipping_instructions"),
        ],
    )?);
    Ok(fields)
}

/// Of the server, as sent; of the mirror, with how long ago that was.
fn times(row: &Row<'_>, now: Timestamp) -> rusqlite::Result<Fields> {
    let mut fields = texts(
        row,
        &[
            ("created", "upstream_created_at"),
            ("updated", "upstream_updated_at"),
        ],
    )?;
    for (label, at) in texts(
        row,
        &[
            ("mirrored", "first_seen_at"),
            ("changed here", "changed_at"),
        ],
    )? {
        fields.push((label, at.map(|at| time(&at, now))));
    }
    Ok(fields)
}

fn time(at: &str, now: Timestamp) -> String {
    format!("{} ({})", moment(at), ago(at, now))
}

fn texts(row: &Row<'_>, columns: &[(&'static str, &str)]) -> rusqlite::Result<Fields> {
    columns
        .iter()
        .map(|(label, column)| Ok((*label, row.get(*column)?)))
        .collect()
}

fn section<'a>(
    sheet: &mut Sheet,
    title: &str,
    fields: impl IntoIterator<Item = (&'a str, Option<String>)>,
) {
    let mut titled = false;
    for (label, value) in fields {
        let Some(value) = value else { continue };
        if !std::mem::replace(&mut titled, true) {
            sheet.gap();
            sheet.paragraph(AnsiColor::Cyan.on_default(), title);
        }
        sheet.field(label, &value);
    }
}

fn described(user: &ProfileUser) -> String {
    user.name.as_ref().map_or_else(
        || user.user_id.clone(),
        |name| format!("{name} ({})", user.user_id),
    )
}

/// An address on one line, as letters have it: street, postcode and city, region, country.
fn address(row: &Row<'_>, kind: &str) -> rusqlite::Result<Option<String>> {
    let part = |name: &str| {
        let text: Option<String> = row.get(format!("{kind}_address_{name}").as_str())?;
        Ok::<_, rusqlite::Error>(text.filter(|text| !text.is_empty()))
    };
    let city: Vec<String> = [part("zip")?, part("city")?]
        .into_iter()
        .flatten()
        .collect();
    let city = (!city.is_empty()).then(|| city.join(" "));
    let attention = part("attention")?.map(|name| format!("attn. {name}"));
    let parts = [
        attention,
        part("street1")?,
        part("street2")?,
        city,
        part("region")?,
        part("state")?,
        part("country")?,
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Ok((!parts.is_empty()).then(|| parts.join(", ")))
}

/// The members of a JSON object; strings without their quotes.
fn members(json: Option<&str>) -> Vec<(String, String)> {
    let Some(Kind::Object(members)) = json.and_then(Node::parse).map(|node| node.kind) else {
        return Vec::new();
    };
    members
        .iter()
        .map(|(key, value)| {
            let value = match &value.kind {
                Kind::String(text) => text.to_lossy().into_owned(),
                _ => value.text.to_owned(),
            };
            (key.to_lossy().into_owned(), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_metadata_keep_their_text() {
        let json = r#"{"ledger":90071992547409938242,"discount":8.50,"tier":"g\u00f6ld","tags":["a", 1.0],"none":null}"#;
        let expected = [
            ("discount", "8.50"),
            ("ledger", "90071992547409938242"),
            ("none", "null"),
            ("tags", r#"["a", 1.0]"#),
            ("tier", "göld"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(members(Some(json)), expected);
        assert_eq!(members(Some("[1]")), []);
    }
}
