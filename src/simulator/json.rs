//! JSON as text: written straight into a buffer, and taken apart without losing the text of a single number.

use std::fmt::{self, Write};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::hash::Dice;

/// Writes one object, member by member.
pub(super) struct ObjectWriter<'a> {
    out: &'a mut String,
    empty: bool,
}

impl ObjectWriter<'_> {
    fn key(&mut self, key: &str) {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        write_string(self.out, key);
        self.out.push(':');
    }

    /// A member with a text.
    pub(super) fn string(&mut self, key: &str, text: &str) {
        self.key(key);
        write_string(self.out, text);
    }

    /// A member with a text or null.
    pub(super) fn string_or_null(&mut self, key: &str, text: Option<&str>) {
        match text {
            Some(text) => self.string(key, text),
            None => self.raw(key, format_args!("null")),
        }
    }

    /// A member whose value is JSON already.
    pub(super) fn raw(&mut self, key: &str, value: fmt::Arguments<'_>) {
        self.key(key);
        // Writing to a String can't fail.
        let _ = self.out.write_fmt(value);
    }

    /// A member with an object.
    pub(super) fn object(&mut self, key: &str, members: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.key(key);
        write_object(self.out, members);
    }

    /// A member with an array of objects, one for each of `items`.
    pub(super) fn objects<T>(
        &mut self,
        key: &str,
        items: impl Iterator<Item = T>,
        members: impl Fn(&mut ObjectWriter<'_>, T),
    ) {
        self.key(key);
        self.out.push('[');
        for (number, item) in items.enumerate() {
            if number > 0 {
                self.out.push(',');
            }
            write_object(self.out, |object| members(object, item));
        }
        self.out.push(']');
    }
}

/// Appends an object to `out`.
pub(super) fn write_object(out: &mut String, members: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.push('{');
    members(&mut ObjectWriter { out, empty: true });
    out.push('}');
}

/// Appends `text` as a JSON string, quotes included.
pub(super) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    // These bytes are never a part of a longer UTF-8 sequence.
    let needs_escape = |byte: u8| byte == b'"' || byte == b'\\' || byte < b' ';
    while let Some(at) = rest.bytes().position(needs_escape) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            control => {
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// An object split into its members, each value as the text it was sent as.
pub(super) struct RawObject<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'a> RawObject<'a> {
    /// The members of `text`, or `None` if it isn't a JSON object.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The text of the string member `key`, if there is such a one.
    pub(super) fn string(&self, key: &str) -> Option<String> {
        let (_, value) = self.0.iter().rfind(|(name, _)| name == key)?;
        serde_json::from_str(value.get()).ok()
    }

    /// The object again, with each value put through `replace`: `None` drops the member.
    pub(super) fn rewritten(
        &self,
        mut replace: impl FnMut(&str, &'a str) -> Option<&'a str>,
    ) -> String {
        let mut out = String::new();
        write_object(&mut out, |object| {
            for (key, value) in &self.0 {
                if let Some(value) = replace(key, value.get()) {
                    object.raw(key, format_args!("{value}"));
                }
            }
        });
        out
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = RawObject<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RawObject(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The same JSON value in another key order and with other white space, as `dice` fall.
///
/// Arrays keep their order and numbers their text; an object with a duplicate key keeps its order, because the last one counts.
/// What isn't JSON comes back as it is.
pub(super) fn shuffled(text: &str, dice: Dice) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    write_shuffled(&mut out, text.trim(), dice);
    out
}

fn write_shuffled(out: &mut String, text: &str, dice: Dice) {
    let space = dice.pick("space", &["", "", " ", "\n  ", "\t"]);
    if let Some(RawObject(mut members)) = RawObject::parse(text) {
        let mut keys: Vec<&String> = members.iter().map(|(key, _)| key).collect();
        keys.sort();
        if !keys.windows(2).any(|pair| pair[0] == pair[1]) {
            members.sort_by_cached_key(|(key, _)| dice.bits(key));
        }
        out.push('{');
        for (number, (key, value)) in members.iter().enumerate() {
            out.push_str(if number > 0 { "," } else { "" });
            out.push_str(space);
            write_string(out, key);
            out.push(':');
            out.push_str(space);
            write_shuffled(out, value.get(), dice.fork(number as u64));
        }
        out.push_str(space);
        out.push('}');
    } else if let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(text) {
        out.push('[');
        for (number, value) in values.iter().enumerate() {
            out.push_str(if number > 0 { "," } else { "" });
            out.push_str(space);
            write_shuffled(out, value.get(), dice.fork(number as u64));
        }
        out.push(']');
    } else {
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_serde_reads_them() {
        for text in [
            "",
            "plain",
            "\"quoted\"",
            "back\\slash",
            "line\none\ttab\u{1}",
            "山田 🎉",
            "\u{7f}\u{2028}",
        ] {
            let mut out = String::new();
            write_string(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text, "{out}");
        }
    }

    #[test]
    fn shuffling_changes_the_text_and_not_the_content() {
        let text = r#"{"a":1.10,"b":{"x":[3,1,{"q":null,"r":12345678901234567890123}],"y":"ü\n"},"c":"","d":true}"#;
        let mut seen = std::collections::HashSet::new();
        for number in 0..50 {
            let other = shuffled(text, Dice::new(&[number]));
            assert!(
                other.contains("1.10") && other.contains("12345678901234567890123"),
                "{other}"
            );
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&other).unwrap(),
                serde_json::from_str::<serde_json::Value>(text).unwrap(),
            );
            seen.insert(other);
        }
        assert!(seen.len() > 10, "{}", seen.len());
    }

    #[test]
    fn duplicate_keys_keep_their_order() {
        for number in 0..20 {
            let other = shuffled(r#"{"a":1,"b":2,"a":3}"#, Dice::new(&[number]));
            let flat: String = other.split_whitespace().collect();
            assert_eq!(flat, r#"{"a":1,"b":2,"a":3}"#);
        }
    }

    #[test]
    fn members_are_replaced_and_dropped() {
        let object = RawObject::parse(r#"{"keep": 1.0,"drop":2,"change":3}"#).unwrap();
        let text = object.rewritten(|key, value| match key {
            "drop" => None,
            "change" => Some("[]"),
            _ => Some(value),
        });
        assert_eq!(text, r#"{"keep":1.0,"change":[]}"#);
    }
}
