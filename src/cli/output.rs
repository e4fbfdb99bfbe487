//! How rows and messages look. Whatever comes out of the mirror is text by strangers: on a terminal it is made harmless.

mod cell;
mod csv;
mod excel;
mod rows;
mod sheet;
mod table;
mod width;

use std::io::{IsTerminal, Write};

use anstyle::Style;

pub(super) use crate::harmless::{harmless, harmless_json};
pub(super) use crate::human::{ago, bytes, count, moment, plural, span};
pub(super) use cell::{Cell, one_line};
pub(super) use csv::{CsvRows, Dialect};
pub(super) use rows::RowWriter;
pub(super) use sheet::Sheet;
pub(super) use width::{cut, width_of, wrap};

use super::{Context, Failure};
use crate::telemetry::stderr_is_journal;

/// Shows an error on stderr.
pub fn error(message: &str) {
    let message = format!("customer-mirror: {message}");
    // The journal takes each line for an entry, and its priority from a prefix.
    let message = if stderr_is_journal() {
        let lines: Vec<_> = message.lines().map(|line| format!("<3>{line}")).collect();
        lines.join("\n")
    } else {
        wrapped(&message, stderr_width())
    };
    let _ = writeln!(anstream::stderr(), "{message}");
}

/// Columns of the terminal that stderr is, if it is one.
fn stderr_width() -> Option<usize> {
    let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(std::io::stderr())?;
    Some(usize::from(width).max(20))
}

/// Lines broken between words; those that are laid out, which begin with a space, are left alone.
fn wrapped(message: &str, width: Option<usize>) -> String {
    let Some(width) = width else {
        return message.to_owned();
    };
    let lines = message.lines().flat_map(|line| {
        if line.starts_with(' ') {
            vec![line]
        } else {
            wrap(line, width)
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Tells on stderr what is not data, unless asked to be quiet.
pub(super) fn note(context: &Context, message: &str) {
    if !context.quiet {
        let _ = writeln!(anstream::stderr(), "{}", wrapped(message, stderr_width()));
    }
}

/// Writes text to stdout at once.
///
/// # Errors
/// If stdout can't be written; a reader that went away ends the program quietly.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::output(&error))
}

/// How rows come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For reading: aligned columns, long values cut
    Table,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    Ndjson,
    /// RFC 4180, with a header
    Csv,
}

/// `--format`, for the commands that print rows.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct FormatArgument {
    /// How the rows come out [default: table on a terminal, ndjson in a pipe]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(super) format: Option<Format>,
}

impl FormatArgument {
    /// What was asked for, else what suits stdout.
    pub(super) fn or_default(self, screen: Screen) -> Format {
        self.format.unwrap_or(if screen.terminal {
            Format::Table
        } else {
            Format::Ndjson
        })
    }
}

/// Where the output goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    /// A terminal, where control characters would be obeyed.
    pub(super) terminal: bool,
    /// Columns to fill; `None` for as many as it takes.
    pub(super) width: Option<usize>,
    /// Whether colours are welcome.
    pub(super) color: bool,
}

impl Screen {
    /// What stdout is. A terminal that doesn't tell its width has 80 columns.
    pub(super) fn of_stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let width = terminal.then(|| {
            comfy_table::Table::new()
                .width()
                .map_or(80, usize::from)
                .max(20)
        });
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            terminal,
            width,
            color: terminal && !no_color && !dumb,
        }
    }

    /// Something without colours, as wide as it takes; a terminal or not.
    pub(super) fn plain(terminal: bool) -> Self {
        Self {
            terminal,
            width: None,
            color: false,
        }
    }

    /// Text in a style, where colours are welcome.
    pub(super) fn paint(self, style: Style, text: &str) -> String {
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_broken_between_words() {
        let message = "no such column: nam; did you mean `name`?\n  SELECT nam FROM live_customers\n         ^";
        assert_eq!(wrapped(message, None), message);
        assert_eq!(
            wrapped(message, Some(24)),
            "no such column: nam; did\nyou mean `name`?\n  SELECT nam FROM live_customers\n         ^"
        );
    }
}
