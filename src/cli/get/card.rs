//! A customer for reading: what is known, section by section.

use anstyle::{AnsiColor, Style};
use rusqlite::Row;

use super::User;
use crate::cli::output::{Screen, Sheet, ago, moment};
use crate::model::Timestamp;

const LABEL_WIDTH: usize = 16;

/// Lays out a row of `customers`. What is NULL is left out, and sections without a value too.
pub(super) fn render(row: &Row<'_>, users: &[User], screen: Screen, now: Timestamp) -> rusqlite::Result<String> {
    let text = |column: &str| row.get::<_, Option<String>>(column);
    let time = |column: &str| Ok(text(column)?.map(|at| format!("{} ({})", moment(&at), ago(&at, now))));
    let mut sheet = Sheet::new(screen, LABEL_WIDTH);
    let title = text("name")?.map_or_else(|| row.get("customer_id"), Ok)?;
    sheet.paragraph(Style::new().bold(), &title);
    if let Some(deleted) = time("deleted_at")? {
        sheet.paragraph(AnsiColor::Red.on_default().bold(), &format!("DELETED {deleted}"));
    }
    section(
        &mut sheet,
        "Identity",
        &[
            ("customer ID", text("customer_id")?),
            ("reference ID", text("reference_id")?),
            ("readable ID", text("human_readable_id")?),
            ("type", text("customer_type")?),
            ("identity", text("identity")?),
            ("locale", text("preferred_locale")?),
        ],
    );
    section(
        &mut sheet,
        "Contact",
        &[
            ("e-mail", text("contact_email")?),
            ("phone", text("contact_msisdn")?),
            ("person", text("contact_person_name")?),
            ("person's role", text("contact_person_role")?),
            ("person's ID", text("contact_person_user_id")?),
        ],
    );
    let auto_pay: Option<bool> = row.get("billing_auto_pay")?;
    section(
        &mut sheet,
        "Billing",
        &[
            ("method", text("billing_method")?),
            ("currency", text("billing_currency")?),
            ("e-mail", text("billing_email")?),
            ("address", address(row, "billing")?),
            ("payment profile", text("billing_default_payment_profile_id")?),
            ("auto-pay", auto_pay.map(|yes| if yes { "yes" } else { "no" }.to_owned())),
        ],
    );
    section(
        &mut sheet,
        "Shipping",
        &[
            ("name", text("shipping_name")?),
            ("address", address(row, "shipping")?),
            ("phone", text("shipping_msisdn")?),
            ("instructions", text("shipping_instructions")?),
        ],
    );
    let users: Vec<_> = users.iter().map(|user| (user.role.as_deref().unwrap_or("user"), Some(described(user)))).collect();
    section(&mut sheet, "Users", &users);
    let metadata = members(text("metadata")?.as_deref());
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (key.as_str(), Some(value.clone()))).collect();
    section(&mut sheet, "Metadata", &metadata);
    section(
        &mut sheet,
        "Times",
        &[
            ("created there", text("upstream_created_at")?),
            ("updated there", text("upstream_updated_at")?),
            ("first seen", time("first_seen_at")?),
            ("changed", time("changed_at")?),
        ],
    );
    Ok(sheet.into_text())
}

fn section(sheet: &mut Sheet, title: &str, fields: &[(&str, Option<String>)]) {
    let mut titled = false;
    for (label, value) in fields {
        let Some(value) = value else { continue };
        if !std::mem::replace(&mut titled, true) {
            sheet.gap();
            sheet.paragraph(AnsiColor::Cyan.on_default(), title);
        }
        sheet.field(label, value);
    }
}

fn described(user: &User) -> String {
    user.name.as_ref().map_or_else(|| user.user_id.clone(), |name| format!("{name} ({})", user.user_id))
}

/// An address on one line, as letters have it: street, postcode and city, region, country.
fn address(row: &Row<'_>, kind: &str) -> rusqlite::Result<Option<String>> {
    let part = |name: &str| {
        let text: Option<String> = row.get(format!("{kind}_address_{name}").as_str())?;
        Ok::<_, rusqlite::Error>(text.filter(|text| !text.is_empty()))
    };
    let city: Vec<String> = [part("zip")?, part("city")?].into_iter().flatten().collect();
    let city = (!city.is_empty()).then(|| city.join(" "));
    let attention = part("attention")?.map(|name| format!("attn. {name}"));
    let parts = [attention, part("street1")?, part("street2")?, city, part("region")?, part("state")?, part("country")?];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Ok((!parts.is_empty()).then(|| parts.join(", ")))
}

/// The members of a JSON object; strings without their quotes.
fn members(json: Option<&str>) -> Vec<(String, String)> {
    let object: serde_json::Map<String, serde_json::Value> =
        json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    object
        .into_iter()
        .map(|(key, value)| match value {
            serde_json::Value::String(text) => (key, text),
            other => (key, other.to_string()),
        })
        .collect()
}
