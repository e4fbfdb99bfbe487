//! How many columns of a terminal a text takes, and making it fit.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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
