//! Text that a spreadsheet program takes as text.
//!
//! Quotes don't help: Excel and `LibreOffice` calculate `"=1+1"`, and make a number of `"0046701234567"`. What helps in both, and is
//! neither seen nor lost when the file is saved and opened again, is a tab before the text, inside the quotes (OWASP's advice, too).
//! An apostrophe would be seen, and `="…"` is text with an equals sign wherever formulas are not calculated, as in the import
//! dialogue of `LibreOffice`.

use std::borrow::Cow;

/// Begins a file that Excel is to read as UTF-8.
pub(super) const MARK: &str = "\u{feff}";

/// What fits in a cell, in UTF-16 units. Excel puts the rest into other cells.
const CELL_UNITS_MAX: usize = 32_767;

/// Longer text than this is no number and no date.
const NUMBER_BYTES_MAX: usize = 64;

/// What begins the names of months, in English and its neighbours.
const MONTHS: [&str; 17] = [
    "jan", "feb", "mar", "mär", "apr", "may", "maj", "mai", "jun", "jul", "aug", "sep", "oct",
    "okt", "nov", "dec", "dez",
];

/// The text as it is to be written in a field that is quoted as ever, and whether it had to be cut.
pub(super) fn fit(text: &str) -> (Cow<'_, str>, bool) {
    let is_guarded = is_formula(text) || is_number(text) || is_month(text);
    let room = CELL_UNITS_MAX - usize::from(is_guarded);
    let kept = cut(text, room);
    match (is_guarded, kept) {
        (false, None) => (Cow::Borrowed(text), false),
        (true, None) => (Cow::Owned(format!("\t{text}")), false),
        (false, Some(kept)) => (Cow::Owned(format!("{kept}…")), true),
        (true, Some(kept)) => (Cow::Owned(format!("\t{kept}…")), true),
    }
}

/// Whether it begins, but for what a program may skip, like a formula. Japanese programs take wide signs, too.
fn is_formula(text: &str) -> bool {
    let skipped = |character: char| character.is_whitespace() || character.is_control();
    if text.starts_with(char::is_control) {
        return true;
    }
    text.trim_start_matches(skipped)
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}

/// Whether it may be a number, a date or a time somewhere in the world, or is a truth value.
fn is_number(text: &str) -> bool {
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return true;
    }
    let may_be_in_one = |character: char| {
        character.is_ascii_digit()
            || character.is_whitespace()
            || ".,:/-+()'’%eE$€£".contains(character)
    };
    text.len() <= NUMBER_BYTES_MAX
        && text.contains(|character: char| character.is_ascii_digit())
        && text.chars().all(may_be_in_one)
}

/// Whether it may be a day of a month or a month of a year: `MAR1`, `1 May`, `Dec-12`.
fn is_month(text: &str) -> bool {
    if text.len() > NUMBER_BYTES_MAX {
        return false;
    }
    let text = text.to_lowercase();
    let mut words = text
        .split(|character: char| !character.is_alphabetic())
        .filter(|word| !word.is_empty());
    let (Some(word), None) = (words.next(), words.next()) else {
        return false;
    };
    let has_digit = text.contains(|character: char| character.is_ascii_digit());
    has_digit && MONTHS.iter().any(|month| word.starts_with(month))
}

/// What is kept of a text that doesn't fit, with room for a character that says so.
fn cut(text: &str, units_max: usize) -> Option<&str> {
    // No character takes more units than bytes.
    if text.len() <= units_max {
        return None;
    }
    let mut units = 0;
    let mut end = 0;
    for (at, character) in text.char_indices() {
        if units < units_max {
            end = at;
        }
        units += character.len_utf16();
        if units > units_max {
            return Some(&text[..end]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_calculated_or_converted_gets_a_tab() {
        for text in [
            "=1+1",
            "+46701234567",
            "-1",
            "@SUM(1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "\0=1",
            " =1+1",
            "＝1+1",
            "-",
            "00123",
            "12345678901234567890",
            "1E5",
            "211 34",
            "1-2",
            "2026-01-31",
            "12:30",
            "10 %",
            "(12)",
            "TRUE",
            "MAR1",
            "1 May",
            "Dec-12",
        ] {
            assert_eq!(fit(text), (format!("\t{text}").into(), false), "{text:?}");
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in [
            "",
            "Åsa",
            "7-Eleven AB",
            "12 Main Street",
            "ada1@example.com",
            "K1",
            "4f0c2e1b-0000",
            "2026-01-31T09:30:00.000Z",
            "{\"tier\": \"gold\"}",
            "[]",
            "Mars AB",
            "a=1",
        ] {
            assert_eq!(fit(text), (text.into(), false), "{text:?}");
        }
    }

    #[test]
    fn what_no_cell_can_hold_is_cut() {
        for (text, units) in [
            ("x".repeat(32_767), 32_767),
            ("x".repeat(32_768), 32_767),
            ("😀".repeat(16_384), 32_767),
            ("é".repeat(32_767), 32_767),
            (format!("={}", "x".repeat(40_000)), 32_767),
            (format!("={}", "😀".repeat(20_000)), 32_767),
        ] {
            let (fitted, is_cut) = fit(&text);
            assert_eq!(fitted.encode_utf16().count(), units);
            assert_eq!(is_cut, text.encode_utf16().count() > 32_767);
            assert_eq!(is_cut, fitted.ends_with('…'));
        }
    }
}
