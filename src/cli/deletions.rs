//! `deletions`: the operator's word on a sweep that the mass-deletion guard holds.

use std::io::BufWriter;

use chrono::Utc;
use clap::Subcommand;

use super::output::{Cell, FormatArgument, RowWriter, Screen, note, plural, print};
use super::{Context, Exit, Failure};
use crate::mirror::{Mirror, Reader};

/// Show and decide a held sweep
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
#[command(after_help = "\
When too many customers are missing at once, they are not deleted from the mirror, but held until you decide.

Examples:
  customer-mirror deletions
  customer-mirror deletions approve")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: FormatArgument,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the customers that would be marked as deleted (the default)
    #[command(after_help = "Example:  customer-mirror deletions list --format csv > missing.csv")]
    List(FormatArgument),
    /// Marks them as deleted; exit status 66 if no sweep is held
    #[command(after_help = "Example:  customer-mirror deletions approve")]
    Approve,
    /// Keeps them live and begins to count their absences anew; exit status 66 if no sweep is held
    #[command(after_help = "Example:  customer-mirror deletions discard")]
    Discard,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    match arguments.action {
        None => list(context, arguments.list),
        Some(Action::List(format)) => list(context, format),
        Some(Action::Approve) => {
            let mut mirror = Mirror::open_beside(
                &context.config.mirror.path,
                "customer-mirror deletions approve",
            )?;
            let decided = mirror
                .approve_held_sweep(Utc::now())?
                .ok_or_else(nothing_held)?;
            let customers = customers(decided.customers as i64);
            print(&format!(
                "{customers} marked as deleted (sweep of pass {})\n",
                decided.pass_id
            ))?;
            Ok(Exit::Done)
        }
        Some(Action::Discard) => {
            let mut mirror = Mirror::open_beside(
                &context.config.mirror.path,
                "customer-mirror deletions discard",
            )?;
            let decided = mirror.discard_held_sweep()?.ok_or_else(nothing_held)?;
            let customers = customers(decided.customers as i64);
            print(&format!(
                "{customers} stay live (sweep of pass {})\n",
                decided.pass_id
            ))?;
            Ok(Exit::Done)
        }
    }
}

fn nothing_held() -> Failure {
    Failure::new(Exit::NotFound, "no sweep is held")
}

fn customers(number: i64) -> String {
    plural(number, "customer", "customers")
}

/// Lists the held customers. None is an answer too, not a failure.
fn list(context: &Context, format: FormatArgument) -> Result<Exit, Failure> {
    let reader = Reader::open(&context.config.mirror.path)?;
    let screen = Screen::of_stdout();
    let held = reader.held_sweep()?;
    let Some(held) = held else {
        note(context, "no sweep is held");
        print_held(&reader, format, screen, false)?;
        return Ok(Exit::Done);
    };
    print_held(&reader, format, screen, true)?;
    note(
        context,
        &format!(
            "{} held by pass {}; decide with `customer-mirror deletions approve` or `customer-mirror deletions discard`",
            customers(held.customers),
            held.pass_id
        ),
    );
    Ok(Exit::Done)
}

fn print_held(
    reader: &Reader,
    format: FormatArgument,
    screen: Screen,
    any: bool,
) -> Result<(), Failure> {
    let broken = |error| Failure::output(&error);
    let sorted = |error| Failure::from(reader.sorted(error));
    if !any && screen.terminal && format.format.is_none() {
        return Ok(());
    }
    let out = BufWriter::new(std::io::stdout().lock());
    let columns = ["customer_id", "reference_id", "name", "absent_passes"];
    let mut writer =
        RowWriter::new(out, format.or_default(screen), &columns, screen).map_err(broken)?;
    let sql =
        "SELECT customer_id, reference_id, name, passes FROM absences JOIN customers USING (row_id)
               WHERE held = 1 ORDER BY row_id";
    let mut statement = reader.connection().prepare(sql).map_err(sorted)?;
    let mut rows = statement.query([]).map_err(sorted)?;
    while let Some(row) = rows.next().map_err(sorted)? {
        let cells: rusqlite::Result<Vec<_>> = (0..columns.len())
            .map(|index| row.get_ref(index).map(Cell::from))
            .collect();
        writer.write(&cells.map_err(sorted)?).map_err(broken)?;
    }
    writer.finish().map_err(broken)
}
