//! One process writes at a time: an advisory lock on a file beside the mirror, which also says who holds it.
//!
//! The kernel drops the lock when the process ends, however it ends. The file stays: removing it would be a race.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use chrono::Utc;
use serde::{Deserialize, Serialize};

use super::error::MirrorError;
use super::files;
use crate::model::format_timestamp;

pub(super) const SUFFIX: &str = ".lock";

/// `status` takes the lock for an instant to see whether it is free, so a first refusal may be that.
const ATTEMPTS: u32 = 10;
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(20);

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// When it took the lock.
    pub started_at: String,
    /// What it does: `customer-mirror sync`.
    pub command: String,
}

/// The lock, held as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock for the mirror at `path`.
    ///
    /// # Errors
    /// [`MirrorError::Locked`] with the owner, or an error of the file system.
    pub(super) fn acquire(path: &Path, command: &str) -> Result<Self, MirrorError> {
        let lock_path = files::beside(path, SUFFIX);
        let io = |error| MirrorError::from_io(&lock_path, &error);
        let mut file = files::open_or_create_beside(&lock_path).map_err(io)?;
        let mut attempt = 1;
        while let Err(error) = file.try_lock() {
            match error {
                TryLockError::Error(error) => return Err(io(error)),
                TryLockError::WouldBlock if attempt == ATTEMPTS => {
                    return Err(MirrorError::Locked {
                        path: path.to_owned(),
                        owner: read_owner(&mut file),
                    });
                }
                TryLockError::WouldBlock => {
                    attempt += 1;
                    std::thread::sleep(ATTEMPT_INTERVAL);
                }
            }
        }
        let owner = Owner {
            pid: std::process::id(),
            started_at: format_timestamp(Utc::now()),
            command: command.to_owned(),
        };
        let text = serde_json::to_string(&owner).unwrap_or_default();
        file.set_len(0)
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(io)?;
        Ok(Self { file })
    }
}

impl Lock {
    /// Whether the lock's file is still the one that others find at `path`.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        let named = files::FileId::of(&files::beside(path, SUFFIX));
        named.is_some()
            && named
                == self
                    .file
                    .metadata()
                    .ok()
                    .map(|file| files::FileId::from(&file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that names nobody is clearer than one that names a process long gone.
        let _ = self.file.set_len(0);
    }
}

/// How the lock stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockState {
    /// Nobody has it. The owner is there if one left it without letting go, as a process does that is killed.
    Free(Option<Owner>),
    /// A living process has it: the kernel takes it from a dead one.
    Held(Owner),
    /// It can't be seen, for this reason.
    Unknown(String),
}

/// How the lock of the mirror at `path` stands.
pub(super) fn state(path: &Path) -> LockState {
    let lock_path = files::beside(path, SUFFIX);
    // Never a wait for somebody at the other end of a pipe.
    if let Some(what) = files::not_a_file(&lock_path) {
        return LockState::Unknown(format!("{}: {what}", lock_path.display()));
    }
    let mut file = match File::open(lock_path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return LockState::Free(None),
        Err(error) => return LockState::Unknown(error.to_string()),
    };
    match file.try_lock_shared() {
        Ok(()) => LockState::Free(read_owner(&mut file)),
        Err(TryLockError::WouldBlock) => LockState::Held(read_owner(&mut file).unwrap_or(Owner {
            pid: 0,
            started_at: String::new(),
            command: "another process".to_owned(),
        })),
        Err(TryLockError::Error(error)) => LockState::Unknown(error.to_string()),
    }
}

/// Who holds the lock of the mirror at `path` now, as far as can be seen.
pub(super) fn owner(path: &Path) -> Option<Owner> {
    match state(path) {
        LockState::Held(owner) => Some(owner),
        _ => None,
    }
}

fn read_owner(file: &mut File) -> Option<Owner> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_who_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        assert_eq!(owner(&path), None);
        let held = Lock::acquire(&path, "customer-mirror sync").unwrap();
        assert_eq!(owner(&path).unwrap().pid, std::process::id());
        let error = Lock::acquire(&path, "x").unwrap_err();
        assert!(
            error.to_string().contains(&format!(
                "`customer-mirror sync`, process {}",
                std::process::id()
            )),
            "{error}"
        );
        drop(held);
        assert_eq!(state(&path), LockState::Free(None));
        Lock::acquire(&path, "x").unwrap();
    }

    #[test]
    fn no_link_leads_the_lock_to_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, folder.path().join("m.db.lock")).unwrap();
        let error = Lock::acquire(&folder.path().join("m.db"), "x").unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert_eq!(std::fs::read_to_string(other).unwrap(), "precious");
    }
}
