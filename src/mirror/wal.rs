//! Keeping the -wal file bounded where somebody always reads.
//!
//! SQLite begins the -wal file anew at the first write that finds all of it in the mirror's file and nobody who still reads from it.
//! Where dozens of programs read, each for a moment, there is no such write in the midst of a pass: somebody has always begun to read
//! just before, and the file grows by all that is written. So when it has grown to [`WAIT_BYTES`], the pass stops writing for a
//! while. Who begins to read then reads what is in the mirror's file, and is not in the way; it takes no longer than those need who
//! were there before.
//!
//! Nobody else waits: no lock is held meanwhile. Somebody who reads the mirror as it was for hours can't be waited for, so that is
//! said in the log, and tried anew only when the file has grown by as much as it may have.

use std::time::{Duration, Instant};

use tracing::warn;

use super::schema::{self, WAL_BYTES};
use super::{Mirror, Result, files};

/// From this size on it is worth a wait: a -wal file that can begin anew does so at half of it.
const WAIT_BYTES: u64 = 2 * WAL_BYTES;
/// As long as a program may take that means well: exports and copies of a large mirror read in one transaction.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at whether they have gone.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

impl Mirror {
    /// Waits, within bounds, until a -wal file that has grown too large can begin anew; no longer than until `is_stopped`.
    ///
    /// # Errors
    /// If the mirror can't be read or written.
    pub fn bound_log(&mut self, is_stopped: impl Fn() -> bool) -> Result<()> {
        self.bound_log_within(PATIENCE, is_stopped)
    }

    fn bound_log_within(
        &mut self,
        patience: Duration,
        is_stopped: impl Fn() -> bool,
    ) -> Result<()> {
        let log = files::log_of(&self.path);
        let size = || std::fs::metadata(&log).map_or(0, |file| file.len());
        let found = size();
        if found <= WAL_BYTES {
            self.log_bytes_tried = 0;
        }
        if found < WAIT_BYTES.max(self.log_bytes_tried + WAL_BYTES) {
            return Ok(());
        }
        let deadline = Instant::now() + patience;
        while !self.read(schema::settle_all)? {
            self.work.step();
            if is_stopped() || self.work.is_given_up() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                self.log_bytes_tried = size();
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
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::path::Path;

    use rusqlite::{Connection, Transaction};

    use super::*;
    use crate::fixture::Fixture;
    use crate::mirror::set_meta;

    fn log_bytes(fixture: &Fixture) -> u64 {
        std::fs::metadata(files::log_of(&fixture.path)).map_or(0, |file| file.len())
    }

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
            if log_bytes(fixture) >= bytes {
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
            let size = log_bytes(&fixture);
            grow(&mut fixture, size + WAL_BYTES / 4);
            relieve();
            let look = || {
                relieve();
                false
            };
            let patience = Duration::from_secs(3600);
            fixture.mirror.bound_log_within(patience, look).unwrap();
            size_max = size_max.max(size);
        }
        assert!(size_max <= WAIT_BYTES, "{size_max}");
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
            fixture.mirror.bound_log_within(patience, look).unwrap();
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
        grow(&mut fixture, WAIT_BYTES);
        let patience = Duration::from_secs(3600);
        fixture.mirror.bound_log_within(patience, || true).unwrap();
        assert!(log_bytes(&fixture) >= WAIT_BYTES);
    }
}
