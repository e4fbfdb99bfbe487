//! What somebody meant who wrote a table or column that isn't there.

use rusqlite::Connection;

/// Names less alike than this are another word, not a slip.
const LIKENESS_MIN: f64 = 0.85;

/// The table or column whose name is nearest to the one that SQLite's message says is not there.
pub(super) fn hint(message: &str, connection: &Connection) -> Option<String> {
    let (sql, name) = if let Some(name) = message.strip_prefix("no such table: ") {
        (
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')",
            name,
        )
    } else {
        let sql = "SELECT c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
                   WHERE t.type IN ('table', 'view') AND t.name NOT LIKE 'customer_search%'";
        (sql, message.strip_prefix("no such column: ")?)
    };
    let name = name.rsplit('.').next()?.to_lowercase();
    let mut statement = connection.prepare(sql).ok()?;
    let names = statement
        .query_map([], |row| row.get::<_, String>(0))
        .ok()?;
    names
        .flatten()
        .map(|known| (strsim::jaro_winkler(&known, &name), known))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::mirror::Reader;

    #[test]
    fn slips_are_told_from_other_words() {
        let fixture = Fixture::filled();
        let reader = Reader::open(&fixture.path).unwrap();
        for (message, meant) in [
            ("no such table: customer", Some("customers")),
            ("no such table: main.live_customer", Some("live_customers")),
            ("no such table: invoices", None),
            ("no such column: c.custmer_id", Some("customer_id")),
            ("no such column: contactEmail", Some("contact_email")),
            ("no such column: shoe_size", None),
            ("near \"SELEC\": syntax error", None),
        ] {
            let hint = hint(message, reader.connection());
            assert_eq!(hint.as_deref(), meant, "{message}");
        }
    }
}
