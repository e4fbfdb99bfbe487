//! A record → the columns of a customer.

use std::borrow::Cow;
use std::collections::HashSet;

use super::columns::{BRANCHES, Branch, COLUMNS, Kind, OLDER_BRANCHES};
use crate::json::{self, Node};

/// A customer as read from a record.
#[derive(Debug)]
pub struct Customer<'a> {
    /// The record's JSON tree, for comparing.
    pub tree: Node<'a>,
    /// `customerId`, never empty.
    pub id: String,
    /// One value for each of [`COLUMNS`], in their order; `None` is NULL.
    pub values: Vec<Option<Value<'a>>>,
    /// The users that have an id; one entry for each id, the last one sent.
    pub users: Vec<User<'a>>,
    /// JSON pointers of values whose type is not the documented one. `*` stands for any index.
    pub drift: Vec<String>,
}

/// What goes into a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// 0 or 1.
    Bool(bool),
}

/// A row of `customer_users`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User<'a> {
    /// `userId`.
    pub id: Cow<'a, str>,
    /// `name`.
    pub name: Option<Cow<'a, str>>,
    /// `role`.
    pub role: Option<Cow<'a, str>>,
}

/// Reads a record.
///
/// # Errors
/// The reason, if it has no readable `customerId`. Nothing else is fatal to a record.
pub fn customer(raw: &str) -> Result<Customer<'_>, &'static str> {
    let tree = Node::parse(raw).ok_or("the record is not JSON")?;
    let id = customer_id(&tree)?;
    let mut drift = Vec::new();
    let mut values = vec![None; COLUMNS.len()];
    fill(&tree, &BRANCHES, &mut values, &mut drift);
    if let Some((place, older)) = &*OLDER_BRANCHES
        && values.get(*place).is_some_and(Option::is_none)
    {
        fill(&tree, older, &mut values, &mut drift);
    }
    let users = users(&tree, &mut drift);
    drift.sort();
    drift.dedup();
    Ok(Customer {
        tree,
        id,
        values,
        users,
        drift,
    })
}

/// The record's `customerId`.
///
/// # Errors
/// The reason, if it isn't a non-empty string that can be a key.
pub(super) fn customer_id(tree: &Node<'_>) -> Result<String, &'static str> {
    if !matches!(tree.kind, json::Kind::Object(_)) {
        return Err(if tree.text.starts_with('{') {
            "the record has too many members"
        } else {
            "the record is not an object"
        });
    }
    let node = tree.member("customerId").ok_or("customerId is missing")?;
    let json::Kind::String(text) = &node.kind else {
        return Err(if node.is_null() {
            "customerId is null"
        } else {
            "customerId is not a string"
        });
    };
    // Replacing a lone surrogate could make two customers one.
    let id = text.as_str().ok_or("customerId has a lone surrogate")?;
    if id.is_empty() {
        Err("customerId is empty")
    } else {
        Ok(id.to_owned())
    }
}

/// Reads what the branch's columns take. Members and branches are both sorted, so each is looked at once: to look each column up costs
/// several times as much.
fn fill<'a>(
    node: &Node<'a>,
    branch: &Branch,
    values: &mut [Option<Value<'a>>],
    drift: &mut Vec<String>,
) {
    let json::Kind::Object(members) = &node.kind else {
        if !node.is_null() {
            drift.push(branch.pointer.clone());
        }
        return;
    };
    let mut members = members.iter().peekable();
    for child in &branch.children {
        let key = child.key.as_bytes();
        while members.next_if(|(name, _)| name.as_bytes() < key).is_some() {}
        let Some((_, node)) = members.next_if(|(name, _)| name.as_bytes() == key) else {
            continue;
        };
        match child.column {
            None => fill(node, child, values, drift),
            Some(place) => {
                let (Some(column), Some(value)) = (COLUMNS.get(place), values.get_mut(place))
                else {
                    continue;
                };
                *value = value_of(node, column.kind);
                if value.is_none() && !node.is_null() {
                    drift.push(child.pointer.clone());
                }
            }
        }
    }
}

fn value_of<'a>(node: &Node<'a>, kind: Kind) -> Option<Value<'a>> {
    match (&node.kind, kind) {
        (json::Kind::String(text), Kind::Text) => Some(Value::Text(text.to_lossy())),
        (json::Kind::Literal, Kind::Bool) if node.text == "true" => Some(Value::Bool(true)),
        (json::Kind::Literal, Kind::Bool) if node.text == "false" => Some(Value::Bool(false)),
        // One that holds too much is not read, but an object all the same.
        (json::Kind::Object(_) | json::Kind::Literal, Kind::Object)
            if node.text.starts_with('{') =>
        {
            Some(Value::Text(Cow::Borrowed(node.text)))
        }
        _ => None,
    }
}

