//! A file that is there whole or not at all: it is written under another name beside its place, brought to disk, and then renamed.
//!
//! Whatever ends the program in between but SIGKILL and power loss, nothing is left. What those leave is removed by a later export to
//! the same file, when it has not been written to for a while: that it is not another export's needs no lock, which not every file
//! system has.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::place::folder_of;
use crate::mirror;

/// Owner and group only: it is personal data.
const MODE: u32 = 0o640;

/// Ends the name of a file that is not finished.
const UNFINISHED: &str = ".part";

/// What SQLite has beside it while it writes one.
const JOURNAL: &str = "-journal";

/// As much of the file's name is in that of the unfinished one, which may not be longer than a name can be.
const NAME_BYTES_MAX: usize = 200;

/// An unfinished file that was not written to for so long is nobody's any more.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);

/// More names than this can't be taken already.
const ATTEMPTS: u32 = 100;

/// A file on its way to its place.
#[derive(Debug)]
pub(super) struct NewFile {
    file: File,
    part: Part,
    place: PathBuf,
}

/// An unfinished file; dropping this removes it.
#[derive(Debug)]
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Not there any more if all went well.
        let _ = std::fs::remove_file(&self.0);
        let mut journal = OsString::from(&self.0);
        journal.push(JOURNAL);
        let _ = std::fs::remove_file(journal);
    }
}

impl NewFile {
    /// Makes an empty file, to be put at `place` by [`NewFile::keep`].
    ///
    /// # Errors
    /// If the folder takes no file.
    pub(super) fn create(place: &Path) -> io::Result<Self> {
        let folder = folder_of(place);
        let stem = stem(place);
        remove_abandoned(folder, &stem);
        let mut attempt = 1;
        loop {
            let mut name = stem.clone();
            name.push(format!("{:016x}{UNFINISHED}", fastrand::u64(..)));
            let path = folder.join(name);
            let mut options = OpenOptions::new();
            match options.write(true).create_new(true).mode(MODE).open(&path) {
                Ok(file) => {
                    let part = Part(path);
                    mirror::leave_to_folder_owner(&file, place)?;
                    let place = place.to_owned();
                    return Ok(Self { file, part, place });
                }
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is until it is kept.
    pub(super) fn path(&self) -> &Path {
        &self.part.0
    }

    /// Its length in bytes.
    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Another handle of it.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Puts it in its place, in one step, and not to be lost by a power failure.
    ///
    /// # Errors
    /// If that can't be done; what was there before stands.
    pub(super) fn keep(self) -> io::Result<()> {
        self.inherit();
        self.file.sync_all()?;
        std::fs::rename(&self.part.0, &self.place)?;
        match mirror::sync_folder_of(&self.place) {
            // A folder that may be written but not read.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes over the group of a file of our own that is replaced, and what its owner or group were not allowed. Others never get
    /// access; and of somebody else's file, who might have laid it out for us, nothing is taken over.
    fn inherit(&self) {
        let (Ok(new), Ok(old)) = (self.file.metadata(), std::fs::symlink_metadata(&self.place))
        else {
            return;
        };
        if !old.is_file() || old.uid() != new.uid() {
            return;
        }
        if old.gid() != new.gid() && fchown(&self.file, None, Some(old.gid())).is_err() {
            // Not a group of ours: it is for no group, then.
            let _ = self.file.set_permissions(Permissions::from_mode(0o600));
            return;
        }
        let mode = new.mode() & old.mode() & MODE;
        let _ = self
            .file
            .set_permissions(Permissions::from_mode(mode | 0o600));
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// How the names of unfinished files for this place begin.
fn stem(place: &Path) -> OsString {
    let name = place.file_name().unwrap_or_default().as_bytes();
    let mut stem = OsString::from(".");
    stem.push(OsStr::from_bytes(&name[..name.len().min(NAME_BYTES_MAX)]));
    stem.push(".");
    stem
}

/// Removes what a killed export has left. Nothing depends on it.
fn remove_abandoned(folder: &Path, stem: &OsStr) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let is_old = || {
            let written = entry.metadata().ok().filter(std::fs::Metadata::is_file);
            let written = written.and_then(|metadata| metadata.modified().ok());
            written
                .and_then(|at| at.elapsed().ok())
                .is_some_and(|age| age > ABANDONED_AFTER)
        };
        if is_unfinished(&entry.file_name(), stem) && is_old() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether this is a name that [`NewFile::create`] gives, or SQLite to what it has beside it.
fn is_unfinished(name: &OsStr, stem: &OsStr) -> bool {
    let Some(rest) = name.as_bytes().strip_prefix(stem.as_bytes()) else {
        return false;
    };
    let rest = rest.strip_suffix(JOURNAL.as_bytes()).unwrap_or(rest);
    rest.strip_suffix(UNFINISHED.as_bytes())
        .is_some_and(|middle| middle.len() == 16 && middle.iter().all(u8::is_ascii_hexdigit))
}
