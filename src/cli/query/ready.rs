//! The queries that come with the program: what people ask of their customers again and again.

use std::fmt::Write as _;
use std::io::BufWriter;

use rusqlite::types::Value;

use super::parameters::Parameter;
use crate::cli::output::{Cell, Format, FormatArgument, RowWriter, Screen, Sheet, print};
use crate::cli::{Exit, Failure};

/// A query with a name, of two words at least, so that it is no SQL.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) name: &'static str,
    about: &'static str,
    /// Its placeholders: name, and the value unless another is given.
    parameters: &'static [(&'static str, i64)],
    pub(super) sql: &'static str,
}

macro_rules! ready {
    ($name:literal, $about:literal $(, $parameter:literal = $value:literal)*) => {
        Ready {
            name: $name,
            about: $about,
            parameters: &[$(($parameter, $value)),*],
            sql: include_str!(concat!("ready/", $name, ".sql")),
        }
    };
}

pub(super) static READY: [Ready; 11] = [
    ready!("by-country", "live customers of each country"),
    ready!(
        "by-type",
        "live customers of each type and way of being billed"
    ),
    ready!(
        "without-email",
        "live customers with neither a contact nor a billing e-mail"
    ),
    ready!(
        "without-reference",
        "live customers without a referenceId: your own system can't match them"
    ),
    ready!(
        "reference-conflicts",
        "live customers that share a referenceId"
    ),
    ready!(
        "duplicate-emails",
        "contact e-mails of more than one live customer"
    ),
    ready!(
        "duplicate-phones",
        "contact phone numbers of more than one live customer, however written"
    ),
    ready!(
        "autopay-without-profile",
        "live customers with autoPay, but no default payment profile"
    ),
    ready!(
        "recently-changed",
        "the change feed of the last days, newest first",
        "days" = 7
    ),
    ready!(
        "recently-deleted",
        "customers deleted in the last days",
        "days" = 30
    ),
    ready!(
        "passes-by-day",
        "what the passes of each day found, and how long they took",
        "days" = 30
    ),
];

/// Words that SQL begins with: alone, each is SQL all the same.
const VERBS: [&str; 12] = [
    "analyze", "begin", "commit", "end", "explain", "pragma", "reindex", "rollback", "select",
    "vacuum", "values", "with",
];

/// The query that is called so; `Ok(None)` for what is SQL.
pub(super) fn named(text: &str) -> Result<Option<&'static Ready>, Failure> {
    let name = text.trim().to_ascii_lowercase().replace('_', "-");
    let is_word = name
        .chars()
        .all(|character| character.is_ascii_alphanumeric() || "-.".contains(character));
    if name.is_empty() || name.starts_with('-') || !is_word || VERBS.contains(&name.as_str()) {
        return Ok(None);
    }
    if let Some(ready) = READY.iter().find(|ready| ready.name == name) {
        return Ok(Some(ready));
    }
    Err(Failure::new(Exit::Usage, no_such(text.trim(), &name)))
}

/// What to say of a single word that is nothing.
fn no_such(text: &str, name: &str) -> String {
    if let Some(table) = super::tables::name(text) {
        return format!(
            "`{text}` is no SQL, but a table: customer-mirror query 'SELECT * FROM {table} LIMIT 10'"
        );
    }
    let likeness = |ready: &Ready| strsim::jaro_winkler(ready.name, name);
    let nearest = READY
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|ready| likeness(ready) > 0.7)
        .map_or_else(String::new, |ready| {
            format!("; did you mean `{}`?", ready.name)
        });
    format!(
        "there is no ready query `{text}`{nearest} (`customer-mirror query --list` lists them, `--schema` explains the tables)"
    )
}

impl Ready {
    /// The values given, and of its own for the placeholders that got none.
    pub(super) fn complete(&self, given: &[Parameter]) -> Vec<Parameter> {
        let own = self
            .parameters
            .iter()
            .filter(|(name, _)| given.iter().all(|parameter| parameter.name() != *name))
            .map(|(name, value)| Parameter::new(name, Value::Integer(*value)));
        given.iter().cloned().chain(own).collect()
    }

