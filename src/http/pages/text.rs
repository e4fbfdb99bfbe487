//! Text by strangers and times, as elements.

use std::borrow::Cow;
use std::ops::Range;

use maud::{Markup, html};

use crate::harmless::{harmless, harmless_json};
use crate::human::{ago, count, moment};
use crate::model::{Timestamp, parse_timestamp};

/// So many bytes of a text are shown where it is one of many.
pub(super) const LINE_BYTES: usize = 300;
/// So many bytes of a text are shown where it is what the page is about.
pub(super) const VALUE_BYTES: usize = 20_000;
/// So many bytes of a record are shown; the rest is for a download.
pub(super) const RAW_BYTES: usize = 100_000;

/// A text by strangers: one of many, so that a long one is cut.
pub(super) fn foreign(text: &str) -> Markup {
    foreign_within(text, LINE_BYTES)
}

/// A text by strangers, cut behind so many bytes.
pub(super) fn foreign_within(text: &str, bytes_max: usize) -> Markup {
    let shown = beginning(text, bytes_max);
    html! {
        bdi { (harmless(shown)) }
        (rest_of(text, shown))
    }
}

/// JSON by strangers, or what should have been: its lines stay as they are.
pub(super) fn foreign_json(text: &str, bytes_max: usize) -> Markup {
    let shown = beginning(text, bytes_max);
    html! { bdi { (harmless_json(shown)) } (rest_of(text, shown)) }
}

/// A text in which bytes are marked, which are in order and apart.
pub(super) fn marked(text: &str, marks: &[Range<usize>]) -> Markup {
    let shown = beginning(text, LINE_BYTES);
    let mut at = 0;
    let mut pieces = Vec::new();
    for mark in marks {
        let (Some(before), Some(piece)) = (shown.get(at..mark.start), shown.get(mark.clone()))
        else {
            // Cut off with the rest of the text.
            break;
        };
        pieces.push((before, piece));
        at = mark.end;
    }
    html! {
        bdi {
            @for (before, piece) in &pieces {
                (harmless(before))
                @if !piece.is_empty() { mark { (harmless(piece)) } }
            }
            (harmless(shown.get(at..).unwrap_or_default()))
        }
        (rest_of(text, shown))
    }
}

/// The beginning of a text, in whole characters.
pub(super) fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn rest_of(text: &str, shown: &str) -> Markup {
    let hidden = text.len() - shown.len();
    html! {
        @if hidden > 0 {
            " " span.cut { "… " (count(hidden as i64)) " more bytes" }
        }
    }
}

/// A stored moment: how long ago that was; the moment itself for programs, and on hovering.
pub(super) fn since(stored: &str, now: Timestamp) -> Markup {
    html! {
        @if parse_timestamp(stored).is_some() {
            time datetime=(stored) title=(exact(stored)) { (ago(stored, now)) }
        } @else { (foreign(stored)) }
    }
}

/// A stored moment, and how long ago that was.
pub(super) fn moment_and_since(stored: &str, now: Timestamp) -> Markup {
    html! {
        @if parse_timestamp(stored).is_some() {
            time datetime=(stored) title=(exact(stored)) { (moment(stored)) }
            " (" (ago(stored, now)) ")"
        } @else { (foreign(stored)) }
    }
}

/// A stored moment to the second: `2026-01-31 09:30:05 UTC`.
pub(super) fn exact(stored: &str) -> Cow<'_, str> {
    parse_timestamp(stored).map_or_else(
        || harmless(stored),
        |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string().into(),
    )
}

/// A command for a person to run.
pub(super) fn command(line: &str) -> Markup {
    html! { code.command { (line) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_fool_a_reader_is_made_visible() {
        for (text, shown) in [
            ("<b>&\"", "<bdi>&lt;b&gt;&amp;&quot;</bdi>"),
            ("bidi \u{202e}gpj.exe", "<bdi>bidi \u{fffd}gpj.exe</bdi>"),
            ("nul \0", "<bdi>nul ␀</bdi>"),
        ] {
            assert_eq!(foreign(text).into_string(), shown);
        }
        assert_eq!(
            foreign_json("{\n\"a\": \"\u{202e}\"}", 99).into_string(),
            "<bdi>{\n&quot;a&quot;: &quot;\\u202e&quot;}</bdi>"
        );
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "å".repeat(3000);
        let shown = foreign_within(&text, 11).into_string();
        assert_eq!(
            shown,
            format!(
                "<bdi>{}</bdi> <span class=\"cut\">… 5\u{202f}990 more bytes</span>",
                "å".repeat(5)
            )
        );
    }

    #[test]
    fn marks_are_where_they_belong() {
        for (text, marks, shown) in [
            (
                "Åsa Öberg",
                vec![0..4, 5..7],
                "<mark>Åsa</mark> <mark>Ö</mark>berg",
            ),
            ("Åsa", vec![], "Åsa"),
            (
                "a<b>c",
                vec![1..2, 2..4],
                "a<mark>&lt;</mark><mark>b&gt;</mark>c",
            ),
            // In the middle of a character, behind the end, or backwards: nothing to mark, and nothing to stumble over.
            ("Åsa", vec![1..2, 2..3], "Åsa"),
            ("Åsa", vec![2..99, 99..100], "Åsa"),
            ("日本", vec![3..6, 0..3], "日<mark>本</mark>"),
        ] {
            assert_eq!(
                marked(text, &marks).into_string(),
                format!("<bdi>{shown}</bdi>"),
                "{text}"
            );
        }
    }

    #[test]
    fn times_that_are_none_are_shown_as_they_are() {
        let now = parse_timestamp("2026-01-31T09:30:00.000Z").unwrap();
        assert_eq!(
            since("<never>", now).into_string(),
            "<bdi>&lt;never&gt;</bdi>"
        );
        assert_eq!(
            since("2026-01-31T09:25:05.000Z", now).into_string(),
            "<time datetime=\"2026-01-31T09:25:05.000Z\" title=\"2026-01-31 09:25:05 UTC\">4 min ago</time>"
        );
    }
}
