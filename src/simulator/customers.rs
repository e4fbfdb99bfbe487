//! Who exists on which day: a pure function of seed, index and day, so that ten million customers need no memory.
//!
//! Day 1 is the base. On each later day a customer may change or leave, as hashing decides, and new ones join at the end. What a
//! record says is the affair of `record`.

use super::hash::{Dice, mix};
use super::record;

/// The last day of a simulated life: ten years. It bounds the work for a customer, which grows with the day.
pub const DAY_MAX: u32 = 3650;

/// What share of the customers is affected per day, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Changes its content.
    pub changed: f64,
    /// Goes, for good.
    pub deleted: f64,
    /// Comes anew, as a share of the first day's number.
    pub added: f64,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            changed: 0.01,
            deleted: 0.001,
            added: 0.002,
        }
    }
}

impl Rates {
    /// Nothing ever happens.
    pub const NONE: Self = Self {
        changed: 0.0,
        deleted: 0.0,
        added: 0.0,
    };
}

/// All customers of a seed, over all days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Population {
    pub(super) seed: u64,
    /// Customers on day 1.
    pub(super) count: u64,
    pub(super) rates: Rates,
}

/// The kinds of change; each day's change of a customer is one of them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Contact,
    Billing,
    Address,
    Users,
    Metadata,
    Name,
}

const CHANGES: usize = 6;

/// How often each part of a customer has changed, and when last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Revisions {
    counts: [u32; CHANGES],
    /// Day of the last change; 0 if there was none.
    pub(super) last_day: u32,
}

impl Revisions {
    /// Changes of this kind so far.
    pub(super) fn of(&self, change: Change) -> u64 {
        u64::from(self.counts[change as usize])
    }
}

/// A customer at a day: what the record is written from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Individual {
    pub(super) seed: u64,
    pub(super) index: u64,
    pub(super) dice: Dice,
    pub(super) born_day: u32,
    pub(super) revisions: Revisions,
}

impl Population {
    /// How many indices have ever been given out by `day`; the gone are included.
    pub(super) fn indices(&self, day: u32) -> u64 {
        let days_after_first = u64::from(day.clamp(1, DAY_MAX) - 1);
        self.count
            .saturating_add(self.added_per_day().saturating_mul(days_after_first))
    }

    fn added_per_day(&self) -> u64 {
        (self.count as f64 * self.rates.added.max(0.0)).round() as u64
    }

    fn born_day(&self, index: u64) -> Option<u32> {
        let Some(later) = index.checked_sub(self.count) else {
            return Some(1);
        };
        let days = later.checked_div(self.added_per_day())?;
        u32::try_from(days).ok()?.checked_add(2)
    }

    /// The customer of `index`, or `None` if it isn't there on `day` (not yet, or no more).
    pub(super) fn individual(&self, index: u64, day: u32) -> Option<Individual> {
        let day = day.clamp(1, DAY_MAX);
        let born_day = self.born_day(index).filter(|born| *born <= day)?;
        let mut revisions = Revisions::default();
        for today in born_day + 1..=day {
            let fate = mix(&[self.seed, index, u64::from(today)]);
            if happens(fate, self.rates.deleted) {
                return None;
            }
            // Another hash than for leaving, or those that change would be those that nearly left.
            let fate = mix(&[fate]);
            if happens(fate, self.rates.changed) {
                revisions.counts[(fate >> 40) as usize % CHANGES] += 1;
                revisions.last_day = today;
            }
        }
        let dice = Dice::new(&[self.seed, index]);
        Some(Individual {
            seed: self.seed,
            index,
            dice,
            born_day,
            revisions,
        })
    }

    /// Appends the customer's JSON to `out`; false if it isn't there on `day`.
    pub(super) fn write(&self, index: u64, day: u32, out: &mut String) -> bool {
        let individual = self.individual(index, day);
        if let Some(individual) = &individual {
            record::write(individual, out);
        }
        individual.is_some()
    }
}

/// Judges by the lower 32 bits of `fate`.
fn happens(fate: u64, rate: f64) -> bool {
    (fate & 0xffff_ffff) < (rate.clamp(0.0, 1.0) * 4_294_967_296.0) as u64
}

