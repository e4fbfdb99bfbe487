//! Where in the SQL something is wrong, with a caret below it.

use crate::cli::output::{harmless, width_of};

/// Where in the SQL the cause of a message is, of which SQLite doesn't tell the place.
pub(super) fn found_by(message: &str, sql: &str) -> Option<usize> {
    if message == "incomplete input" {
        return Some(sql.trim_end().len());
    }
    let name = message.strip_prefix("no such table: ")?;
    let name = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    let sql = sql.to_ascii_lowercase();
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    sql.match_indices(&name)
        .map(|(at, _)| at)
        .find(|at| !sql[..*at].ends_with(is_part) && !sql[at + name.len()..].starts_with(is_part))
}

/// The line of the SQL with a caret below the byte at `offset`, shortened around it.
pub(super) fn pointed_at(sql: &str, offset: usize) -> String {
    const BEFORE: usize = 50;
    const AFTER: usize = 25;
    let offset = (0..=offset.min(sql.len()))
        .rev()
        .find(|at| sql.is_char_boundary(*at))
        .unwrap_or(0);
    let start = sql[..offset].rfind('\n').map_or(0, |at| at + 1);
    let end = sql[offset..].find('\n').map_or(sql.len(), |at| offset + at);
    let before = &sql[start..offset];
    let skipped = before.chars().count().saturating_sub(BEFORE);
    let before: String = before.chars().skip(skipped).collect();
    let before = format!(
        "{}{}",
        if skipped > 0 { "…" } else { "" },
        harmless(&before)
    );
    let after: String = sql[offset..end].chars().take(AFTER).collect();
    let rest = if after.len() < end - offset {
        "…"
    } else {
        ""
    };
    format!(
        "  {before}{}{rest}\n  {}^",
        harmless(&after),
        " ".repeat(width_of(&before))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_the_place() {
        for (sql, offset, shown) in [
            ("SELEC 1", 0, "  SELEC 1\n  ^"),
            (
                "SELECT 1,\n  nam FROM customers\n-- end",
                12,
                "    nam FROM customers\n    ^",
            ),
            ("SELECT 'å日', x", 15, "  SELECT 'å日', x\n               ^"),
            ("SELECT", 99, "  SELECT\n        ^"),
        ] {
            assert_eq!(pointed_at(sql, offset), shown, "{sql}");
        }
        let long = format!("SELECT {}, nope, {}", "1, ".repeat(100), "1, ".repeat(100));
        let shown = pointed_at(&long, 309);
        assert!(shown.lines().all(|line| width_of(line) < 80), "{shown}");
    }

    #[test]
    fn a_place_that_sqlite_does_not_tell_is_found() {
        for (message, sql, place) in [
            (
                "no such table: persons",
                "SELECT persons_2, x FROM Persons WHERE persons",
                Some(25),
            ),
            ("no such table: main.x", "SELECT xx FROM main.x", Some(20)),
            ("no such table: it's", "SELECT 1 FROM \"it's\"", Some(15)),
            ("no such table: inside_a_view", "SELECT * FROM a_view", None),
            ("incomplete input", "SELECT\n", Some(6)),
            ("too many terms", "SELECT 1", None),
        ] {
            assert_eq!(found_by(message, sql), place, "{sql}");
        }
    }
}
