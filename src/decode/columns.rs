//! The one list of what goes from a record into which column of `customers`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// A column of `customers` that is filled from the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name in the table.
    pub name: &'static str,
    /// The members that lead to its value in the record.
    pub path: &'static [&'static str],
    /// The JSON type it takes; any other leaves it NULL and is drift.
    pub kind: Kind,
}

/// What a column takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A JSON string.
    Text,
    /// `true` or `false`, stored as 1 or 0.
    Bool,
    /// An object, stored as its JSON text.
    Object,
}

const fn text(name: &'static str, path: &'static [&'static str]) -> Column {
    Column {
        name,
        path,
        kind: Kind::Text,
    }
}

/// The columns, in the table's order. `customer_id` comes first; it is the only one that a record must fill.
pub const COLUMNS: [Column; 39] = [
    text("customer_id", &["customerId"]),
    text("reference_id", &["referenceId"]),
    text("human_readable_id", &["humanReadableId"]),
    text("customer_type", &["customerType"]),
    text("name", &["name"]),
    text("identity", &["identity"]),
    text("preferred_locale", &["preferredLocale"]),
    text("contact_email", &["contact", "email"]),
    text("contact_msisdn", &["contact", "msisdn"]),
    text("billing_method", &["billing", "method"]),
    text("billing_currency", &["billing", "currency"]),
    text("billing_email", &["billing", "email"]),
    text(
        "billing_address_street1",
        &["billing", "address", "street1"],
    ),
    text(
        "billing_address_street2",
        &["billing", "address", "street2"],
    ),
    text("billing_address_city", &["billing", "address", "city"]),
    text("billing_address_zip", &["billing", "address", "zip"]),
    text(
        "billing_address_country",
        &["billing", "address", "country"],
    ),
    text("billing_address_state", &["billing", "address", "state"]),
    text("billing_address_region", &["billing", "address", "region"]),
    text(
        "billing_address_attention",
        &["billing", "address", "attention"],
    ),
    text(
        "billing_default_payment_profile_id",
        &["billing", "defaultPaymentProfileId"],
    ),
    Column {
        name: "billing_auto_pay",
        path: &["billing", "autoPay"],
        kind: Kind::Bool,
    },
    text("contact_person_user_id", &["contactPerson", "userId"]),
    text("contact_person_name", &["contactPerson", "name"]),
    text("contact_person_role", &["contactPerson", "role"]),
    text("shipping_name", &["shipping", "name"]),
    text(
        "shipping_address_street1",
        &["shipping", "address", "street1"],
    ),
    text(
        "shipping_address_street2",
        &["shipping", "address", "street2"],
    ),
    text("shipping_address_city", &["shipping", "address", "city"]),
    text("shipping_address_zip", &["shipping", "address", "zip"]),
    text(
        "shipping_address_country",
        &["shipping", "address", "country"],
    ),
    text("shipping_address_state", &["shipping", "address", "state"]),
    text(
        "shipping_address_region",
        &["shipping", "address", "region"],
    ),
    text(
        "shipping_address_attention",
        &["shipping", "address", "attention"],
    ),
    text("shipping_msisdn", &["shipping", "msisdn"]),
    text("shipping_instructions", &["shipping", "instructions"]),
    Column {
        name: "metadata",
        path: &["metadata"],
        kind: Kind::Object,
    },
    text("upstream_created_at", &["createdAt"]),
    text("upstream_updated_at", &["updatedAt"]),
];

/// Where older servers put the contact person's id; taken where [`COLUMNS`]' own place is empty.
const OLDER_CONTACT_PERSON: Column = text("contact_person_user_id", &["contactPersonUserId"]);

/// [`COLUMNS`] as a tree: a member that columns are read from, or one that is a column's.
#[derive(Debug, Default)]
pub(super) struct Branch {
    pub(super) key: &'static str,
    /// The JSON pointer to it.
    pub(super) pointer: String,
    /// The place in [`COLUMNS`] of the column that it is.
    pub(super) column: Option<usize>,
    /// Sorted by key.
    pub(super) children: Vec<Branch>,
}

impl Branch {
    /// The tree of these columns and their places; its own key is empty.
    fn of<'c>(columns: impl IntoIterator<Item = (usize, &'c Column)>) -> Self {
        let mut root = Self::default();
        for (place, column) in columns {
            root.add(column.path, place);
        }
        root
    }

    fn add(&mut self, path: &[&'static str], column: usize) {
        let Some((key, rest)) = path.split_first() else {
            self.column = Some(column);
            return;
        };
        let found = self.children.binary_search_by(|child| child.key.cmp(key));
        let place = found.unwrap_or_else(|place| {
            let pointer = format!("{}/{key}", self.pointer);
            let child = Self {
                key,
                pointer,
                ..Self::default()
            };
            self.children.insert(place, child);
            place
        });
        if let Some(child) = self.children.get_mut(place) {
            child.add(rest, column);
        }
    }
}

/// The tree of all columns.
pub(super) static BRANCHES: LazyLock<Branch> =
    LazyLock::new(|| Branch::of(COLUMNS.iter().enumerate()));

/// The place in [`COLUMNS`] that [`OLDER_CONTACT_PERSON`] fills, and its tree.
pub(super) static OLDER_BRANCHES: LazyLock<Option<(usize, Branch)>> = LazyLock::new(|| {
    let older = &OLDER_CONTACT_PERSON;
    let place = COLUMNS
        .iter()
        .position(|column| column.name == older.name)?;
    Some((place, Branch::of([(place, older)])))
});

const USERS: [&str; 5] = [
    "/users",
    "/users/*",
    "/users/*/userId",
    "/users/*/name",
    "/users/*/role",
];

/// The JSON pointers that can drift. There are no others, whatever a server sends.
pub static DRIFT_POINTERS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    // A customerId that isn't text makes no customer.
    let optional = COLUMNS.iter().filter(|column| column.name != "customer_id");
    let members = optional.chain([&OLDER_CONTACT_PERSON]).flat_map(|column| {
        (1..=column.path.len()).map(|depth| format!("/{}", column.path[..depth].join("/")))
    });
    members.chain(USERS.map(str::to_owned)).collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;

    /// A record with a number at this pointer, which no documented field is.
    fn with_number_at(pointer: &str) -> String {
        let mut value = "1".to_owned();
        for key in pointer.split('/').skip(1).collect::<Vec<_>>().iter().rev() {
            value = match *key {
                "*" => format!("[{value}]"),
                "name" | "role" if pointer.starts_with("/users/*/") => {
                    format!("{{\"userId\": \"u\", \"{key}\": {value}}}")
                }
                _ => format!("{{\"{key}\": {value}}}"),
            };
        }
        format!("{{\"customerId\": \"c\", {}", &value[1..])
    }

    #[test]
    fn what_can_drift_does_and_is_named_so() {
        assert!(DRIFT_POINTERS.len() > COLUMNS.len());
        for pointer in DRIFT_POINTERS.iter() {
            let raw = with_number_at(pointer);
            let drift = decode::customer(&raw).unwrap().drift;
            assert_eq!(drift, [pointer.as_str()], "{raw}");
        }
    }
}
