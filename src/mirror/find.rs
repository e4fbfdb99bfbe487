//! Asking the mirror who answers a question: candidates by the indexes, judged by what their rows say.

use std::ops::Range;
use std::sync::LazyLock;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, named_params};

use super::{Reader, Result};
use crate::search::{Answer, Field, Kind, Lookup, Question, SEARCHED};

/// Who is looked at of those that one lookup finds, at the least: enough to put the best of them first.
const CANDIDATES_MIN: usize = 200;

/// IDs that begin with what was asked for are looked up from so many characters on.
const ID_MIN: usize = 4;

/// Columns with an index of their own, which finds a value and its beginning.
const INDEXED: [(&str, Option<&str>); 4] = [
    ("customer_id", None),
    ("reference_id", Some("customers_reference_id")),
    ("human_readable_id", Some("customers_human_readable_id")),
    ("contact_email", Some("customers_contact_email")),
];

/// Who is searched for besides the question.
#[derive(Debug, Clone, Default)]
pub struct SearchFilter {
    /// Only customers of this type, in any case.
    pub customer_type: Option<String>,
    /// Deleted customers, too.
    pub with_deleted: bool,
}

/// A customer that answers.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The columns that tell who it is, in this order: `customer_id`, `reference_id`, `human_readable_id`, `customer_type`, `name`,
    /// `contact_email`, `contact_msisdn`, `deleted_at`.
    pub summary: [Option<String>; 8],
    /// What answers.
    pub matches: Vec<Match>,
    score: u32,
}

impl Hit {
    #[cfg(test)]
    pub(crate) fn new(summary: [Option<String>; 8], matches: Vec<Match>) -> Self {
        Self {
            summary,
            matches,
            score: 0,
        }
    }

    fn name(&self) -> Option<&str> {
        self.summary[4].as_deref()
    }

    fn is_deleted(&self) -> bool {
        self.summary[7].is_some()
    }
}

/// The names of [`Hit::summary`].
pub const SUMMARY: [&str; 8] = [
    "customer_id",
    "reference_id",
    "human_readable_id",
    "customer_type",
    "name",
    "contact_email",
    "contact_msisdn",
    "deleted_at",
];

/// A text of a customer that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Its column in `customers`; `users` for the name of a user.
    pub column: &'static str,
    /// The text.
    pub text: String,
    /// Which bytes of it answer, in order and apart.
    pub marks: Vec<Range<usize>>,
}

/// Who answers, the best answers first.
#[derive(Debug, Clone, Default)]
pub struct Hits {
    /// They, as many as were asked for at most.
    pub hits: Vec<Hit>,
    /// Whether there are more.
    pub more: bool,
}

impl Reader {
    /// Customers that answer a question, up to `limit`, the best first. One snapshot.
    pub fn search(&self, question: &Question, filter: &SearchFilter, limit: usize) -> Result<Hits> {
        self.read(|connection| {
            let tx = connection.unchecked_transaction()?;
            let search = Search {
                connection: &tx,
                question,
                filter,
                limit,
            };
            search.run()
        })
    }
}

struct Search<'a> {
    connection: &'a Connection,
    question: &'a Question,
    filter: &'a SearchFilter,
    limit: usize,
}

/// Those found so far.
#[derive(Default)]
struct Found {
    rows: std::collections::HashSet<i64>,
    hits: Vec<Hit>,
}

