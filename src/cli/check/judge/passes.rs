//! How fresh the mirror is, the pass under way, and what waits for a person.

use chrono::TimeDelta;

use super::contents;
use crate::cli::check::facts::{Contents, Facts};
use crate::cli::check::verdict::Verdict;
use crate::cli::output::{ago, moment, plural, span};
use crate::config::Timing;
use crate::mirror::{LockState, Remedy, RetryStatus};
use crate::model::{PassReport, Timestamp, parse_timestamp};
use crate::plan;

/// A pass that was interrupted for long says nothing of how long the next one takes.
const TOOK_MAX: TimeDelta = TimeDelta::days(1);

/// More due times are not counted.
const MISSED_MAX: u32 = 1000;

const LOOK_AT_THE_LOG: &str = "see in the log why: journalctl -u customer-mirror";

/// Whether somebody makes a pass, or sees to it that one is made.
fn has_writer(facts: &Facts) -> bool {
    let lock = facts.mirror.as_ref().map(|mirror| &mirror.lock);
    matches!(lock, Some(LockState::Held(_)))
}

/// How old the mirror is, and whether it should be younger.
pub(super) fn freshness(facts: &Facts) -> Verdict {
    let contents = match contents(facts) {
        Ok(contents) => contents,
        Err(verdict) => return verdict,
    };
    let Some(started_at) = &contents.status.freshness.started_at else {
        let remedy = if has_writer(facts) {
            "wait for the first pass, which is under way"
        } else {
            "`customer-mirror sync`, or start the daemon: systemctl enable --now customer-mirror"
        };
        return Verdict::warn("no pass has been completed yet", remedy);
    };
    let found = format!(
        "complete as of {} ({})",
        moment(started_at),
        ago(started_at, facts.now)
    );
    let (Some(started), Some(timing)) = (parse_timestamp(started_at), &facts.schedule) else {
        return Verdict::ok(found);
    };
    if started > facts.now {
        return Verdict::warn(
            format!("{found}: that is still to come, so this machine's clock was wrong, or is"),
            "check the clock: timedatectl",
        );
    }
    match late_by(
        timing,
        started,
        contents.status.last_complete_pass(),
        facts.now,
    ) {
        None => Verdict::ok(found),
        Some(missed) => {
            let missed = plural(missed.into(), "pass was", "passes were");
            let remedy = if has_writer(facts) {
                LOOK_AT_THE_LOG
            } else {
                "no process makes any: systemctl start customer-mirror, or `customer-mirror sync`"
            };
            Verdict::warn(format!("{found}, but {missed} due since"), remedy)
        }
    }
}

/// How many due times have passed since a pass began, if it is time that another one was complete: the first may still be walking,
/// for which it gets as long as the last one took, so it is late when one more has come and that time is over.
fn late_by(
    timing: &Timing,
    started: Timestamp,
    last: Option<&PassReport>,
    now: Timestamp,
) -> Option<u32> {
    let took = last
        .and_then(|pass| {
            let from = parse_timestamp(&pass.started_at)?;
            Some(parse_timestamp(pass.finished_at.as_deref()?)? - from)
        })
        .unwrap_or_default()
        .min(TOOK_MAX);
    let second = timing.when.next_after(timing.when.next_after(started)?)?;
    let jitter = TimeDelta::from_std(timing.jitter).unwrap_or_default();
    if now <= second.checked_add_signed(took + took + jitter)? {
        return None;
    }
    let mut missed = 0;
    let mut due = timing.when.next_after(started);
    while let Some(at) = due.filter(|at| *at <= now && missed < MISSED_MAX) {
        missed += 1;
        due = timing.when.next_after(at);
    }
    Some(missed)
}

