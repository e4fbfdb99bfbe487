//! Zeros over the bytes of the mirror's file that belong to nothing.
//!
//! `PRAGMA secure_delete` overwrites what is deleted, but not what is moved: where a page is rebuilt because a neighbour takes some
//! of its cells, copies of these stay in the space between its cell pointers and its cells (`rebuildPage` in SQLite's source),
//! and outlive the row. No SQL reaches them but VACUUM, which writes the whole file anew and keeps other writers waiting.
//!
//! So they are overwritten in place. What a b-tree page doesn't use has no meaning to SQLite, whose file format is stable
//! (<https://www.sqlite.org/fileformat2.html>): a reader that has half of it sees the same rows, and a crash leaves nothing to repair.
//! The caller makes sure that nobody writes meanwhile, and that the -wal file is empty, so that the file is all there is.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// No tree of SQLite's is deeper.
const DEPTH_MAX: u32 = 20;

/// Where the database's header ends, on the first page.
const FILE_HEADER: usize = 100;

/// The pages of a database file.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    pub(super) file: &'a File,
    /// Bytes of a page …
    pub(super) size: usize,
    /// … of which so many are SQLite's.
    pub(super) usable: usize,
    /// How many pages there are; the first is number 1.
    pub(super) count: u32,
}

/// What a page is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Overflow pages and others that are left alone.
    Other,
    Tree,
    /// Lists free pages.
    FreeTrunk,
    Free,
}

/// What the pages of a range are.
struct Kinds {
    start: u32,
    kinds: Vec<Kind>,
}

impl Kinds {
    fn set(&mut self, page: u32, kind: Kind) {
        let index = page.checked_sub(self.start).map(|index| index as usize);
        if let Some(slot) = index.and_then(|index| self.kinds.get_mut(index)) {
            *slot = kind;
        }
    }
}

impl Pages<'_> {
    /// Overwrites what the pages of `range` don't use; `roots` are the roots of all trees. Calls `step` now and then, whose error
    /// ends the work.
    pub(super) fn scrub(
        &self,
        roots: &[u32],
        range: Range<u32>,
        mut step: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        let mut kinds = Kinds {
            start: range.start,
            kinds: vec![Kind::Other; range.len()],
        };
        for root in roots {
            let mut left = self.count;
            let depth = self.depth(*root)?;
            self.mark_tree(*root, depth, &mut left, &mut kinds)?;
            step()?;
        }
        self.mark_free(&mut kinds)?;
        let mut page = vec![0; self.size];
        for (number, kind) in range.zip(kinds.kinds) {
            if number % 256 == 0 {
                step()?;
            }
            if kind == Kind::Other {
                continue;
            }
            self.read(number, &mut page)?;
            let unused = match kind {
                Kind::Tree => unused_in_tree(&page, header_of(number), self.usable)
                    .ok_or_else(|| damaged(number))?,
                Kind::FreeTrunk => {
                    let pages = number_at(&page, 4).ok_or_else(|| damaged(number))?;
                    one((8 + 4 * pages as usize).min(self.usable)..self.usable)
                }
                Kind::Free | Kind::Other => one(0..self.size),
            };
            for range in unused {
                self.overwrite(number, &page, range)?;
            }
        }
        Ok(())
    }

    fn overwrite(&self, number: u32, page: &[u8], range: Range<usize>) -> Result<()> {
        match page.get(range.clone()) {
            Some(bytes) if bytes.iter().any(|byte| *byte != 0) => self.file.write_all_at(
                &vec![0; range.len()],
                self.offset(number) + range.start as u64,
            ),
            _ => Ok(()),
        }
    }

    fn offset(&self, number: u32) -> u64 {
        u64::from(number - 1) * self.size as u64
    }

    fn read(&self, number: u32, page: &mut [u8]) -> Result<()> {
        if number == 0 || number > self.count {
            return Err(damaged(number));
        }
        self.file.read_exact_at(page, self.offset(number))
    }

    /// How many levels of pages are under this one; the same on every path.
    fn depth(&self, root: u32) -> Result<u32> {
        let mut page = vec![0; self.size];
        let mut number = root;
        for depth in 0..DEPTH_MAX {
            self.read(number, &mut page)?;
            let children = children(&page, header_of(number)).ok_or_else(|| damaged(number))?;
            match children.first() {
                None => return Ok(depth),
                Some(child) => number = *child,
            }
        }
        Err(damaged(root))
    }

    /// Marks a page and those under it. Leaves are not read for that: they are nearly all of the file.
    fn mark_tree(&self, number: u32, depth: u32, left: &mut u32, kinds: &mut Kinds) -> Result<()> {
        *left = left.checked_sub(1).ok_or_else(|| damaged(number))?;
        kinds.set(number, Kind::Tree);
        if depth == 0 {
            return Ok(());
        }
        let mut page = vec![0; self.size];
        self.read(number, &mut page)?;
        let children = children(&page, header_of(number)).ok_or_else(|| damaged(number))?;
        children
            .into_iter()
            .try_for_each(|child| self.mark_tree(child, depth - 1, left, kinds))
    }

    /// Marks the free pages. Those that another program freed may be full of what was there.
    fn mark_free(&self, kinds: &mut Kinds) -> Result<()> {
        let mut page = vec![0; self.size];
        self.read(1, &mut page)?;
        let mut trunk = number_at(&page, 32).unwrap_or(0);
        let mut left = self.count;
        while trunk != 0 {
            left = left.checked_sub(1).ok_or_else(|| damaged(trunk))?;
            self.read(trunk, &mut page)?;
            kinds.set(trunk, Kind::FreeTrunk);
            let listed = number_at(&page, 4).unwrap_or(0) as usize;
            let numbers = page
                .get(8..)
                .and_then(|rest| rest.get(..listed.checked_mul(4)?))
                .ok_or_else(|| damaged(trunk))?;
            for number in numbers.chunks_exact(4) {
                kinds.set(number_at(number, 0).unwrap_or(0), Kind::Free);
            }
            trunk = number_at(&page, 0).unwrap_or(0);
        }
        Ok(())
    }
}

