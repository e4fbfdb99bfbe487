//! The room that the mirror takes, and what is left.

use super::{NO_MIRROR, NO_PATH};
use crate::cli::Exit;
use crate::cli::check::facts::{Facts, State};
use crate::cli::check::verdict::Verdict;
use crate::cli::output::{bytes, harmless};
use crate::mirror::{FileFacts, LockState, OVERGROWN_BYTES, Process, WAL_BYTES};

/// Whether the write-ahead log stays within its bound.
pub(super) fn wal(facts: &Facts) -> Verdict {
    let Some(mirror) = &facts.mirror else {
        return Verdict::skipped(NO_PATH);
    };
    if matches!(mirror.state, State::Missing) {
        return Verdict::skipped(NO_MIRROR);
    }
    let size = mirror.files.wal_bytes;
    let shown = format!("the -wal file has {}", bytes(size));
    if size <= OVERGROWN_BYTES {
        return Verdict::ok(format!("{shown}, its bound is about {}", bytes(WAL_BYTES)));
    }
    let path = mirror.path.display();
    Verdict::warn(
        format!(
            "{shown}, where about {} is the bound: most likely a program has been reading the mirror for long, so that the file can't be emptied",
            bytes(WAL_BYTES)
        ),
        format!(
            "end what reads without an end{}; the next pass then empties it",
            readers(&mirror.files.opened_by, &path.to_string())
        ),
    )
}

/// Who it may be that reads.
fn readers(opened_by: &[Process], path: &str) -> String {
    if opened_by.is_empty() {
        return format!(" (see who has it open: fuser -v {path})");
    }
    let named = |process: &Process| format!("{} {}", harmless(&process.name), process.pid);
    let named: Vec<String> = opened_by.iter().map(named).collect();
    format!(" (it is open in {})", named.join(", "))
}

/// Whether there is room for what is to come.
pub(super) fn disk(facts: &Facts) -> Verdict {
    let Some(files) = facts.mirror.as_ref().map(|mirror| &mirror.files) else {
        return Verdict::skipped(NO_PATH);
    };
    let Some(disk) = files.disk else {
        return Verdict::skipped("its free space can't be seen");
    };
    if disk.is_read_only {
        return Verdict::fail(
            Exit::CantCreate,
            "the file system of the mirror is mounted read-only",
            "see in dmesg whether the kernel did so after an error; repair it, and mount it for writing",
        );
    }
    let free = format!("{} free", bytes(disk.free_bytes));
    let size: u64 = files.own.iter().map(|file| file.size_bytes).sum();
    if disk.free_bytes < WAL_BYTES {
        return Verdict::fail(
            Exit::Storage,
            format!("{free}: the next pass finds no room for its log"),
            "free some space; nothing is lost, the pass goes on from its checkpoint",
        );
    }
    if disk.free_bytes < size.saturating_add(2 * WAL_BYTES) {
        return Verdict::warn(
            format!(
                "{free}, less than the mirror has ({}) and {} for its log: not enough for the copy that an upgrade or `recover` keeps, or \
                 for many changes",
                bytes(size),
                bytes(2 * WAL_BYTES)
            ),
            "free some space, or move the mirror to a larger disk (mirror.path)",
        );
    }
    Verdict::ok(free)
}

/// Copies that upgrades and `recover` left.
pub(super) fn copies(facts: &Facts) -> Verdict {
    let Some(mirror) = &facts.mirror else {
        return Verdict::skipped(NO_PATH);
    };
    let shown = |file: &FileFacts| format!("{} ({})", file.path.display(), bytes(file.size_bytes));
    let is_upgrading = matches!(mirror.lock, LockState::Held(_));
    if let Some(file) = mirror
        .files
        .unfinished_copies
        .first()
        .filter(|_| !is_upgrading)
    {
        return Verdict::warn(
            format!("{} is left of an upgrade that was cut short", shown(file)),
            format!("rm {}", file.path.display()),
        );
    }
    if let Some(file) = mirror.files.damaged.first() {
        return Verdict::ok(format!(
            "{}, kept by `recover`; it has customers in it, and is of no use once all is well again",
            shown(file)
        ));
    }
    match mirror.files.copies.first() {
        None => Verdict::ok("none of an earlier version"),
        Some(file) => Verdict::ok(format!(
            "{}, kept by an upgrade; of no use once the new version has proven itself",
            shown(file)
        )),
    }
}
