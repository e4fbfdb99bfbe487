//! Looking for a key, however it is written down.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// A half of the key that is shorter could be anything.
const HALF_BYTES_MIN: usize = 8;

/// What there is of the key in some bytes: the names of the forms that are found.
pub(super) fn of(key: &str, content: &[u8]) -> Vec<String> {
    let content = content.to_ascii_lowercase();
    let is_there = |form: &str| {
        let form = form.to_ascii_lowercase();
        aho_corasick::AhoCorasick::new([form])
            .unwrap()
            .is_match(&content)
    };
    let found = forms(key).into_iter().filter(|(_, form)| is_there(form));
    found.map(|(name, _)| name).collect()
}

fn hex(byte: u8) -> [char; 2] {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap();
    [digit(byte >> 4), digit(byte & 15)]
}

/// The key in every form that somebody could write or read it in, by name.
fn forms(key: &str) -> Vec<(String, String)> {
    let bytes = key.as_bytes();
    let escaped = |keep: &str| -> String {
        let kept = |byte: &u8| byte.is_ascii_alphanumeric() || keep.as_bytes().contains(byte);
        let escape = |byte: &u8| {
            if kept(byte) {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02x}")
            }
        };
        bytes.iter().map(escape).collect()
    };
    let json = serde_json::Value::from(key).to_string();
    let json = json.trim_matches('"');
    let html = key.replace('&', "&amp;").replace('<', "&lt;");
    let mut forms = vec![
        ("itself".to_owned(), key.to_owned()),
        ("for a query".to_owned(), escaped("-._~")),
        ("for a path".to_owned(), escaped("-._~!$&'()*+,;=:@/")),
        ("in a JSON text".to_owned(), json.to_owned()),
        ("in a JSON text by PHP".to_owned(), json.replace('/', "\\/")),
        ("in HTML".to_owned(), html.replace('"', "&quot;")),
        ("reversed".to_owned(), key.chars().rev().collect()),
        (
            "in hex".to_owned(),
            bytes.iter().copied().flat_map(hex).collect(),
        ),
    ];
    let (first, second) = key.split_at(key.len() / 2);
    if first.len() >= HALF_BYTES_MIN {
        forms.push(("its first half".to_owned(), first.to_owned()));
        forms.push(("its second half".to_owned(), second.to_owned()));
    }
    // What base64 makes of it depends on how much is before it; the ends depend on the neighbours.
    for skipped in 0..3 {
        let mut text = vec![0; skipped];
        text.extend_from_slice(bytes);
        for (name, encoded) in [
            ("base64", BASE64_STANDARD_NO_PAD.encode(&text)),
            ("base64url", BASE64_URL_SAFE_NO_PAD.encode(&text)),
        ] {
            let inner = encoded.get(if skipped == 0 {
                0..encoded.len() - 2
            } else {
                4..encoded.len() - 2
            });
            forms.push((format!("{name} after {skipped}"), inner.unwrap().to_owned()));
        }
    }
    forms
}

#[test]
fn each_form_is_found_and_nothing_else() {
    let key = r#"a/B+c"&%<'==x-and-more"#;
    for (name, form) in forms(key) {
        let content = format!("before {form} after");
        assert!(of(key, content.as_bytes()).contains(&name), "{name}");
    }
    assert!(of(key, b"a harmless text, and more").is_empty());
}
