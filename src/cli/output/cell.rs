//! A value of a row, and how it is written as JSON and as text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use rusqlite::types::ValueRef;
use serde_json::value::RawValue;

use crate::json;

/// A value on its way out.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) enum Cell<'a> {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT; U+FFFD for what is not UTF-8 in it.
    Text(Cow<'a, str>),
    /// BLOB; comes out as hexadecimal digits.
    Blob(&'a [u8]),
    /// Text that is JSON: embedded as such in JSON, character for character.
    Json(Cow<'a, str>),
}

impl<'a> From<ValueRef<'a>> for Cell<'a> {
    fn from(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(bytes) => Self::Text(json::utf8(bytes)),
            ValueRef::Blob(bytes) => Self::Blob(bytes),
        }
    }
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<Option<i64>> for Cell<'_> {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Null, Self::Integer)
    }
}

impl Cell<'_> {
    /// Marks text as JSON, if it is; a column that was altered by hand stays text.
    #[must_use]
    pub(in crate::cli) fn embedded(self) -> Self {
        match self {
            Self::Text(text) if serde_json::from_str::<&RawValue>(&text).is_ok() => {
                Self::Json(text)
            }
            other => other,
        }
    }

    /// True for what is aligned to the right.
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::Real(_))
    }

    /// The value as text; `None` for NULL.
    pub(in crate::cli) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(Cow::Owned(number.to_string())),
            Self::Real(number) => Some(Cow::Owned(real(*number))),
            Self::Text(text) | Self::Json(text) => Some(Cow::Borrowed(text)),
            Self::Blob(bytes) => Some(Cow::Owned(hexadecimal(bytes))),
        }
    }

    /// Appends the value as JSON, on one line.
    ///
    /// # Errors
    /// None that a text in memory has.
    pub(super) fn write_json(&self, json: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Null => json.write_all(b"null"),
            Self::Json(text) => json.write_all(one_line(text).as_bytes()),
            Self::Text(text) => Ok(serde_json::to_writer(json, text.as_ref())?),
            Self::Integer(number) => write!(json, "{number}"),
            Self::Real(number) => json.write_all(real(*number).as_bytes()),
            Self::Blob(bytes) => write!(json, "\"{}\"", hexadecimal(bytes)),
        }
    }
}

/// JSON on one line: a line break can't be in a JSON string, so each one there is is white space.
pub(in crate::cli) fn one_line(json: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'\n', b'\r', json.as_bytes()).is_some() {
        Cow::Owned(json.replace(['\n', '\r'], " "))
    } else {
        Cow::Borrowed(json)
    }
}

pub(super) fn json_string(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// A number as JSON has it, with the infinities as SQLite writes them. SQLite has no NaN.
fn real(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "9e999" } else { "-9e999" }.to_owned();
    }
    serde_json::to_string(&number).unwrap_or_default()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
