//! What a statement may do: read this mirror, and nothing else. The file is opened read-only as well; this says so before a
//! statement begins, and keeps it from other files.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Statement};

/// Pragmas that tell something, with or without an argument.
const PRAGMAS: [&str; 18] = [
    "collation_list",
    "compile_options",
    "database_list",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "pragma_list",
    "quick_check",
    "stats",
    "table_info",
    "table_list",
    "table_xinfo",
    "data_version",
];

/// Pragmas that tell something without an argument, and set it with one.
const PRAGMAS_WITHOUT_ARGUMENT: [&str; 9] = [
    "application_id",
    "encoding",
    "freelist_count",
    "page_count",
    "page_size",
    "schema_version",
    "synchronous",
    "temp_store",
    "user_version",
];

/// Watches over a connection, and remembers what it refused.
#[derive(Debug)]
pub(super) struct Guard(Arc<Mutex<Option<String>>>);

impl Guard {
    /// Allows nothing but reading from now on.
    pub(super) fn new(connection: &mut Connection) -> rusqlite::Result<Self> {
        let refused = Arc::new(Mutex::new(None));
        let memory = Arc::clone(&refused);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            match refusal(&context) {
                None => Authorization::Allow,
                Some(what) => {
                    memory
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_or_insert(what);
                    Authorization::Deny
                }
            }
        }))?;
        Ok(Self(refused))
    }

    /// What was refused first: `DELETE from customers`.
    pub(super) fn refused(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Prepares the one statement, if it only reads.
    ///
    /// # Errors
    /// SQLite's; [`rusqlite::Error::MultipleStatement`], or [`rusqlite::Error::InvalidQuery`] if there is none.
    pub(super) fn prepare<'a>(
        &self,
        connection: &'a Connection,
        sql: &str,
    ) -> rusqlite::Result<Statement<'a>> {
        if body(sql).is_empty() {
            return Err(rusqlite::Error::InvalidQuery);
        }
        let statement = connection.prepare(sql)?;
        if !statement.readonly() {
            // VACUUM asks for leave only when it runs.
            let what = body(sql)
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_uppercase();
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(what);
            return Err(rusqlite::Error::InvalidQuery);
        }
        Ok(statement)
    }
}

/// What is refused, in SQL's words; `None` for what is allowed.
fn refusal(context: &AuthContext<'_>) -> Option<String> {
    use AuthAction as A;
    Some(match context.action {
        A::Select | A::Read { .. } | A::Recursive => return None,
        A::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            return None;
        }
        A::Pragma {
            pragma_name,
            pragma_value,
        } => {
            let is_in = |list: &[&str]| {
                list.iter()
                    .any(|name| name.eq_ignore_ascii_case(pragma_name))
            };
            if is_in(&PRAGMAS) || (pragma_value.is_none() && is_in(&PRAGMAS_WITHOUT_ARGUMENT)) {
                return None;
            }
            format!("PRAGMA {pragma_name}")
        }
        A::Function { function_name } => format!("{function_name}()"),
        A::Insert { table_name } if is_schema(table_name) => "changing the schema".to_owned(),
        A::Insert { table_name } => format!("INSERT into {table_name}"),
        A::Update { table_name, .. } => format!("UPDATE of {table_name}"),
        A::Delete { table_name } if is_schema(table_name) => "changing the schema".to_owned(),
        A::Delete { table_name } => format!("DELETE from {table_name}"),
        A::Attach { .. } => "ATTACH".to_owned(),
        A::Detach { .. } => "DETACH".to_owned(),
        A::Transaction { .. } | A::Savepoint { .. } => "a transaction".to_owned(),
        _ => "changing the schema".to_owned(),
    })
}

fn is_schema(table: &str) -> bool {
    table.starts_with("sqlite_")
}

