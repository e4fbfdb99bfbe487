//! What must hold of reading any input. Shared by the bounded fuzzing of `cargo test` and the endless one of `cargo fuzz`.
#![allow(dead_code, reason = "each of its users uses a part")]

use customer_mirror::decode::{self, COLUMNS};
use customer_mirror::json::Node;
use serde_json::Value;
use serde_json::value::RawValue;

use super::value::Tree;

/// Of a response body: a page of it has records that are JSON and lie in it, and each one can be read. True if it is a page.
pub(super) fn of_body(body: &[u8]) -> bool {
    let Ok(page) = decode::page(body.to_vec()) else {
        return false;
    };
    let text = String::from_utf8_lossy(body);
    let mut rest: &str = &text;
    for record in page.records() {
        let at = rest.find(record).expect("a record is a piece of the body");
        rest = &rest[at + record.len()..];
        assert!(is_json(record), "a record is JSON: {record}");
        of_record(record);
    }
    let records: Vec<&str> = page.records().collect();
    for pair in records.windows(2) {
        of_values(pair[0], pair[1]);
    }
    assert!(page.next.is_none_or(|next| !next.as_str().is_empty()));
    true
}

/// Of a record: its columns can be read, and its customerId is the one that anybody would read.
fn of_record(record: &str) {
    assert!(
        Node::parse(record).is_some(),
        "what is JSON can be compared: {record}"
    );
    let customer = decode::customer(record);
    // Not everything that is JSON is a `Value`: it has no room for 1e400, lone surrogates and deep nesting.
    if let Ok(value) = serde_json::from_str::<Value>(record) {
        let id = value.get("customerId").and_then(Value::as_str);
        let id = id.filter(|id| !id.is_empty());
        assert_eq!(
            customer.as_ref().ok().map(|customer| customer.id.as_str()),
            id,
            "{record}"
        );
    }
    if let Ok(customer) = customer {
        assert!(!customer.id.is_empty());
        assert_eq!(customer.values.len(), COLUMNS.len());
        assert_eq!(customer.tree.text, trimmed(record));
        for (index, user) in customer.users.iter().enumerate() {
            assert!(
                customer.users[..index]
                    .iter()
                    .all(|other| other.id != user.id),
                "users differ: {record}"
            );
        }
    }
}

/// Of two texts, JSON or not: equal values, equal hashes and no changed pointers are one and the same.
pub(super) fn of_values(before: &str, after: &str) {
    for text in [before, after] {
        assert!(
            Node::parse(text).is_some() || !is_json(text),
            "what is JSON can be read: {text}"
        );
    }
    let (Some(a), Some(b)) = (Node::parse(before), Node::parse(after)) else {
        return;
    };
    assert_eq!(a, Node::parse(before).unwrap(), "a value equals itself");
    for (a, b) in [(&a, &b), (&b, &a), (&a, &a)] {
        let is_equal = a == b;
        assert_eq!(
            a.content_hash(7) == b.content_hash(7),
            is_equal,
            "hashes of {} and {}",
            a.text,
            b.text
        );
        assert_eq!(
            Node::changed_pointers(a, b).is_empty(),
            is_equal,
            "pointers of {} and {}",
            a.text,
            b.text
        );
    }
    if is_plain(before) && is_plain(after) {
        let pointers = Node::changed_pointers(&a, &b);
        let expected = Tree::read(before).changes(&Tree::read(after));
        if expected.len() <= 256 {
            let same = pointers.len() == expected.len()
                && pointers.iter().all(|pointer| expected.contains(pointer));
            assert!(
                same,
                "{pointers:?} should be {expected:?}, of {before} and {after}"
            );
        }
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// What the slow reader of the tests can read, too: JSON, not deep, no surrogates.
fn is_plain(text: &str) -> bool {
    let containers = text
        .bytes()
        .filter(|byte| matches!(byte, b'[' | b'{'))
        .count();
    is_json(text) && containers < 60 && !text.to_lowercase().contains("\\ud")
}

fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}
