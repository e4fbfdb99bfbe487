//! `changes`: the change feed.

mod follow;
mod line;
mod watch;

use std::io::{BufWriter, Stdout, Write};

use super::output::{Cell, Format, FormatArgument, RowWriter, Screen, moment, note, print};
use super::{Context, Exit, Failure, customer_ids};
use crate::mirror::{Change, FeedFilter, FeedGap, FeedPosition, Reader};
use crate::model::{Timestamp, format_timestamp};
use crate::when;
use follow::Opened;

/// The columns, in their order.
const COLUMNS: [&str; 9] = [
    "seq",
    "changed_at",
    "pass_id",
    "customer_id",
    "reference_id",
    "kind",
    "changed_fields",
    "before",
    "after",
];

/// What changed, in the order in which it was found: the change feed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each change has a number, `seq`. A program that keeps another table in step remembers the last one that it applied, and asks \
for what came after it. Changes are kept for `changes.keep`; exit status 66 if some of those asked for are gone, and everything \
has to be taken again. A line is whole when its end is there: what is killed while it prints is asked again for what came after \
the last whole one.

Examples:
  customer-mirror changes --since 2h
  customer-mirror changes --after 12 --follow | jq -c '[.seq, .kind, .after.name]'
  customer-mirror changes --customer 4711 --kind updated,deleted --format json")]
pub(super) struct Arguments {
    /// Begin behind this change [default: the oldest that is kept]
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(i64).range(0..))]
    after: Option<i64>,
    /// Only changes found since: RFC 3339, a date (UTC), or how long ago (2h, 7d)
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<Timestamp>,
    /// Only changes of these kinds
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// Only changes of this customer, by customerId, referenceId or humanReadableId
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// End after so many changes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// When all is printed, wait for more: each change is printed as soon as it is committed
    #[arg(long)]
    follow: bool,
    /// Print the newest change's number instead: where to begin after taking all customers
    #[arg(long, conflicts_with_all = ["after", "since", "kinds", "customer", "limit", "follow", "format"])]
    position: bool,
    #[command(flatten)]
    format: FormatArgument,
}

impl Arguments {
    /// Whether a signal is how it ends.
    pub(super) fn is_endless(&self) -> bool {
        self.follow
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Seen for the first time
    Created,
    /// Another value than before
    Updated,
    /// Missing in the listing, and believed to be gone
    Deleted,
    /// Listed again after that
    Restored,
}

impl Kind {
    fn stored(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
        }
    }
}

impl From<FeedGap> for Failure {
    fn from(gap: FeedGap) -> Self {
        Self::new(Exit::NotFound, gap.to_string())
    }
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.follow && arguments.format.format == Some(Format::Json) {
        let message = "--follow prints no JSON array, which would never end; use --format ndjson";
        return Err(Failure::new(Exit::Usage, message));
    }
    let mirror = Opened::open(&context.config.mirror.path)?;
    if arguments.position {
        let newest = mirror.reader.feed_bounds()?.newest;
        return print(&format!("{newest}\n")).map(|()| Exit::Done);
    }
    let mut reading = Reading::begin(context, &mirror.reader, arguments)?;
    let mut printer = Printer::new(arguments.format)?;
    if arguments.follow {
        follow::run(context, mirror, reading, printer)?;
    } else {
        reading.print_all(&mirror.reader, &mut printer)?;
        if reading.printed == 0 && matches!(printer, Printer::Lines(..)) {
            note(context, "no changes");
        }
        printer.finish()?;
    }
    Ok(Exit::Done)
}

/// How far the feed has been read, and what is wanted of it.
#[derive(Debug)]
struct Reading {
    filter: FeedFilter,
    position: FeedPosition,
    printed: u64,
    left: Option<u64>,
}

