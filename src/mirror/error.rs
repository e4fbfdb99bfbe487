//! What can go wrong with the mirror, as its callers must tell it apart.

use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};

use super::lock::Owner;
use super::{files, health};
use crate::human;

/// Why the mirror could not be read or written. Nothing of a failed transaction is kept.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// There is no file yet.
    #[error("{}: no such mirror; `customer-mirror sync` creates it (is mirror.path right?)", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file, or its folder, can't be created or opened for writing.
    #[error("{}: can't be opened for writing: {reason}{}", path.display(), remedy_of(reason))]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The file, or its folder, can't be read.
    #[error("{}: can't be read: {reason}", path.display())]
    NotReadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The file is something else.
    #[error("{}: not a customer mirror ({reason}); point mirror.path at another file, this one was left as it is", path.display())]
    NotAMirror {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The mirror holds the customers of another source.
    #[error("{}: is the mirror of {owner}, not of {asked}; use another mirror.path for another source", path.display())]
    OtherSource {
        /// The file.
        path: PathBuf,
        /// The source it belongs to.
        owner: String,
        /// The source in the configuration.
        asked: String,
    },
    /// A later version of the program wrote it.
    #[error("{}: has schema version {found}, this program knows up to {known}; upgrade customer-mirror", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The file's schema version.
        found: i64,
        /// The latest version known here.
        known: i64,
    },
    /// Another process writes to it.
    #[error("{}: in use by {}", path.display(), describe(owner.as_ref()))]
    Locked {
        /// The mirror.
        path: PathBuf,
        /// Who has it, if it could be read.
        owner: Option<Owner>,
    },
    /// Another program holds a write transaction on it.
    #[error("{}: another process has been writing to it for a while, the end of a large pass perhaps; try again, or end a program that holds a write transaction", path.display())]
    Busy {
        /// The mirror.
        path: PathBuf,
    },
    /// [`super::Work::give_up`] was called.
    #[error("{}: the work was interrupted; nothing of it is kept", path.display())]
    Interrupted {
        /// The mirror.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("{}: the file is damaged ({reason}); stop who uses it and run `customer-mirror recover`, which saves what can be read", path.display())]
    Damaged {
        /// The mirror.
        path: PathBuf,
        /// SQLite's words.
        reason: String,
    },
    /// The file, or one of SQLite's beside it, is not the one any more that was opened.
    #[error("{}: {what} while it was in use; what was written since is not there", path.display())]
    Displaced {
        /// The mirror.
        path: PathBuf,
        /// What became of which file.
        what: String,
        /// Another file, or none, is in the mirror's own place, so that it can be opened anew.
        can_reopen: bool,
    },
    /// A reader keeps the -wal file from being emptied, and it has grown to its limit.
    #[error(
        "{}: the -wal file has grown to {} and can't be emptied, because a program has been reading the mirror for long; \
         nothing was lost: see who has it open, fuser -v {}, and end what reads without an end", path.display(), human::bytes(*bytes), path.display()
    )]
    LogFull {
        /// The mirror.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Full disk or I/O error.
    #[error("{}: {reason}", path.display())]
    Storage {
        /// The mirror.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// SQL that should always work did not: a bug, or a mirror that was altered by hand.
    #[error("{}: unexpected database error: {error}; `customer-mirror check --full` tells whether the file is damaged, else please report it", path.display())]
    Unexpected {
        /// The mirror.
        path: PathBuf,
        /// SQLite's error.
        error: rusqlite::Error,
    },
}

/// What to do, if the reason doesn't say so itself.
fn remedy_of(reason: &str) -> &'static str {
    if reason.contains("; ") {
        ""
    } else {
        "; check that the folder exists and who owns it"
    }
}

/// What the daemon calls itself in the lock; whoever finds the mirror locked knows by it how to ask for a pass.
pub const DAEMON: &str = "customer-mirror run";

fn describe(owner: Option<&Owner>) -> String {
    let Some(owner) = owner else {
        return "another customer-mirror: another process".to_owned();
    };
    let Owner {
        pid,
        started_at,
        command,
    } = owner;
    if command == DAEMON {
        return format!(
            "the daemon, `{command}`, process {pid}, since {started_at}; to ask it for a pass: kill -USR1 {pid}"
        );
    }
    format!("another customer-mirror: `{command}`, process {pid}, since {started_at}")
}

/// A pass that finds less room than this in its way may have found none.
const ROOM_BYTES_MIN: u64 = 1024 * 1024;

/// What a full disk leaves to do.
fn full(path: &Path) -> String {
    let free = health::disk(files::folder_of(path)).map_or(0, |disk| disk.free_bytes);
    format!(
        "the disk is full, or the quota is used up ({} free); nothing was lost: free some space, at least {}, and run again",
        human::bytes(free),
        human::bytes(2 * super::WAL_BYTES)
    )
}

