//! A change for reading: who and when on one line, and below it what changed, old → new.

use std::borrow::Cow;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::cli::output::{Screen, cut, harmless, moment, plural, width_of};
use crate::json::{Kind, Node};
use crate::mirror::Change;

/// Changed places shown of one change.
const FIELDS_MAX: usize = 4;
/// A narrower screen has customerId and name on lines of their own: so wide is what comes before, and a UUID.
const WIDE: usize = 77;
/// What seqs take at least, so that those of a usual feed stand one below another.
const SEQ_WIDTH: usize = 7;
const INDENT: &str = "    ";
/// As much of a value as can matter.
const VALUE_CHARS_MAX: usize = 400;

/// A few lines, each no wider than the screen.
pub(super) fn render(change: &Change, screen: Screen) -> String {
    let before = change.before.as_deref().and_then(Node::parse);
    let after = change.after.as_deref().and_then(Node::parse);
    let mut text = head(change, after.as_ref().or(before.as_ref()), screen);
    let pointers: Vec<String> = serde_json::from_str(&change.changed_fields).unwrap_or_default();
    let width = screen.width.unwrap_or(usize::MAX);
    for pointer in pointers.iter().take(FIELDS_MAX) {
        let field = field(
            pointer,
            before.as_ref(),
            after.as_ref(),
            width - INDENT.len(),
        );
        let _ = writeln!(text, "{INDENT}{field}");
    }
    if let Some(more @ 1..) = pointers.len().checked_sub(FIELDS_MAX) {
        let more = format!("… and {}", plural(more as i64, "more place", "more places"));
        let _ = writeln!(text, "{INDENT}{}", screen.dim(&more));
    }
    text
}

fn head(change: &Change, record: Option<&Node<'_>>, screen: Screen) -> String {
    let style = Style::new().fg_color(Some(
        match change.kind.as_str() {
            "created" => AnsiColor::Green,
            "deleted" => AnsiColor::Red,
            "restored" => AnsiColor::Cyan,
            _ => AnsiColor::Yellow,
        }
        .into(),
    ));
    let seq = format!("{:>SEQ_WIDTH$}", change.seq);
    let kind = format!("{:<8}", change.kind);
    let at = moment(&change.changed_at);
    let name = record.and_then(|record| record.member("name"));
    let name = name.filter(|name| !name.is_null()).map(value);
    let (id, name) = (
        harmless(&change.customer_id),
        harmless(name.as_deref().unwrap_or_default()),
    );
    let width = screen.width.unwrap_or(usize::MAX);
    let inner = width - INDENT.len();
    if width < WIDE {
        let seq = seq.trim_start();
        let mut text = format!("{seq} {}", screen.paint(style, &kind));
        let room = width.saturating_sub(width_of(seq) + width_of(&kind) + 2);
        let separator = if width_of(&at) <= room {
            " ".to_owned()
        } else {
            format!("\n{INDENT}")
        };
        let _ = writeln!(text, "{separator}{}", screen.dim(&cut(&at, inner)));
        // A line of its own for what is copied from here into the next command.
        for part in [id, name] {
            if !part.is_empty() {
                let _ = writeln!(text, "{INDENT}{}", cut(&part, inner));
            }
        }
        return text;
    }
    let room = width.saturating_sub(width_of(&seq) + width_of(&at) + width_of(&kind) + 6);
    let mut text = format!(
        "{seq}  {}  {}  ",
        screen.dim(&at),
        screen.paint(style, &kind)
    );
    if width_of(&id) + 2 + width_of(&name) <= room {
        text.push_str(format!("{id}  {name}").trim_end());
        text.push('\n');
    } else {
        let _ = writeln!(text, "{}\n{INDENT}{}", cut(&id, room), cut(&name, inner));
    }
    text
}

