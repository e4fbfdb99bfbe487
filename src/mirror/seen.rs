//! Which customers a page listed, as a few bytes; and which ones a whole pass listed, as bits.
//!
//! A page's customers are mostly neighbours in the order of first sight, so their row ids are stored as runs: the gap
//! before a run and its length, as variable-length integers. An unchanged pass then writes a handful of bytes a page.

/// Row ids held in memory at once while a pass is judged: 8 MiB of bits, whatever the number of customers.
pub(super) const WINDOW_ROWS: i64 = 1 << 26;

/// Writes row ids (in any order, repeats allowed) as runs.
pub(super) fn encode(row_ids: &mut Vec<i64>) -> Vec<u8> {
    row_ids.sort_unstable();
    row_ids.dedup();
    let mut out = Vec::new();
    let mut end = 0; // one past the previous run
    for run in row_ids.chunk_by(|a, b| a + 1 == *b) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            write_number(&mut out, (first - end) as u64);
            write_number(&mut out, (last - first) as u64);
            end = last + 1;
        }
    }
    out
}

/// Calls `each` with the first and last row id of each run; `None` if the bytes are not what [`encode`] writes.
pub(super) fn decode(mut bytes: &[u8], mut each: impl FnMut(i64, i64)) -> Option<()> {
    let mut end = 0_i64;
    while !bytes.is_empty() {
        let first = end.checked_add_unsigned(read_number(&mut bytes)?)?;
        let last = first.checked_add_unsigned(read_number(&mut bytes)?)?;
        each(first, last);
        end = last.checked_add(1)?;
    }
    Some(())
}

/// The same runs with one row id more; `None` as in [`decode`].
pub(super) fn with(encoded: &[u8], row_id: i64) -> Option<Vec<u8>> {
    let mut row_ids = vec![row_id];
    decode(encoded, |first, last| row_ids.extend(first..=last))?;
    Some(encode(&mut row_ids))
}

/// The same runs without some row ids; `None` as in [`decode`].
pub(super) fn without(encoded: &[u8], row_ids: &[i64]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    decode(encoded, |first, last| kept.extend(first..=last))?;
    kept.retain(|row_id| !row_ids.contains(row_id));
    Some(encode(&mut kept))
}

/// LEB128: seven bits a byte, the lowest first.
fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The row ids from `start` on that a pass listed, a bit each.
pub(super) struct SeenBits {
    start: i64,
    words: Vec<u64>,
}

impl SeenBits {
    /// Bits for the row ids in `start..end`, none set.
    pub(super) fn new(start: i64, end: i64) -> Self {
        Self {
            start,
            words: vec![0; ((end - start).max(0) as usize).div_ceil(64)],
        }
    }

    /// Sets the bits of a page's runs, as far as they lie in the window.
    pub(super) fn add(&mut self, encoded: &[u8]) -> Option<()> {
        let (start, end) = (self.start, self.start + self.words.len() as i64 * 64);
        let words = &mut self.words;
        decode(encoded, |first, last| {
            for row_id in first.max(start)..=last.min(end - 1) {
                let bit = row_id - start;
                if let Some(word) = words.get_mut((bit / 64) as usize) {
                    *word |= 1 << (bit % 64);
                }
            }
        })
    }

    /// Whether the pass listed this customer.
    pub(super) fn contains(&self, row_id: i64) -> bool {
        let bit = row_id - self.start;
        bit >= 0
            && self
                .words
                .get((bit / 64) as usize)
                .is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_cost_nothing() {
        assert_eq!(encode(&mut (1_000_000..1_001_000).collect()).len(), 5);
        assert_eq!(encode(&mut vec![]).len(), 0);
    }

    #[test]
    fn damaged_bytes_are_noticed() {
        assert_eq!(decode(&[0x80], |_, _| {}), None);
        assert_eq!(decode(&[1], |_, _| {}), None);
        assert_eq!(decode(&[0xFF; 30], |_, _| {}), None);
    }

    proptest::proptest! {
        #[test]
        fn a_window_holds_what_was_listed(mut ids in proptest::collection::vec(1_i64..500, 0..300), start in 0_i64..300) {
            let listed = ids.clone();
            let encoded = encode(&mut ids);
            let mut bits = SeenBits::new(start, start + 200);
            bits.add(&encoded).unwrap();
            for row_id in 0..600 {
                let inside = (start..start + 200).contains(&row_id);
                if inside {
                    proptest::prop_assert_eq!(bits.contains(row_id), listed.contains(&row_id));
                } else if row_id < start {
                    proptest::prop_assert!(!bits.contains(row_id));
                }
            }
        }
    }
}