fn users<'a>(tree: &Node<'a>, drift: &mut Vec<String>) -> Vec<User<'a>> {
    let mut users: Vec<User<'a>> = Vec::new();
    let mut ids = HashSet::new();
    let items = match tree.member("users").map(|node| (&node.kind, node)) {
        Some((json::Kind::Array(items), _)) => items.as_slice(),
        Some((_, node)) if !node.is_null() => {
            drift.push("/users".to_owned());
            &[]
        }
        _ => &[],
    };
    // From the last to the first: of an id that comes twice the last counts.
    for item in items.iter().rev() {
        if !matches!(item.kind, json::Kind::Object(_)) {
            drift.push("/users/*".to_owned());
            continue;
        }
        let mut field = |key: &str| match item.member(key) {
            Some(Node {
                kind: json::Kind::String(text),
                ..
            }) => Some(text.to_lossy()),
            other => {
                // A user's id is the one member that it must have.
                if key == "userId" || other.is_some_and(|node| !node.is_null()) {
                    drift.push(format!("/users/*/{key}"));
                }
                None
            }
        };
        let (id, name, role) = (field("userId"), field("name"), field("role"));
        if let Some(id) = id
            && ids.insert(id.clone())
        {
            users.push(User { id, name, role });
        }
    }
    users.reverse();
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column<'a>(customer: &'a Customer<'_>, name: &str) -> Option<&'a str> {
        let index = COLUMNS
            .iter()
            .position(|column| column.name == name)
            .unwrap();
        match customer.values[index].as_ref()? {
            Value::Text(text) => Some(text),
            Value::Bool(true) => Some("1"),
            Value::Bool(false) => Some("0"),
        }
    }

    #[test]
    fn a_full_record_fills_its_columns() {
        let raw = r#"{"customerId":"c1","name":"Åsa \"\u00c5\" 🎉","contact":{"email":"a@b.se","msisdn":null},
            "billing":{"autoPay":true,"address":{"zip":"00123"}},"contactPerson":{"userId":"u1"},
            "users":[{"userId":"u1","name":"A","role":"OWNER"},{"userId":"u1","name":"B"}],
            "metadata":{"n": 1.10},"newField":[1]}"#;
        let customer = customer(raw).unwrap();
        assert_eq!(customer.id, "c1");
        for (name, value) in [
            ("name", Some("Åsa \"Å\" 🎉")),
            ("contact_email", Some("a@b.se")),
            ("contact_msisdn", None),
            ("billing_auto_pay", Some("1")),
            ("billing_address_zip", Some("00123")),
            ("contact_person_user_id", Some("u1")),
            ("metadata", Some(r#"{"n": 1.10}"#)),
            ("shipping_name", None),
        ] {
            assert_eq!(column(&customer, name), value, "{name}");
        }
        assert_eq!(
            customer.users,
            [User {
                id: "u1".into(),
                name: Some("B".into()),
                role: None
            }]
        );
        assert_eq!(customer.drift, Vec::<String>::new());
    }

    #[test]
    fn a_wrong_type_leaves_its_column_null_and_is_drift() {
        for (raw, drift) in [
            (r#"{"customerId":"c","name":1}"#, vec!["/name"]),
            (r#"{"customerId":"c","billing":"x"}"#, vec!["/billing"]),
            (
                r#"{"customerId":"c","billing":{"autoPay":"true","address":[]}}"#,
                vec!["/billing/address", "/billing/autoPay"],
            ),
            (r#"{"customerId":"c","metadata":[]}"#, vec!["/metadata"]),
            (r#"{"customerId":"c","users":{}}"#, vec!["/users"]),
            (
                r#"{"customerId":"c","users":[1,{"userId":2},{"userId":"u","role":0}]}"#,
                vec!["/users/*", "/users/*/role", "/users/*/userId"],
            ),
            (
                r#"{"customerId":"c","contact":null,"metadata":null,"users":null}"#,
                vec![],
            ),
        ] {
            assert_eq!(customer(raw).unwrap().drift, drift, "{raw}");
        }
    }

    #[test]
    fn only_an_unreadable_customer_id_is_fatal() {
        for (raw, reason) in [
            ("[]", "the record is not an object"),
            ("null", "the record is not an object"),
            ("{}", "customerId is missing"),
            (r#"{"customerId":null}"#, "customerId is null"),
            (r#"{"customerId":7}"#, "customerId is not a string"),
            (r#"{"customerId":""}"#, "customerId is empty"),
            (
                r#"{"customerId":"\ud800"}"#,
                "customerId has a lone surrogate",
            ),
        ] {
            assert_eq!(customer(raw).unwrap_err(), reason, "{raw}");
        }
        let odd = customer(r#"{"customerId":"a","customerId":"b\u0000","name":"\udfff"}"#).unwrap();
        assert_eq!(
            (odd.id.as_str(), column(&odd, "name")),
            ("b\0", Some("\u{fffd}"))
        );
    }

    /// With a look at all others for each of them, this takes hours.
    #[test]
    fn a_great_many_users_are_read_and_of_each_id_the_last_counts() {
        let users: Vec<String> = (0..80_000)
            .map(|number| format!(r#"{{"userId":"u{}","name":"{number}"}}"#, number % 79_998))
            .collect();
        let raw = format!(r#"{{"customerId":"c","users":[{}]}}"#, users.join(","));
        let customer = customer(&raw).unwrap();
        let read: Vec<(&str, &str)> = customer
            .users
            .iter()
            .map(|user| (&*user.id, user.name.as_deref().unwrap()))
            .collect();
        assert_eq!(read.len(), 79_998);
        assert_eq!(read[0], ("u2", "2"));
        assert_eq!(read[79_996..], [("u0", "79998"), ("u1", "79999")]);
    }

    #[test]
    fn what_holds_too_much_is_still_mirrored() {
        let large = vec!["0"; 1 << 18].join(",");
        let raw = format!(
            r#"{{"customerId":"c","name":"Ada","metadata":{{"a":[{large}]}},"users":[{large}],"contact":{{"email":"a@b.c"}}}}"#
        );
        let read = customer(&raw).unwrap();
        assert_eq!(column(&read, "name"), Some("Ada"));
        assert_eq!(column(&read, "contact_email"), Some("a@b.c"));
        assert_eq!(
            column(&read, "metadata").map(str::len),
            Some(large.len() + r#"{"a":[]}"#.len())
        );
        assert_eq!(read.drift, ["/users"]);
        let flat: Vec<String> = (0..=1 << 18).map(|n| format!(r#""{n}":0"#)).collect();
        let flat = format!(r#"{{"customerId":"c","metadata":{{{}}}}}"#, flat.join(","));
        assert!(column(&customer(&flat).unwrap(), "metadata").is_some());
        let top = flat.replace(r#""metadata":{"#, "").replace("}}", "}");
        assert_eq!(
            customer(&top).unwrap_err(),
            "the record has too many members"
        );
    }

    #[test]
    fn false_is_a_value_and_no_drift() {
        let raw = r#"{"customerId":"c","billing":{"autoPay":false}}"#;
        let customer = customer(raw).unwrap();
        assert_eq!(column(&customer, "billing_auto_pay"), Some("0"));
        assert_eq!(customer.drift, Vec::<String>::new());
    }

    #[test]
    fn older_servers_place_of_the_contact_person_is_read() {
        let raw = r#"{"customerId":"c","contactPerson":null,"contactPersonUserId":"u9"}"#;
        assert_eq!(
            column(&customer(raw).unwrap(), "contact_person_user_id"),
            Some("u9")
        );
        let both =
            r#"{"customerId":"c","contactPerson":{"userId":"u1"},"contactPersonUserId":"u9"}"#;
        assert_eq!(
            column(&customer(both).unwrap(), "contact_person_user_id"),
            Some("u1")
        );
    }
}
