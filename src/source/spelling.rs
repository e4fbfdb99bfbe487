//! The key in other spellings. A server that echoes it rarely sends it back as it came: in a URL some characters are escaped and others
//! are not, in JSON `/` may be `\/`, in HTML `&` is `&amp;`; and each library has its own idea of which. So each character of the key
//! is recognised by itself, in whatever spelling. Pure.

use std::fmt::Write as _;
use std::ops::Range;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::config::ApiKey;

/// A shorter key, or one of digits alone, may stand in a customer's record by chance.
const KEY_BYTES_MIN: usize = 12;
/// A shorter key's base64 or hex form may be a part of some word.
const ENCODED_KEY_BYTES_MIN: usize = 6;
/// As many ways to read what is there are followed; a key without backslashes and percent signs has one or two.
const ENDS_MAX: usize = 8;
/// `&#x00002F;`: no entity of one character is longer.
const ENTITY_BYTES_MAX: usize = 10;

/// The key, and its forms as a whole.
pub(super) struct Spellings {
    key: SecretString,
    /// base64 without padding, of both alphabets.
    encoded: Vec<SecretString>,
    hex: Option<SecretString>,
    /// As it stands in JSON, with and without `\/`; none if it may be there by chance.
    in_json: Vec<SecretString>,
}

impl Spellings {
    pub(super) fn new(key: &ApiKey) -> Self {
        let key = key.expose();
        let is_long = key.len() >= ENCODED_KEY_BYTES_MIN;
        let mut encoded = vec![
            BASE64_STANDARD_NO_PAD.encode(key),
            BASE64_URL_SAFE_NO_PAD.encode(key),
        ];
        encoded.dedup();
        let mut hex = String::with_capacity(2 * key.len());
        for byte in key.bytes() {
            let _ = write!(hex, "{byte:02x}");
        }
        let quoted = Value::from(key).to_string();
        let plain = quoted.trim_matches('"').to_owned();
        let mut in_json = vec![plain.replace('/', "\\/"), plain];
        in_json.dedup();
        let is_chance = key.len() < KEY_BYTES_MIN || key.bytes().all(|byte| byte.is_ascii_digit());
        let secrets = |texts: Vec<String>, are_wanted: bool| {
            let wanted = texts.into_iter().filter(|_| are_wanted);
            wanted.map(SecretString::from).collect()
        };
        Self {
            key: key.into(),
            encoded: secrets(encoded, is_long),
            hex: is_long.then(|| hex.into()),
            in_json: secrets(in_json, !is_chance),
        }
    }

    /// How many bytes at the beginning of `text` are the key, in any spelling.
    pub(super) fn at_start_of(&self, text: &str) -> Option<usize> {
        let text = text.as_bytes();
        let spelled = spelled(text, self.key.expose_secret().as_bytes());
        spelled.or_else(|| {
            // A host name loses its case.
            let begins = |form: &SecretString| {
                let begin = text.get(..form.expose_secret().len());
                begin.is_some_and(|begin| {
                    begin.eq_ignore_ascii_case(form.expose_secret().as_bytes())
                })
            };
            let encoded = self.encoded.iter().find(|form| begins(form));
            let encoded = encoded.map(|form| {
                let length = form.expose_secret().len();
                length
                    + text[length..]
                        .iter()
                        .take_while(|byte| **byte == b'=')
                        .count()
            });
            encoded.or_else(|| {
                let hex = self.hex.as_ref()?.expose_secret().as_bytes();
                let begin = text.get(..hex.len())?;
                begin.eq_ignore_ascii_case(hex).then_some(hex.len())
            })
        })
    }

    /// Where the key is in the text of a page, as JSON spells it; in order. Nothing for a key that could be there by chance.
    pub(super) fn in_json(&self, text: &str) -> Vec<Range<usize>> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for form in &self.in_json {
            let form = form.expose_secret().as_bytes();
            let places = memchr::memmem::find_iter(text.as_bytes(), form);
            found.extend(places.map(|at| at..at + form.len()));
        }
        found.sort_by_key(|place| place.start);
        found
    }
}

/// How many bytes at the beginning of `text` spell `key`, each of its bytes by itself.
fn spelled(text: &[u8], key: &[u8]) -> Option<usize> {
    if lengths(text, *key.first()?).iter().all(Option::is_none) {
        return None;
    }
    // Few at a time: `\` may be itself or begin an escape.
    let mut ends = vec![0];
    for byte in key {
        let mut next: Vec<usize> = Vec::with_capacity(ends.len());
        for end in ends {
            for length in lengths(&text[end..], *byte).into_iter().flatten() {
                if next.len() < ENDS_MAX && !next.contains(&(end + length)) {
                    next.push(end + length);
                }
            }
        }
        if next.is_empty() {
            return None;
        }
        ends = next;
    }
    ends.into_iter().max()
}