impl Search<'_> {
    fn run(&self) -> rusqlite::Result<Hits> {
        let mut found = Found::default();
        if self.question.is_empty() || self.limit == 0 {
            return Ok(Hits::default());
        }
        self.look_at(self.with_id()?, &mut found)?;
        if !(self.names_one() && found.hits.iter().any(|hit| hit.score == Answer::EXACT)) {
            self.look_at(self.with_id_like()?, &mut found)?;
            for lookup in self.question.lookups() {
                if found.hits.len() > self.limit {
                    break;
                }
                self.look_at(self.candidates(&lookup)?, &mut found)?;
            }
        }
        let mut hits = found.hits;
        // By score; then by name, so that equals stand beside each other.
        hits.sort_by(|one, other| {
            let key = |hit: &Hit| {
                (
                    std::cmp::Reverse(hit.score),
                    hit.is_deleted(),
                    hit.name().is_none(),
                )
            };
            key(one)
                .cmp(&key(other))
                .then_with(|| one.name().cmp(&other.name()))
                .then_with(|| one.summary[0].cmp(&other.summary[0]))
        });
        let more = hits.len() > self.limit;
        hits.truncate(self.limit);
        Ok(Hits { hits, more })
    }

    /// Whether the question looks like an ID or an e-mail address: who has it is meant then, and nobody else.
    fn names_one(&self) -> bool {
        let text = self.question.text();
        text.contains(|character: char| character.is_ascii_digit() || character == '@')
    }

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
        let mut exists = self
            .connection
            .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1")?;
        let mut columns = Vec::new();
        for (column, index) in INDEXED {
            if index.map_or(Ok(true), |index| exists.exists([index]))? {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    fn with_id(&self) -> rusqlite::Result<Vec<i64>> {
        let mut rows = Vec::new();
        for column in self.indexed()? {
            let sql = format!(
                "SELECT row_id FROM customers AS c WHERE {column} = :text AND {FILTER} LIMIT :limit"
            );
            for spelling in self.spellings() {
                self.collect(&sql, &spelling, None, &mut rows)?;
            }
        }
        Ok(rows)
    }

    /// Customers with an ID that begins with the question's text.
    fn with_id_like(&self) -> rusqlite::Result<Vec<i64>> {
        let text = self.question.text();
        let mut rows = Vec::new();
        if text.chars().count() < ID_MIN || text.contains(char::is_whitespace) {
            return Ok(rows);
        }
        for column in self.indexed()? {
            let sql = format!(
                "SELECT row_id FROM customers AS c WHERE {column} >= :text AND {column} < :other AND {FILTER} LIMIT :limit"
            );
            for spelling in self.spellings() {
                let end = format!("{spelling}\u{10ffff}");
                self.collect(&sql, &spelling, Some(&end), &mut rows)?;
            }
        }
        Ok(rows)
    }

    fn candidates(&self, lookup: &Lookup) -> rusqlite::Result<Vec<i64>> {
        let mut rows = Vec::new();
        let (sql, text, other) = match (&lookup.words, &lookup.grams) {
            (Some(words), None) => (&*BY_WORDS, words, None),
            (None, Some(grams)) => (&*BY_GRAMS, grams, None),
            (Some(words), Some(grams)) => (&*BY_BOTH, grams, Some(words.as_str())),
            (None, None) => return Ok(rows),
        };
        self.collect(sql, text, other, &mut rows)?;
        Ok(rows)
    }

    fn collect(
        &self,
        sql: &str,
        text: &str,
        other: Option<&str>,
        rows: &mut Vec<i64>,
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = CANDIDATES_MIN.max(self.limit.saturating_add(1)) as i64;
        let found = if let Some(other) = other {
            statement.query(named_params! {
                ":text": text, ":other": other, ":type": self.filter.customer_type, ":deleted": self.filter.with_deleted, ":limit": limit
            })
        } else {
            statement.query(named_params! {
                ":text": text, ":type": self.filter.customer_type, ":deleted": self.filter.with_deleted, ":limit": limit
            })
        };
        let mut found = found?;
        while let Some(row) = found.next()? {
            rows.push(row.get(0)?);
        }
        Ok(())
    }

    /// Judges candidates that were not looked at yet.
    fn look_at(&self, rows: Vec<i64>, found: &mut Found) -> rusqlite::Result<()> {
        for row_id in rows {
            if found.rows.insert(row_id)
                && let Some(hit) = self.judge(row_id)?
            {
                found.hits.push(hit);
            }
        }
        Ok(())
    }

    fn judge(&self, row_id: i64) -> rusqlite::Result<Option<Hit>> {
        let mut statement = self.connection.prepare_cached(&CUSTOMER)?;
        let mut rows = statement.query([row_id])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let names: Vec<String> = self
            .connection
            .prepare_cached("SELECT name FROM customer_users WHERE customer_id = ?1 AND name IS NOT NULL ORDER BY user_id")?
            .query_map([row.get_ref(0)?.as_str()?], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for (index, searched) in SEARCHED.iter().enumerate() {
            if let ValueRef::Text(text) = row.get_ref(SUMMARY.len() + index)?
                && let Ok(text) = std::str::from_utf8(text)
            {
                columns.push(searched.column);
                fields.push(Field {
                    kind: searched.kind,
                    text,
                });
            }
        }
        for text in &names {
            columns.push("users");
            fields.push(Field {
                kind: Kind::OtherName,
                text,
            });
        }
        let answer = self.question.judge(&fields);
        answer
            .map(|answer| hit(row, answer, &columns, &fields))
            .transpose()
    }
}

fn hit(
    row: &Row<'_>,
    answer: Answer,
    columns: &[&'static str],
    fields: &[Field<'_>],
) -> rusqlite::Result<Hit> {
    let mut summary: [Option<String>; 8] = Default::default();
    for (index, value) in summary.iter_mut().enumerate() {
        *value = row.get(index)?;
    }
    let matches = columns.iter().zip(fields).zip(answer.marks);
    Ok(Hit {
        summary,
        matches: matches
            .filter(|(_, marks)| !marks.is_empty())
            .map(|((column, field), marks)| Match {
                column,
                text: field.text.to_owned(),
                marks,
            })
            .collect(),
        score: answer.score,
    })
}

const FILTER: &str = "(:deleted OR c.deleted_at IS NULL) AND (:type IS NULL OR c.customer_type = :type COLLATE NOCASE)";

/// CROSS JOIN: from the index to the rows.
static BY_WORDS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT c.row_id FROM customer_search AS s CROSS JOIN customers AS c ON c.row_id = s.rowid
         WHERE customer_search MATCH :text AND {FILTER} LIMIT :limit"
    )
});

static BY_GRAMS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT c.row_id FROM customer_search_parts AS s CROSS JOIN customers AS c ON c.row_id = s.rowid
         WHERE customer_search_parts MATCH :text AND {FILTER} LIMIT :limit"
    )
});

/// The plus keeps SQLite from asking the index anew for each row of the other one.
static BY_BOTH: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT c.row_id FROM customer_search_parts AS s CROSS JOIN customers AS c ON c.row_id = s.rowid
         WHERE customer_search_parts MATCH :text
           AND +s.rowid IN (SELECT rowid FROM customer_search WHERE customer_search MATCH :other) AND {FILTER} LIMIT :limit"
    )
});

static CUSTOMER: LazyLock<String> = LazyLock::new(|| {
    let columns: Vec<&str> = SUMMARY
        .into_iter()
        .chain(SEARCHED.iter().map(|searched| searched.column))
        .collect();
    format!(
        "SELECT {} FROM customers WHERE row_id = ?1",
        columns.join(", ")
    )
});
