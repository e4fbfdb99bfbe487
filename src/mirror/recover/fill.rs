//! What can be read of the damaged file, into the new one. Twice through the pages: first all but the customers, and among it the
//! hashes that their records are held against when they come.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, params_from_iter, types};

use super::super::rows::{self, Dates, Read};
use super::super::search::Updates;
use super::super::set_meta;
use super::cells::{Content, Value};
use super::found::{Customer, Found, recognise};
use super::pages::Book;

/// Pages between two words of progress.
const PAGES_A_WORD: u32 = 25_000;
/// Customers whose words are written to the search index together.
const CUSTOMERS_AT_ONCE: usize = 5000;
/// Where the table of `mirror_meta` begins in each mirror that the program made.
const META_ROOT: u32 = 2;
/// Counted anew.
const COUNTS: [&str; 2] = ["live_customers", "deleted_customers"];

/// What was met on the way.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Pages that could not be read at all.
    pub(super) unreadable_pages: u64,
    /// Rows that are one of ours by what is left of them, and could not be read, or made no sense.
    pub(super) unreadable_rows: u64,
    /// Customers whose record is not as it was written.
    pub(super) damaged_customers: u64,
    /// How many live customers the mirror counted.
    pub(super) live: Option<i64>,
    /// The key of the hashes, which is the name of the change feed, too.
    pub(super) seed: Option<i64>,
    /// The highest numbers that tables have given.
    pub(super) sequences: BTreeMap<String, i64>,
    /// The root pages of tables and indexes.
    pub(super) roots: HashMap<String, u32>,
}

impl Findings {
    /// True if anything is not as it was written.
    pub(super) fn is_damaged(&self) -> bool {
        self.unreadable_pages + self.unreadable_rows + self.damaged_customers > 0
    }
}

/// The damaged file and the new one.
pub(super) struct Fill<'a> {
    pub(super) book: &'a Book,
    pub(super) db: &'a Connection,
    pub(super) on_step: &'a dyn Fn(String),
    pub(super) findings: Findings,
    free: Vec<u32>,
}

impl<'a> Fill<'a> {
    pub(super) fn new(book: &'a Book, db: &'a Connection, on_step: &'a dyn Fn(String)) -> Self {
        let mut free = book.free_pages();
        free.sort_unstable();
        Self {
            book,
            db,
            on_step,
            findings: Findings::default(),
            free,
        }
    }

    /// Everything but customers.
    pub(super) fn all_but_customers(&mut self) -> rusqlite::Result<()> {
        self.each("the change feed and the rest", |fill, found| {
            fill.put(found)
        })?;
        self.meta()
    }

    /// The customers, each held against its hash.
    pub(super) fn customers(&mut self) -> rusqlite::Result<()> {
        let seed = super::super::meta::<i64>(self.db, "hash_seed")?.unwrap_or_default();
        let mut updates = Updates::default();
        let mut waiting = 0;
        self.each("the customers", |fill, found| {
            let Found::Customer(customer) = found else {
                return Ok(());
            };
            fill.customer(&customer, seed.cast_unsigned(), &mut updates)?;
            waiting += 1;
            if waiting == CUSTOMERS_AT_ONCE {
                waiting = 0;
                std::mem::take(&mut updates).write(fill.db)?;
            }
            Ok(())
        })?;
        updates.write(self.db)
    }

