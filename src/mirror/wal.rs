//! Keeping the -wal file bounded where somebody always reads.
//!
//! SQLite begins the -wal file anew at the first write that finds all of it in the mirror's file and nobody who still reads from it.
//! Where dozens of programs read, each for a moment, there is no such write in the midst of a pass: somebody has always begun to read
//! just before, and the file grows by all that is written. So when it has grown to [`OVERGROWN_BYTES`], the pass stops writing for a
//! while. Who begins to read then reads what is in the mirror's file, and is not in the way; it takes no longer than those need who
//! were there before.
//!
//! Nobody else waits: no lock is held meanwhile. Somebody who reads the mirror as it was for hours can't be waited for, so that is
//! said in the log, and tried anew only when the file has grown by as much as it may have. At [`LOG_BYTES_MAX`] the pass ends: its
//! checkpoint is kept, and it goes on when the reader has gone.

use std::time::{Duration, Instant};

use tracing::warn;

use super::schema::{self, WAL_BYTES};
use super::{Mirror, MirrorError, Result, files};

/// From this size on a -wal file is worth a wait and a word: one that can begin anew does so at half of it, after one large transaction
/// or a page more than that.
pub const OVERGROWN_BYTES: u64 = 2 * WAL_BYTES;
/// As long as a program may take that means well: exports and copies of a large mirror read in one transaction.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much a reader that never ends can cost: the -wal file then holds all that was written since it began. A thousand pages of a
/// thousand changed customers fit in, and on a disk for a mirror of a million customers there is that much room.
pub(super) const LOG_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Between two looks at whether they have gone.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

impl Mirror {
    /// Waits, within bounds, until a -wal file that has grown too large can begin anew; no longer than until `is_stopped`.
    ///
    /// # Errors
    /// [`MirrorError::LogFull`] if it has grown to its limit, and can't be emptied.
    pub fn bound_log(&mut self, is_stopped: impl Fn() -> bool) -> Result<()> {
        self.wait_for_readers(PATIENCE, is_stopped)?;
        self.refuse_endless_log()
    }

