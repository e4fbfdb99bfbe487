//! A found customer for reading: who it is in three lines, and what else answers.

use std::ops::Range;

use anstyle::{AnsiColor, Style};

use crate::cli::output::{Screen, ago, harmless, width_of};
use crate::mirror::{Hit, Match};
use crate::model::Timestamp;

const INDENT: usize = 2;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const PLAIN: Style = Style::new();

/// What answers.
fn marked(style: Style) -> Style {
    style.fg_color(Some(AnsiColor::Yellow.into())).underline()
}

/// Texts in styles that are kept together on a line, if they fit.
type Item = Vec<(String, Style)>;

/// Lays out a hit.
pub(super) fn render(hit: &Hit, screen: Screen, now: Timestamp) -> String {
    let [
        customer_id,
        reference_id,
        readable_id,
        customer_type,
        name,
        email,
        phone,
        deleted_at,
    ] = &hit.summary;
    let mut head = Vec::new();
    match name {
        Some(name) => head.push(item(hit, "name", name, BOLD)),
        None => head.extend(
            customer_id
                .as_ref()
                .map(|id| item(hit, "customer_id", id, BOLD)),
        ),
    }
    head.extend(customer_type.as_ref().map(|kind| plain(kind, DIM)));
    let red = AnsiColor::Red.on_default().bold();
    head.extend(
        deleted_at
            .as_ref()
            .map(|at| plain(&format!("DELETED {}", ago(at, now)), red)),
    );
    let mut text = lines(head, 0, screen);
    let value = |column: &'static str, value: &Option<String>| {
        value.as_ref().map(|value| item(hit, column, value, PLAIN))
    };
    let contact = [
        value("contact_email", email),
        value("contact_msisdn", phone),
    ];
    text += &lines(contact.into_iter().flatten().collect(), INDENT, screen);
    let ids = [
        value("reference_id", reference_id),
        value("human_readable_id", readable_id),
        value("customer_id", customer_id).filter(|_| name.is_some()),
    ];
    text += &lines(ids.into_iter().flatten().collect(), INDENT, screen);
    for found in hit.matches.iter().filter(|found| !is_shown(found, hit)) {
        let mut labelled = plain(&format!("{}: ", found.column.replace('_', " ")), DIM);
        labelled.extend(pieces(&found.text, &found.marks, PLAIN));
        text += &lines(vec![labelled], INDENT, screen);
    }
    text
}

/// Whether the lines above tell it: another column may say the same.
fn is_shown(found: &Match, hit: &Hit) -> bool {
    crate::mirror::SUMMARY.contains(&found.column)
        || hit
            .summary
            .iter()
            .flatten()
            .any(|shown| *shown == found.text)
            && hit
                .matches
                .iter()
                .any(|other| other.column != found.column && other.text == found.text)
}

fn plain(text: &str, style: Style) -> Item {
    vec![(harmless(text).into_owned(), style)]
}

fn item(hit: &Hit, column: &str, value: &str, style: Style) -> Item {
    let found = hit.matches.iter().find(|found| found.column == column);
    pieces(value, found.map_or(&[], |found| &found.marks), style)
}

/// The text in pieces, those that answer in a style of their own.
fn pieces(text: &str, marks: &[Range<usize>], style: Style) -> Item {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut push = |range: Range<usize>, style| {
        if let Some(piece) = text.get(range).filter(|piece| !piece.is_empty()) {
            pieces.push((harmless(piece).into_owned(), style));
        }
    };
    for mark in marks {
        push(at..mark.start, style);
        push(mark.clone(), marked(style));
        at = mark.end;
    }
    push(at..text.len(), style);
    pieces
}

/// Items one beside another, two spaces apart; what doesn't fit goes to the next line, further in.
fn lines(items: Vec<Item>, indent: usize, screen: Screen) -> String {
    let mut page = Page {
        text: String::new(),
        used: 0,
        width: screen.width.unwrap_or(usize::MAX),
        indent,
        screen,
    };
    for item in items {
        let needed: usize = item.iter().map(|(piece, _)| width_of(piece)).sum();
        if page.used == 0 {
            page.space(indent);
        } else if page.used + 2 + needed > page.width {
            page.new_line();
        } else {
            page.space(2);
        }
        page.write(&item);
    }
    if page.used > 0 {
        page.text.push('\n');
    }
    page.text
}

