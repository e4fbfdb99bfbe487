//! The proof that somebody is forgotten: what was known of them is searched for in the bytes of the mirror's files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};

use aho_corasick::AhoCorasick;
use rusqlite::{Connection, params_from_iter};

use super::search;
use crate::json::{Kind, Node};

/// Shorter texts are found anywhere by chance.
const LENGTH_MIN: usize = 5;
/// Longer ones are spread over pages of the file, and so not found in one piece.
const LENGTH_MAX: usize = 512;
/// Bounds memory, however long somebody's history is.
const TEXTS_MAX: usize = 100_000;

const BLOCK_BYTES: usize = 1 << 20;

/// What was known of the erased: the strings of their records, as sent and as they read.
#[derive(Debug, Default)]
pub(super) struct Texts(BTreeSet<String>);

impl Texts {
    /// The texts of customers, whose customerIds are a JSON array.
    pub(super) fn of(connection: &Connection, ids: &str) -> rusqlite::Result<Self> {
        let mut texts = Self::default();
        for sql in [
            "SELECT raw FROM customers WHERE customer_id IN (SELECT value FROM json_each(?1))",
            "SELECT before FROM customer_changes WHERE before IS NOT NULL AND customer_id IN (SELECT value FROM json_each(?1))",
            "SELECT raw FROM quarantine WHERE customer_id IN (SELECT value FROM json_each(?1))",
            "SELECT json_array(value) FROM json_each(?1)",
        ] {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([ids])?;
            while let Some(row) = rows.next()? {
                let raw = row.get_ref(0)?.as_bytes().unwrap_or_default();
                if let Some(node) = Node::parse(&String::from_utf8_lossy(raw)) {
                    texts.add(&node);
                }
            }
        }
        Ok(texts)
    }

    fn add(&mut self, node: &Node<'_>) {
        match &node.kind {
            Kind::Object(members) => members.iter().for_each(|(_, node)| self.add(node)),
            Kind::Array(items) => items.iter().for_each(|node| self.add(node)),
            Kind::String(text) => {
                self.keep(node.text.trim_matches('"'));
                self.keep(&text.to_lossy());
            }
            Kind::Literal => {}
        }
    }

    fn keep(&mut self, text: &str) {
        if (LENGTH_MIN..=LENGTH_MAX).contains(&text.len()) && self.0.len() < TEXTS_MAX {
            self.0.insert(text.to_owned());
        }
    }

    /// Finds any of them; `None` if there is none.
    pub(super) fn search(&self) -> Option<AhoCorasick> {
        if self.0.is_empty() {
            return None;
        }
        AhoCorasick::new(&self.0).ok()
    }

    /// Those that are in the bytes of one of these files, and in no row.
    pub(super) fn left(
        &self,
        connection: &Connection,
        files: &mut [&mut File],
        mut step: impl FnMut(),
    ) -> io::Result<rusqlite::Result<Vec<&str>>> {
        let Some(search) = self.search() else {
            return Ok(Ok(Vec::new()));
        };
        let texts: Vec<&str> = self.0.iter().map(String::as_str).collect();
        let mut found = BTreeSet::new();
        for file in files {
            find(&search, *file, &mut found, &mut step)?;
        }
        let mut left = Vec::new();
        for text in found.into_iter().filter_map(|index| texts.get(index)) {
            match is_held(connection, text) {
                Err(error) => return Ok(Err(error)),
                Ok(true) => {}
                Ok(false) => left.push(*text),
            }
            step();
        }
        Ok(Ok(left))
    }
}

/// Adds the numbers of the texts that a file holds.
fn find(
    search: &AhoCorasick,
    file: &mut impl Read,
    found: &mut BTreeSet<usize>,
    mut step: impl FnMut(),
) -> io::Result<()> {
    // Each block begins with the end of the one before it: a text may lie across the two.
    let mut block = Vec::with_capacity(BLOCK_BYTES + LENGTH_MAX);
    loop {
        let kept = block.len();
        let read = file
            .by_ref()
            .take(BLOCK_BYTES as u64)
            .read_to_end(&mut block)?;
        for hit in search.find_overlapping_iter(&block) {
            found.insert(hit.pattern().as_usize());
        }
        if read == 0 && kept == block.len() {
            return Ok(());
        }
        block.drain(..block.len().saturating_sub(LENGTH_MAX));
        step();
    }
}

/// Whether a row of any table has this text in it, or a word of the search index.
fn is_held(connection: &Connection, text: &str) -> rusqlite::Result<bool> {
    let tables: Vec<String> = connection
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'customer\\_search%' ESCAPE '\\'
               AND sql NOT LIKE 'CREATE VIRTUAL%'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for table in tables {
        let columns: Vec<String> = connection
            .prepare("SELECT name FROM pragma_table_info(?1)")?
            .query_map([&table], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let conditions: Vec<String> = columns
            .iter()
            .map(|column| format!("instr(CAST({} AS BLOB), ?1)", quoted(column)))
            .collect();
        let sql = format!(
            "SELECT 1 FROM {} WHERE {}",
            quoted(&table),
            conditions.join(" OR ")
        );
        if connection
            .prepare(&sql)?
            .exists(params_from_iter([text.as_bytes()]))?
        {
            return Ok(true);
        }
    }
    search::has_in_a_word(connection, text)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
