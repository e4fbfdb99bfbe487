//! Response bytes → [`Page`]: where each record lies, and the next cursor. One scan, nothing copied.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::model::{Cursor, Page, Repair};

/// Why a body is not a page of customers. The server breaks the protocol, or something in between answered for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedPage {
    /// Not JSON, or not JSON all the way.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not of the documented shape.
    #[error("the body has the wrong shape: {0}")]
    WrongShape(String),
}

/// Splits a response body into a page: where each record lies, and the next cursor.
///
/// Bytes that are not UTF-8 are replaced by U+FFFD in the page's text and remembered, so that the record they are in can be
/// set apart while its neighbours are mirrored.
///
/// # Errors
/// [`MalformedPage`] if the body is no JSON object with an `items` array and a `pagination` object.
pub fn page(body: Vec<u8>) -> Result<Page, MalformedPage> {
    let (text, repairs) = match String::from_utf8(body) {
        Ok(text) => (text, Vec::new()),
        Err(error) => repaired(error.as_bytes()),
    };
    let envelope: Envelope<'_> = serde_json::from_str(&text).map_err(|error| malformed(&error))?;
    let Items(items) = envelope
        .items
        .ok_or_else(|| MalformedPage::WrongShape("`items` is missing".into()))?;
    let Pagination { next } = envelope
        .pagination
        .ok_or_else(|| MalformedPage::WrongShape("`pagination` is missing".into()))?;
    if next
        .as_ref()
        .is_some_and(|cursor| cursor.len() > Cursor::MAX_BYTES)
    {
        return Err(MalformedPage::WrongShape(
            "`nextCursor` is longer than 16 KiB".into(),
        ));
    }
    let base = text.as_ptr().addr();
    let records: Vec<Range<usize>> = items
        .into_iter()
        .map(|raw| {
            let start = raw.get().as_ptr().addr() - base;
            start..start + raw.get().len()
        })
        .collect();
    Ok(Page {
        next: next.and_then(Cursor::new),
        text,
        records,
        repairs,
    })
}

/// The body as text with U+FFFD for each run of bytes that is not UTF-8, and where those are.
fn repaired(body: &[u8]) -> (String, Vec<Repair>) {
    let mut text = String::with_capacity(body.len());
    let mut repairs = Vec::new();
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            repairs.push(Repair {
                at: text.len(),
                bytes: chunk.invalid().to_vec(),
            });
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    (text, repairs)
}

fn malformed(error: &serde_json::Error) -> MalformedPage {
    // serde_json's messages begin with what it found, which can be a customer's data; what it expected is enough.
    let message = error.to_string();
    let line = message
        .split_once(", expected ")
        .map_or(message.clone(), |(_, expected)| {
            format!("expected {expected}")
        });
    match error.classify() {
        Category::Data => MalformedPage::WrongShape(line),
        Category::Syntax | Category::Eof | Category::Io => MalformedPage::NotJson(line),
    }
}

/// The listing's outer object. Of a key that comes twice the last counts; unknown keys are skipped.
struct Envelope<'a> {
    items: Option<Items<'a>>,
    pagination: Option<Pagination>,
}

struct Items<'a>(Vec<&'a RawValue>);

struct Pagination {
    next: Option<String>,
}

/// An object's key. Read as bytes, because a key with a lone surrogate (legal JSON) is no Rust string.
struct Key(Vec<u8>);

/// Implements `Deserialize` by one visitor: what is expected, and the visitor's methods.
macro_rules! deserialize_by {
    ($type:ty, $entry:ident, $expected:literal, { $($methods:tt)* }) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct By;
                impl<'de> Visitor<'de> for By {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    $($methods)*
                }
                deserializer.$entry(By)
            }
        }
    };
}

deserialize_by!(
    Envelope<'de>,
    deserialize_map,
    "an object with `items` and `pagination`",
    {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut envelope = Envelope {
                items: None,
                pagination: None,
            };
            while let Some(Key(key)) = map.next_key()? {
                match key.as_slice() {
                    b"items" => envelope.items = Some(map.next_value()?),
                    b"pagination" => envelope.pagination = Some(map.next_value()?),
                    _ => drop(map.next_value::<IgnoredAny>()?),
                }
            }
            Ok(envelope)
        }
    }
);

deserialize_by!(Items<'de>, deserialize_seq, "`items` to be an array", {
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::with_capacity(1000);
        while let Some(raw) = seq.next_element()? {
            items.push(raw);
        }
        Ok(Items(items))
    }
});