    fn options(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.parameters {
            let _ = write!(text, " [-p {name}:={value}]");
        }
        text
    }
}

/// Prints the list, or the SQL of one.
pub(super) fn list(name: Option<&str>, format: FormatArgument) -> Result<Exit, Failure> {
    if let Some(name) = name {
        let ready = named(name)?.ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "with --list comes the name of a ready query, or nothing",
            )
        })?;
        print(ready.sql)?;
        return Ok(Exit::Done);
    }
    let screen = Screen::of_stdout();
    if screen.terminal && format.format.is_none() {
        print(&sheet(screen))?;
        return Ok(Exit::Done);
    }
    let out = BufWriter::new(std::io::stdout().lock());
    let columns = ["name", "about", "parameters", "sql"];
    // For reading, the SQL is one name further.
    let shown = if format.or_default(screen) == Format::Table {
        &columns[..3]
    } else {
        &columns[..]
    };
    let mut writer = RowWriter::new(out, format.or_default(screen), shown, screen)?;
    for ready in &READY {
        let parameters: serde_json::Map<_, _> = ready
            .parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        let parameters = serde_json::Value::Object(parameters).to_string();
        let cells = [
            Cell::from(ready.name),
            Cell::from(ready.about),
            Cell::from(parameters.as_str()).embedded(),
            Cell::from(ready.sql),
        ];
        writer.write(&cells[..shown.len()])?;
    }
    writer.finish()?;
    Ok(Exit::Done)
}

fn sheet(screen: Screen) -> String {
    let mut sheet = Sheet::new(screen, 26);
    for ready in &READY {
        let about = format!("{}{}", ready.about, ready.options());
        sheet.entry(ready.name, &about);
    }
    sheet.gap();
    sheet.paragraph(
        anstyle::Style::new().dimmed(),
        "customer-mirror query NAME runs one; customer-mirror query --list NAME prints its SQL",
    );
    sheet.into_text()
}

#[cfg(test)]
mod tests {
    use super::super::guard::Guard;
    use super::super::parameters;
    use super::*;
    use crate::cli::screens::terminal;
    use crate::fixture::Fixture;
    use crate::mirror::Reader;

    #[test]
    fn every_ready_query_runs() {
        let fixture = Fixture::filled();
        let mut reader = Reader::open(&fixture.path).unwrap();
        let guard = Guard::new(reader.connection_mut()).unwrap();
        for ready in &READY {
            assert!(
                matches!(named(ready.name), Ok(Some(found)) if found.name == ready.name),
                "{}",
                ready.name
            );
            let mut statement = guard.prepare(reader.connection(), ready.sql).unwrap();
            parameters::bind(&mut statement, &ready.complete(&[])).unwrap();
            let mut rows = statement.raw_query();
            while rows.next().unwrap().is_some() {}
        }
    }

    #[test]
    fn a_value_given_wins() {
        let ready = named("recently-changed").unwrap().unwrap();
        let given = [Parameter::parse("days:=2").unwrap()];
        assert_eq!(ready.complete(&given), given);
        assert_eq!(ready.complete(&[]), [Parameter::parse("days:=7").unwrap()]);
    }

    #[test]
    fn sql_is_no_name_and_a_wrong_name_is_told() {
        for sql in ["", "VACUUM", "SELECT", "select 1-1", "-- by-country", "-"] {
            assert!(named(sql).unwrap().is_none(), "{sql}");
        }
        for slip in ["by-contry", "bycountry", "ByCountry"] {
            let message = named(slip).unwrap_err().message;
            assert!(message.contains("did you mean `by-country`?"), "{message}");
        }
        assert_eq!(named("by_country").unwrap().unwrap().name, "by-country");
        let message = named("Customers").unwrap_err().message;
        assert!(
            message.contains("'SELECT * FROM customers LIMIT 10'"),
            "{message}"
        );
        let message = named("zz-zz").unwrap_err().message;
        assert!(!message.contains("did you mean"), "{message}");
    }

    #[test]
    fn the_list_fits_a_narrow_screen() {
        let text = sheet(terminal(40));
        assert!(
            text.lines()
                .all(|line| crate::cli::output::width_of(line) <= 40),
            "{text}"
        );
    }
}
