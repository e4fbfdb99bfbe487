//! Text by strangers, made fit to be shown: no escape sequence, no line break, no text that runs backwards.
//!
//! A terminal obeys what it is sent, and a browser hides it or turns it round. Either way a reader would be fooled.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Text in which a terminal finds nothing to obey. Line breaks and tabs become spaces, other control characters their pictures
/// (`␛`), and what turns the direction of writing or hides U+FFFD.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|character| {
                if is_harmful(character) {
                    picture(character)
                } else {
                    character
                }
            })
            .collect(),
    )
}

/// JSON in which a terminal finds nothing to obey, with the same value: JSON text has no other harmful characters but white space
/// outside of strings.
pub(crate) fn harmless_json(json: &str) -> Cow<'_, str> {
    let is_harmful = |character| is_harmful(character) && !matches!(character, '\n' | '\r' | '\t');
    if !json.contains(is_harmful) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_harmful(character) {
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn picture(character: char) -> char {
    match character {
        '\n' | '\r' | '\t' => ' ',
        '\0'..='\x1f' => {
            char::from_u32(0x2400 + u32::from(character)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        '\x7f' => '␡',
        _ => char::REPLACEMENT_CHARACTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_finds_nothing_to_obey() {
        for (text, shown) in [
            ("Åsa Öberg", "Åsa Öberg"),
            ("\x1b[2J\x1b]0;pwned\x07", "␛[2J␛]0;pwned␇"),
            ("two\r\nlines\tand", "two  lines and"),
            ("c1 \u{9b}31m", "c1 \u{fffd}31m"),
            ("bidi \u{202e}gpj.exe", "bidi \u{fffd}gpj.exe"),
            ("del\x7f\0", "del␡␀"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
        ] {
            assert_eq!(harmless(text), shown, "{text:?}");
        }
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let json = "{\n \"a\": \"\u{9b}31m\u{202e}\x7f\u{e5}\"}";
        let escaped = harmless_json(json);
        assert_eq!(escaped, "{\n \"a\": \"\\u009b31m\\u202e\\u007f\u{e5}\"}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(json), value(&escaped));
    }
}
