//! In what an export is written: as told, else as the file's name ends.

use std::path::Path;

use super::Arguments;
use crate::cli::output::{Dialect, harmless};
use crate::cli::{Exit, Failure};

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// RFC 4180, with a header
    Csv,
    /// One JSON object a line
    Ndjson,
    /// One JSON array of objects
    Json,
    /// Columns, compressed, for analysis
    Parquet,
    /// A complete copy of the mirror; takes --output
    Sqlite,
}

/// What names end with, and what is meant by it.
const ENDINGS: [(&str, Format); 8] = [
    ("csv", Format::Csv),
    ("ndjson", Format::Ndjson),
    ("jsonl", Format::Ndjson),
    ("json", Format::Json),
    ("parquet", Format::Parquet),
    ("db", Format::Sqlite),
    ("sqlite", Format::Sqlite),
    ("sqlite3", Format::Sqlite),
];

/// What to write.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Copy,
    Csv(Dialect),
    Parquet,
    /// JSON: an array, or a line each.
    Json {
        array: bool,
        raw: bool,
    },
}

impl Kind {
    /// What the arguments ask for.
    ///
    /// # Errors
    /// If they don't fit together, or the name's ending is that of something else.
    pub(super) fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let format = format(arguments)?;
        let usage = |message: String| Err(Failure::new(Exit::Usage, message));
        if format != Format::Csv && (arguments.excel || arguments.separator.is_some()) {
            let option = if arguments.excel {
                "--excel"
            } else {
                "--separator"
            };
            return usage(format!("{option} is for csv only; add --format csv"));
        }
        if arguments.raw && !matches!(format, Format::Ndjson | Format::Json) {
            return usage("--raw is for ndjson and json only; add --format ndjson".to_owned());
        }
        if format == Format::Sqlite && !arguments.columns.is_empty() {
            return usage("--columns is not for sqlite: the copy is complete".to_owned());
        }
        Ok(match format {
            Format::Sqlite => Self::Copy,
            Format::Parquet => Self::Parquet,
            Format::Csv => Self::Csv(Dialect {
                separator: arguments.separator.unwrap_or(','),
                excel: arguments.excel,
            }),
            Format::Json | Format::Ndjson => Self::Json {
                array: format == Format::Json,
                raw: arguments.raw,
            },
        })
    }
}

fn format(arguments: &Arguments) -> Result<Format, Failure> {
    if let Some(format) = arguments.format {
        return Ok(format);
    }
    if let Some(ending) = arguments.output.as_deref().and_then(Path::extension) {
        let ending = ending.to_string_lossy().to_lowercase();
        let known = ENDINGS.iter().find(|(known, _)| *known == ending);
        return match known {
            Some((_, format)) => Ok(*format),
            None => Err(Failure::new(
                Exit::Usage,
                format!(
                    "`.{}` says nothing of the format: name a file that ends with .csv, .ndjson, .json, .parquet or .db, or add --format",
                    harmless(&ending)
                ),
            )),
        };
    }
    let is_csv = arguments.excel || arguments.separator.is_some();
    Ok(if is_csv { Format::Csv } else { Format::Ndjson })
}

/// Reads `--separator`.
///
/// # Errors
/// What can be one.
pub(super) fn parse_separator(text: &str) -> Result<char, String> {
    match text {
        "," | ";" | "|" | "\t" => Ok(text.chars().next().unwrap_or(',')),
        "tab" | "\\t" => Ok('\t'),
        _ => Err("expected `,`, `;`, `|` or `tab`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn described(line: &str) -> String {
        let words = std::iter::once("export").chain(line.split_whitespace());
        let arguments = Line::try_parse_from(words).unwrap().arguments;
        match Kind::of(&arguments) {
            Ok(Kind::Copy) => "sqlite".to_owned(),
            Ok(Kind::Parquet) => "parquet".to_owned(),
            Ok(Kind::Csv(dialect)) => format!("csv {} {}", dialect.separator, dialect.excel),
            Ok(Kind::Json { array, raw }) => format!("json {array} {raw}"),
            Err(failure) => {
                assert_eq!(failure.exit, Exit::Usage);
                failure.message
            }
        }
    }

    #[test]
    fn the_format_is_as_told_or_as_the_name_ends() {
        for (line, expected) in [
            ("", "json false false"),
            ("-o -", "json false false"),
            ("-o customers", "json false false"),
            ("-o /dev/null", "json false false"),
            ("-o .csv", "json false false"),
            ("-o c.csv", "csv , false"),
            ("-o C.CSV", "csv , false"),
            ("-o a.b/c.jsonl", "json false false"),
            ("-o c.json", "json true false"),
            ("-o c.parquet", "parquet"),
            ("-o c.db", "sqlite"),
            ("-o c.sqlite3", "sqlite"),
            ("-o c.db --format csv", "csv , false"),
            ("--excel", "csv , true"),
            ("--separator ;", "csv ; false"),
            (
                "--excel --separator tab -o c.txt --format csv",
                "csv \t true",
            ),
            ("--raw", "json false true"),
            ("--raw -o c.json", "json true true"),
            ("--deleted -o c.db", "sqlite"),
        ] {
            assert_eq!(described(line), expected, "{line}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_told() {
        for (line, part) in [
            ("-o c.xlsx", "`.xlsx` says nothing of the format"),
            ("-o c.csv.gz", "`.gz` says nothing"),
            ("--excel -o c.ndjson", "--excel is for csv only"),
            ("--separator ; --format json", "--separator is for csv only"),
            ("--raw -o c.csv", "--raw is for ndjson and json"),
            ("--raw -o c.parquet", "--raw is for ndjson and json"),
            ("--raw -o c.db", "--raw is for ndjson and json"),
            ("--columns name -o c.db", "the copy is complete"),
        ] {
            let message = described(line);
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