fn one(range: Range<usize>) -> Vec<Range<usize>> {
    std::iter::once(range).collect()
}

fn damaged(page: u32) -> Error {
    Error::new(
        ErrorKind::InvalidData,
        format!("page {page} is not what it should be"),
    )
}

fn header_of(page: u32) -> usize {
    if page == 1 { FILE_HEADER } else { 0 }
}

fn short_at(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(usize::from(u16::from_be_bytes(bytes)))
}

fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Size of a tree page's header; that of an inner page has its last child.
fn header_size(kind: u8) -> Option<usize> {
    match kind {
        2 | 5 => Some(12),
        10 | 13 => Some(8),
        _ => None,
    }
}

/// The pages right under a tree page; none under a leaf. `None` if it is no tree page.
fn children(page: &[u8], header: usize) -> Option<Vec<u32>> {
    let size = header_size(*page.get(header)?)?;
    if size == 8 {
        return Some(Vec::new());
    }
    let cells = short_at(page, header + 3)?;
    let of_cell = |index| number_at(page, short_at(page, header + size + 2 * index)?);
    (0..cells)
        .map(of_cell)
        .chain([number_at(page, header + 8)])
        .collect()
}

/// The bytes of a tree page that hold nothing: between pointers and cells, and inside its free blocks. `None` if it is no tree page.
fn unused_in_tree(page: &[u8], header: usize, usable: usize) -> Option<Vec<Range<usize>>> {
    let size = header_size(*page.get(header)?)?;
    let pointers_end = header + size + 2 * short_at(page, header + 3)?;
    let cells = match short_at(page, header + 5)? {
        0 => 65_536,
        start => start,
    };
    if pointers_end > cells || cells > usable || usable > page.len() {
        return None;
    }
    let mut unused = one(pointers_end..cells);
    let mut end = cells;
    let mut block = short_at(page, header + 1)?;
    while block != 0 {
        // They are in order, each begins with the next one's place and its own size.
        let block_end = block + short_at(page, block + 2)?;
        if block < end || block + 4 > block_end || block_end > usable {
            return None;
        }
        unused.push(block + 4..block_end);
        end = block_end;
        block = short_at(page, block)?;
    }
    Some(unused)
}

#[cfg(test)]
mod tests;