/// What is known of an I/O error. What SQLite doesn't call a full disk can be one: a used up quota, or no room for its -shm file.
fn io_failure(path: &Path, error: &rusqlite::Error) -> String {
    let code = error.sqlite_error().map_or(0, |error| error.extended_code);
    let (what, may_be_full) = match code {
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ => ("reading", false),
        ffi::SQLITE_IOERR_WRITE => ("writing", true),
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => ("bringing to disk", true),
        ffi::SQLITE_IOERR_TRUNCATE => ("cutting off", false),
        ffi::SQLITE_IOERR_SHMOPEN | ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_SHMMAP => {
            ("making the -shm file", true)
        }
        _ => ("", false),
    };
    if may_be_full {
        let disk = health::disk(files::folder_of(path));
        if disk.is_some_and(|disk| !disk.is_read_only && disk.free_bytes < ROOM_BYTES_MIN) {
            return full(path);
        }
    }
    let what = if what.is_empty() {
        String::new()
    } else {
        format!(" in {what}")
    };
    let or_quota = if may_be_full {
        ", and whether its user's quota is used up"
    } else {
        ""
    };
    format!(
        "I/O error{what} ({error}); nothing was lost: check the disk and its file system, dmesg{or_quota}"
    )
}

/// Whether what was found is what no mirror has: text that is no text, a value of another type, a row that another one leads to and that
/// is not there, or two where one can be.
fn is_nonsense(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, InvalidQuery,
        QueryReturnedNoRows, Utf8Error,
    };
    matches!(
        error,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | InvalidQuery
            | QueryReturnedNoRows
            | Utf8Error(..)
    ) || error.sqlite_error().is_some_and(|error| {
        // No trigger of ours refuses anything.
        error.code == ErrorCode::ConstraintViolation
            && error.extended_code != ffi::SQLITE_CONSTRAINT_TRIGGER
    })
}

impl MirrorError {
    /// Sorts an error of SQLite.
    pub(super) fn from_sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let storage = |reason: &str| Self::Storage {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => storage(&full(&path)),
            Some(ErrorCode::SystemIoFailure) if path.is_dir() => Self::NotAMirror {
                path,
                reason: "it is a folder".to_owned(),
            },
            Some(ErrorCode::SystemIoFailure) => storage(&io_failure(&path, &error)),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged {
                path,
                reason: error.to_string(),
            },
            Some(ErrorCode::NotADatabase) => Self::NotAMirror {
                path,
                reason: "it is no SQLite database, or what says so is damaged: `customer-mirror recover` finds out".to_owned(),
            },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::NotWritable {
                    path,
                    reason: error.to_string(),
                }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::OperationInterrupted) => Self::Interrupted { path },
            _ if is_nonsense(&error) => Self::Damaged {
                path,
                reason: error.to_string(),
            },
            _ => Self::Unexpected { path, error },
        }
    }

    /// True if waiting may help: a full disk is emptied, a lock is released. A damaged file stays so.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Storage { .. }
                | Self::Busy { .. }
                | Self::NotWritable { .. }
                | Self::LogFull { .. }
        )
    }

    /// True if the file is damaged: only an operator can help, and until then each look at it may find the same.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Sorts an error of the file system.
    pub(super) fn from_io(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let path = path.to_owned();
        if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            let reason = full(&path);
            return Self::Storage { path, reason };
        }
        if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) {
            return Self::Storage {
                path,
                reason: format!("I/O error ({error}); check the disk and its file system: dmesg"),
            };
        }
        Self::NotWritable {
            path,
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_lock_is_said_and_what_to_ask_of_a_daemon() {
        let locked = |command: Option<&str>| {
            let owner = command.map(|command| Owner {
                pid: 123,
                started_at: "2026-01-31T09:30:00.000Z".to_owned(),
                command: command.to_owned(),
            });
            let path = PathBuf::from("/m.db");
            MirrorError::Locked { path, owner }.to_string()
        };
        for (command, expected) in [
            (
                Some("customer-mirror run"),
                "/m.db: in use by the daemon, `customer-mirror run`, process 123, since 2026-01-31T09:30:00.000Z; \
                 to ask it for a pass: kill -USR1 123",
            ),
            (
                // No daemon: the signal would kill it.
                Some("customer-mirror sync"),
                "/m.db: in use by another customer-mirror: `customer-mirror sync`, process 123, since 2026-01-31T09:30:00.000Z",
            ),
            (
                None,
                "/m.db: in use by another customer-mirror: another process",
            ),
        ] {
            assert_eq!(locked(command), expected);
        }
    }
}