    fn wait_for_readers(
        &mut self,
        patience: Duration,
        is_stopped: impl Fn() -> bool,
    ) -> Result<()> {
        let found = self.log_bytes();
        if found <= WAL_BYTES {
            self.log_bytes_tried = 0;
        }
        if found < OVERGROWN_BYTES.max(self.log_bytes_tried + WAL_BYTES) {
            return Ok(());
        }
        let deadline = Instant::now() + patience;
        while !self.read(schema::settle_all)? {
            self.work.step();
            if is_stopped() || self.work.is_given_up() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                self.log_bytes_tried = self.log_bytes();
                warn!(
                    wal.bytes = self.log_bytes_tried,
                    "the -wal file grows: a program has been reading the mirror as it was before for longer than {} s; let it end its \
                     transaction, or read in shorter ones",
                    PATIENCE.as_secs()
                );
                return Ok(());
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
        self.log_bytes_tried = 0;
        Ok(())
    }

    fn refuse_endless_log(&self) -> Result<()> {
        if self.log_bytes() <= self.log_bytes_max || self.read(schema::settle_all)? {
            return Ok(());
        }
        Err(MirrorError::LogFull {
            path: self.path.clone(),
            bytes: self.log_bytes(),
        })
    }

    /// Size of the -wal file.
    pub fn log_bytes(&self) -> u64 {
        std::fs::metadata(files::log_of(&self.path)).map_or(0, |wal| wal.len())
    }

    /// Brings the -wal file into the mirror, as far as it goes; its size if that is more than any pass leaves, as when a program
    /// reads the mirror for long.
    pub fn overgrown_log(&mut self) -> Result<Option<u64>> {
        self.settle()?;
        Ok(Some(self.log_bytes()).filter(|bytes| *bytes > OVERGROWN_BYTES))
    }

    /// Lets the -wal file grow to so much while a reader keeps it from being emptied, instead of a gigabyte.
    pub fn limit_log(&mut self, bytes_max: u64) {
        self.log_bytes_max = bytes_max.min(LOG_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::path::Path;

    use rusqlite::{Connection, Transaction};

    use super::*;
    use crate::fixture::Fixture;
    use crate::mirror::set_meta;

    /// Somebody who has begun to read, and does not end it.
    fn reader(path: &Path) -> Connection {
        let reader = Connection::open(path).unwrap();
        let count = "SELECT count(*) FROM customers";
        reader.execute_batch(&format!("BEGIN; {count}")).unwrap();
        reader
    }

    /// Writes to the mirror, as a pass does, until the -wal file is at least so large.
    fn grow(fixture: &mut Fixture, bytes: u64) {
        // What is the same as before is not written.
        for letter in ('a'..='z').cycle() {
            if fixture.mirror.log_bytes() >= bytes {
                return;
            }
            let filler = letter.to_string().repeat(1 << 20);
            let write = |tx: &Transaction<'_>| set_meta(tx, "filler", &filler);
            fixture.mirror.write(write).unwrap();
        }
    }

    #[test]
    fn readers_that_follow_one_another_do_not_let_the_log_grow() {
        let mut fixture = Fixture::filled();
        let path = fixture.path.clone();
        let somebody = RefCell::new(reader(&path));
        // The next one is there before the last one goes.
        let relieve = || somebody.replace(reader(&path));
        let mut size_max = 0;
        for _ in 0..16 {
            let size = fixture.mirror.log_bytes();
            grow(&mut fixture, size + WAL_BYTES / 4);
            relieve();
            let look = || {
                relieve();
                false
            };
            let patience = Duration::from_secs(3600);
            fixture.mirror.wait_for_readers(patience, look).unwrap();
            size_max = size_max.max(size);
        }
        assert!(size_max <= OVERGROWN_BYTES, "{size_max}");
    }

    #[test]
    fn who_reads_for_ever_is_waited_for_now_and_then() {
        let mut fixture = Fixture::filled();
        let reader = reader(&fixture.path);
        let mut waits = Vec::new();
        for mebibytes in [48, 65, 80, 110, 130, 150] {
            grow(&mut fixture, mebibytes << 20);
            let looks = Cell::new(0);
            let look = || {
                looks.set(looks.get() + 1);
                false
            };
            let patience = Duration::ZERO;
            fixture.mirror.wait_for_readers(patience, look).unwrap();
            waits.push(looks.get());
        }
        // From 64 MiB on, and after 32 more.
        assert_eq!(waits, [0, 1, 0, 1, 0, 1]);
        drop(reader);
        // With nobody in the way it begins anew by itself, and what was is forgotten.
        fixture.mirror.settle().unwrap();
        fixture.mirror.bound_log(|| false).unwrap();
        assert_eq!(fixture.mirror.log_bytes_tried, 0);
    }

    #[test]
    fn who_is_told_to_stop_does_not_wait() {
        let mut fixture = Fixture::filled();
        let _reader = reader(&fixture.path);
        grow(&mut fixture, OVERGROWN_BYTES);
        let patience = Duration::from_secs(3600);
        fixture.mirror.wait_for_readers(patience, || true).unwrap();
        assert!(fixture.mirror.log_bytes() >= OVERGROWN_BYTES);
    }

    #[test]
    fn who_reads_for_ever_costs_a_bounded_log() {
        const LIMIT: u64 = 4 << 20;
        let mut fixture = Fixture::filled();
        fixture.mirror.limit_log(LIMIT);
        let reader = reader(&fixture.path);
        grow(&mut fixture, LIMIT / 2);
        fixture.mirror.bound_log(|| false).unwrap();
        grow(&mut fixture, LIMIT + 1);
        let error = fixture.mirror.bound_log(|| false).unwrap_err();
        assert!(
            matches!(error, MirrorError::LogFull { bytes, .. } if bytes > LIMIT)
                && error.may_pass(),
            "{error}"
        );
        // The reader has its snapshot all the while, and ends some day.
        drop(reader);
        fixture.mirror.bound_log(|| false).unwrap();
        fixture.mirror.settle().unwrap();
        assert_eq!(fixture.mirror.log_bytes(), 0);
    }
}
