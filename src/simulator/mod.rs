//! The embedded Connect API: seeded customers, days that pass, and faults to order.

mod cursor;
mod customers;
mod hash;
mod json;
mod listing;
mod locales;
mod record;

pub use customers::{DAY_MAX, Rates, customer};
pub use listing::Listing;
