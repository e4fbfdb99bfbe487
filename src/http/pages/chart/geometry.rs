//! Scales and bars.

use std::fmt::Write as _;
use std::time::Duration;

/// How broad a pass is drawn.
pub(super) const SLOT_WIDTH: usize = 10;
/// Above the bars, so much is for signs.
pub(super) const MARKS_HEIGHT: usize = 16;

/// A duration this many times the median is no measure for the others.
const OUTLIER: u32 = 4;

/// Ends of scales, in seconds, whose halves are as easy to read.
const ENDS_SECONDS: [u64; 20] = [
    2, 4, 10, 20, 30, 60, 120, 240, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 43_200, 86_400,
    172_800, 604_800, 2_592_000,
];

/// A scale for durations, in proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Durations {
    end: Duration,
}

impl Durations {
    /// A scale on which the usual ones can be compared.
    pub(super) fn for_all(durations: impl Iterator<Item = Duration>) -> Self {
        let mut all: Vec<Duration> = durations.collect();
        all.sort_unstable();
        let median = all.get(all.len() / 2).copied().unwrap_or_default();
        let usual = median.saturating_mul(OUTLIER);
        // There is always one: the median.
        let longest = all.into_iter().rfind(|duration| *duration <= usual);
        let longest = longest.unwrap_or_default();
        let end = ENDS_SECONDS
            .into_iter()
            .map(Duration::from_secs)
            .find(|end| *end >= longest);
        Self {
            end: end.unwrap_or(longest),
        }
    }

    /// What the top of the scale stands for.
    pub(super) fn scale(self) -> Duration {
        self.end
    }

    /// Whether it is longer than the scale.
    pub(super) fn is_cut(self, duration: Duration) -> bool {
        duration > self.end
    }

    /// How high its bar is; what is longer than nothing is seen.
    pub(super) fn height(self, duration: Duration, most: usize) -> f64 {
        if duration.is_zero() {
            return 0.0;
        }
        let share = duration.as_secs_f64() / self.end.as_secs_f64();
        (share * most as f64).clamp(1.5, most as f64)
    }
}

/// A scale for counts by their order of magnitude: each power of ten is a step higher, and 1 is a step above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    steps: u32,
}

impl Counts {
    /// A scale up to a power of ten that is not less.
    pub(super) fn up_to(most: i64) -> Self {
        let digits = most
            .max(1)
            .unsigned_abs()
            .saturating_sub(1)
            .checked_ilog10();
        Self {
            steps: digits.map_or(1, |digits| digits + 1),
        }
    }

    /// What the top of the scale stands for.
    pub(super) fn most(self) -> i64 {
        10_i64.saturating_pow(self.steps)
    }

    /// How high its bar is.
    pub(super) fn height(self, number: i64, most: usize) -> f64 {
        if number <= 0 {
            return 0.0;
        }
        let steps = 1.0 + (number as f64).log10();
        (steps / f64::from(self.steps + 1) * most as f64).min(most as f64)
    }
}

/// A power of ten in few characters: `100k`.
pub(super) fn short(number: i64) -> String {
    [(1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")]
        .into_iter()
        .find(|(unit, _)| number >= *unit)
        .map_or_else(
            || number.to_string(),
            |(unit, letter)| format!("{}{letter}", number / unit),
        )
}

/// Bars side by side as one path.
#[derive(Debug)]
pub(super) struct Bars {
    path: String,
    base: usize,
    slot_width: usize,
}

impl Bars {
    pub(super) fn on(base: usize, slot_width: usize) -> Self {
        Self {
            path: String::new(),
            base,
            slot_width,
        }
    }

    /// A bar in the slot that begins at `left`; none for a height of nothing.
    pub(super) fn add(&mut self, left: usize, height: f64) {
        if height > 0.0 {
            let width = self.slot_width - 2;
            // Writing to memory doesn't fail.
            let _ = write!(
                self.path,
                "M{} {}v-{height:.1}h{width}v{height:.1}z",
                left + 1,
                self.base
            );
        }
    }

    pub(super) fn into_path(self) -> String {
        self.path
    }
}

/// A sign above the slot that begins at `left`.
pub(super) fn cross(left: usize) -> String {
    let (start, end) = (left + 1, left + SLOT_WIDTH - 1);
    format!("M{start} 3L{end} 11M{end} 3L{start} 11")
}

/// Another.
pub(super) fn diamond(left: usize) -> String {
    let (middle, end) = (left + SLOT_WIDTH / 2, left + SLOT_WIDTH);
    format!("M{middle} 2L{end} 7L{middle} 12L{left} 7z")
}

/// A gap across the upper end of a bar.
pub(super) fn gap(left: usize) -> String {
    let (low, high) = (MARKS_HEIGHT + 12, MARKS_HEIGHT + 6);
    format!("M{left} {low}L{} {high}", left + SLOT_WIDTH)
}