/// How long a spelling of `byte` is that `text` begins with: itself, in either case; or escaped as in URLs, JSON, HTML.
fn lengths(text: &[u8], byte: u8) -> [Option<usize>; 3] {
    let Some(first) = text.first() else {
        return [None; 3];
    };
    let itself = first.eq_ignore_ascii_case(&byte).then_some(1);
    let escaped = match first {
        b'%' => (hex(text.get(1..3)) == Some(byte.into())).then_some(3),
        b'\\' if text.get(1) == Some(&b'u') => {
            (hex(text.get(2..6)) == Some(byte.into())).then_some(6)
        }
        b'\\' => (text.get(1) == Some(&byte)).then_some(2),
        b'&' => entity(text, byte),
        _ => None,
    };
    // `%25` may be a percent sign that was escaped once more.
    let is_twice = text.starts_with(b"%25") && hex(text.get(3..5)) == Some(byte.into());
    [itself, escaped, is_twice.then_some(5)]
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits?).ok()?, 16).ok()
}

fn entity(text: &[u8], byte: u8) -> Option<usize> {
    let end = text
        .iter()
        .take(ENTITY_BYTES_MAX)
        .position(|byte| *byte == b';')?;
    let name = std::str::from_utf8(&text[1..end]).ok()?;
    let meant = match name.to_ascii_lowercase().as_str() {
        "amp" => u32::from(b'&'),
        "lt" => u32::from(b'<'),
        "gt" => u32::from(b'>'),
        "quot" => u32::from(b'"'),
        "apos" => u32::from(b'\''),
        name => {
            let number = name.strip_prefix('#')?;
            match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            }
        }
    };
    (meant == u32::from(byte)).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn spellings(key: &str) -> Spellings {
        Spellings::new(&ApiKey::new(key).unwrap())
    }

    const KEY: &str = r#"a/B+c"&\%<'=="#;

    #[rstest]
    #[case::itself(KEY)]
    #[case::in_capitals(r#"A/B+C"&\%<'=="#)]
    #[case::all_of_it_escaped("%61%2F%42%2b%63%22%26%5C%25%3C%27%3D%3D")]
    #[case::as_a_url_library_does("a/B+c%22&\\%25%3C'==")]
    #[case::escaped_twice("a%252FB%252Bc%2522%2526%255C%2525%253C%2527%253D%253D")]
    #[case::in_json(r#"a/B+c\"&\\%<'=="#)]
    #[case::in_json_by_php(r#"a\/B+c\"&\\%<'=="#)]
    #[case::in_json_for_html(r#"a/B+c\"\u0026\\%\u003c'=="#)]
    #[case::in_html("a/B+c&quot;&amp;\\%&lt;&#39;==")]
    #[case::in_html_by_others("a&#x2F;B&#43;c&#34;&AMP;\\%&lt;&apos;==")]
    #[case::in_base64("YS9CK2MiJlwlPCc9PQ==")]
    #[case::in_base64_without_padding("YS9CK2MiJlwlPCc9PQ")]
    #[case::in_hex("612F422B6322265C253C273D3D")]
    fn it_is_recognised(#[case] text: &str) {
        let spellings = spellings(KEY);
        assert_eq!(spellings.at_start_of(text), Some(text.len()), "{text}");
        let longer = format!("{text}!");
        assert_eq!(spellings.at_start_of(&longer), Some(text.len()), "{text}");
        let shorter = &text[..text.len() - 4];
        assert_eq!(spellings.at_start_of(shorter), None, "{shorter}");
    }

    #[test]
    fn a_key_that_can_be_read_in_many_ways_is_still_found() {
        let key = "\\".repeat(99);
        let found = spellings(&key).at_start_of(&"\\".repeat(300));
        assert!(found.is_some_and(|length| length >= 99), "{found:?}");
        assert_eq!(spellings(&key).at_start_of(&"\\".repeat(98)), None);
    }

    #[test]
    fn in_a_page_it_is_found_unless_it_may_be_there_by_chance() {
        let text = r#"{"a":"x/y-and-longer","b":"x\/y-and-longer"}"#;
        let found = spellings("x/y-and-longer").in_json(text);
        assert_eq!(found, [6..20, 27..42]);
        for (key, text) in [("customers", "customers"), ("123456789012", "123456789012")] {
            assert!(spellings(key).in_json(text).is_empty());
        }
    }
}
