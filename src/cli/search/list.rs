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
    let width = screen.width.unwrap_or(usize::MAX);
    let mut text = String::new();
    let mut used = 0;
    for item in items {
        let needed: usize = item.iter().map(|(piece, _)| width_of(piece)).sum();
        if used == 0 {
            text.push_str(&" ".repeat(indent));
            used = indent;
        } else if used + 2 + needed > width {
            used = new_line(&mut text, indent);
        } else {
            text.push_str("  ");
            used += 2;
        }
        for (piece, style) in item {
            used = write_piece(&mut text, &piece, style, (used, width, indent), screen);
        }
    }
    if used > 0 {
        text.push('\n');
    }
    text
}

fn new_line(text: &mut String, indent: usize) -> usize {
    text.push('\n');
    text.push_str(&" ".repeat(indent + INDENT));
    indent + INDENT
}

/// Writes a piece, over the end of the line if it must be; returns how much of the line is used.
fn write_piece(
    text: &mut String,
    piece: &str,
    style: Style,
    (mut used, width, indent): (usize, usize, usize),
    screen: Screen,
) -> usize {
    let mut line = String::new();
    for character in piece.chars() {
        let takes = width_of(character.encode_utf8(&mut [0; 4]));
        if used + takes > width && used > indent + INDENT {
            text.push_str(&screen.paint(style, &line));
            line.clear();
            used = new_line(text, indent);
            if character == ' ' {
                continue;
            }
        }
        line.push(character);
        used += takes;
    }
    if !line.is_empty() {
        text.push_str(&screen.paint(style, &line));
    }
    used
}
