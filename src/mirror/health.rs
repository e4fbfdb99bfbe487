//! How a mirror is, beyond what `status` shows: its files, the disk that they are on, and what is on record for the next pass.
//! Nothing here writes, or keeps anybody waiting.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::StatVfsMountFlags;

use super::lock::{self, LockState};
use super::opened_by::{Process, opened_by};
use super::passes::{self, Checkpoint};
use super::read::Reader;
use super::{Result, clean_up, files, recover, upgrade};
use crate::model::Timestamp;

/// What is on record for the next pass, and what is left to do.
#[derive(Debug, Clone)]
pub struct Health {
    /// The schema version of the file.
    pub schema_version: i64,
    /// The pass under way or interrupted, if there is one.
    pub checkpoint: Option<Checkpoint>,
    /// The age at which the server is known to have rejected a cursor.
    pub cursor_lifetime: Option<Duration>,
    /// Until when the server wants to be left alone, if that is not over.
    pub requests_not_before: Option<Timestamp>,
    /// Whether traces of erased customers may be left.
    pub erasure_unfinished: bool,
}

impl Reader {
    /// What is on record for the next pass. One snapshot.
    pub fn health(&self, now: Timestamp) -> Result<Health> {
        self.read(|connection| {
            let tx = connection.unchecked_transaction()?;
            Ok(Health {
                schema_version: tx.query_row("PRAGMA user_version", [], |row| row.get(0))?,
                checkpoint: passes::interrupted_pass(&tx, now)?,
                cursor_lifetime: passes::cursor_lifetime(&tx)?,
                requests_not_before: passes::requests_not_before(&tx, now)?,
                erasure_unfinished: clean_up::due(&tx)?.is_some(),
            })
        })
    }
}

/// How the lock of the mirror at `path` stands.
pub fn lock_state(path: &Path) -> LockState {
    lock::state(path)
}

/// A file or folder, and who may do what with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// The last nine bits of its mode.
    pub mode: u32,
    /// Its owner.
    pub user: u32,
    /// Its group.
    pub group: u32,
}

impl FileFacts {
    /// Looks at a file, or at what a link leads to.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            size_bytes: metadata.len(),
            mode: metadata.mode() & 0o777,
            user: metadata.uid(),
            group: metadata.gid(),
        })
    }
}

/// The room where a mirror is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that a process without privileges may still fill.
    pub free_bytes: u64,
    /// Whether nothing can be written there.
    pub is_read_only: bool,
}

/// The files of a mirror and what is around them, as far as they can be seen.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The mirror's own, its -wal, -shm and lock files.
    pub own: Vec<FileFacts>,
    /// Copies that upgrades kept.
    pub copies: Vec<FileFacts>,
    /// Copies that an upgrade did not finish.
    pub unfinished_copies: Vec<FileFacts>,
    /// Processes that have it open, as far as can be seen.
    pub opened_by: Vec<Process>,
    /// Damaged files that `recover` kept.
    pub damaged: Vec<FileFacts>,
    /// Size of the -wal file in bytes.
    pub wal_bytes: u64,
    /// The folder.
    pub folder: Option<FileFacts>,
    /// Who else could change what the mirror says, by what its folders allow, and what to do about it.
    pub exposure: Option<(String, String)>,
    /// The file system of the folder; of the nearest one above it, where it isn't there yet.
    pub disk: Option<Disk>,
}

impl Files {
    /// Looks at what is there of the mirror at `path`.
    pub fn of(path: &Path) -> Self {
        let see = |paths: Vec<PathBuf>| -> Vec<FileFacts> {
            let seen = paths.iter().filter_map(|path| FileFacts::of(path).ok());
            seen.collect()
        };
        let own = ["", "-wal", "-shm", ".lock"].map(|suffix| files::beside(path, suffix));
        let (unfinished, copies) = upgrade::copies(path)
            .unwrap_or_default()
            .into_iter()
            .partition(|copy| upgrade::is_unfinished(copy));
        let wal = FileFacts::of(&files::beside(path, "-wal"));
        let real = files::beside(path, "");
        let folder = files::folder_of(&real);
        Self {
            own: see(own.to_vec()),
            copies: see(copies),
            unfinished_copies: see(unfinished),
            opened_by: opened_by(path),
            damaged: see(recover::kept(path).unwrap_or_default()),
            wal_bytes: wal.map_or(0, |wal| wal.size_bytes),
            folder: FileFacts::of(folder).ok(),
            exposure: files::exposure(path),
            disk: disk(folder),
        }
    }
}

/// The file system of a folder, or of the nearest one above it that is there.
pub(super) fn disk(folder: &Path) -> Option<Disk> {
    let there = folder.ancestors().find(|folder| folder.exists());
    let found = rustix::fs::statvfs(there.unwrap_or(Path::new("."))).ok()?;
    Some(Disk {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        is_read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        let nothing = Files::of(&path.join("not").join("there"));
        assert!(nothing.own.is_empty() && nothing.disk.is_some());
        for name in [
            "m.db",
            "m.db-wal",
            "m.db.v1-backup",
            "m.db.v2-backup.part",
            "m.db.v1",
        ] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let files = Files::of(&path);
        assert_eq!((files.own.len(), files.wal_bytes), (2, 8));
        assert_eq!(files.copies[0].path, folder.path().join("m.db.v1-backup"));
        assert_eq!((files.copies.len(), files.unfinished_copies.len()), (1, 1));
        assert!(files.disk.is_some_and(|disk| !disk.is_read_only));
    }
}
