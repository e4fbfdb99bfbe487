//! Hashing as the source of all chance: the same words always give the same number, so nothing needs to be remembered.

/// A well-mixed 64-bit number from `parts`, in order (`SplitMix64`'s finaliser, folded).
pub(super) fn mix(parts: &[u64]) -> u64 {
    let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
    for part in parts {
        hash = finish(hash ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
    }
    finish(hash)
}

fn finish(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Dice that show the same face for the same question each time they are thrown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice of their own for `parts`, for example a seed and an index.
    pub(super) fn new(parts: &[u64]) -> Self {
        Self(mix(parts))
    }

    /// Dice that are independent of these, told apart by `number`.
    pub(super) fn fork(self, number: u64) -> Self {
        Self(mix(&[self.0, number, 1]))
    }

    /// 64 random bits for a question.
    pub(super) fn bits(self, question: &str) -> u64 {
        // FNV-1a: questions are short, and `mix` does the rest.
        let question = question
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        mix(&[self.0, question])
    }

    /// A number in `0..bound`; `bound` must not be 0.
    pub(super) fn below(self, question: &str, bound: u64) -> u64 {
        self.bits(question) % bound
    }

    /// One of `choices`, which must not be empty.
    pub(super) fn pick<'a, T>(self, question: &str, choices: &'a [T]) -> &'a T {
        &choices[self.below(question, choices.len() as u64) as usize]
    }

    /// True in about `percent` of 100 cases.
    pub(super) fn chance(self, question: &str, percent: u64) -> bool {
        self.below(question, 100) < percent
    }
}
