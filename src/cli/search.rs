//! `search`: who has this name, number, address? Answered by the mirror alone.

mod list;

use std::io::{BufWriter, Write};

use serde::Serialize;

use super::output::{Cell, FormatArgument, RowWriter, Screen, harmless, note, plural};
use super::{Context, Exit, Failure};
use crate::mirror::{CustomerFilter, CustomerStanding, Hit, Hits, Reader, SUMMARY, SearchPage};
use crate::model::Timestamp;
use crate::search::Question;
use crate::when;

/// Customers by name, e-mail, phone number, identity, ID or address
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Case, diacritics and the separators in numbers make no difference: lukasz finds Łukasz, and 070-123 45 67 finds +46701234567. \
Names and addresses are found by words or their first three letters or more, e-mail addresses, numbers and IDs by any three \
characters of theirs. A customer is found who has all that is given. The best answers come first.

Examples:
  customer-mirror search lovelace
  customer-mirror search ada lov               # both, the beginnings will do
  customer-mirror search 070-123 45 67
  customer-mirror search --type BUSINESS @example.com
  customer-mirror search --country SE --changed-since 7d stockholm
  customer-mirror search --format csv --limit 1000 stockholm > stockholm.csv")]
pub(super) struct Arguments {
    /// What to look for; several words need no quotes
    #[arg(value_name = "TEXT", required = true)]
    text: Vec<String>,
    /// Only customers of this type (CONSUMER, BUSINESS, …)
    #[arg(long = "type", value_name = "TYPE")]
    customer_type: Option<String>,
    /// Only customers whose billing address is in this country (SE, NO, …)
    #[arg(long, value_name = "COUNTRY")]
    country: Option<String>,
    /// Only customers that changed (or, with --deleted, were deleted) at this time or later: RFC 3339, a date (its beginning, UTC), or
    /// how long ago (2h, 7d)
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    changed_since: Option<Timestamp>,
    /// Deleted customers, too
    #[arg(long)]
    deleted: bool,
    /// At most so many customers, up to 10000
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    limit: u16,
    #[command(flatten)]
    format: FormatArgument,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let text = arguments.text.join(" ");
    let reader = Reader::open(&context.config.mirror.path)?;
    let question = Question::new(&text);
    if question.is_empty() {
        note(
            context,
            "nothing to search for: no letter and no digit in it",
        );
    }
    let mut filter = CustomerFilter {
        customer_type: arguments.customer_type.clone(),
        country: arguments.country.clone(),
        changed_since: arguments.changed_since,
        standing: if arguments.deleted {
            CustomerStanding::Any
        } else {
            CustomerStanding::Live
        },
    };
    let page = SearchPage::first(arguments.limit.into());
    let hits = reader.search(&question, &filter, page)?;
    let screen = Screen::of_stdout();
    print(&hits, arguments.format, screen)?;
    if screen.terminal && !question.is_empty() {
        let is_known = |filter: &CustomerFilter| -> Result<bool, Failure> {
            let found = reader.search(&question, filter, SearchPage::first(1))?;
            Ok(!found.hits.is_empty())
        };
        let remark = if !hits.hits.is_empty() {
            summed_up(&hits)
        } else if !arguments.deleted && {
            filter.standing = CustomerStanding::Any;
            is_known(&filter)?
        } {
            "no live customer matches, but a deleted one does: see --deleted".to_owned()
        } else {
            format!("no customer matches `{}`", harmless(text.trim()))
        };
        note(context, &screen.dim(&remark));
    }
    Ok(Exit::Done)
}

fn summed_up(hits: &Hits) -> String {
    let count = plural(hits.hits.len() as i64, "customer", "customers");
    match (hits.more, hits.beyond_window) {
        (true, _) => format!("{count} shown; there are more, see --limit"),
        (false, true) => format!("{count} shown; there may be more, see --limit"),
        (false, false) => count,
    }
}

fn print(hits: &Hits, format: FormatArgument, screen: Screen) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    if format.format.is_none() && screen.terminal {
        for (index, hit) in hits.hits.iter().enumerate() {
            if index > 0 {
                out.write_all(b"\n")?;
            }
            out.write_all(list::render(hit, screen, chrono::Utc::now()).as_bytes())?;
        }
        return Ok(out.flush()?);
    }
    let mut columns = SUMMARY.to_vec();
    columns.push("matches");
    let mut rows = RowWriter::new(out, format.or_default(screen), &columns, screen)?;
    for hit in &hits.hits {
        rows.write(&cells(hit))?;
    }
    Ok(rows.finish()?)
}

/// What answers, in JSON.
#[derive(Serialize)]
struct Match<'a> {
    column: &'a str,
    text: &'a str,
}

fn cells(hit: &Hit) -> Vec<Cell<'_>> {
    let matches: Vec<Match<'_>> = hit
        .matches
        .iter()
        .map(|found| Match {
            column: found.column,
            text: &found.text,
        })
        .collect();
    let summary = hit
        .summary
        .iter()
        .map(|value| value.as_deref().map_or(Cell::Null, Cell::from));
    let matches = serde_json::to_string(&matches).unwrap_or_default();
    summary.chain([Cell::Json(matches.into())]).collect()
}
