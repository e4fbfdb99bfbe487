//! What is in the mirror, for those who write SQL: the tables that they may rely on, column by column.

use std::borrow::Cow;
use std::io::BufWriter;

use anstyle::{AnsiColor, Style};

use crate::cli::output::{Cell, FormatArgument, RowWriter, Screen, Sheet, print};
use crate::cli::{Exit, Failure};
use crate::decode::COLUMNS;
use crate::mirror::{self, Table};

/// What a table is for. Those that are not here are the program's own, and may change.
struct Explained {
    table: &'static str,
    meaning: &'static str,
    /// Of the columns that don't come straight from the record.
    columns: &'static [(&'static str, &'static str)],
}

const CUSTOMERS: &[(&str, &str)] = &[
    (
        "row_id",
        "the mirror's own number of the customer; it never changes",
    ),
    ("billing_auto_pay", "billing.autoPay: 1, 0 or NULL"),
    (
        "metadata",
        "metadata, a JSON object: use metadata ->> '$.key'",
    ),
    ("raw", "the whole record as the server sent it, JSON"),
    ("first_seen_at", "when a pass first listed the customer"),
    (
        "changed_at",
        "when the mirror's copy last changed, deletion aside",
    ),
    ("deleted_at", "when it was found gone; NULL = live"),
];

const EXPLAINED: [Explained; 9] = [
    Explained {
        table: "live_customers",
        meaning: "the customers that are not deleted: what most queries want",
        columns: CUSTOMERS,
    },
    Explained {
        table: "customers",
        meaning: "every customer, also deleted ones",
        columns: CUSTOMERS,
    },
    Explained {
        table: "customer_users",
        meaning: "the users of each customer",
        columns: &[
            ("customer_id", "the customer"),
            ("user_id", "users[].userId"),
            ("name", "users[].name"),
            ("role", "users[].role"),
        ],
    },
    Explained {
        table: "customer_changes",
        meaning: "the change feed, oldest first; see customer-mirror changes",
        columns: &[
            ("seq", "grows with each change, and never comes twice"),
            ("changed_at", "when it was mirrored"),
            ("pass_id", "the pass that found it"),
            ("customer_id", "the customer"),
            (
                "reference_id",
                "its referenceId after the change, or when it was deleted",
            ),
            ("kind", "created, updated, deleted or restored"),
            (
                "changed_fields",
                "JSON array of the JSON pointers of what changed",
            ),
            ("before", "the record before the change, JSON"),
        ],
    },
    Explained {
        table: "passes",
        meaning: "every walk of the listing, and what it found",
        columns: &[
            ("pass_id", "counts from 1"),
            ("state", "running, complete, failed or abandoned"),
            ("started_at", "when it began"),
            ("finished_at", "when it ended"),
            ("resumed", "how often it went on after an interruption"),
            ("next_cursor", "where it goes on: the checkpoint"),
            ("pages", "pages committed"),
            ("records", "records on them"),
            ("created", "customers seen for the first time"),
            ("updated", "customers that had changed"),
            ("unchanged", "customers as they were"),
            ("deleted", "customers found gone"),
            ("restored", "deleted customers that came back"),
            ("quarantined", "records that could not be mirrored"),
            ("retries", "requests that had to be repeated"),
            ("bytes", "size of the pages, decompressed"),
            (
                "sweep",
                "none, done, held, approved, discarded or superseded",
            ),
            ("error", "why it failed, or was interrupted last"),
        ],
    },
    Explained {
        table: "quarantine",
        meaning: "records that could not be mirrored, and why",
        columns: &[
            ("id", "counts from 1; see customer-mirror quarantine show"),
            ("pass_id", "the pass that met it last"),
            ("page", "on this page"),
            ("customer_id", "its customerId, if readable"),
            ("reason", "why it could not be mirrored"),
            ("raw", "the record as sent; a BLOB if it is no UTF-8"),
            ("at", "when it was met last"),
            ("raw_hash", "tells equal records"),
        ],
    },
    Explained {
        table: "reference_conflicts",
        meaning: "referenceIds that more than one live customer has",
        columns: &[
            ("reference_id", "the referenceId"),
            ("customers", "how many have it"),
            ("customer_ids", "which, JSON array"),
        ],
    },
    Explained {
        table: "customer_search",
        meaning: "full-text search (FTS5) for words in lower case and without diacritics; see customer-mirror search, which finds more",
        columns: &[
            (
                "names",
                "names of the customer, of its users and contacts; rowid is row_id of customers",
            ),
            ("addresses", "addresses"),
        ],
    },
    Explained {
        table: "mirror_freshness",
        meaning: "one row: how old the mirror is",
        columns: &[
            (
                "pass_id",
                "the last complete pass; NULL before there is one",
            ),
            (
                "started_at",
                "when that began: the mirror holds every change made before",
            ),
            ("finished_at", "when it ended"),
            ("live_customers", "customers that are not deleted"),
            ("age_seconds", "seconds since it began"),
        ],
    },
];