    /// Reads all pages, and what is found on them.
    fn each(
        &mut self,
        what: &str,
        mut put: impl FnMut(&mut Self, Found) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        // Counted once, though read twice.
        (
            self.findings.unreadable_pages,
            self.findings.unreadable_rows,
        ) = (0, 0);
        for number in 1..=self.book.count {
            if number % PAGES_A_WORD == 0 {
                let percent = u64::from(number) * 100 / u64::from(self.book.count);
                (self.on_step)(format!("{what}: {percent} % of the file"));
            }
            if self.free.binary_search(&number).is_ok() {
                continue;
            }
            let Some(page) = self.book.page(number) else {
                self.findings.unreadable_pages += 1;
                continue;
            };
            let Content::Rows(rows) = self.book.rows(number, &page) else {
                continue;
            };
            for row in rows {
                match row.map(recognise) {
                    None | Some(Found::Nonsense) => self.findings.unreadable_rows += 1,
                    Some(found) => put(self, found)?,
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, found: Found) -> rusqlite::Result<()> {
        let insert = |sql: &str, values: Vec<Value>| {
            let values = values.into_iter().map(stored);
            let mut insert = self.db.prepare_cached(sql)?;
            insert.execute(params_from_iter(values)).map(drop)
        };
        match found {
            Found::State {
                row_id,
                raw_hash,
                content_hash,
                live,
            } => self
                .db
                .prepare_cached("INSERT OR IGNORE INTO customer_state VALUES (?1, ?2, ?3, ?4)")?
                .execute((row_id, raw_hash, content_hash, live))
                .map(drop),
            Found::Absence {
                row_id,
                passes,
                held,
            } => self
                .db
                .prepare_cached("INSERT OR IGNORE INTO absences VALUES (?1, ?2, ?3)")?
                .execute((row_id, passes, held))
                .map(drop),
            Found::Change(values) => insert(
                "INSERT OR IGNORE INTO customer_changes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            ),
            Found::Quarantined(values) => insert(
                "INSERT OR IGNORE INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            ),
            Found::Pass(values) => insert(
                "INSERT OR IGNORE INTO passes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            ),
            Found::Sequence(name, seq) => {
                let known = self.findings.sequences.entry(name).or_default();
                *known = seq.max(*known);
                Ok(())
            }
            Found::Root(name, root) => {
                self.findings.roots.insert(name, root);
                Ok(())
            }
            Found::Customer(_) | Found::Nonsense | Found::Other => Ok(()),
        }
    }

    /// What the mirror knows as a whole.
    fn meta(&mut self) -> rusqlite::Result<()> {
        let root = self.findings.roots.get("mirror_meta").copied();
        let mut entries = Vec::new();
        self.book
            .each_entry(root.unwrap_or(META_ROOT), &mut |entry| entries.push(entry));
        for entry in entries {
            let [Value::Text(Some(key)), value] = entry.as_slice() else {
                continue;
            };
            match (key.as_str(), value) {
                ("hash_seed", Value::Integer(seed)) => self.findings.seed = Some(*seed),
                ("live_customers", Value::Integer(live)) => self.findings.live = Some(*live),
                (_, Value::Integer(_) | Value::Text(Some(_))) => {}
                _ => continue,
            }
            if !COUNTS.contains(&key.as_str()) {
                set_meta(self.db, key, &stored(value.clone()))?;
            }
        }
        Ok(())
    }

    fn customer(
        &mut self,
        customer: &Customer,
        seed: u64,
        updates: &mut Updates,
    ) -> rusqlite::Result<()> {
        let read = match Read::of(&customer.raw, seed) {
            Ok(read) if read.customer.id == customer.id => read,
            _ => {
                self.findings.damaged_customers += 1;
                return Ok(());
            }
        };
        let written: Option<Vec<u8>> = self
            .db
            .prepare_cached("SELECT raw_hash FROM customer_state WHERE row_id = ?1")?
            .query_row([customer.row_id], |row| row.get(0))
            .optional()?;
        // Without the seed, the old hashes say nothing.
        if self.findings.seed.is_some() && written.is_some_and(|written| written != read.raw_hash) {
            self.findings.damaged_customers += 1;
            return Ok(());
        }
        let dates = Dates {
            first_seen: &customer.first_seen_at,
            changed: &customer.changed_at,
            deleted: customer.deleted_at.as_deref(),
        };
        rows::put_back(self.db, customer.row_id, &read, dates, updates).map(drop)
    }
}

fn stored(value: Value) -> types::Value {
    match value {
        Value::Integer(number) => types::Value::Integer(number),
        Value::Text(Some(text)) => types::Value::Text(text),
        Value::Blob(bytes) => types::Value::Blob(bytes),
        Value::Null | Value::Real | Value::Text(None) => types::Value::Null,
    }
}
