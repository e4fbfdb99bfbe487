//! The pages of a damaged file as its last commit left them: those in the -wal file that belong to one, else those in the file.
//!
//! SQLite reads a row by way of the pages above it, and gives up where one of these is broken. Here nothing leads to anything: each
//! page is read for what it is (<https://www.sqlite.org/fileformat2.html>), so that a page that is lost costs what was on it.
//! Whatever is read may be nonsense: every number is checked before it is used.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What the program's mirrors have; asked for where the file doesn't say.
const PAGE_BYTES: usize = 4096;
/// Where the database's header ends, on the first page.
const FILE_HEADER: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";

const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// Begins a -wal file; the last bit says in which order checksums take bytes.
const WAL_MAGIC: u32 = 0x377f_0682;

/// A page as it is.
pub(super) type Page = Vec<u8>;

/// A damaged database.
#[derive(Debug)]
pub(super) struct Book {
    file: File,
    wal: Option<File>,
    /// Where in the -wal file the last committed version of a page is.
    in_wal: HashMap<u32, u64>,
    /// Bytes of a page …
    size: usize,
    /// … of which so many are SQLite's.
    pub(super) usable: usize,
    /// How many pages there are; the first is number 1.
    pub(super) count: u32,
    /// The -wal file has more than can be believed: the last commits may be lost.
    pub(super) has_lost_commits: bool,
}

impl Book {
    /// Looks at a file and its -wal file.
    ///
    /// # Errors
    /// If the file's size can't be had.
    pub(super) fn open(file: File, wal: Option<File>) -> io::Result<Self> {
        let mut header = [0; FILE_HEADER];
        let is_known = file.read_exact_at(&mut header, 0).is_ok() && header.starts_with(MAGIC);
        let size = match short_at(&header, 16) {
            Some(1) if is_known => 65_536,
            Some(size) if is_known && size.is_power_of_two() && size >= 512 => size,
            _ => PAGE_BYTES,
        };
        let reserved = if is_known { usize::from(header[20]) } else { 0 };
        let usable = if size - reserved >= 480 {
            size - reserved
        } else {
            size
        };
        let pages = file.metadata()?.len().div_ceil(size as u64);
        let mut book = Self {
            file,
            wal,
            in_wal: HashMap::new(),
            size,
            usable,
            count: u32::try_from(pages).unwrap_or(u32::MAX),
            has_lost_commits: false,
        };
        let wal_bytes = book
            .wal
            .as_ref()
            .map_or(Ok(0), |wal| wal.metadata().map(|wal| wal.len()))?;
        if wal_bytes > 0 {
            book.read_wal();
        }
        Ok(book)
    }

    /// Finds the committed pages of the -wal file, up to where its checksums end to be right, as SQLite does. `None` if its beginning
    /// can't be read.
    fn read_wal(&mut self) -> Option<()> {
        self.has_lost_commits = true;
        let wal = self.wal.as_ref()?;
        let mut header = [0; WAL_HEADER];
        wal.read_exact_at(&mut header, 0).ok()?;
        let magic = number_at(&header, 0)?;
        let is_big_endian = magic & 1 == 1;
        if magic & !1 != WAL_MAGIC || number_at(&header, 8)? as usize != self.size {
            return None;
        }
        let mut sum = checksum((0, 0), header.get(..24)?, is_big_endian);
        if sum != (number_at(&header, 24)?, number_at(&header, 28)?) {
            return None;
        }
        self.has_lost_commits = false;
        let mut uncommitted = Vec::new();
        let mut frame = vec![0; FRAME_HEADER + self.size];
        let mut at = WAL_HEADER as u64;
        while wal.read_exact_at(&mut frame, at).is_ok() {
            sum = checksum(sum, frame.get(..8)?, is_big_endian);
            sum = checksum(sum, frame.get(FRAME_HEADER..)?, is_big_endian);
            if frame.get(8..16) != header.get(16..24) {
                // Of an earlier round.
                break;
            }
            if sum != (number_at(&frame, 16)?, number_at(&frame, 20)?) {
                self.has_lost_commits = true;
                break;
            }
            uncommitted.push((number_at(&frame, 0)?, at + FRAME_HEADER as u64));
            let pages = number_at(&frame, 4)?;
            if pages > 0 {
                self.count = pages;
                self.in_wal.extend(uncommitted.drain(..));
            }
            at += frame.len() as u64;
        }
        Some(())
    }

    /// A page; `None` if it can't be read, or isn't there.
    pub(super) fn page(&self, number: u32) -> Option<Page> {
        let mut page = vec![0; self.size];
        if let (Some(at), Some(wal)) = (self.in_wal.get(&number), &self.wal) {
            wal.read_exact_at(&mut page, *at).ok()?;
        } else {
            let index = u64::from(number.checked_sub(1)?);
            self.file
                .read_exact_at(&mut page, index * self.size as u64)
                .ok()?;
        }
        Some(page)
    }

    /// The free pages, which hold nothing any more; none if what says so is damaged.
    pub(super) fn free_pages(&self) -> Vec<u32> {
        self.listed_as_free().unwrap_or_default()
    }

    fn listed_as_free(&self) -> Option<Vec<u32>> {
        let first = self.page(1)?;
        let expected = number_at(&first, 36)?;
        let mut trunk = number_at(&first, 32)?;
        let mut free = Vec::new();
        while trunk != 0 {
            if free.len() as u64 > u64::from(self.count) {
                return None;
            }
            let page = self.page(trunk)?;
            free.push(trunk);
            let listed = number_at(&page, 4)? as usize;
            let numbers = page.get(8..self.usable)?.get(..listed.checked_mul(4)?)?;
            free.extend(
                numbers
                    .chunks_exact(4)
                    .filter_map(|number| number_at(number, 0)),
            );
            trunk = number_at(&page, 0)?;
        }
        (first.starts_with(MAGIC) && free.len() == expected as usize).then_some(free)
    }
}

/// Where a page's own header is: the first page has the database's before it.
pub(super) fn header_of(number: u32) -> usize {
    if number == 1 { FILE_HEADER } else { 0 }
}

/// The schema version that the first page tells, if it is one of a mirror.
pub(super) fn version_of(page: &[u8], application_id: i64) -> Option<i64> {
    let is_ours = page.starts_with(MAGIC) && i64::from(number_at(page, 68)?) == application_id;
    is_ours.then_some(i64::from(number_at(page, 60)?))
}

pub(super) fn short_at(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(usize::from(u16::from_be_bytes(bytes)))
}

pub(super) fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Goes on with a checksum of the -wal file.
fn checksum(sum: (u32, u32), bytes: &[u8], is_big_endian: bool) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let bytes = bytes.try_into().unwrap_or_default();
        if is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    };
    bytes.chunks_exact(8).fold(sum, |(first, second), pair| {
        let (left, right) = pair.split_at(4);
        let first = first.wrapping_add(word(left)).wrapping_add(second);
        let second = second.wrapping_add(word(right)).wrapping_add(first);
        (first, second)
    })
}
