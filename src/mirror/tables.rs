//! The tables and views that a mirror has, as SQLite sees them.

use super::schema;

/// A table or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// True for a view.
    pub is_view: bool,
    /// Names and declared types, in order; a computed column has no type.
    pub columns: Vec<(String, String)>,
}

/// The tables and views of a mirror of this version, by name; needs no mirror.
///
/// # Errors
/// SQLite's, if there is no memory for an empty mirror.
pub fn tables() -> rusqlite::Result<Vec<Table>> {
    let connection = schema::open_in_memory()?;
    // Hidden columns of a virtual table are how it is asked, and hold nothing.
    let mut columns =
        connection.prepare("SELECT name, type FROM pragma_table_xinfo(?1) WHERE hidden <> 1")?;
    connection
        .prepare(
            "SELECT name, type = 'view' FROM sqlite_schema
             WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        )?
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?
        .map(|found| {
            let (name, is_view) = found?;
            let columns = columns
                .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Table {
                name,
                is_view,
                columns,
            })
        })
        .collect()
}
