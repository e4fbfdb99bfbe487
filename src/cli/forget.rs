//! `forget`: a deleted customer is erased for good.

use std::time::Duration;

use super::customer_ids::quoted;
use super::output::{harmless, note, plural, print};
use super::{Context, Exit, Failure};
use crate::mirror::{CleanUp, Erased, Forgotten, Mirror, Refusal};

/// How long programs that read the mirror may stand in the way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Erase deleted customers for good, with all that is known of them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Erased are the customer's row, users, changes and quarantined records, what is left of them in unused bytes of the mirror's file, \
and the copy of the mirror that an upgrade kept. Then the file is searched for what was known of them. A live customer is \
refused: the next pass would bring it back. Backups, exports and logs of your own are yours to clean.

It works beside a running daemon. There is no way back.

Examples:
  customer-mirror forget 4712
  customer-mirror forget 4712 4713

Exit status: 0 erased; 64 the customer is live, or several have the ID: nothing was erased; 66 nobody has it; 74 traces are \
left, or an I/O error; 75 traces are left because a program reads the mirror as it was before: run it again when that has ended.")]
pub(super) struct Arguments {
    /// customerId, referenceId or humanReadableId
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = &context.config.mirror.path;
    let mut mirror = Mirror::open_beside(path, "customer-mirror forget")?;
    let erased = match mirror.forget(&arguments.ids)? {
        Forgotten::Erased(erased) => erased,
        Forgotten::Refused(refusals) => {
            return Err(refused(&refusals));
        }
    };
    let what = describe(&erased);
    let cleaned = mirror.clean_up(PATIENCE).map_err(|error| {
        let failure = Failure::from(error);
        let message = format!(
            "{what}, but bytes of them may be left in the mirror's files: {}. Run it again",
            failure.message
        );
        Failure::new(failure.exit, message)
    })?;
    match cleaned {
        CleanUp::NotDue => {}
        CleanUp::Done(copies) => {
            for copy in copies {
                let copy = copy.display();
                note(
                    context,
                    &format!("removed {copy}, which an upgrade kept of the mirror as it was"),
                );
            }
        }
        CleanUp::InUse => {
            return Err(Failure::new(
                Exit::Locked,
                format!(
                    "{what}, but bytes of them are left in {} and its -wal file, since another program still reads the mirror as it \
                     was before; run it again when that has ended (the end of the next pass tries it, too)",
                    path.display()
                ),
            ));
        }
    }
    let left = mirror.traces_of(&erased)?;
    if !left.is_empty() {
        return Err(Failure::new(
            Exit::Storage,
            format!(
                "{what}, but {} that only they had can still be found in {}, where no row of the mirror has them: {}; please report \
                 it as a bug",
                plural(left.len() as i64, "text", "texts"),
                path.display(),
                left.join(", "),
            ),
        ));
    }
    print(&format!("{what}; no trace is left\n"))?;
    Ok(Exit::Done)
}

fn describe(erased: &Erased) -> String {
    if erased.customers.is_empty() {
        return "erased before".to_owned();
    }
    format!(
        "erased {} with {} and {}",
        plural(erased.customers.len() as i64, "customer", "customers"),
        plural(erased.changes as i64, "change", "changes"),
        plural(
            erased.quarantined as i64,
            "quarantined record",
            "quarantined records"
        ),
    )
}

/// All refusals in one message. That one customer must not be erased outweighs that another one is not there.
fn refused(refusals: &[Refusal]) -> Failure {
    let is_unknown = |refusal: &Refusal| matches!(refusal, Refusal::Unknown { .. });
    let exit = if refusals.iter().all(is_unknown) {
        Exit::NotFound
    } else {
        Exit::Usage
    };
    let reasons: Vec<String> = refusals.iter().map(reason).collect();
    Failure::new(exit, format!("nothing was erased: {}", reasons.join("; ")))
}

fn reason(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Unknown { id } => format!(
            "no customer has the customerId, referenceId or humanReadableId {}",
            quoted(id)
        ),
        Refusal::Live { id, customer_id } => {
            let who = if id == customer_id {
                quoted(id)
            } else {
                format!("{} (customerId {})", quoted(id), quoted(customer_id))
            };
            format!(
                "{who} is live, the API lists it, and the next pass would bring it back; have it deleted there first"
            )
        }
        Refusal::Ambiguous {
            id,
            kind,
            customers,
        } => {
            let customers: Vec<String> = customers
                .iter()
                .map(|(customer_id, is_live)| {
                    let state = if *is_live { "live" } else { "deleted" };
                    // Whole, since it is to be written again.
                    format!("`{}` ({state})", harmless(customer_id))
                })
                .collect();
            format!(
                "{} customers have the {kind} {}; name one by its customerId: {}",
                customers.len(),
                quoted(id),
                customers.join(", ")
            )
        }
    }
}