/// The SQL from its first word on: without leading white space, comments and semicolons.
fn body(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest
            .trim_start_matches(|character: char| character.is_whitespace() || character == ';');
        rest = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, after)| after)
        } else {
            return rest;
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE customers (customer_id TEXT UNIQUE, name TEXT); CREATE VIEW live AS SELECT * FROM customers;
                 INSERT INTO customers VALUES ('c-1', 'Ada');
                 CREATE TRIGGER t AFTER INSERT ON customers BEGIN DELETE FROM customers; END;",
            )
            .unwrap();
        connection
    }

    fn attempt(sql: &str) -> Result<i64, String> {
        let mut connection = database();
        let guard = Guard::new(&mut connection).unwrap();
        let rows = guard.prepare(&connection, sql).and_then(|mut statement| {
            let mut rows = statement.raw_query();
            let mut count = 0;
            while rows.next()?.is_some() {
                count += 1;
            }
            Ok(count)
        });
        rows.map_err(|error| guard.refused().unwrap_or_else(|| error.to_string()))
    }

    #[test]
    fn nothing_but_reading_is_allowed() {
        for (sql, refused) in [
            (
                "INSERT INTO customers VALUES (1, 2)",
                "INSERT into customers",
            ),
            ("UPDATE customers SET name = 1", "UPDATE of customers"),
            ("DELETE FROM customers", "DELETE from customers"),
            (
                "WITH x AS (SELECT 1) DELETE FROM customers RETURNING *",
                "DELETE from customers",
            ),
            (
                "REPLACE INTO customers VALUES (1, 2)",
                "INSERT into customers",
            ),
            ("DROP TABLE customers", "changing the schema"),
            ("ALTER TABLE customers ADD x", "changing the schema"),
            ("CREATE TABLE x (y)", "changing the schema"),
            ("CREATE TEMP TABLE x (y)", "changing the schema"),
            ("CREATE TEMP VIEW x AS SELECT 1", "changing the schema"),
            (
                "CREATE TEMP TRIGGER x AFTER INSERT ON customers BEGIN SELECT 1; END",
                "changing the schema",
            ),
            ("CREATE INDEX x ON customers (name)", "changing the schema"),
            (
                "CREATE VIRTUAL TABLE x USING fts5(y)",
                "changing the schema",
            ),
            ("ATTACH 'other.db' AS other", "ATTACH"),
            ("ATTACH ':memory:' AS other", "ATTACH"),
            ("DETACH main", "DETACH"),
            ("VACUUM", "VACUUM"),
            ("-- a copy\nVACUUM INTO 'copy.db'", "VACUUM"),
            ("REINDEX customers", "changing the schema"),
            ("ANALYZE", "changing the schema"),
            ("BEGIN", "a transaction"),
            ("SAVEPOINT x", "a transaction"),
            ("COMMIT", "a transaction"),
            ("PRAGMA journal_mode = DELETE", "PRAGMA journal_mode"),
            ("PRAGMA journal_mode", "PRAGMA journal_mode"),
            ("PRAGMA writable_schema = ON", "PRAGMA writable_schema"),
            ("PRAGMA writable_schema", "PRAGMA writable_schema"),
            ("PRAGMA query_only = 0", "PRAGMA query_only"),
            ("PRAGMA user_version = 7", "PRAGMA user_version"),
            ("PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA wal_checkpoint"),
            (
                "PRAGMA temp_store_directory = '/tmp'",
                "PRAGMA temp_store_directory",
            ),
            ("PRAGMA optimize", "PRAGMA optimize"),
            ("SELECT load_extension('x')", "load_extension()"),
            ("SELECT LOAD_EXTENSION('x', 'y')", "load_extension()"),
            ("SELECT 1; SELECT 2", "Multiple statements provided"),
            ("SELECT 1; DELETE FROM customers", "DELETE from customers"),
            ("", "Query is not read-only"),
            (" ; -- nothing\n/* at all */ ;", "Query is not read-only"),
        ] {
            let outcome = attempt(sql).expect_err(sql);
            // These functions are not compiled into every SQLite; what counts is that they don't run.
            assert!(
                outcome == refused || outcome.contains("no such function"),
                "{sql}: {outcome}"
            );
        }
    }

    #[test]
    fn reading_is_allowed_in_every_form() {
        for (sql, rows) in [
            ("SELECT * FROM customers", 1),
            ("SELECT name FROM live;", 1),
            ("-- a comment\nSELECT 1; -- and one more", 1),
            ("SELECT 1; /* ; */ ;", 1),
            ("VALUES (1), (2)", 2),
            (
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
                5,
            ),
            ("SELECT value FROM json_each('[1,2,3]')", 3),
            (
                "SELECT count(*), upper(name) FROM customers GROUP BY name ORDER BY random()",
                1,
            ),
            ("SELECT name FROM sqlite_schema WHERE type = 'table'", 1),
            ("PRAGMA table_info(customers)", 2),
            ("PRAGMA user_version", 1),
            ("SELECT name FROM pragma_table_info('customers')", 2),
            ("PRAGMA quick_check", 1),
        ] {
            assert_eq!(attempt(sql), Ok(rows), "{sql}");
        }
        assert!(attempt("EXPLAIN QUERY PLAN SELECT * FROM customers").is_ok());
        assert!(attempt("EXPLAIN SELECT * FROM customers").is_ok());
    }

    #[test]
    fn a_full_text_index_can_be_searched() {
        let mut connection = database();
        if connection
            .execute_batch("CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f VALUES ('ada')")
            .is_ok()
        {
            let guard = Guard::new(&mut connection).unwrap();
            let mut statement = guard
                .prepare(&connection, "SELECT x FROM f WHERE f MATCH 'ada'")
                .unwrap();
            assert!(statement.raw_query().next().unwrap().is_some());
        }
    }
}
