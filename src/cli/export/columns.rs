//! Which columns are exported: those of `get`, or those that were named.

use rusqlite::Connection;

use crate::cli::output::harmless;
use crate::cli::{Exit, Failure, get};

/// Names less alike than this are another word, not a slip.
const LIKENESS_MIN: f64 = 0.85;

/// More names than this are no help.
const NAMES_MAX: usize = 5;

/// A column on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Text,
    Integer,
    /// Text that is JSON.
    Json,
    /// The users, from their own table.
    Users,
}

/// The columns to export.
#[derive(Debug)]
pub(super) struct Columns {
    /// As they come out.
    pub(super) names: Vec<String>,
    /// What they are.
    pub(super) kinds: Vec<Column>,
}

impl Columns {
    /// Those that were asked for; all if none were.
    pub(super) fn of(
        connection: &Connection,
        asked: &[String],
    ) -> rusqlite::Result<Result<Self, Failure>> {
        let all = get::columns(connection)?;
        let names = if asked.is_empty() {
            all
        } else {
            let names = asked.iter().map(|name| known(name.trim(), &all));
            match names.collect() {
                Ok(names) => names,
                Err(failure) => return Ok(Err(failure)),
            }
        };
        let integers = integers(connection)?;
        let kind = |name: &String| match name.as_str() {
            "metadata" | "raw" => Column::Json,
            "users" => Column::Users,
            _ if integers.contains(name) => Column::Integer,
            _ => Column::Text,
        };
        let kinds = names.iter().map(kind).collect();
        Ok(Ok(Self { names, kinds }))
    }

    /// The statement that reads them, with the customerId before all.
    pub(super) fn sql(&self, deleted: bool) -> String {
        let mut selected = String::from("customer_id");
        for (name, kind) in self.names.iter().zip(&self.kinds) {
            selected.push_str(", ");
            selected.push_str(match kind {
                Column::Users => "NULL",
                _ => name,
            });
        }
        let live = if deleted {
            ""
        } else {
            " WHERE deleted_at IS NULL"
        };
        format!("SELECT {selected} FROM customers{live} ORDER BY row_id")
    }
}

/// The columns of numbers.
fn integers(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM pragma_table_info('customers') WHERE type = 'INTEGER'")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn known(name: &str, all: &[String]) -> Result<String, Failure> {
    if all.iter().any(|column| column == name) {
        return Ok(name.to_owned());
    }
    let hint = match meant(name, all).as_slice() {
        [] => "`customer-mirror query --schema` explains all".to_owned(),
        names => format!("did you mean {}?", names.join(" or ")),
    };
    Err(Failure::new(
        Exit::Usage,
        format!("there is no column `{}`; {hint}", harmless(name)),
    ))
}

/// The column that was misspelt, or those that have the word in their names.
fn meant(name: &str, all: &[String]) -> Vec<String> {
    let name = name.to_lowercase().replace('.', "_");
    let nearest = all
        .iter()
        .map(|column| (strsim::jaro_winkler(column, &name), column))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let quoted = |column: &String| format!("`{column}`");
    match nearest {
        Some((likeness, column)) if likeness >= LIKENESS_MIN => vec![quoted(column)],
        _ => all
            .iter()
            .filter(|column| name.len() > 2 && column.contains(&name))
            .take(NAMES_MAX)
            .map(quoted)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::mirror::Reader;

    #[test]
    fn a_slip_is_told_with_what_was_meant() {
        let fixture = Fixture::filled();
        let reader = Reader::open(&fixture.path).unwrap();
        let asked = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Columns::of(reader.connection(), &names).unwrap()
        };
        assert_eq!(
            asked(&["users", " name "]).unwrap().names,
            ["users", "name"]
        );
        let all = asked(&[]).unwrap();
        assert_eq!(all.names.last().unwrap(), "raw");
        assert!(!all.names.contains(&"row_id".to_owned()));
        for (name, hint) in [
            ("nmae", "did you mean `name`?"),
            ("Name", "did you mean `name`?"),
            ("contact.email", "did you mean `contact_email`?"),
            ("customerId", "did you mean `customer_id`?"),
            ("email", "did you mean `contact_email` or `billing_email`?"),
            ("shoe_size", "--schema"),
            ("row_id", "--schema"),
            ("", "--schema"),
        ] {
            let failure = asked(&["name", name]).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.message.contains(hint), "{name}: {failure}");
        }
    }
}
