//! The mirror: its file, whose it is, whether it is sound, and who writes to it.

use chrono::TimeDelta;

use super::{NO_MIRROR, NO_PATH, UNREADABLE, contents};
use crate::cli::Exit;
use crate::cli::check::facts::{Examined, Facts, State};
use crate::cli::check::verdict::Verdict;
use crate::cli::output::{bytes, count, moment, span};
use crate::mirror::{DAEMON, FileFacts, LockState, Owner, SCHEMA_VERSION, Soundness};
use crate::model::parse_timestamp;

const BY_OTHERS: u32 = 0o007;
const ROOT: u32 = 0;

/// A pass by hand that takes longer is stuck.
const SYNC_MAX: TimeDelta = TimeDelta::days(1);

const RESTORE: &str = "stop who uses it and run `customer-mirror recover`, which saves what can be read and keeps the damaged file, or put \
    a backup in its place; look for trouble with the disk: dmesg";

/// Whether there is a mirror that can be read.
pub(super) fn mirror(facts: &Facts) -> Verdict {
    let Some(mirror) = &facts.mirror else {
        return Verdict::skipped(NO_PATH);
    };
    let shown = mirror.path.display();
    match &mirror.state {
        State::Missing => Verdict::warn(
            format!("{shown}: there is none yet"),
            "`customer-mirror sync`, or the daemon's next pass, makes it; if there should be one, check mirror.path, and that its disk is mounted",
        ),
        State::Closed(failure)
        | State::Open {
            contents: Err(failure),
            ..
        } => Verdict::failed(
            failure,
            "run this as root or as the mirror's user, to see more",
        ),
        State::Open {
            contents: Ok(contents),
            ..
        } => {
            let own = mirror.files.own.first();
            let size = own.map_or(0, |file| file.size_bytes) + mirror.files.wal_bytes;
            let known = &contents.status.mirror;
            Verdict::ok(format!(
                "{shown} ({}): {} live customers, {} deleted",
                bytes(size),
                count(known.live),
                count(known.deleted)
            ))
        }
    }
}

/// Who may read and write the mirror's files.
pub(super) fn files(facts: &Facts) -> Verdict {
    let Some(files) = facts.mirror.as_ref().map(|mirror| &mirror.files) else {
        return Verdict::skipped(NO_PATH);
    };
    let Some(own) = files.own.first() else {
        return Verdict::skipped(NO_MIRROR);
    };
    let all = || {
        files
            .own
            .iter()
            .chain(&files.copies)
            .chain(&files.unfinished_copies)
            .chain(&files.damaged)
    };
    let open: Vec<&FileFacts> = all().filter(|file| file.mode & BY_OTHERS != 0).collect();
    if let Some(first) = open.first() {
        return Verdict::warn(
            format!(
                "every user of this machine can get at the customers in {} (mode {:04o})",
                first.path.display(),
                first.mode
            ),
            format!("chmod o= {}", names(&open)),
        );
    }
    if let Some((found, remedy)) = &files.exposure {
        return Verdict::warn(found, remedy);
    }
    // As a backup has that root has put back.
    if let Some(folder) = files.folder.as_ref().filter(|folder| folder.user != ROOT) {
        let strange: Vec<&FileFacts> = files
            .own
            .iter()
            .filter(|file| file.user != folder.user)
            .collect();
        if let Some(first) = strange.first() {
            return Verdict::warn(
                format!(
                    "{} belongs to user {}, its folder to user {}, who may not be able to write it",
                    first.path.display(),
                    first.user,
                    folder.user
                ),
                format!(
                    "chown --reference={} {}",
                    folder.path.display(),
                    names(&strange)
                ),
            );
        }
    }
    Verdict::ok(format!(
        "mode {:04o}, user {}, group {}",
        own.mode, own.user, own.group
    ))
}

fn names(files: &[&FileFacts]) -> String {
    let names: Vec<_> = files
        .iter()
        .map(|file| file.path.display().to_string())
        .collect();
    names.join(" ")
}

