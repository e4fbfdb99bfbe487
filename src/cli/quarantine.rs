//! `quarantine`: the records that can't be mirrored, and trying them again.

use std::io::BufWriter;

use anstyle::Style;
use chrono::Utc;
use clap::Subcommand;

use super::output::{
    Cell, FormatArgument, RowWriter, Screen, Sheet, ago, harmless, harmless_json, moment, note,
    one_line, print,
};
use super::{Context, Exit, Failure};
use crate::mirror::{Mirror, Quarantined, Reader};

/// Show quarantined records, or try them again
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
#[command(after_help = "\
Examples:
  customer-mirror quarantine
  customer-mirror quarantine show 1")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: FormatArgument,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the records (the default)
    #[command(
        after_help = "Example:  customer-mirror quarantine list --format csv > quarantine.csv"
    )]
    List(FormatArgument),
    /// Shows one record: why it is there and its JSON; in a pipe as one JSON object
    #[command(after_help = "Example:  customer-mirror quarantine show 1 --raw")]
    Show {
        /// The record's number, from the list
        #[arg(value_name = "ID")]
        id: i64,
        /// Print the JSON alone, as the server sent it
        #[arg(long)]
        raw: bool,
    },
    /// Tries all records again, as a newer version may understand them
    #[command(after_help = "Example:  customer-mirror quarantine retry")]
    Retry,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    match arguments.action {
        None => list(context, arguments.list),
        Some(Action::List(format)) => list(context, format),
        Some(Action::Show { id, raw }) => show(context, id, raw),
        Some(Action::Retry) => {
            let mut mirror = Mirror::open_beside(
                &context.config.mirror.path,
                "customer-mirror quarantine retry",
            )?;
            let retried = mirror.retry_quarantine(Utc::now())?;
            print(&format!(
                "{} mirrored, {} still in quarantine\n",
                retried.mirrored, retried.remaining
            ))?;
            Ok(Exit::Done)
        }
    }
}

fn list(context: &Context, format: FormatArgument) -> Result<Exit, Failure> {
    let reader = Reader::open(&context.config.mirror.path)?;
    let screen = Screen::of_stdout();
    let broken = |error| Failure::output(&error);
    let sorted = |error| Failure::from(reader.sorted(error));
    let columns = [
        "id",
        "pass_id",
        "page",
        "customer_id",
        "reason",
        "at",
        "raw",
    ];
    let sql = "SELECT id, pass_id, page, customer_id, reason, at, raw FROM quarantine ORDER BY id";
    let mut statement = reader.connection().prepare(sql).map_err(sorted)?;
    let mut rows = statement.query([]).map_err(sorted)?;
    let mut next = rows.next().map_err(sorted)?;
    if next.is_none() {
        note(context, "nothing is in quarantine");
        if screen.terminal && format.format.is_none() {
            return Ok(Exit::Done);
        }
    }
    let out = BufWriter::new(std::io::stdout().lock());
    let mut writer =
        RowWriter::new(out, format.or_default(screen), &columns, screen).map_err(broken)?;
    while let Some(row) = next {
        let cells: rusqlite::Result<Vec<_>> = (0..columns.len())
            .map(|index| row.get_ref(index).map(Cell::from))
            .collect();
        writer.write(&cells.map_err(sorted)?).map_err(broken)?;
        next = rows.next().map_err(sorted)?;
    }
    writer.finish().map_err(broken)?;
    Ok(Exit::Done)
}

fn show(context: &Context, id: i64, raw: bool) -> Result<Exit, Failure> {
    let reader = Reader::open(&context.config.mirror.path)?;
    let record = reader.quarantined(id)?.ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            format!("no quarantined record has the ID {id}"),
        )
    })?;
    let screen = Screen::of_stdout();
    let text = if raw {
        let line = one_line(&record.raw);
        // What is in quarantine may be no JSON at all.
        let line = if screen.terminal {
            harmless(&harmless_json(&line)).into_owned()
        } else {
            line.into_owned()
        };
        format!("{line}\n")
    } else if screen.terminal {
        card(&record, screen)
    } else {
        let json = serde_json::to_string(&record).map_err(|error| {
            Failure::new(
                Exit::Bug,
                format!("can't write the record as JSON: {error}"),
            )
        })?;
        format!("{json}\n")
    };
    print(&text)?;
    Ok(Exit::Done)
}

fn card(record: &Quarantined, screen: Screen) -> String {
    let mut sheet = Sheet::new(screen, 11);
    sheet.paragraph(
        Style::new().bold(),
        &format!("Quarantined record {}", record.id),
    );
    sheet.field("reason", &record.reason);
    sheet.field(
        "customer ID",
        record.customer_id.as_deref().unwrap_or("can't be read"),
    );
    if let (Some(pass), Some(page)) = (record.pass_id, record.page) {
        sheet.field(
            "met",
            &format!(
                "pass {pass}, page {page}, {} ({})",
                moment(&record.at),
                ago(&record.at, Utc::now())
            ),
        );
    }
    sheet.gap();
    sheet.paragraph(Style::new(), &record.raw);
    sheet.into_text()
}