/// Lines that are being filled.
struct Page {
    text: String,
    /// Columns of the last line.
    used: usize,
    width: usize,
    indent: usize,
    screen: Screen,
}

impl Page {
    fn space(&mut self, columns: usize) {
        self.text.push_str(&" ".repeat(columns));
        self.used += columns;
    }

    fn new_line(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
        self.used = 0;
        self.space(self.indent + INDENT);
    }

    /// Writes an item word by word.
    fn write(&mut self, item: &Item) {
        let letters: Vec<(char, Style)> = item
            .iter()
            .flat_map(|(piece, style)| piece.chars().map(|character| (character, *style)))
            .collect();
        for word in letters.split_inclusive(|(character, _)| *character == ' ') {
            let needed: usize = word.iter().map(|(character, _)| columns(*character)).sum();
            let is_first = self.used <= self.indent + INDENT;
            if !is_first && self.used + needed > self.width + usize::from(ends_in_space(word)) {
                self.new_line();
            }
            self.write_word(word);
        }
    }

    /// Writes a word; one that is longer than a line is broken.
    fn write_word(&mut self, word: &[(char, Style)]) {
        for run in word.chunk_by(|one, other| one.1 == other.1) {
            let mut piece = String::new();
            let style = run.first().map_or(PLAIN, |(_, style)| *style);
            for (character, _) in run {
                if self.used + columns(*character) > self.width {
                    if *character == ' ' {
                        continue;
                    }
                    self.text.push_str(&self.screen.paint(style, &piece));
                    piece.clear();
                    self.new_line();
                }
                piece.push(*character);
                self.used += columns(*character);
            }
            if !piece.is_empty() {
                self.text.push_str(&self.screen.paint(style, &piece));
            }
        }
    }
}

fn columns(character: char) -> usize {
    width_of(character.encode_utf8(&mut [0; 4]))
}

fn ends_in_space(word: &[(char, Style)]) -> bool {
    word.last().is_some_and(|(character, _)| *character == ' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screens::terminal;

    fn hit() -> Hit {
        let text = |text: &str| Some(text.to_owned());
        let summary = [
            text("6f638c2e-0c57-42d9-9c34-170556cef7f1"),
            text("crm-7"),
            None,
            text("CONSUMER"),
            text("Åsa \x1b[2J Öberg"),
            text("asa@example.com"),
            text("+46701234567"),
            text("2026-01-31T09:30:00.000Z"),
        ];
        let street = "Storgatan 12B, uppgång 3, tredje våningen till vänster";
        let found = |column, text: &str, marks| Match {
            column,
            text: text.to_owned(),
            marks,
        };
        let mark = |start, end| std::iter::once(start..end).collect();
        Hit::new(
            summary,
            vec![
                found("name", "Åsa \x1b[2J Öberg", mark(0, 4)),
                found("billing_address_street1", street, mark(0, 5)),
            ],
        )
    }

    #[test]
    fn a_hit_fits_any_screen_and_obeys_nobody() {
        let now = crate::model::parse_timestamp("2026-02-01T09:30:00.000Z").unwrap();
        for width in [20, 40, 80] {
            let text = render(&hit(), terminal(width), now);
            assert!(text.lines().all(|line| width_of(line) <= width), "{text}");
            assert!(!text.contains('\x1b'), "{text}");
        }
        let text = render(&hit(), terminal(40), now);
        assert_eq!(
            text,
            "Åsa ␛[2J Öberg  CONSUMER\n  DELETED 1 day ago\n  asa@example.com  +46701234567\n  crm-7\n    \
             6f638c2e-0c57-42d9-9c34-170556cef7f1\n  billing address street1: Storgatan\n    12B, uppgång 3, tredje våningen till\n    \
             vänster\n"
        );
    }

    #[test]
    fn what_answers_is_highlighted_where_colours_are_welcome() {
        let now = crate::model::parse_timestamp("2026-02-01T09:30:00.000Z").unwrap();
        let screen = Screen {
            color: true,
            ..terminal(80)
        };
        let text = render(&hit(), screen, now);
        assert!(
            text.contains("\x1b[1m\x1b[4m\x1b[33mÅsa\x1b[0m"),
            "{text:?}"
        );
        assert!(text.contains("Storg\x1b[0matan"), "{text:?}");
    }
}