/// Which version of the schema it has.
pub(super) fn schema(facts: &Facts) -> Verdict {
    let version = match contents(facts) {
        Ok(contents) => contents.health.schema_version,
        Err(verdict) => return verdict,
    };
    if version < SCHEMA_VERSION {
        return Verdict::warn(
            format!("version {version}, this program writes {SCHEMA_VERSION}"),
            "the next pass upgrades it, and keeps a copy beside it: restart the daemon, or run `customer-mirror sync`",
        );
    }
    Verdict::ok(format!("version {version}"))
}

/// Whose customers it holds.
pub(super) fn source(facts: &Facts) -> Verdict {
    let owner = match contents(facts) {
        Ok(contents) => contents.status.mirror.source.as_deref(),
        Err(verdict) => return verdict,
    };
    let configured = facts.config.api.as_ref().map(|api| api.source.as_str());
    match (owner, configured) {
        (None, _) => Verdict::ok("none yet"),
        (Some(owner), None) => Verdict::skipped(format!(
            "it is the mirror of {owner}; what the configuration names is not clear"
        )),
        (Some(owner), Some(configured)) if owner == configured => Verdict::ok(owner),
        (Some(owner), Some(configured)) => Verdict::fail(
            Exit::Config,
            format!("it is the mirror of {owner}, but the configuration names {configured}"),
            "correct api.base_url or api.filter, or set mirror.path to another file for the other source",
        ),
    }
}

/// Whether the file is damaged.
pub(super) fn integrity(facts: &Facts) -> Verdict {
    let examined = match facts.mirror.as_ref().map(|mirror| &mirror.state) {
        Some(State::Open { examined, .. }) => examined,
        Some(State::Closed(_)) => return Verdict::skipped(UNREADABLE),
        Some(State::Missing) => return Verdict::skipped(NO_MIRROR),
        None => return Verdict::skipped(NO_PATH),
    };
    let Examined {
        soundness,
        is_full,
        took,
    } = match examined {
        Ok(examined) => examined,
        Err(failure) => return Verdict::failed(failure, RESTORE),
    };
    let took = format!("{:.1} s", took.as_secs_f64());
    match soundness {
        Soundness::Sound if *is_full => Verdict::ok(format!(
            "integrity_check, references, counts and every record's hash: all well ({took})"
        )),
        Soundness::Sound => Verdict::ok(format!(
            "quick_check found nothing wrong ({took}); --full looks closer"
        )),
        Soundness::Unfinished => Verdict::skipped(format!(
            "quick_check was given up after {took}, without a finding; --full takes as long as it needs"
        )),
        Soundness::Unsound(problems) => Verdict::fail(
            Exit::Storage,
            format!("damaged: {}", problems.join("; ")),
            RESTORE,
        ),
    }
}

/// Who writes to it now.
pub(super) fn lock(facts: &Facts) -> Verdict {
    match facts.mirror.as_ref().map(|mirror| &mirror.lock) {
        None => Verdict::skipped(NO_PATH),
        Some(LockState::Unknown(why)) => Verdict::skipped(format!(
            "{why}: run this as root or as the mirror's user, to see who has it"
        )),
        Some(LockState::Free(None)) => Verdict::ok("free, nobody writes at the moment"),
        Some(LockState::Free(Some(owner))) => Verdict::ok(format!(
            "free; its last owner, `{}`, process {}, ended all of a sudden, which does no harm",
            owner.command, owner.pid
        )),
        Some(LockState::Held(owner)) => held(facts, owner),
    }
}

fn held(facts: &Facts, owner: &Owner) -> Verdict {
    let age = parse_timestamp(&owner.started_at).map(|at| facts.now - at);
    let since = age
        .and_then(|age| age.to_std().ok())
        .map_or_else(String::new, |age| {
            format!(" for {} (since {})", span(age), moment(&owner.started_at))
        });
    let process = match owner.pid {
        0 => String::new(),
        pid => format!(", process {pid}"),
    };
    let found = format!("held by `{}`{process}, alive{since}", owner.command);
    if owner.command != DAEMON && age.is_some_and(|age| age > SYNC_MAX) {
        return Verdict::warn(
            found,
            format!(
                "see in `customer-mirror status` whether it moves on; if it doesn't: kill {}, the next pass goes on from there",
                owner.pid
            ),
        );
    }
    Verdict::ok(found)
}
