//! What is on a page of a tree: cells, and in each a record of values. Nothing here believes what it reads.

use super::pages::{Book, Page, header_of, number_at, short_at};

const INDEX_INNER: u8 = 2;
const INDEX_LEAF: u8 = 10;
const TABLE_LEAF: u8 = 13;

/// SQLite keeps no more columns in a table, unless it is built to.
const COLUMNS_MAX: usize = 2000;
/// SQLite keeps no larger record.
const RECORD_BYTES_MAX: usize = 1_000_000_000;

/// A value of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// NULL; also where the row id is.
    Null,
    /// An integer.
    Integer(i64),
    /// Another number, of which a mirror has none.
    Real,
    /// Text; `None` if it isn't UTF-8.
    Text(Option<String>),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A row of a table; in an index the row id is 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) row_id: i64,
    pub(super) values: Vec<Value>,
}

/// What a page turned out to be.
#[derive(Debug)]
pub(super) enum Content {
    /// A leaf of a table: its rows, those that could not be read as `None`.
    Rows(Vec<Option<Row>>),
    /// Anything else.
    Other,
}

impl Book {
    /// The rows of a page, if it is a leaf of a table.
    pub(super) fn rows(&self, number: u32, page: &Page) -> Content {
        let header = header_of(number);
        if page.get(header) != Some(&TABLE_LEAF) {
            return Content::Other;
        }
        let cells = self.cells(page, header, 8);
        let rows = cells.into_iter().map(|cell| self.table_row(page, cell?));
        Content::Rows(rows.collect())
    }

    /// All entries of an index, or of a table without row ids, that can still be reached from its root; `each` gets them.
    pub(super) fn each_entry(&self, root: u32, each: &mut dyn FnMut(Vec<Value>)) {
        let mut visited = vec![false; self.count as usize + 1];
        let mut next = vec![root];
        while let Some(number) = next.pop() {
            // A page is visited once, however a damaged file goes round in circles.
            match visited.get_mut(number as usize) {
                Some(visited) if !*visited => *visited = true,
                _ => continue,
            }
            let Some(page) = self.page(number) else {
                continue;
            };
            let header = header_of(number);
            let (header_bytes, is_inner) = match page.get(header) {
                Some(&INDEX_INNER) => (12, true),
                Some(&INDEX_LEAF) => (8, false),
                _ => continue,
            };
            if is_inner {
                next.extend(number_at(&page, header + 8));
            }
            for cell in self
                .cells(&page, header, header_bytes)
                .into_iter()
                .flatten()
            {
                let start = if is_inner {
                    next.extend(number_at(&page, cell));
                    cell + 4
                } else {
                    cell
                };
                if let Some(values) = self.index_entry(&page, start) {
                    each(values);
                }
            }
        }
    }

    /// Where the cells of a page begin; `None` for one that can't be.
    fn cells(&self, page: &Page, header: usize, header_bytes: usize) -> Vec<Option<usize>> {
        let pointers = header + header_bytes;
        let count = short_at(page, header + 3).unwrap_or_default();
        let most = self.usable.saturating_sub(pointers) / 2;
        let cell = |index| {
            let at = short_at(page, pointers + 2 * index)?;
            (at >= pointers + 2 * count && at < self.usable).then_some(at)
        };
        (0..count.min(most)).map(cell).collect()
    }

    fn table_row(&self, page: &Page, cell: usize) -> Option<Row> {
        let mut at = cell;
        let bytes = usize::try_from(varint(page, &mut at)?).ok()?;
        let row_id = varint(page, &mut at)?;
        let local_max = self.usable - 35;
        let values = record(&self.payload(page, at, bytes, local_max)?)?;
        Some(Row { row_id, values })
    }

    fn index_entry(&self, page: &Page, cell: usize) -> Option<Vec<Value>> {
        let mut at = cell;
        let bytes = usize::try_from(varint(page, &mut at)?).ok()?;
        let local_max = (self.usable - 12) * 64 / 255 - 23;
        record(&self.payload(page, at, bytes, local_max)?)
    }