/// `billing.email: a@x → b@x`; where it doesn't fit, both values are cut, so that something of the new one is to be seen.
fn field(
    pointer: &str,
    before: Option<&Node<'_>>,
    after: Option<&Node<'_>>,
    width: usize,
) -> String {
    let shown = |record: Option<&Node<'_>>| {
        let node = record.and_then(|record| record.at(pointer));
        node.map_or_else(
            || "(none)".to_owned(),
            |node| harmless(&value(node)).into_owned(),
        )
    };
    let (old, new) = (shown(before), shown(after));
    let label = harmless(pointer.trim_start_matches('/')).replace('/', ".");
    let label = cut(&label, width / 2);
    let room = width.saturating_sub(width_of(&label) + 2 + 3);
    let (old_width, new_width) = (width_of(&old), width_of(&new));
    let half = room / 2;
    let (old_room, new_room) = if old_width <= half {
        (old_width, room - old_width)
    } else if new_width <= half {
        (room - new_width, new_width)
    } else {
        (half, half)
    };
    format!("{label}: {} → {}", cut(&old, old_room), cut(&new, new_room))
}

/// A string without its quotes, anything else as its JSON text; no more than can matter.
fn value(node: &Node<'_>) -> String {
    let text = match &node.kind {
        Kind::String(text) => text.to_lossy(),
        _ => Cow::Borrowed(node.text),
    };
    text.chars().take(VALUE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screens::{PIPE, terminal};

    fn change(kind: &str, pointers: &str, before: Option<&str>, after: Option<&str>) -> Change {
        Change {
            seq: 1_000_234,
            changed_at: "2026-01-31T09:30:12.345Z".to_owned(),
            pass_id: Some(7),
            customer_id: "c-1".to_owned(),
            reference_id: None,
            kind: kind.to_owned(),
            changed_fields: pointers.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn who_when_and_what_changed() {
        let updated = change(
            "updated",
            r#"["/billing/email","/users/1","/balance","/a~1b","/x","/y"]"#,
            Some(
                r#"{"name":"Ada \u001b[31m","billing":{"email":"a@x.se"},"users":[1],"balance":1.50,"a/b":null,"x":1,"y":1}"#,
            ),
            Some(
                r#"{"name":"Ada","billing":{"email":"b@x.se"},"users":[1,{"userId":"u"}],"balance":1.5,"a/b":true}"#,
            ),
        );
        assert_eq!(
            render(&updated, PIPE),
            "1000234  2026-01-31 09:30 UTC  updated   c-1  Ada\n    billing.email: a@x.se → b@x.se\n    \
             users.1: (none) → {\"userId\":\"u\"}\n    balance: 1.50 → 1.5\n    a~1b: null → true\n    … and 2 more places\n"
        );
        let deleted = change("deleted", "[]", Some(r#"{"name":"Ada \u001b[31m"}"#), None);
        assert_eq!(
            render(&deleted, PIPE),
            "1000234  2026-01-31 09:30 UTC  deleted   c-1  Ada ␛[31m\n"
        );
    }

    #[test]
    fn a_narrow_screen_shows_the_whole_id() {
        let mut created = change("created", "[]", None, Some(r#"{"name":"Ada"}"#));
        created.customer_id = "276f9338-20fd-4300-bef1-7f2a58414f4f".to_owned();
        assert_eq!(
            render(&created, terminal(40)),
            "1000234 created  2026-01-31 09:30 UTC\n    276f9338-20fd-4300-bef1-7f2a58414f4f\n    Ada\n"
        );
    }

    #[test]
    fn it_fits_the_screen() {
        let long = "x".repeat(5000);
        let before = format!(
            r#"{{"name":"{long}","a":"old {long}","b":"old","c":"old {long}","{long}":1}}"#
        );
        let after = format!(
            r#"{{"name":"{long}","a":"new {long}","b":"new {long}","c":"new","{long}":2}}"#
        );
        let pointers = format!(r#"["/a","/b","/c","/{long}"]"#);
        let updated = change("updated", &pointers, Some(&before), Some(&after));
        for width in [20, 40, 80] {
            let text = render(&updated, terminal(width));
            assert!(text.lines().all(|line| width_of(line) <= width), "{text}");
            if width >= 40 {
                for part in ["a: old", "b: old → new", "→ new\n"] {
                    assert!(text.contains(part), "{part}: {text}");
                }
            }
        }
    }
}
