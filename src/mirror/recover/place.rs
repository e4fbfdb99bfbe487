//! Putting the new file where the damaged one is, which is kept beside it.
//!
//! At no moment is there no mirror, and at none does the old -wal file lie beside the new mirror: SQLite would write its pages into
//! that. So the damaged files get their second names first, then the -wal file loses its first one, then the new file takes the
//! place. Cut short in between, the damaged mirror is there, without its last commits; its second name says where these are.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use super::super::files::{self, FileId};
use crate::model::Timestamp;

/// Between the mirror's name and the time at which it was found to be damaged.
const DAMAGED: &str = ".damaged-";
/// Ends the name of the new file as long as it is not whole.
const UNFINISHED: &str = ".recovered.part";
const WAL: &str = "-wal";
/// More recoveries are not begun within a second.
const NAMES_MAX: u32 = 100;

/// The damaged mirror's files.
#[derive(Debug)]
pub(super) struct Damaged {
    /// The mirror's place.
    pub(super) mirror: PathBuf,
    /// Its -wal file, wherever that is now.
    pub(super) wal: PathBuf,
    /// Where it is kept.
    pub(super) kept: PathBuf,
    /// An earlier recovery was cut short while it put the new file in place.
    pub(super) was_cut_short: bool,
}

/// Looks at the files of the mirror at `path`, which is there.
pub(super) fn look(path: &Path, now: Timestamp) -> io::Result<Damaged> {
    let mirror = files::beside(path, "");
    let wal = with_suffix(&mirror, WAL);
    let own = FileId::of(&mirror);
    let kept = kept(path)?;
    let earlier = kept.into_iter().find(|kept| FileId::of(kept) == own);
    let was_cut_short = earlier.is_some();
    let kept = match earlier {
        Some(kept) => kept,
        None => free_name(&mirror, now)?,
    };
    let kept_wal = with_suffix(&kept, WAL);
    let is_there = |wal: &Path| std::fs::metadata(wal).is_ok_and(|wal| wal.len() > 0);
    let wal = if !is_there(&wal) && is_there(&kept_wal) {
        kept_wal
    } else {
        wal
    };
    Ok(Damaged {
        mirror,
        wal,
        kept,
        was_cut_short,
    })
}

/// The damaged files that are kept of the mirror at `path`.
pub(in super::super) fn kept(path: &Path) -> io::Result<Vec<PathBuf>> {
    files::siblings(path, |rest| rest.starts_with(DAMAGED))
}

fn free_name(mirror: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let at = now.format("%Y%m%dT%H%M%SZ");
    (1..NAMES_MAX)
        .map(|number| {
            let number = if number == 1 {
                String::new()
            } else {
                format!("-{number}")
            };
            with_suffix(mirror, &format!("{DAMAGED}{at}{number}"))
        })
        .find(|name| !name.exists())
        .ok_or_else(|| ErrorKind::AlreadyExists.into())
}

/// The new file, empty; what an earlier attempt left is removed. It is for whoever the damaged one is for.
pub(super) fn new_file(damaged: &Damaged) -> io::Result<(PathBuf, File)> {
    let path = with_suffix(&damaged.mirror, UNFINISHED);
    remove(&path)?;
    let file = files::open_or_create(&path)?;
    let old = std::fs::metadata(&damaged.mirror)?;
    file.set_permissions(old.permissions())?;
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Refused to whoever is not root, whose file it then is.
        let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
    }
    Ok((path, file))
}

/// Removes the new file, and what SQLite made beside it.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        gone(&with_suffix(path, suffix))?;
    }
    Ok(())
}

/// Puts the new file, which is whole and on the disk, in the mirror's place.
pub(super) fn put(damaged: &Damaged, new: &Path) -> io::Result<()> {
    link(&damaged.mirror, &damaged.kept)?;
    let wal = with_suffix(&damaged.mirror, WAL);
    if std::fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0) {
        link(&wal, &with_suffix(&damaged.kept, WAL))?;
    }
    files::sync_folder_of(&damaged.mirror)?;
    for suffix in files::OF_SQLITE {
        gone(&with_suffix(&damaged.mirror, suffix))?;
    }
    files::sync_folder_of(&damaged.mirror)?;
    std::fs::rename(new, &damaged.mirror)?;
    files::sync_folder_of(&damaged.mirror)
}

/// Gives a file a second name, unless it has that already.
fn link(file: &Path, name: &Path) -> io::Result<()> {
    match std::fs::hard_link(file, name) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if FileId::of(file) == FileId::of(name) {
                Ok(())
            } else {
                Err(error)
            }
        }
        other => other,
    }
}

fn gone(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
