//! Asking the mirror who answers a question: candidates by the indexes, judged by what their rows say.

mod lookups;

use std::ops::Range;
use std::sync::LazyLock;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::{CustomerFilter, CustomerLine, Reader, Result};
use crate::search::{Answer, Field, Kind, Question, SEARCHED};
use lookups::Found;

/// So many answers are ranked against each other, whatever page of them is asked for: more would take longer than a page should.
pub const SEARCH_WINDOW: usize = 500;

/// Which of the answers are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchPage {
    /// So many are before them. The first [`SEARCH_WINDOW`] answers are the same ones in the same order, whatever page of them is
    /// asked for; a page that ends behind them makes the window as large as that takes.
    pub offset: usize,
    /// How many at the most.
    pub limit: usize,
    /// How long to look for them.
    pub effort: SearchEffort,
}

/// How long to look for answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchEffort {
    /// As long as it takes to fill the window, or to know that there are no more.
    Whole,
    /// For about a twentieth of a second: a filter that hardly anybody meets, or several beginnings of common words, leave answers
    /// unfound, and it is said.
    Quick,
}

impl SearchPage {
    /// The first answers, whatever it takes to find them.
    pub fn first(limit: usize) -> Self {
        Self {
            offset: 0,
            limit,
            effort: SearchEffort::Whole,
        }
    }

    fn end(self) -> usize {
        self.offset.saturating_add(self.limit)
    }

    fn window(self) -> usize {
        self.end().max(SEARCH_WINDOW)
    }
}

/// A customer that answers.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The columns that tell who it is, in this order: `customer_id`, `reference_id`, `human_readable_id`, `customer_type`, `name`,
    /// `contact_email`, `contact_msisdn`, `deleted_at`.
    pub summary: [Option<String>; 8],
    /// `billing_address_country`.
    pub country: Option<String>,
    /// `changed_at`.
    pub changed_at: String,
    /// What answers.
    pub matches: Vec<Match>,
    score: u32,
}

impl Hit {
    #[cfg(test)]
    pub(crate) fn new(summary: [Option<String>; 8], matches: Vec<Match>) -> Self {
        Self {
            summary,
            country: None,
            changed_at: String::new(),
            matches,
            score: 0,
        }
    }

    /// As a line of a list.
    pub fn line(&self) -> CustomerLine {
        let text = |index: usize| self.summary[index].clone();
        CustomerLine {
            customer_id: text(0).unwrap_or_default(),
            reference_id: text(1),
            human_readable_id: text(2),
            customer_type: text(3),
            name: text(4),
            contact_email: text(5),
            contact_msisdn: text(6),
            country: self.country.clone(),
            changed_at: self.changed_at.clone(),
            deleted_at: text(7),
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
    /// They: the page that was asked for.
    pub hits: Vec<Hit>,
    /// Whether the window has more of them, behind this page.
    pub more: bool,
    /// Whether there may be more than the window has. They were not ranked: only a narrower question leads to them.
    pub beyond_window: bool,
}

impl Reader {
    /// Customers that answer a question, the best first. One snapshot.
    pub fn search(
        &self,
        question: &Question,
        filter: &CustomerFilter,
        page: SearchPage,
    ) -> Result<Hits> {
        self.read(|connection| {
            let tx = connection.unchecked_transaction()?;
            let since = filter.since();
            let search = Search {
                connection: &tx,
                question,
                filter,
                since: since.as_deref(),
                page,
            };
            search.run()
        })
    }
}

struct Search<'a> {
    connection: &'a Connection,
    question: &'a Question,
    filter: &'a CustomerFilter,
    since: Option<&'a str>,
    page: SearchPage,
}

impl Search<'_> {
    fn run(&self) -> rusqlite::Result<Hits> {
        if self.question.is_empty() || self.page.limit == 0 {
            return Ok(Hits::default());
        }
        let mut found = Found::new(self.page.effort);
        let window = self.page.window();
        self.with_id(&mut found)?;
        if !(self.names_one() && found.hits.iter().any(|hit| hit.score == Answer::EXACT)) {
            self.with_id_like(&mut found)?;
            for lookup in self.question.lookups() {
                if found.hits.len() > window || found.is_late() {
                    break;
                }
                self.look_up(&lookup, &mut found)?;
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
        let beyond_window = found.is_cut || hits.len() > window;
        hits.truncate(window);
        let more = hits.len() > self.page.end();
        let page = hits.into_iter().skip(self.page.offset);
        Ok(Hits {
            hits: page.take(self.page.limit).collect(),
            more,
            beyond_window,
        })
    }

    /// Whether the question looks like an ID or an e-mail address: who has it is meant then, and nobody else.
    fn names_one(&self) -> bool {
        let text = self.question.text();
        text.contains(|character: char| character.is_ascii_digit() || character == '@')
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
            if let ValueRef::Text(text) = row.get_ref(SUMMARY.len() + 2 + index)?
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
        country: row.get(SUMMARY.len())?,
        changed_at: row.get(SUMMARY.len() + 1)?,
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

static CUSTOMER: LazyLock<String> = LazyLock::new(|| {
    let columns: Vec<&str> = SUMMARY
        .into_iter()
        .chain(["billing_address_country", "changed_at"])
        .chain(SEARCHED.iter().map(|searched| searched.column))
        .collect();
    format!(
        "SELECT {} FROM customers WHERE row_id = ?1",
        columns.join(", ")
    )
});

#[cfg(test)]
mod tests;
