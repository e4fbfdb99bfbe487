//! `recover`: a new mirror from what can be read of a damaged one.

use chrono::Utc;

use super::output::{count, note, plural, print};
use super::watch::Watch;
use super::{Context, Exit, Failure, signals};
use crate::config::Api;
use crate::mirror::{Order, Recovered, Recovery, Whose, recover};

/// Save what can be read of a damaged mirror into a new one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every page of the damaged file is read, and what makes sense goes into a new file, which then takes its place; the damaged one is kept \
beside it. Kept are what the API can't give again: the change feed with its numbers, so that consumers keep their place, tombstones, \
passes, quarantined records. A live customer whose record is lost stays live and is filled in by the next pass, as a change. Where \
changes themselves are lost, the feed says so to whoever asks for them (66). A pass under way begins anew.

The daemon must not run: it takes the lock. It takes about as much free space as the mirror has.

Example:
  systemctl stop customer-mirror
  customer-mirror recover
  customer-mirror sync
  systemctl start customer-mirror

Exit status: 0 recovered, or nothing is wrong; 66 no such mirror; 74 the disk is full, or fails; 75 another process has the mirror; \
78 there is nothing of a mirror in the file, or it is of a newer version.")]
pub(super) struct Arguments {
    /// Make a new file even if nothing is wrong with this one
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    // Killed anywhere, it leaves the damaged file in its place, or the new one.
    signals::end_at_once()
        .map_err(|error| Failure::new(Exit::Bug, format!("can't watch for signals: {error}")))?;
    let path = &context.config.mirror.path;
    let source = context.config.api.as_ref().map(Api::source_fingerprint);
    let order = Order {
        source: source.as_deref(),
        force: arguments.force,
        now: Utc::now(),
    };
    let watch = Watch::start(context.quiet);
    let recovery = recover(path, order, &|what| watch.looks_at(what));
    drop(watch);
    match recovery? {
        Recovery::NotNeeded => {
            print(&format!(
                "{}: nothing is wrong with it, and nothing was done (--force makes a new file all the same; if the program calls it damaged, please report that)\n",
                path.display()
            ))?;
        }
        Recovery::Done(recovered) => {
            print(&saved(&recovered))?;
            for lost in lost(&recovered) {
                note(context, &lost);
            }
        }
    }
    Ok(Exit::Done)
}

/// What there is, and what to do next.
fn saved(recovered: &Recovered) -> String {
    let Recovered {
        customers,
        emptied,
        changes,
        passes,
        quarantined,
        ..
    } = recovered;
    let whole = customers.live.saturating_sub(*emptied);
    let number = |number: u64| count(number as i64);
    format!(
        "saved {} live customers, {} deleted ones, {} changes, {} passes, {} quarantined records; the damaged file is {}\n\
         now run `customer-mirror sync`, or start the daemon: the next complete pass brings the rest\n",
        number(whole),
        number(customers.deleted),
        number(*changes),
        number(*passes),
        number(*quarantined),
        recovered.kept.display(),
    )
}

/// What there is not, a sentence each.
fn lost(recovered: &Recovered) -> Vec<String> {
    let mut lost = Vec::new();
    let mut say = |text: String| lost.push(text);
    if recovered.unreadable_pages > 0 {
        let pages = plural(recovered.unreadable_pages as i64, "page", "pages");
        say(format!(
            "the disk did not give {pages} of the file: look for trouble with it, dmesg"
        ));
    }
    if recovered.emptied > 0 {
        let customers = plural(recovered.emptied as i64, "live customer", "live customers");
        say(format!(
            "of {customers} only the ID is left; the next pass fills them in"
        ));
    }
    match recovered.unnamed {
        Some(0) => {}
        Some(number) => {
            let customers = plural(number as i64, "live customer is", "live customers are");
            say(format!("{customers} lost with the ID; the next pass brings back those that the API lists"));
        }
        None => say("how many live customers there were is not known; the next pass brings back those that the API lists".to_owned()),
    }
    if recovered.is_incomplete() {
        say("until then, the mirror counts as never complete".to_owned());
    }
    if recovered.tombstones_lost > 0 {
        say(format!(
            "{} lost for good",
            plural(
                recovered.tombstones_lost as i64,
                "deleted customer is",
                "deleted customers are"
            )
        ));
    }
    if let Some(through) = recovered.changes_lost_through {
        say(format!(
            "the change feed has a gap up to {through}: consumers that have not come so far are told to take all customers again (66)"
        ));
    }
    match &recovered.source {
        Whose::Kept => {}
        Whose::Configured(source) => say(format!(
            "whose mirror it is could not be read; it is taken for that of {source}, as configured"
        )),
        Whose::Unknown => say("whose mirror it is could not be read; the next `sync` makes it that of what is configured then".to_owned()),
    }
    if recovered.erasure_unfinished {
        say(format!(
            "customers were being erased, and may be in {}: the end of the next pass removes it",
            recovered.kept.display()
        ));
    }
    lost
}