    /// The bytes of a record: what of them is on the page, and what is on pages of its own.
    fn payload(&self, page: &Page, at: usize, bytes: usize, local_max: usize) -> Option<Vec<u8>> {
        // A longer one than the whole file would be read in circles.
        let there = u64::from(self.count) * self.usable as u64;
        if bytes > RECORD_BYTES_MAX || bytes as u64 > there {
            return None;
        }
        let on_a_page = self.usable - 4;
        let local_min = (self.usable - 12) * 32 / 255 - 23;
        let local = if bytes <= local_max {
            bytes
        } else {
            let surplus = local_min + (bytes - local_min) % on_a_page;
            if surplus <= local_max {
                surplus
            } else {
                local_min
            }
        };
        let mut payload = page.get(at..at.checked_add(local)?)?.to_vec();
        let mut next = number_at(page, at + local);
        while payload.len() < bytes {
            let overflow = self.page(next.filter(|next| *next != 0)?)?;
            let left = (bytes - payload.len()).min(on_a_page);
            payload.extend(overflow.get(4..4 + left)?);
            next = number_at(&overflow, 0);
        }
        Some(payload)
    }
}

/// SQLite's integers of one to nine bytes, the highest bits first.
fn varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut number = 0_u64;
    for index in 0..9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if index == 8 {
            return Some((number << 8 | u64::from(byte)).cast_signed());
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number.cast_signed())
}

/// The values of a record. `None` if it isn't one, to the byte.
fn record(payload: &[u8]) -> Option<Vec<Value>> {
    let mut at = 0;
    let header_end = usize::try_from(varint(payload, &mut at)?).ok()?;
    let mut body = header_end;
    let mut values = Vec::new();
    while at < header_end {
        if values.len() == COLUMNS_MAX {
            return None;
        }
        let kind = varint(payload, &mut at)?;
        let bytes = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            12.. => usize::try_from((kind - 12) / 2).ok()?,
            _ => return None,
        };
        let content = payload.get(body..body.checked_add(bytes)?)?;
        body += bytes;
        values.push(match kind {
            0 => Value::Null,
            7 => Value::Real,
            8 | 9 => Value::Integer(kind - 8),
            1..=6 => Value::Integer(integer(content)),
            _ if kind % 2 == 0 => Value::Blob(content.to_vec()),
            _ => Value::Text(String::from_utf8(content.to_vec()).ok()),
        });
    }
    (at == header_end && body == payload.len()).then_some(values)
}

/// A big-endian integer of up to eight bytes, with its sign.
fn integer(bytes: &[u8]) -> i64 {
    let sign = match bytes.first() {
        Some(first) if first & 0x80 != 0 => -1,
        _ => 0,
    };
    bytes
        .iter()
        .fold(sign, |number, byte| number << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_sqlite_writes_them() {
        for (bytes, number) in [
            (&[0x00][..], 0),
            (&[0x7f], 127),
            (&[0x81, 0x00], 128),
            (&[0xff; 9], -1),
        ] {
            let mut at = 0;
            assert_eq!(varint(bytes, &mut at), Some(number));
            assert_eq!(at, bytes.len());
        }
        assert_eq!(varint(&[0x81], &mut 0), None);
        assert_eq!(integer(&[0xff]), -1);
        assert_eq!(integer(&[0x80, 0]), -32768);
        assert_eq!(integer(&[0x01, 0x00, 0x00]), 65536);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_end_the_program(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            record(&bytes);
            let file = tempfile::tempfile().unwrap();
            let book = Book::open(file, None).unwrap();
            let mut page = bytes;
            page.insert(0, TABLE_LEAF);
            page.resize(4096, 0xff);
            book.rows(2, &page);
        }
    }
}
