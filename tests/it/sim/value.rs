//! JSON as the oracle reads it: slowly, one level at a time, keeping the text of whatever `serde_json::Value` would change.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

/// A value that equals another as the contract says: key order and white space apart, numbers by their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    Object(BTreeMap<String, Tree>),
    Array(Vec<Tree>),
    Text(String),
    /// A number, `true`, `false`, `null`, or a text with a lone surrogate: as written.
    Literal(String),
}

impl Tree {
    /// Reads JSON that is known to be JSON.
    pub(super) fn read(text: &str) -> Self {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        match text.as_bytes().first() {
            Some(b'{') => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap();
                let members = members.into_iter();
                Self::Object(
                    members
                        .map(|(key, raw)| (key, Self::read(raw.get())))
                        .collect(),
                )
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).unwrap();
                Self::Array(items.into_iter().map(|raw| Self::read(raw.get())).collect())
            }
            Some(b'"') => match serde_json::from_str(text) {
                Ok(characters) => Self::Text(characters),
                Err(_) => Self::Literal(text.to_owned()),
            },
            _ => Self::Literal(text.to_owned()),
        }
    }

    pub(super) fn member(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(key),
            _ => None,
        }
    }

    /// The text at a path of members, if it is a text.
    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        let mut tree = self;
        for key in path {
            tree = tree.member(key)?;
        }
        match tree {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The customerId, if it is a text that isn't empty.
    pub(super) fn id(&self) -> Option<&str> {
        self.text(&["customerId"]).filter(|id| !id.is_empty())
    }

    /// The pointers of the places where two values differ.
    pub(super) fn changes(&self, after: &Self) -> BTreeSet<String> {
        let mut pointers = BTreeSet::new();
        changes("", Some(self), Some(after), &mut pointers);
        pointers
    }
}

fn changes(path: &str, before: Option<&Tree>, after: Option<&Tree>, out: &mut BTreeSet<String>) {
    match (before, after) {
        (Some(Tree::Object(a)), Some(Tree::Object(b))) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let key_path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                changes(&key_path, a.get(key), b.get(key), out);
            }
        }
        (Some(Tree::Array(a)), Some(Tree::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                changes(&format!("{path}/{index}"), a.get(index), b.get(index), out);
            }
        }
        (before, after) if before == after => {}
        _ => {
            out.insert(path.to_owned());
        }
    }
}
