//! Where an export goes, decided before anything is written: what the name leads to, and whether that may be overwritten.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cli::{Exit, Failure};
use crate::mirror;
use crate::trust;

/// As the kernel has it.
const LINKS_MAX: usize = 40;

/// Where to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Stdout,
    /// A terminal, a pipe, a device, or a file that is open already: it takes what comes.
    Stream(PathBuf),
    /// A file, there or not: made, or replaced as a whole.
    File(PathBuf),
}

impl Place {
    /// Where `--output` leads, for an export of the mirror at `mirror`.
    ///
    /// # Errors
    /// If nothing may be written there.
    pub(super) fn of(output: Option<&Path>, mirror: &Path) -> Result<Self, Failure> {
        let place = match output {
            None => Self::Stdout,
            Some(path) if path == Path::new("-") => Self::Stdout,
            Some(path) => followed(path)?,
        };
        let metadata = match &place {
            Self::Stdout => of_stdout().ok(),
            Self::Stream(path) | Self::File(path) => std::fs::metadata(path).ok(),
        };
        for file in mirror::files_of(mirror) {
            if is_same(&place, metadata.as_ref(), &file) {
                return Err(Failure::new(
                    Exit::Usage,
                    format!(
                        "{} belongs to the mirror: export to another file",
                        file.display()
                    ),
                ));
            }
        }
        if let Self::File(path) = &place {
            refuse_open_database(path)?;
        }
        Ok(place)
    }
}

fn is_same(place: &Place, metadata: Option<&Metadata>, file: &Path) -> bool {
    if let Place::File(path) = place
        && path == file
    {
        return true;
    }
    let Some((ours, theirs)) = metadata.zip(std::fs::metadata(file).ok()) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())
}

/// Follows links as the kernel does, so that the file is replaced and not the link to it.
fn followed(output: &Path) -> Result<Place, Failure> {
    let failed = |error: &io::Error| cannot_create(output, error);
    // It may lead to a file that is dear to whoever runs this.
    if let Some(doubt) = trust::strange_link(output) {
        return Err(failed(&io::Error::other(doubt.to_string())));
    }
    let mut path = output.to_owned();
    for _ in 0..LINKS_MAX {
        let ends_as_folder = path.as_os_str().as_bytes().ends_with(b"/");
        let Some(name) = path.file_name().filter(|_| !ends_as_folder) else {
            return Err(is_folder(output));
        };
        let folder = folder_of(&path).canonicalize().map_err(|e| failed(&e))?;
        path = folder.join(name);
        if folder.starts_with("/proc") {
            // /dev/stdout, /dev/fd/3: what is there is open, and is not ours to replace.
            return Ok(stream(path));
        }
        let found = match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Place::File(path)),
            found => found.map_err(|error| failed(&error))?,
        };
        if found.is_dir() {
            return Err(is_folder(output));
        }
        if found.is_file() {
            return Ok(Place::File(path));
        }
        if !found.is_symlink() {
            return Ok(stream(path));
        }
        path = folder.join(std::fs::read_link(&path).map_err(|error| failed(&error))?);
    }
    Err(failed(&rustix::io::Errno::LOOP.into()))
}

/// What is stdout by another name is written to as stdout: opened once more, it would be written to from its beginning.
fn stream(path: PathBuf) -> Place {
    match (std::fs::metadata(&path), of_stdout()) {
        (Ok(there), Ok(stdout)) if (there.dev(), there.ino()) == (stdout.dev(), stdout.ino()) => {
            Place::Stdout
        }
        _ => Place::Stream(path),
    }
}

/// What stdout is.
pub(super) fn of_stdout() -> io::Result<Metadata> {
    let stdout = std::io::stdout().as_fd().try_clone_to_owned()?;
    std::fs::File::from(stdout).metadata()
}

/// A file of another content below the -wal file of the old one would be taken for damaged, or be.
fn refuse_open_database(path: &Path) -> Result<(), Failure> {
    for suffix in ["-wal", "-journal"] {
        let mut beside = OsString::from(path);
        beside.push(suffix);
        let beside = PathBuf::from(beside);
        if path.exists() && beside.exists() {
            return Err(Failure::new(
                Exit::CantCreate,
                format!(
                    "{}: is a database in use, {} is beside it; export to another file",
                    path.display(),
                    beside.display()
                ),
            ));
        }
    }
    Ok(())
}

/// The folder that a file is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn is_folder(path: &Path) -> Failure {
    let message = format!("{}: is a folder; name a file in it", path.display());
    Failure::new(Exit::CantCreate, message)
}

/// That a file can't be made, or put in its place.
pub(super) fn cannot_create(path: &Path, error: &io::Error) -> Failure {
    if is_full(error) {
        return cannot_write(path, error);
    }
    let message = format!("{}: can't be written: {error}", path.display());
    Failure::new(Exit::CantCreate, message)
}

/// That a file that is open can't be written. A reader that went away is no failure of ours.
pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::output(error);
    }
    let reason = if is_full(error) {
        "the disk is full; free some space and run again".to_owned()
    } else {
        format!("can't be written: {error}")
    };
    Failure::new(Exit::Storage, format!("{}: {reason}", path.display()))
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
