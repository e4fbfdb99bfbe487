//! The files of a mirror: where they are, and who may read them.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown, lchown};
use std::path::{Path, PathBuf};

/// Owner and group only: the mirror is personal data.
const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;

const ROOT: u32 = 0;

/// What SQLite has beside a file while it makes it one with a -wal file.
pub(super) const JOURNAL: &str = "-journal";

/// What SQLite keeps beside the mirror.
pub(super) const OF_SQLITE: [&str; 2] = ["-wal", "-shm"];

/// A file beside the mirror, by what is added to the name. A mirror that is reached by a link has it beside the file that it
/// leads to.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut name = OsString::from(real);
    name.push(suffix);
    name.into()
}

/// Makes the folder, and those above it, where they are missing, not to be lost by a power failure.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)?;
    missing
        .into_iter()
        .try_for_each(|made| match sync_folder_of(made) {
            // A folder that may be written but not read.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
            _ => Ok(()),
        })
}

/// The -wal file of a mirror, which need not be there.
pub fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// Opens a file for reading and writing, and makes it, with its mode, where it is missing. The mirror's own is made so before
/// SQLite would make it with the umask's mode; its -wal and -shm take over mode and owner.
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(FILE_MODE);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            leave_to_folder_owner(&file, path)?;
            Ok(file)
        }
        // Or a link to what is not there yet.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.create(true).truncate(false).open(path)
        }
        Err(error) => Err(error),
    }
}

/// What root makes in the folder of a service belongs to the service: one `deletions approve` by root must not lock it out.
pub(crate) fn leave_to_folder_owner(file: &File, path: &Path) -> io::Result<()> {
    // A new file's owner is whoever this process is.
    if file.metadata()?.uid() != ROOT {
        return Ok(());
    }
    let folder = std::fs::metadata(folder_of(path))?;
    if folder.uid() == ROOT {
        return Ok(());
    }
    fchown(file, Some(folder.uid()), Some(folder.gid()))
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Gives SQLite's files the mirror's group. Who may read the mirror must be able to read these; SQLite makes them with the
/// process's group.
pub(super) fn share_with_group(path: &Path) {
    let Ok(mirror) = std::fs::metadata(path) else {
        return;
    };
    for suffix in OF_SQLITE {
        let file = beside(path, suffix);
        let differs = |other: Metadata| other.gid() != mirror.gid();
        if std::fs::symlink_metadata(&file).is_ok_and(differs) {
            // Refused to a process that is not in that group: then it isn't for us to share with it.
            let _ = lchown(&file, None, Some(mirror.gid()));
        }
    }
}

/// Makes the entries of a file's folder last, such as a name that it has been given.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match File::open(folder_of(path))?.sync_all() {
        // A file system that has no such thing.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}
