//! Text by strangers, fit for a terminal: no escape sequence, no line break, no text that runs backwards.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Text in which a terminal finds nothing to obey. Line breaks and tabs become spaces, other control characters their pictures
/// (`␛`), and what turns the direction of writing or hides U+FFFD.
pub(in crate::cli) fn harmless(text: &str) -> Cow<'_, str> {
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
pub(in crate::cli) fn harmless_json(json: &str) -> Cow<'_, str> {
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

/// How many columns harmless text takes.
pub(in crate::cli) fn width_of(text: &str) -> usize {
    text.width()
}

/// Text cut to a width in columns, with `…` where something is missing.
pub(in crate::cli) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    // A character takes two columns at most, so this is short only where the text may fit.
    let is_long = text.len() > width && text.width() > width;
    if !is_long {
        return Cow::Borrowed(text);
    }
    let end = fitting(text, width.saturating_sub(1));
    Cow::Owned(format!("{}…", text[..end].trim_end()))
}

/// How many bytes of the text fit into a width.
fn fitting(text: &str, width: usize) -> usize {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > width {
            return at;
        }
    }
    text.len()
}

/// Text as lines of at most `width` columns, broken at spaces where there are any. Never empty.
pub(in crate::cli) fn wrap(text: &str, width: usize) -> Vec<&str> {
    let width = width.max(2);
    let mut lines = Vec::new();
    let mut rest = text.trim();
    loop {
        let end = fitting(rest, width);
        if end == rest.len() {
            lines.push(rest);
            return lines;
        }
        // A space right behind the line is a break too.
        let at = if rest[end..].starts_with(' ') {
            Some(end)
        } else {
            rest[..end].rfind(' ')
        };
        let (line, tail) = rest.split_at(at.unwrap_or(end));
        lines.push(line.trim_end());
        rest = tail.trim_start();
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

    #[test]
    fn cutting_and_wrapping_count_columns() {
        for (text, width, shown) in [
            ("short", 5, "short"),
            ("longer", 5, "long…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("a b c", 3, "a…"),
        ] {
            assert_eq!(cut(text, width), shown);
        }
        assert_eq!(
            wrap("leave it at the door", 8),
            ["leave it", "at the", "door"]
        );
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("日本語", 2), ["日", "本", "語"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap(" x", 9), ["x"]);
    }
}
