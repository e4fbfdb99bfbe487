//! Who may answer: row ids by the indexes, in an order that does not depend on how many answers are asked for.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, named_params};

use super::{Hit, Search, SearchEffort};
use crate::mirror::browse::FITS;
use crate::mirror::schema;
use crate::search::Lookup;

/// IDs that begin with what was asked for are looked up from so many characters on.
const ID_MIN: usize = 4;

/// Columns with an index of their own, which finds a value and its beginning.
const INDEXED: [(&str, Option<&str>); 4] = [
    ("customer_id", None),
    ("reference_id", Some("customers_reference_id")),
    ("human_readable_id", Some("customers_human_readable_id")),
    ("contact_email", Some("customers_contact_email")),
];

/// What it takes, a step being an entry of an index, of which SQLite reads some four million a second.
const STEP: u64 = 1;
/// To read whether a row is meant by the filter.
const ROW: u64 = 10;
/// To read a customer and judge it.
const JUDGEMENT: u64 = 80;

/// [`SearchEffort::Quick`]: some 50 ms. It is counted, not timed, so that another page of the same answers finds the same ones.
const QUICK_WORK_MAX: u64 = 200_000;

/// And if the machine is slow, or FTS5 has much to do for a step (to begin with, it merges the lists of all words with a common
/// beginning), nothing new is begun after this.
const QUICK_PATIENCE: Duration = Duration::from_millis(60);

/// Units of work between two looks at the time.
const WORK_A_LOOK: u64 = 1000;

/// Those found so far.
pub(super) struct Found {
    rows: HashSet<i64>,
    pub(super) hits: Vec<Hit>,
    /// Whether an index had more entries than were looked at.
    pub(super) is_cut: bool,
    /// Whether there was enough work, or time is up.
    has_ended: bool,
    work: u64,
    looked_at_time: u64,
    /// Until when, if there is an end to it.
    deadline: Option<Instant>,
}

impl Found {
    pub(super) fn new(effort: SearchEffort) -> Self {
        let is_quick = effort == SearchEffort::Quick;
        Self {
            rows: HashSet::new(),
            hits: Vec::new(),
            is_cut: false,
            has_ended: false,
            work: 0,
            looked_at_time: 0,
            deadline: is_quick.then(|| Instant::now() + QUICK_PATIENCE),
        }
    }

    /// Whether time is up.
    pub(super) fn is_late(&mut self) -> bool {
        self.has_ended |= self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        self.is_cut |= self.has_ended;
        self.has_ended
    }

    /// Whether there was enough work.
    fn is_over(&mut self) -> bool {
        if self.deadline.is_none() {
            return false;
        }
        self.has_ended |= self.work >= QUICK_WORK_MAX;
        if self.has_ended || self.work >= self.looked_at_time + WORK_A_LOOK {
            self.looked_at_time = self.work;
            return self.is_late();
        }
        false
    }
}

