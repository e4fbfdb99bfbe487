//! `changes --follow`: what is there, and then each change as it is committed, for ever.
//!
//! Between two batches no snapshot is held, so that a slow consumer doesn't keep the mirror's -wal file from being emptied.
//! A commit is noticed by the files that it writes. Because nothing is perfect, and a file system may be one that gives no
//! notice, the mirror is also looked at now and then, which costs a few system calls.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::watch::{Watch, Woken};
use super::{Printer, Reading};
use crate::cli::output::note;
use crate::cli::{Context, Exit, Failure, signals};
use crate::mirror::{MirrorError, Reader};

/// How often the mirror is looked at without notice.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// The notice of a write comes before the commit can be seen: the first look is this much later, the next ones ever more.
const SETTLE: Duration = Duration::from_millis(20);
const SETTLE_GROWTH: u32 = 5;

/// A mirror that is read, and which file it is.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) reader: Reader,
    file: Option<FileId>,
}

/// A file, whatever its name.
type FileId = (u64, u64);

impl Opened {
    /// Opens the mirror at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, MirrorError> {
        let before = file_id(path);
        let reader = Reader::open(path)?;
        // Replaced in between: which of the two it is, is not known, and the next look opens it again.
        let file = before.filter(|before| file_id(path) == Some(*before));
        Ok(Self { reader, file })
    }

    /// Whether it is still the file of that name.
    fn is_at(&self, path: &Path) -> bool {
        self.file.is_some() && file_id(path) == self.file
    }
}

fn file_id(path: &Path) -> Option<FileId> {
    let id = |file: Metadata| (file.dev(), file.ino());
    std::fs::metadata(path).ok().map(id)
}

/// Follows the feed until all that was asked for is printed, or nobody reads it. Blocks the thread; a signal ends the process
/// from another one.
pub(super) fn run(
    context: &Context,
    mirror: Opened,
    mut reading: Reading,
    mut printer: Printer,
) -> Result<(), Failure> {
    signals::end_at_once()
        .map_err(|error| Failure::new(Exit::Bug, format!("can't watch for signals: {error}")))?;
    let path = &context.config.mirror.path;
    let mut watch = Watch::new(path);
    let mut mirror = Some(mirror);
    loop {
        let Some(opened) = &mirror else {
            mirror = reopened(context, &watch)?;
            if mirror.is_none() {
                return Ok(());
            }
            watch = Watch::new(path);
            continue;
        };
        // Asked for first: what is committed while the rest is read is not overlooked.
        let seen = opened.reader.data_version()?;
        reading.print_all(&opened.reader, &mut printer)?;
        if reading.is_done() {
            return Ok(());
        }
        match wait(path, opened, seen, &watch)? {
            After::Commit => {}
            After::Replacement => mirror = None,
            After::End => return Ok(()),
        }
    }
}

/// What a wait came to.
enum After {
    /// Something was committed.
    Commit,
    /// The file is gone, or is another one.
    Replacement,
    /// Nobody is left to read about it.
    End,
}

/// Waits until something is committed after data version `seen`.
fn wait(path: &Path, mirror: &Opened, seen: i64, watch: &Watch) -> Result<After, Failure> {
    let mut patience = Patience(LOOK_INTERVAL);
    loop {
        if patience.wait(watch) == Woken::NobodyReads {
            return Ok(After::End);
        }
        if !mirror.is_at(path) {
            return Ok(After::Replacement);
        }
        if mirror.reader.data_version()? != seen {
            return Ok(After::Commit);
        }
    }
}

/// Opens the file that is there now, as soon as there is one; `None` if nobody is left to read about it.
fn reopened(context: &Context, watch: &Watch) -> Result<Option<Opened>, Failure> {
    let mut told = false;
    let mut patience = Patience(SETTLE);
    loop {
        match Opened::open(&context.config.mirror.path) {
            Ok(mirror) => return Ok(Some(mirror)),
            Err(
                error @ (MirrorError::Missing { .. }
                | MirrorError::NotReadable { .. }
                | MirrorError::Busy { .. }),
            ) => {
                if !std::mem::replace(&mut told, true) {
                    note(context, &format!("waiting for the mirror: {error}"));
                }
            }
            Err(error) => return Err(error.into()),
        }
        if patience.wait(watch) == Woken::NobodyReads {
            return Ok(None);
        }
    }
}

/// How long to wait for notice before the next look.
struct Patience(Duration);

impl Patience {
    fn wait(&mut self, watch: &Watch) -> Woken {
        let woken = watch.wait(self.0);
        if woken == Woken::Written {
            // A commit writes many times; one look is enough for all of them.
            std::thread::sleep(SETTLE);
            watch.drain();
            self.0 = SETTLE * SETTLE_GROWTH;
        } else {
            self.0 = (self.0 * SETTLE_GROWTH).min(LOOK_INTERVAL);
        }
        woken
    }
}
