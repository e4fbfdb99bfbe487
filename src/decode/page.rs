//! Response bytes → [`Page`]: where each record lies, and the next cursor. One scan, nothing copied.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::model::{Cursor, Page, Repair};

/// More records than this on one page are no page: at most 1000 are asked for, and each costs memory beside the body. Far above, for
/// a server that knows no limit.
const RECORDS_MAX: usize = 100_000;
/// More places than this that are not UTF-8 are no text with flaws.
const REPAIRS_MAX: usize = 100_000;
/// The byte order mark that some servers put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// What is kept in place of a secret.
const SECRET: &[u8] = b"[key]";

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
    page_without(body, |_| Vec::new())
}

/// The same; what `secrets` finds in the body, in order, is not in the page. A record that it was in is set apart, as it isn't what
/// the server sent any more.
///
/// # Errors
/// As [`page`]; and if the cursor is one of the places, since without it no cursor is left.
pub fn page_without(
    mut body: Vec<u8>,
    secrets: impl FnOnce(&str) -> Vec<Range<usize>>,
) -> Result<Page, MalformedPage> {
    if body.starts_with(BYTE_ORDER_MARK) {
        // RFC 8259 lets a reader ignore it.
        body.drain(..BYTE_ORDER_MARK.len());
    }
    if is_utf16(&body) {
        return Err(MalformedPage::NotJson("it is UTF-16, not UTF-8".into()));
    }
    let (text, repairs) = match String::from_utf8(body) {
        Ok(text) => (text, Vec::new()),
        Err(error) => repaired(error.as_bytes())?,
    };
    let places = secrets(&text);
    let is_cut = !places.is_empty();
    let (text, repairs) = if is_cut {
        without(&text, repairs, &places)
    } else {
        (text, repairs)
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
    if is_cut
        && next
            .as_ref()
            .is_some_and(|cursor| cursor.contains(char::REPLACEMENT_CHARACTER))
    {
        return Err(MalformedPage::WrongShape(
            "`nextCursor` has the API key in it, which must not be kept".into(),
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

/// An object in UTF-16, with or without a byte order mark.
fn is_utf16(body: &[u8]) -> bool {
    matches!(
        body,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'{', ..] | [b'{', 0, ..]
    )
}

/// The body as text with U+FFFD for each run of bytes that is not UTF-8, and where those are.
fn repaired(body: &[u8]) -> Result<(String, Vec<Repair>), MalformedPage> {
    let mut text = String::with_capacity(body.len());
    let mut repairs = Vec::new();
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            if repairs.len() == REPAIRS_MAX {
                let what = format!("it is not UTF-8, in over {REPAIRS_MAX} places");
                return Err(MalformedPage::NotJson(what));
            }
            repairs.push(Repair {
                at: text.len(),
                bytes: chunk.invalid().to_vec(),
                is_secret: false,
            });
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Ok((text, repairs))
}

/// The text with U+FFFD in each of these places, which are in order, and where all stand-ins are now.
fn without(text: &str, repairs: Vec<Repair>, places: &[Range<usize>]) -> (String, Vec<Repair>) {
    let mut left = String::with_capacity(text.len());
    let mut moved: Vec<Repair> = Vec::with_capacity(repairs.len() + places.len());
    let mut repairs = repairs.into_iter().peekable();
    let mut end = 0;
    let rest = text.len()..text.len();
    for place in places.iter().chain(std::iter::once(&rest)) {
        let start = place.start.max(end);
        while let Some(repair) = repairs.next_if(|repair| repair.at < start) {
            let at = left.len() + (repair.at - end);
            moved.push(Repair { at, ..repair });
        }
        left.push_str(&text[end..start]);
        if start < place.end {
            moved.push(Repair {
                at: left.len(),
                bytes: SECRET.to_vec(),
                is_secret: true,
            });
            left.push(char::REPLACEMENT_CHARACTER);
        }
        end = start.max(place.end);
    }
    (left, moved)
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
            if items.len() == RECORDS_MAX {
                return Err(de::Error::custom(format_args!(
                    "over {RECORDS_MAX} records, though far fewer were asked for"
                )));
            }
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
    fn a_byte_order_mark_is_ignored_and_utf16_is_named() {
        let body = r#"{"items":[1],"pagination":{}}"#;
        let marked = format!("\u{feff}{body}");
        assert_eq!(page(marked.clone().into_bytes()).unwrap().len(), 1);
        let wide = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(bytes).collect()
        };
        for text in [body, &marked] {
            for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
                let error = page(wide(text, bytes)).unwrap_err().to_string();
                assert_eq!(error, "the body is not JSON: it is UTF-16, not UTF-8");
            }
        }
    }

    #[test]
    fn a_page_has_an_end() {
        let of = |records: usize| {
            let items = vec!["1"; records].join(",");
            page(format!(r#"{{"items":[{items}],"pagination":{{}}}}"#).into_bytes())
        };
        assert_eq!(of(RECORDS_MAX).unwrap().len(), RECORDS_MAX);
        let error = of(RECORDS_MAX + 1).unwrap_err().to_string();
        assert!(error.contains("over 100000 records"), "{error}");
    }

    #[test]
    fn flaws_have_an_end() {
        let of = |flaws: usize| {
            let mut body = b"{\"items\":[\"".to_vec();
            body.extend(b"\xff ".repeat(flaws));
            body.extend_from_slice(b"\"],\"pagination\":{}}");
            page(body)
        };
        assert_eq!(of(REPAIRS_MAX).unwrap().len(), 1);
        let error = of(REPAIRS_MAX + 1).unwrap_err().to_string();
        assert!(
            error.contains("not UTF-8, in over 100000 places"),
            "{error}"
        );
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
    fn a_secret_is_cut_out_and_its_record_marked() {
        let body = b"{\"items\":[{\"a\":\"\xff\"},{\"b\":\"my s3cret, s3cret\xfe\"},{\"c\":2}],\"s3cret\":1,\"pagination\":{\"nextCursor\":\"n\"}}";
        let find = |text: &str| -> Vec<Range<usize>> {
            let found = text.match_indices("s3cret");
            found.map(|(at, found)| at..at + found.len()).collect()
        };
        let page = page_without(body.to_vec(), find).unwrap();
        assert!(!page.text.contains("s3cret"));
        assert_eq!(page.next.as_ref().map(Cursor::as_str), Some("n"));
        assert_eq!(
            page.records().collect::<Vec<_>>(),
            [
                "{\"a\":\"\u{fffd}\"}",
                "{\"b\":\"my \u{fffd}, \u{fffd}\u{fffd}\"}",
                "{\"c\":2}"
            ]
        );
        let bytes = |index| page.foreign_bytes(index);
        assert_eq!(bytes(0).as_deref(), Some(b"{\"a\":\"\xff\"}".as_slice()));
        assert_eq!(
            bytes(1).as_deref(),
            Some(b"{\"b\":\"my [key], [key]\xfe\"}".as_slice())
        );
        assert_eq!(bytes(2), None);
        let secret = [0, 1, 2].map(|index| page.had_secret(index));
        assert_eq!(secret, [false, true, false]);
        let cursor = b"{\"items\":[],\"pagination\":{\"nextCursor\":\"a-s3cret\"}}";
        let error = page_without(cursor.to_vec(), find).unwrap_err().to_string();
        assert!(
            error.contains("`nextCursor` has the API key in it"),
            "{error}"
        );
    }

    #[test]
    fn deep_nesting_and_long_strings_pass_through() {
        let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
        let long = "x".repeat(1 << 20);
        let body = format!(r#"{{"items":[{{"d":{deep}}},{{"l":"{long}"}}],"pagination":{{}}}}"#);
        assert_eq!(page(body.into_bytes()).unwrap().len(), 2);
    }
}