impl Search<'_> {
    /// The question's text as an ID that it may be: as it is, in lower and in upper case.
    fn spellings(&self) -> Vec<String> {
        let text = self.question.text();
        let mut spellings = vec![text.to_owned(), text.to_lowercase(), text.to_uppercase()];
        spellings.sort_unstable();
        spellings.dedup();
        spellings
    }

    /// Columns whose indexes are there: the first pass makes them at its end, and reading the whole table is no way to look somebody
    /// up.
    fn indexed(&self) -> rusqlite::Result<Vec<&'static str>> {
        let exists = |index| schema::has(self.connection, "index", index);
        let mut columns = Vec::new();
        for (column, index) in INDEXED {
            if index.map_or(Ok(true), exists)? {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    /// Judges who has an ID that is the question's text.
    pub(super) fn with_id(&self, found: &mut Found) -> rusqlite::Result<()> {
        for column in self.indexed()? {
            let sql = format!("SELECT row_id FROM customers WHERE {column} = ?1");
            for spelling in self.spellings() {
                self.each(&sql, &[&spelling], found)?;
            }
        }
        Ok(())
    }

    /// Judges who has an ID that begins with the question's text.
    pub(super) fn with_id_like(&self, found: &mut Found) -> rusqlite::Result<()> {
        let text = self.question.text();
        if text.chars().count() < ID_MIN || text.contains(char::is_whitespace) {
            return Ok(());
        }
        for column in self.indexed()? {
            let sql =
                format!("SELECT row_id FROM customers WHERE {column} >= ?1 AND {column} < ?2");
            for spelling in self.spellings() {
                let end = format!("{spelling}\u{10ffff}");
                self.each(&sql, &[&spelling, &end], found)?;
            }
        }
        Ok(())
    }

    /// Judges whom a lookup leads to.
    pub(super) fn look_up(&self, lookup: &Lookup, found: &mut Found) -> rusqlite::Result<()> {
        match (&lookup.words, &lookup.grams) {
            (Some(words), None) => self.each(BY_WORDS, &[words], found),
            (None, Some(grams)) => self.each(BY_GRAMS, &[grams], found),
            (Some(words), Some(grams)) => self.each_of_both(words, grams, found),
            (None, None) => Ok(()),
        }
    }

    fn each(&self, sql: &str, texts: &[&str], found: &mut Found) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(texts))?;
        let mut candidates = 0;
        while let Some(row) = rows.next()? {
            if !self.consider(row.get(0)?, &mut candidates, found)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Who is in both of two indexes, each of which tells its row ids in ascending order.
    fn each_of_both(&self, words: &str, grams: &str, found: &mut Found) -> rusqlite::Result<()> {
        let mut by_words = self.connection.prepare_cached(BY_WORDS)?;
        let mut by_words = by_words.query([words])?.mapped(|row| row.get::<_, i64>(0));
        let mut by_grams = self.connection.prepare_cached(BY_GRAMS)?;
        let mut by_grams = by_grams.query([grams])?.mapped(|row| row.get::<_, i64>(0));
        let mut candidates = 0;
        let (mut one, mut other) = (by_words.next().transpose()?, by_grams.next().transpose()?);
        while let (Some(by_word), Some(by_gram)) = (one, other) {
            found.work += STEP;
            if found.is_over() {
                return Ok(());
            }
            let order = by_word.cmp(&by_gram);
            if order == Ordering::Equal && !self.consider(by_word, &mut candidates, found)? {
                return Ok(());
            }
            if order != Ordering::Greater {
                one = by_words.next().transpose()?;
            }
            if order != Ordering::Less {
                other = by_grams.next().transpose()?;
            }
        }
        Ok(())
    }

    /// Judges a customer, unless it was looked at before or the filter leaves it out. Of those that are meant, one more than the window
    /// has is enough of one lookup to put the best of them first; returns whether to go on.
    fn consider(
        &self,
        row_id: i64,
        candidates: &mut usize,
        found: &mut Found,
    ) -> rusqlite::Result<bool> {
        if *candidates > self.page.window() {
            found.is_cut = true;
            return Ok(false);
        }
        if found.is_over() {
            return Ok(false);
        }
        found.work += STEP;
        if !found.rows.insert(row_id) {
            return Ok(true);
        }
        found.work += ROW;
        if self.is_meant(row_id)? {
            *candidates += 1;
            found.work += JUDGEMENT;
            found.hits.extend(self.judge(row_id)?);
        }
        Ok(true)
    }

    fn is_meant(&self, row_id: i64) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(&MEANT)?
            .query_row(
                named_params! {
                    ":row": row_id,
                    ":since": self.since,
                    ":live": self.filter.with_live(),
                    ":deleted": self.filter.with_deleted(),
                    ":type": self.filter.customer_type,
                    ":country": self.filter.country,
                },
                |row| row.get(0),
            )
            .optional()
            .map(|is_meant| is_meant.unwrap_or(false))
    }
}

static MEANT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT (:since IS NULL OR ifnull(deleted_at, changed_at) >= :since) AND {FITS} FROM customers WHERE row_id = :row"
    )
});

const BY_WORDS: &str = "SELECT rowid FROM customer_search WHERE customer_search MATCH ?1";

const BY_GRAMS: &str =
    "SELECT rowid FROM customer_search_parts WHERE customer_search_parts MATCH ?1";
