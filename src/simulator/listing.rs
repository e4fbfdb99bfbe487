//! The listing: customers in a fixed order, each at a position.

use super::customers::{Population, Rates};
use super::json::RawObject;
use super::record;

/// What the server lists.
#[derive(Debug, Clone, PartialEq)]
pub enum Listing {
    /// Customers made from a seed; they need no memory, however many they are.
    Seeded {
        /// Everything follows from it.
        seed: u64,
        /// Customers on day 1.
        count: u64,
        /// The day, from 1.
        day: u32,
        /// What happens from day to day.
        rates: Rates,
    },
    /// These records, as they are: each one JSON text, not necessarily a sensible one. A position is an index in this list, so a
    /// list that is replaced in the middle of a walk shifts the rows, as a paging database without a stable order would.
    Explicit(Vec<String>),
}

impl Listing {
    /// Seeded customers on day 1 with the usual rates.
    pub fn seeded(seed: u64, count: u64) -> Self {
        Self::Seeded {
            seed,
            count,
            day: 1,
            rates: Rates::default(),
        }
    }

    /// Explicit customers of a few fields, for small tests.
    pub fn explicit<T: Into<String>>(records: impl IntoIterator<Item = T>) -> Self {
        Self::Explicit(records.into_iter().map(Into::into).collect())
    }

    /// The raw JSON of all customers in order: the oracle of what a walk must find.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.end()).filter_map(|position| {
            let mut record = String::new();
            self.write(position, &mut record).then_some(record)
        })
    }

    /// One more than the last position.
    pub(super) fn end(&self) -> u64 {
        match self {
            &Self::Seeded {
                seed,
                count,
                day,
                rates,
            } => Population { seed, count, rates }.indices(day),
            Self::Explicit(records) => records.len() as u64,
        }
    }

    /// The day; an explicit listing knows only the first.
    pub(super) fn day(&self) -> u32 {
        match self {
            Self::Seeded { day, .. } => *day,
            Self::Explicit(_) => 1,
        }
    }

    /// Appends the record at `position`; false if there is none.
    pub(super) fn write(&self, position: u64, out: &mut String) -> bool {
        match self {
            &Self::Seeded {
                seed,
                count,
                day,
                rates,
            } => Population { seed, count, rates }.write(position, day, out),
            Self::Explicit(records) => match records.get(position as usize) {
                Some(record) => {
                    out.push_str(record);
                    true
                }
                None => false,
            },
        }
    }

    /// Whether there is a record at `position` whose name contains `filter`. `filter` must be in lower case; empty fits all.
    fn fits(&self, position: u64, filter: &str) -> bool {
        let name = match self {
            &Self::Seeded {
                seed,
                count,
                day,
                rates,
            } => {
                let Some(one) = (Population { seed, count, rates }).individual(position, day)
                else {
                    return false;
                };
                if filter.is_empty() {
                    return true;
                }
                record::name(&one)
            }
            Self::Explicit(records) => {
                let Some(record) = records.get(position as usize) else {
                    return false;
                };
                if filter.is_empty() {
                    return true;
                }
                RawObject::parse(record).and_then(|object| object.string("name"))
            }
        };
        name.is_some_and(|name| name.to_lowercase().contains(filter))
    }

    /// The first position from `from` on with a fitting record.
    pub(super) fn next(&self, from: u64, filter: &str) -> Option<u64> {
        (from..self.end()).find(|position| self.fits(*position, filter))
    }

    /// The position of the `rows`th fitting record before `from`, or of the first one.
    pub(super) fn back(&self, from: u64, rows: u64, filter: &str) -> u64 {
        let before = (0..from.min(self.end()))
            .rev()
            .filter(|position| self.fits(*position, filter));
        before.take(rows as usize).last().unwrap_or(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_skip_what_does_not_fit() {
        let listing = Listing::explicit([
            r#"{"name":"Åsa"}"#,
            "7",
            r#"{"name":null}"#,
            r#"{"name":"ÅSA B"}"#,
        ]);
        assert_eq!(listing.next(0, "åsa"), Some(0));
        assert_eq!(listing.next(1, "åsa"), Some(3));
        assert_eq!(listing.next(4, "åsa"), None);
        assert_eq!(listing.next(1, ""), Some(1));
        assert_eq!(listing.back(3, 1, "åsa"), 0);
        assert_eq!(listing.back(3, 2, ""), 1);
        assert_eq!(listing.back(3, 9, ""), 0);
        assert_eq!(listing.back(0, 2, ""), 0);
    }

    #[test]
    fn the_filter_reads_the_name_that_the_record_shows() {
        let listing = Listing::seeded(1, 400);
        let records: Vec<String> = listing.iter().collect();
        for filter in ["山", "wójcik", "gmbh"] {
            let expected = records.iter().filter(|record| {
                let value: serde_json::Value = serde_json::from_str(record).unwrap();
                value["name"]
                    .as_str()
                    .is_some_and(|name| name.to_lowercase().contains(filter))
            });
            let found = (0..400)
                .filter(|position| listing.fits(*position, filter))
                .count();
            assert_eq!(found, expected.count(), "{filter}");
            assert!(found > 0, "{filter}");
        }
    }
}