/// The pass under way, or interrupted.
pub(super) fn pass(facts: &Facts) -> Verdict {
    let Contents { status, health } = match contents(facts) {
        Ok(contents) => contents,
        Err(verdict) => return verdict,
    };
    let Some(pass) = &status.running_pass else {
        return Verdict::ok("none under way");
    };
    let done = format!(
        "pass {}, begun {}: {}, {}",
        pass.pass_id,
        ago(&pass.started_at, facts.now),
        plural(pass.pages, "page", "pages"),
        plural(pass.records, "record", "records"),
    );
    let error = pass
        .error
        .as_ref()
        .map_or_else(String::new, |error| format!("; stopped: {error}"));
    if has_writer(facts) {
        return Verdict::ok(format!("{done}{error}"));
    }
    let cursor_age = health
        .checkpoint
        .as_ref()
        .and_then(|checkpoint| checkpoint.cursor_age);
    if let Some(age) = cursor_age.filter(|age| !plan::worth_trying(*age, health.cursor_lifetime)) {
        return Verdict::warn(
            format!(
                "{done}; interrupted, and its cursor, {} old, is older than one that the server has rejected",
                span(age)
            ),
            "`customer-mirror sync`, or the daemon, begins a new pass in its place",
        );
    }
    Verdict::warn(
        format!("{done}; interrupted{error}"),
        "`customer-mirror sync`, or the daemon, goes on with it",
    )
}

/// The daemon's failed attempts.
pub(super) fn attempts(facts: &Facts) -> Verdict {
    let contents = match contents(facts) {
        Ok(contents) => contents,
        Err(verdict) => return verdict,
    };
    match &contents.status.retry {
        None => Verdict::ok("none failed since the last pass came to its end"),
        Some(retry) => failing(facts, retry),
    }
}

fn failing(facts: &Facts, retry: &RetryStatus) -> Verdict {
    let found = format!(
        "{} of the daemon in a row: {}",
        plural(retry.failures.into(), "failed attempt", "failed attempts"),
        retry.reason
    );
    let remedy = match retry.waits_for {
        _ if !has_writer(facts) => {
            "the daemon doesn't run now: systemctl start customer-mirror".to_owned()
        }
        Remedy::Server | Remedy::Time => format!(
            "it tries again {} by itself",
            ago(&retry.not_before, facts.now)
        ),
        Remedy::NextDue => "it tries again at the next due time by itself".to_owned(),
        Remedy::Key => "put another key in place; the daemon then tries again".to_owned(),
    };
    Verdict::warn(found, remedy)
}

/// Deletions that wait for a decision.
pub(super) fn held_sweep(facts: &Facts) -> Verdict {
    let contents = match contents(facts) {
        Ok(contents) => contents,
        Err(verdict) => return verdict,
    };
    match &contents.status.held_sweep {
        None => Verdict::ok("none"),
        Some(held) => Verdict::warn(
            format!(
                "{} missing in pass {}, too many to delete unasked",
                plural(held.customers, "customer was", "customers were"),
                held.pass_id
            ),
            "`customer-mirror deletions list`, then `customer-mirror deletions approve` or `discard`",
        ),
    }
}

/// Records that could not be mirrored.
pub(super) fn quarantine(facts: &Facts) -> Verdict {
    let contents = match contents(facts) {
        Ok(contents) => contents,
        Err(verdict) => return verdict,
    };
    match contents.status.quarantined {
        0 => Verdict::ok("empty"),
        records => Verdict::warn(
            format!("{} can't be mirrored", plural(records, "record", "records")),
            "`customer-mirror quarantine list` says why; have them corrected at their source",
        ),
    }
}

/// referenceIds that are not unique.
pub(super) fn conflicts(facts: &Facts) -> Verdict {
    let contents = match contents(facts) {
        Ok(contents) => contents,
        Err(verdict) => return verdict,
    };
    match contents.status.reference_conflicts {
        None => Verdict::skipped("counted at the end of the first pass"),
        Some(0) => Verdict::ok("every referenceId has one live customer"),
        Some(conflicts) => Verdict::warn(
            format!(
                "{} of more than one live customer",
                plural(conflicts, "referenceId", "referenceIds")
            ),
            "`customer-mirror query reference-conflicts` lists them; have them corrected at their source",
        ),
    }
}

/// Whether what was to be erased is gone.
pub(super) fn erasure(facts: &Facts) -> Verdict {
    let contents = match contents(facts) {
        Ok(contents) => contents,
        Err(verdict) => return verdict,
    };
    if contents.health.erasure_unfinished {
        return Verdict::warn(
            "erased customers may have left traces in the files: a program read the mirror, or the work was cut short",
            "end programs that read the mirror for long; the end of the next pass, or the same `customer-mirror forget` again, finishes it",
        );
    }
    Verdict::ok("nothing is left to do")
}
