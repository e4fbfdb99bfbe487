//! What can go wrong with the mirror, as its callers must tell it apart.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::lock::Owner;

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
    #[error("{}: the file is damaged ({reason}); move it away and run `customer-mirror sync` to make a new one", path.display())]
    Damaged {
        /// The mirror.
        path: PathBuf,
        /// SQLite's words.
        reason: String,
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
    #[error("{}: unexpected database error: {error}", path.display())]
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

impl MirrorError {
    /// Sorts an error of SQLite.
    pub(super) fn from_sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let storage = |reason: &str| Self::Storage {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                storage("the disk is full; nothing was lost: free some space and run again")
            }
            Some(ErrorCode::SystemIoFailure) if path.is_dir() => Self::NotAMirror {
                path,
                reason: "it is a folder".to_owned(),
            },
            Some(ErrorCode::SystemIoFailure) => storage(&format!(
                "I/O error ({error}); check the disk and its file system"
            )),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged {
                path,
                reason: error.to_string(),
            },
            Some(ErrorCode::NotADatabase) => Self::NotAMirror {
                path,
                reason: "it is no SQLite database".to_owned(),
            },
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::NotWritable {
                    path,
                    reason: error.to_string(),
                }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::OperationInterrupted) => Self::Interrupted { path },
            _ => Self::Unexpected { path, error },
        }
    }

    /// True if waiting may help: a full disk is emptied, a lock is released. A damaged file stays so.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Storage { .. } | Self::Busy { .. } | Self::NotWritable { .. }
        )
    }

    /// Sorts an error of the file system.
    pub(super) fn from_io(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let path = path.to_owned();
        if matches!(error.kind(), StorageFull | QuotaExceeded) {
            return Self::Storage {
                path,
                reason: "the disk is full; free some space and run again".to_owned(),
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
