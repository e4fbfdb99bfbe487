//! Being woken when the mirror is written to, by the system's own notice of files that change in a folder.

use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// Room for the notices that are read at once; each is 16 bytes and a name of at most 255.
const NOTICES_BYTES: usize = 4096;

/// A watch on a mirror's folder. Where the system refuses one (it has a limit), waiting is all there is.
#[derive(Debug)]
pub(super) struct Watch {
    notices: Option<OwnedFd>,
    /// The mirror's file and its -wal file, which is what a commit writes to.
    names: [OsString; 2],
}

/// Why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// One of the mirror's files was written to, made, moved or removed.
    Written,
    /// Nothing happened for as long as was to be waited.
    Late,
    /// Nobody reads stdout any more, which who has nothing to write would not learn.
    NobodyReads,
}

impl Watch {
    /// Watches the folder that the mirror at `path` is in, and not the one of a link that leads there.
    pub(super) fn new(path: &Path) -> Self {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = real.file_name().unwrap_or_default().to_owned();
        let mut wal = name.clone();
        wal.push("-wal");
        let folder = real
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        Self {
            notices: notices(folder.unwrap_or(Path::new("."))).ok(),
            names: [name, wal],
        }
    }

    /// Waits for something to happen, for about as long as `most`. Blocks the thread.
    pub(super) fn wait(&self, most: Duration) -> Woken {
        let begun = Instant::now();
        loop {
            let left = most.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Woken::Late;
            }
            if let Some(woken) = self.wait_once(left) {
                return woken;
            }
        }
    }

    /// `None` if something happened that is of no interest.
    fn wait_once(&self, most: Duration) -> Option<Woken> {
        let stdout = std::io::stdout();
        // Asked for nothing, it is told of the worst.
        let mut descriptors = vec![PollFd::new(&stdout, PollFlags::empty())];
        let notices = self.notices.as_ref();
        descriptors.extend(notices.map(|notices| PollFd::new(notices, PollFlags::IN)));
        let timeout = Timespec {
            tv_sec: most.as_secs() as i64,
            tv_nsec: most.subsec_nanos().into(),
        };
        // Interrupted by a signal that doesn't end the process.
        poll(&mut descriptors, Some(&timeout)).ok()?;
        let happened = |index: usize, what: PollFlags| {
            let descriptor = descriptors.get(index);
            descriptor.is_some_and(|descriptor| descriptor.revents().intersects(what))
        };
        if happened(0, PollFlags::ERR | PollFlags::HUP) {
            return Some(Woken::NobodyReads);
        }
        (happened(1, PollFlags::IN) && self.drain()).then_some(Woken::Written)
    }

    /// Reads all notices that there are; returns whether one is of the mirror's files.
    pub(super) fn drain(&self) -> bool {
        let Some(notices) = &self.notices else {
            return false;
        };
        let mut buffer = [MaybeUninit::uninit(); NOTICES_BYTES];
        let mut reader = inotify::Reader::new(notices, &mut buffer);
        let mut concerned = false;
        while let Ok(notice) = reader.next() {
            // One without a name is of the folder, or says that there were too many.
            concerned |= notice.file_name().is_none_or(|name| {
                self.names
                    .iter()
                    .any(|ours| ours.as_bytes() == name.to_bytes())
            });
        }
        concerned
    }
}

fn notices(folder: &Path) -> std::io::Result<OwnedFd> {
    let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let changes = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVE | WatchFlags::DELETE;
    inotify::add_watch(&descriptor, folder, changes | WatchFlags::DELETE_SELF)?;
    Ok(descriptor)
}