deserialize_by!(
    Pagination,
    deserialize_map,
    "`pagination` to be an object",
    {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut next = None;
            while let Some(Key(key)) = map.next_key()? {
                if key == b"nextCursor" {
                    next = map.next_value::<Option<String>>()?;
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(Pagination { next })
        }
    }
);

deserialize_by!(Key, deserialize_bytes, "a key", {
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Key(bytes.to_vec()))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Key(text.as_bytes().to_vec()))
    }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_each_record_as_sent_and_finds_the_next_cursor() {
        for (body, records, next) in [
            (
                r#"{"items":[],"pagination":{"nextCursor":null}}"#,
                vec![],
                None,
            ),
            (r#"{"items":[],"pagination":{}}"#, vec![], None),
            (
                r#"{"items":[],"pagination":{"nextCursor":""}}"#,
                vec![],
                None,
            ),
            (
                r#"{"items":[ {"a" : 1.10} ,2],"pagination":{"nextCursor":"x"}}"#,
                vec![r#"{"a" : 1.10}"#, "2"],
                Some("x"),
            ),
            (
                r#" {"pagination":{"nextCursor":"\u00e9","more":[{}]},"total":{"x":[1]},"items":[null]} "#,
                vec!["null"],
                Some("é"),
            ),
            (
                r#"{"items":[1],"items":[2],"\ud800":0,"pagination":{"nextCursor":"x","nextCursor":null}}"#,
                vec!["2"],
                None,
            ),
        ] {
            let page = page(body.as_bytes().to_vec()).unwrap();
            assert_eq!(page.records().collect::<Vec<_>>(), records, "{body}");
            assert_eq!(page.next.as_ref().map(Cursor::as_str), next, "{body}");
        }
    }

    #[test]
    fn anything_else_is_malformed_and_says_how() {
        for (body, wrong_shape) in [
            ("", false),
            ("<html>", false),
            (r#"{"items":["#, false),
            (r#"{"items":[{"a":}],"pagination":{}}"#, false),
            (r#"{"items":[],"pagination":{}} x"#, false),
            ("[]", true),
            ("{}", true),
            (r#"{"items":[]}"#, true),
            (r#"{"items":[],"pagination":null}"#, true),
            (r#"{"items":[],"pagination":[]}"#, true),
            (r#"{"items":{},"pagination":{}}"#, true),
            (r#"{"items":null,"pagination":{}}"#, true),
            (r#"{"items":[],"pagination":{"nextCursor":1}}"#, true),
            (r#"{"items":[],"pagination":{"nextCursor":{}}}"#, true),
        ] {
            let error = page(body.as_bytes().to_vec()).unwrap_err();
            assert_eq!(
                matches!(error, MalformedPage::WrongShape(_)),
                wrong_shape,
                "{body} {error}"
            );
        }
    }

    #[test]
    fn a_cursor_too_long_for_a_url_is_malformed() {
        let body = |length| {
            let cursor = "x".repeat(length);
            format!(r#"{{"items":[],"pagination":{{"nextCursor":"{cursor}"}}}}"#).into_bytes()
        };
        assert!(page(body(Cursor::MAX_BYTES)).is_ok());
        assert!(page(body(Cursor::MAX_BYTES + 1)).is_err());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_marked_and_their_neighbours_kept() {
        let body =
            b"{\"items\":[{\"a\":1},{\"b\":\"\xff\xfe\"},{\"c\":2}],\"pagination\":{}}".to_vec();
        let page = page(body).unwrap();
        assert_eq!(page.len(), 3);
        assert_eq!(page.records().nth(1), Some("{\"b\":\"\u{fffd}\u{fffd}\"}"));
        assert_eq!(
            page.foreign_bytes(1).as_deref(),
            Some(b"{\"b\":\"\xff\xfe\"}".as_slice())
        );
        assert_eq!((page.foreign_bytes(0), page.foreign_bytes(2)), (None, None));
    }

    #[test]
    fn deep_nesting_and_long_strings_pass_through() {
        let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
        let long = "x".repeat(1 << 20);
        let body = format!(r#"{{"items":[{{"d":{deep}}},{{"l":"{long}"}}],"pagination":{{}}}}"#);
        assert_eq!(page(body.into_bytes()).unwrap().len(), 2);
    }
}
