//! Bringing a mirror of an earlier version up to date: a copy first, then all that is missing in one transaction.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};
use tracing::{info, warn};

use super::error::MirrorError;
use super::{Result, copy, files, recover, schema, set_meta};

/// What makes a file of version n-1 one of version n, the first from nothing. Those that were published never change.
pub(super) const MIGRATIONS: [&str; 1] = [include_str!("migrations/001_initial.sql")];

/// Ends the name of the copy that is kept; before it is `.v` and the copy's version.
const BACKUP: &str = "-backup";

/// Ends that of a copy that is not finished.
const UNFINISHED: &str = ".part";

/// Brings the mirror at `path` from version `from` to the latest. The caller holds the lock.
pub(super) fn upgrade(connection: &mut Connection, path: &Path, from: i64) -> Result<()> {
    upgrade_by(&MIGRATIONS, connection, path, from)
}

/// Makes an empty database, of no file, a mirror.
pub(super) fn initialise(connection: &mut Connection) -> rusqlite::Result<()> {
    run(&MIGRATIONS, connection, 0)
}

fn upgrade_by(
    migrations: &[&str],
    connection: &mut Connection,
    path: &Path,
    from: i64,
) -> Result<()> {
    let to = migrations.len() as i64;
    if from >= to {
        return Ok(());
    }
    let sqlite = |error| MirrorError::from_sqlite(path, error);
    if from == 0 {
        return run(migrations, connection, from).map_err(sqlite);
    }
    let backup = files::beside(path, &format!(".v{from}{BACKUP}"));
    keep_copy(connection, path, &backup).map_err(|error| without_copy(error, &backup, from, to))?;
    run(migrations, connection, from).map_err(sqlite)?;
    info!(from, to, backup = %backup.display(), "mirror upgraded; as it was before, it is kept in the backup");
    remove_older(path, &backup);
    Ok(())
}

/// Runs the migrations that are missing, all of them or none.
fn run(migrations: &[&str], connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (sql, version) in migrations.iter().zip(1..).skip(from as usize) {
        tx.execute_batch(sql)?;
        if version == 1 {
            tx.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
            set_meta(&tx, "hash_seed", &fastrand::i64(..))?;
            set_meta(&tx, "live_customers", &0)?;
            set_meta(&tx, "deleted_customers", &0)?;
        }
        tx.pragma_update(None, "user_version", version)?;
    }
    tx.commit()
}

/// Writes the mirror as it is to `backup`, which is there whole or not at all, and not lost by a power failure.
fn keep_copy(connection: &Connection, path: &Path, backup: &Path) -> Result<()> {
    let mut unfinished = backup.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    let unfinished = PathBuf::from(unfinished);
    let copied = copy_to(connection, path, &unfinished).and_then(|()| {
        std::fs::rename(&unfinished, backup)
            .and_then(|()| files::sync_folder_of(backup))
            .map_err(|error| MirrorError::from_io(path, &error))
    });
    if copied.is_err() {
        // It may be what fills the disk.
        let _ = std::fs::remove_file(&unfinished);
    }
    copied
}

fn copy_to(connection: &Connection, path: &Path, to: &Path) -> Result<()> {
    let io = |error| MirrorError::from_io(path, &error);
    // What an earlier attempt left, if it was killed.
    match std::fs::remove_file(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let file = files::create(to).map_err(io)?;
    copy::vacuum_into(connection, to).map_err(|error| MirrorError::from_sqlite(path, error))?;
    file.sync_all().map_err(io)
}

/// Why there is no copy, and that nothing else was done.
fn without_copy(error: MirrorError, backup: &Path, from: i64, to: i64) -> MirrorError {
    let explain = |reason: &str| {
        format!(
            "the upgrade from schema version {from} to {to} begins with a copy in {}, which can't be made: {reason} (the mirror was left as it is)",
            backup.display()
        )
    };
    match error {
        MirrorError::Storage { path, reason } => MirrorError::Storage {
            path,
            reason: explain(&reason),
        },
        MirrorError::NotWritable { path, reason } => MirrorError::NotWritable {
            path,
            reason: explain(&reason),
        },
        other => other,
    }
}

/// Removes the copies that earlier upgrades kept: only the last one is of use, and each is as large as a mirror.
fn remove_older(path: &Path, backup: &Path) {
    let copies = copies(path).unwrap_or_default();
    for file in copies.iter().filter(|file| *file != backup) {
        if let Err(error) = std::fs::remove_file(file) {
            warn!(file = %file.display(), error = %error, "the copy of an earlier upgrade can't be removed");
        }
    }
}

/// The copies that upgrades kept of the mirror, and those that they did not finish.
pub(super) fn copies(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    files::siblings(path, is_backup)
}

/// Whether a copy was not finished.
pub(super) fn is_unfinished(copy: &Path) -> bool {
    copy.to_string_lossy().ends_with(UNFINISHED)
}

/// Removes all copies that upgrades kept, what is there of an unfinished one, and damaged files that were kept, so that no power
/// failure brings them back; returns which. An error is of a copy, or of their folder.
pub(super) fn remove_copies(
    path: &Path,
) -> std::result::Result<Vec<PathBuf>, (Option<PathBuf>, std::io::Error)> {
    let of_folder = |error| (None, error);
    let mut copies = copies(path).map_err(of_folder)?;
    copies.extend(recover::kept(path).map_err(of_folder)?);
    for copy in &copies {
        match std::fs::remove_file(copy) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err((Some(copy.clone()), error));
            }
            _ => {}
        }
    }
    // Also if there is none: whoever removed them may have been killed before this.
    files::sync_folder_of(&files::beside(path, "")).map_err(|error| (None, error))?;
    Ok(copies)
}

/// Whether this comes after the mirror's name in that of a copy, finished or not: `.v1-backup`.
fn is_backup(rest: &str) -> bool {
    rest.strip_suffix(UNFINISHED)
        .unwrap_or(rest)
        .strip_prefix(".v")
        .and_then(|rest| rest.strip_suffix(BACKUP))
        .is_some_and(|version| version.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests;