impl Reading {
    /// Begins where the arguments say, and says so if that isn't the feed's beginning though it should be.
    fn begin(context: &Context, reader: &Reader, arguments: &Arguments) -> Result<Self, Failure> {
        let filter = FeedFilter {
            since: arguments.since,
            kinds: arguments
                .kinds
                .iter()
                .map(|kind| kind.stored().to_owned())
                .collect(),
            customers: customers(context, reader, arguments.customer.as_deref())?,
        };
        let bounds = reader.feed_bounds()?;
        let known_missing = match (arguments.after, &bounds.missing) {
            (None, Some((through, _))) => *through,
            _ => 0,
        };
        let position = FeedPosition {
            seq: arguments.after.unwrap_or(0),
            known_missing,
            mirror: bounds.mirror,
        };
        bounds.check(position)?;
        if let Some((_, at)) = bounds.missing.filter(|_| known_missing > 0) {
            let since = arguments.since.map(format_timestamp);
            if since.is_none_or(|since| since <= at) {
                let at = moment(&at);
                note(
                    context,
                    &format!("older changes are gone from the feed, up to one of {at}"),
                );
            }
        }
        Ok(Self {
            filter,
            position,
            printed: 0,
            left: arguments.limit,
        })
    }

    /// Prints up to the end of the feed, or of what was asked for.
    fn print_all(&mut self, reader: &Reader, printer: &mut Printer) -> Result<(), Failure> {
        loop {
            let batch = reader.feed_batch(self.position, &self.filter, self.left)??;
            for change in &batch.changes {
                printer.write(change)?;
            }
            printer.flush()?;
            self.position.seq = batch.position;
            self.printed += batch.changes.len() as u64;
            if let Some(left) = &mut self.left {
                *left = left.saturating_sub(batch.changes.len() as u64);
            }
            if batch.is_last || self.is_done() {
                return Ok(());
            }
        }
    }

    /// Whether all that was asked for is printed.
    fn is_done(&self) -> bool {
        self.left == Some(0)
    }
}

/// The customerIds that `--customer` names.
fn customers(
    context: &Context,
    reader: &Reader,
    id: Option<&str>,
) -> Result<Option<Vec<String>>, Failure> {
    let Some(id) = id else { return Ok(None) };
    let (holders, kind) = customer_ids::named_by(reader.connection(), id)
        .map_err(|error| Failure::from(reader.sorted(error)))?;
    match holders.len() {
        0 => Err(customer_ids::missing(&[customer_ids::quoted(id)], 1)),
        1 => Ok(Some(holders)),
        several => {
            note(context, &customer_ids::ambiguous(several as u64, kind, id));
            Ok(Some(holders))
        }
    }
}

/// What changes are printed with.
enum Printer {
    /// For reading, a few lines each.
    Lines(BufWriter<Stdout>, Screen),
    Rows(RowWriter<BufWriter<Stdout>>),
}

impl Printer {
    fn new(format: FormatArgument) -> Result<Self, Failure> {
        let screen = Screen::of_stdout();
        let out = BufWriter::new(std::io::stdout());
        Ok(match format.or_default(screen) {
            Format::Table => Self::Lines(out, screen),
            format => Self::Rows(RowWriter::new(out, format, &COLUMNS, screen)?),
        })
    }

    fn write(&mut self, change: &Change) -> std::io::Result<()> {
        match self {
            Self::Lines(out, screen) => out.write_all(line::render(change, *screen).as_bytes()),
            Self::Rows(rows) => rows.write(&cells(change)),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Lines(out, _) => out.flush(),
            Self::Rows(rows) => rows.flush(),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Lines(mut out, _) => out.flush(),
            Self::Rows(rows) => rows.finish(),
        }
    }
}

fn cells(change: &Change) -> [Cell<'_>; 9] {
    [
        Cell::Integer(change.seq),
        Cell::from(change.changed_at.as_str()),
        Cell::from(change.pass_id),
        Cell::from(change.customer_id.as_str()),
        Cell::from(change.reference_id.as_deref()),
        Cell::from(change.kind.as_str()),
        Cell::from(change.changed_fields.as_str()).embedded(),
        Cell::from(change.before.as_deref()).embedded(),
        Cell::from(change.after.as_deref()).embedded(),
    ]
}