const EXAMPLES: [&str; 5] = [
    "SELECT customer_id, name FROM live_customers WHERE billing_address_city = 'Malmö'",
    "SELECT name, raw ->> '$.metadata.tier' AS tier FROM live_customers WHERE tier = 'gold'",
    "SELECT u.name, c.name FROM customer_users u JOIN live_customers c USING (customer_id) WHERE u.role = 'ADMIN'",
    "SELECT name FROM customers WHERE row_id IN (SELECT rowid FROM customer_search WHERE customer_search MATCH 'names: lov*')",
    "SELECT changed_at, kind, changed_fields FROM customer_changes WHERE customer_id = '4711' ORDER BY seq",
];

/// Prints the tables and views, with all their columns.
pub(super) fn print_all(format: FormatArgument) -> Result<Exit, Failure> {
    let tables = mirror::tables()
        .map_err(|error| Failure::new(Exit::Bug, format!("the schema can't be read: {error}")))?;
    let screen = Screen::of_stdout();
    if screen.terminal && format.format.is_none() {
        print(&sheet(&tables, screen))?;
        return Ok(Exit::Done);
    }
    let out = BufWriter::new(std::io::stdout().lock());
    let header = ["table", "about_table", "column", "type", "about"];
    let mut writer = RowWriter::new(out, format.or_default(screen), &header, screen)?;
    for (about, table) in documented(&tables) {
        for (column, kind) in &table.columns {
            let meaning = about_column(about, column);
            writer.write(&[
                Cell::from(about.table),
                Cell::from(about.meaning),
                Cell::from(column.as_str()),
                Cell::from(kind.as_str()),
                Cell::from(&*meaning),
            ])?;
        }
    }
    writer.finish()?;
    Ok(Exit::Done)
}

/// The table or view that is called so.
pub(super) fn name(word: &str) -> Option<&'static str> {
    let mut names = EXPLAINED.iter().map(|about| about.table);
    names.find(|table| table.eq_ignore_ascii_case(word))
}

fn documented(tables: &[Table]) -> impl Iterator<Item = (&'static Explained, &Table)> {
    EXPLAINED.iter().filter_map(|about| {
        let table = tables.iter().find(|table| table.name == about.table)?;
        Some((about, table))
    })
}

fn sheet(tables: &[Table], screen: Screen) -> String {
    let mut sheet = Sheet::new(screen, 34);
    for (about, table) in documented(tables) {
        sheet.gap();
        let kind = if table.is_view { "view" } else { "table" };
        let title = format!("{} ({kind}): {}", about.table, about.meaning);
        sheet.paragraph(AnsiColor::Cyan.on_default(), &title);
        if about.table == "live_customers" {
            sheet.paragraph(Style::new(), "  the columns of customers");
            continue;
        }
        for (column, _) in &table.columns {
            sheet.entry(column, &about_column(about, column));
        }
    }
    sheet.gap();
    sheet.paragraph(
        AnsiColor::Cyan.on_default(),
        "Times are RFC 3339 UTC text, as 2026-01-31T09:30:00.000Z; other tables are the program's own, and may change.",
    );
    sheet.gap();
    sheet.paragraph(AnsiColor::Cyan.on_default(), "Examples");
    for example in EXAMPLES {
        sheet.paragraph(Style::new(), &format!("  {example}"));
    }
    sheet.into_text()
}

fn about_column(about: &Explained, column: &str) -> Cow<'static, str> {
    if let Some((_, meaning)) = about.columns.iter().find(|(name, _)| *name == column) {
        return (*meaning).into();
    }
    COLUMNS
        .iter()
        .find(|known| known.name == column)
        .map_or(Cow::Borrowed(""), |known| known.path.join(".").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screens::terminal;
    use crate::fixture::Fixture;
    use crate::mirror::Reader;

    #[test]
    fn every_table_and_column_that_people_may_rely_on_is_explained() {
        let tables = mirror::tables().unwrap();
        assert_eq!(documented(&tables).count(), EXPLAINED.len());
        for (about, table) in documented(&tables) {
            for (column, _) in &table.columns {
                assert_ne!(about_column(about, column), "", "{}.{column}", table.name);
            }
            for (column, _) in about.columns {
                let is_there = table.columns.iter().any(|(name, _)| name == column);
                assert!(is_there, "{}.{column}", table.name);
            }
        }
    }

    #[test]
    fn the_examples_run() {
        let fixture = Fixture::filled();
        let reader = Reader::open(&fixture.path).unwrap();
        for example in EXAMPLES {
            reader.connection().prepare(example).unwrap();
        }
    }

    #[test]
    fn the_sheet_fits_a_narrow_screen() {
        let text = sheet(&mirror::tables().unwrap(), terminal(40));
        for line in text.lines() {
            assert!(crate::cli::output::width_of(line) <= 40, "{line}");
        }
    }
}