/// The JSON of a customer with the usual [`Rates`], or `None` if it has gone by `day` (days count from 1).
///
/// Every index is taken as one of the first day's customers.
pub fn customer(seed: u64, index: u64, day: u32) -> Option<String> {
    let population = Population {
        seed,
        count: u64::MAX,
        rates: Rates::default(),
    };
    let mut text = String::with_capacity(1400);
    population.write(index, day, &mut text).then_some(text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const COUNT: u64 = 20_000;

    /// The day's records by their first member, the id.
    fn of_day(day: u32) -> HashMap<String, String> {
        let population = Population {
            seed: 7,
            count: COUNT,
            rates: Rates::default(),
        };
        (0..population.indices(day))
            .filter_map(|index| {
                let mut text = String::new();
                population.write(index, day, &mut text).then_some(text)
            })
            .map(|text| (text[..52].to_owned(), text))
            .collect()
    }

    #[test]
    fn the_same_question_has_the_same_answer() {
        for (seed, index, day) in [
            (1, 0, 1),
            (1, 999, 1),
            (1, 999, 30),
            (u64::MAX, u64::MAX - 1, DAY_MAX),
        ] {
            assert_eq!(customer(seed, index, day), customer(seed, index, day));
        }
        assert_ne!(customer(1, 0, 1), customer(2, 0, 1));
        assert_ne!(customer(1, 0, 1), customer(1, 1, 1));
    }

    #[test]
    fn a_day_changes_one_percent_deletes_a_tenth_and_adds_a_fifth() {
        let (first, second) = (of_day(1), of_day(2));
        assert!(
            first
                .keys()
                .all(|start| start.starts_with(r#"{"customerId":""#) && start.ends_with('"'))
        );
        assert_eq!(first.len() as u64, COUNT, "ids are unique");
        let added = second.keys().filter(|id| !first.contains_key(*id)).count();
        let deleted = first.keys().filter(|id| !second.contains_key(*id)).count();
        let changed = second
            .iter()
            .filter(|(id, text)| first.get(*id).is_some_and(|before| before != *text))
            .count();
        assert_eq!(added, 40);
        assert!((5..50).contains(&deleted), "{deleted} deleted");
        assert!((140..270).contains(&changed), "{changed} changed");
    }

    #[test]
    fn the_gone_stay_gone_and_changes_pile_up() {
        let population = Population {
            seed: 7,
            count: COUNT,
            rates: Rates::default(),
        };
        let there = |index, day| population.individual(index, day).is_some();
        let gone: Vec<u64> = (0..COUNT).filter(|index| !there(*index, 10)).collect();
        assert!(gone.len() > 100, "{}", gone.len());
        assert!(
            gone.iter()
                .all(|index| there(*index, 1) && !there(*index, 30))
        );
        let twice = (0..COUNT)
            .filter_map(|index| population.individual(index, 40))
            .filter(|one| one.revisions.counts.iter().any(|count| *count > 1))
            .count();
        assert!(twice > 30, "{twice}");
    }

    #[test]
    fn each_change_changes_the_text() {
        let rates = Rates {
            changed: 0.5,
            deleted: 0.0,
            added: 0.0,
        };
        let population = Population {
            seed: 3,
            count: 300,
            rates,
        };
        for index in 0..300 {
            for day in 2..12 {
                let at = |day| {
                    let mut text = String::new();
                    assert!(population.write(index, day, &mut text));
                    let total: u32 = population
                        .individual(index, day)
                        .unwrap()
                        .revisions
                        .counts
                        .iter()
                        .sum();
                    (total, text)
                };
                let (before, after) = (at(day - 1), at(day));
                assert_eq!(
                    before.0 == after.0,
                    before.1 == after.1,
                    "{index} on {day}: {}",
                    after.1
                );
            }
        }
    }

    #[test]
    fn rates_of_zero_and_one_are_exact() {
        let count = 500;
        let still = Population {
            seed: 1,
            count,
            rates: Rates::NONE,
        };
        assert_eq!(still.indices(DAY_MAX), count);
        assert!((0..count).all(|i| {
            still
                .individual(i, 50)
                .is_some_and(|one| one.revisions.last_day == 0)
        }));
        let doomed = Population {
            rates: Rates {
                deleted: 1.0,
                ..Rates::NONE
            },
            ..still
        };
        assert!(
            (0..count)
                .all(|i| doomed.individual(i, 1).is_some() && doomed.individual(i, 2).is_none())
        );
        assert!(still.individual(count, 50).is_none());
    }
}
