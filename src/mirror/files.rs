//! The files of a mirror: where they are, and who may read them.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, fchown, lchown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::trust::{self, BY_OTHERS_WRITABLE, Doubt};

/// Owner and group only: the mirror is personal data.
const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;

const ROOT: u32 = 0;

/// What SQLite has beside a file while it makes it one with a -wal file.
pub(super) const JOURNAL: &str = "-journal";

/// What SQLite keeps beside the mirror.
pub(super) const OF_SQLITE: [&str; 2] = ["-wal", "-shm"];

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    /// The file of this name, or that a link of this name leads to.
    pub(super) fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::from)
    }
}

impl From<&Metadata> for FileId {
    fn from(file: &Metadata) -> Self {
        Self(file.dev(), file.ino())
    }
}

/// A file beside the mirror, by what is added to the name. A mirror that is reached by a link has it beside the file that it
/// leads to.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut name = OsString::from(real);
    name.push(suffix);
    name.into()
}

/// The files beside the mirror whose names are its own and a rest that is wanted.
pub(super) fn siblings(path: &Path, is_wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let real = beside(path, "");
    let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else {
        return Ok(Vec::new());
    };
    let name = name.to_string_lossy();
    let mut siblings = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_sibling = entry
            .file_name()
            .to_string_lossy()
            .strip_prefix(&*name)
            .is_some_and(&is_wanted);
        if is_sibling {
            siblings.push(entry.path());
        }
    }
    Ok(siblings)
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

/// Opens the mirror's file for reading and writing, and makes it, with its mode, where it is missing: before SQLite would make it with
/// the umask's mode. Its -wal and -shm take over mode and owner. It may be reached by links, also where it is not there yet.
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    match create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut options = OpenOptions::new();
            options.read(true).write(true).mode(FILE_MODE);
            options.create(true).truncate(false).open(path)
        }
        other => other,
    }
}

/// Opens a file that stands beside the mirror, and makes it where it is missing. What is there must be a file by itself: in the
/// folder of another user a link, symbolic or not, could lead root to any file, and what is written would overwrite that.
pub(super) fn open_or_create_beside(path: &Path) -> io::Result<File> {
    let file = match create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut options = OpenOptions::new();
            options.read(true).write(true);
            // A pipe or a device can keep whoever opens it waiting.
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let opened = options.custom_flags(flags.bits().cast_signed()).open(path);
            opened.map_err(|error| match rustix::io::Errno::from_io_error(&error) {
                Some(rustix::io::Errno::LOOP) => io::Error::other("it is a symbolic link"),
                _ => error,
            })?
        }
        other => return other,
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other(format!(
            "it is {}, not a file",
            kind_of(&found)
        )));
    }
    if found.nlink() != 1 {
        return Err(io::Error::other("it has another name, too (a hard link)"));
    }
    Ok(file)
}

/// Makes a file, with its mode, that must not be there yet.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(FILE_MODE);
    let file = options.create_new(true).open(path)?;
    leave_to_folder_owner(&file, path)?;
    Ok(file)
}

/// Refuses what can't be a mirror, without opening it, and what another user has laid out where everybody may make files: a link that
/// leads elsewhere, or a file that stays his, to read and to change, when it is full of customers.
pub(super) fn refuse_trap(path: &Path) -> io::Result<()> {
    if let Some(what) = not_a_file(path) {
        return Err(io::Error::other(what));
    }
    match trust::strange_link(path) {
        Some(doubt) => Err(io::Error::other(doubt.to_string())),
        None => Ok(()),
    }
}

/// Refuses what can't be SQLite's own beside a mirror. As root, SQLite would write over whatever a link there leads to, if the folder is
/// another user's; and a -wal or -journal file that a stranger has put where everybody may make files is as good as the mirror itself:
/// SQLite takes over what it says.
pub(super) fn refuse_planted(path: &Path) -> io::Result<()> {
    let real = beside(path, "");
    let folder = std::fs::metadata(folder_of(&real))?;
    let is_shared = folder.mode() & BY_OTHERS_WRITABLE != 0;
    let trusted = trust::trusted();
    for suffix in OF_SQLITE.into_iter().chain([JOURNAL]) {
        let file = beside(path, suffix);
        let Ok(found) = std::fs::symlink_metadata(&file) else {
            continue;
        };
        let shown = file.display();
        let problem = if found.is_symlink() {
            "is a symbolic link; remove it".to_owned()
        } else if !found.is_file() {
            format!("is {}, not a file; remove it", kind_of(&found))
        } else if found.nlink() > 1 {
            "has another name, too (a hard link); remove this one".to_owned()
        } else if is_shared && !trusted.contains(&found.uid()) {
            let user = found.uid();
            format!(
                "is of user {user}, in a folder where everybody can make files; move the mirror to a folder of its own"
            )
        } else {
            continue;
        };
        return Err(io::Error::other(format!("{shown} {problem}")));
    }
    Ok(())
}

/// Who else could change what the mirror says, by what its folders allow, and what to do about it.
pub(crate) fn exposure(path: &Path) -> Option<(String, String)> {
    let real = beside(path, "");
    let folder = folder_of(&real);
    let mode = std::fs::metadata(folder).ok()?.mode() & 0o7777;
    let shown = folder.display();
    if mode & BY_OTHERS_WRITABLE != 0 {
        return Some((
            format!(
                "every user of this machine can put files beside the mirror, in {shown} (mode {mode:04o}), and what a -wal or -journal file says, the mirror says"
            ),
            "give the mirror a folder of its own, which only its owner can write to".to_owned(),
        ));
    }
    match trust::doubt_of(&real)? {
        doubt @ (Doubt::OpenFile { .. } | Doubt::OpenFolder { .. }) => {
            Some((format!("{}: {doubt}", real.display()), doubt.remedy()))
        }
        // One user's mirror, looked after by root, is as it should be.
        _ => None,
    }
}

/// That something is there which to open may take for ever, or do something.
pub(super) fn not_a_file(path: &Path) -> Option<String> {
    let found = std::fs::metadata(path).ok()?;
    (!found.is_file() && !found.is_dir()).then(|| format!("it is {}, not a file", kind_of(&found)))
}

/// What it is, if it is no file.
fn kind_of(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
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
