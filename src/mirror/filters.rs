//! What was surely not seen before: Bloom filters that grow.
//!
//! A filter never forgets, and says "perhaps" of one new thing in six thousand; whoever asks then looks it up. Things are known by
//! hashes, which are keyed, so that nobody outside can foresee them.

use xxhash_rust::xxh3::xxh3_128_with_seed;

/// With so many bits a thing and so many probes, a filter doubts one new thing in six thousand.
const BITS_A_THING: usize = 18;
const PROBES: u64 = 12;

/// Filters, each for as many things as the first, or a quarter of all before it, if that is more: few are asked in vain, and little
/// memory waits for things that never come.
#[derive(Debug)]
pub(super) struct Filters {
    seed: u64,
    parts: Vec<Filter>,
    /// Things that the first filter is for.
    smallest: usize,
    /// Things that still go into the last one.
    room: usize,
    len: usize,
}

impl Filters {
    /// None yet; the first is for so many things.
    pub(super) const fn new(seed: u64, smallest: usize) -> Self {
        Self {
            seed,
            parts: Vec::new(),
            smallest,
            room: 0,
            len: 0,
        }
    }

    /// What a thing is known by.
    pub(super) fn hash(&self, thing: &[u8]) -> u128 {
        xxh3_128_with_seed(thing, self.seed)
    }

    /// Things that were added.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// False if the thing was surely never added.
    pub(super) fn may_have(&self, hash: u128) -> bool {
        self.parts.iter().any(|filter| filter.has(hash))
    }

    /// Adds a thing.
    pub(super) fn add(&mut self, hash: u128) {
        if self.room == 0 {
            self.room = self.smallest.max(self.len / 4);
            self.parts.push(Filter::of(self.room));
        }
        if let Some(last) = self.parts.last_mut() {
            last.add(hash);
        }
        self.room -= 1;
        self.len += 1;
    }
}

#[derive(Debug)]
struct Filter {
    words: Vec<u64>,
}

impl Filter {
    fn of(things: usize) -> Self {
        Self {
            words: vec![0; (things * BITS_A_THING).div_ceil(64)],
        }
    }

    /// Words, and bits in them, made of two hashes.
    fn places(&self, hash: u128) -> impl Iterator<Item = (usize, u64)> + use<> {
        let (first, step) = (hash as u64, (hash >> 64) as u64 | 1);
        let bits = self.words.len() as u128 * 64;
        (0..PROBES).map(move |probe| {
            let mixed = first.wrapping_add(step.wrapping_mul(probe));
            let place = ((u128::from(mixed) * bits) >> 64) as usize;
            (place / 64, 1 << (place % 64))
        })
    }

    fn add(&mut self, hash: u128) {
        for (word, bit) in self.places(hash) {
            if let Some(word) = self.words.get_mut(word) {
                *word |= bit;
            }
        }
    }

    fn has(&self, hash: u128) -> bool {
        self.places(hash)
            .all(|(word, bit)| self.words.get(word).is_some_and(|word| word & bit != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_never_denied_and_hardly_anything_else_is_doubted() {
        let mut filters = Filters::new(7, 1000);
        for number in 0..50_000_u64 {
            filters.add(filters.hash(&number.to_le_bytes()));
        }
        let hash = |number: u64| filters.hash(&number.to_le_bytes());
        assert_eq!(filters.len(), 50_000);
        assert!((0..50_000).all(|number| filters.may_have(hash(number))));
        let doubted = (50_000..550_000).filter(|number| filters.may_have(hash(*number)));
        // Some twenty filters: one in three hundred or so.
        assert!(doubted.count() < 5_000);
    }
}
