//! Response bytes → [`Page`](crate::model::Page) → [`Customer`]. Pure: no IO, no clock.
//!
//! A page is split in one cheap scan that only finds where each record lies ([`page()`]), so that a record which did not
//! change costs no more than a hash of its bytes. Only new and changed records are read into columns ([`customer()`]).
//!
//! Tolerance is the rule: whatever the server adds is kept in the raw text, a wrong type in an optional field
//! leaves that column NULL and is reported as drift, and only an unreadable `customerId` sets a record apart.

mod columns;
mod customer;
mod page;

pub use columns::{COLUMNS, Column, DRIFT_POINTERS, Kind};
pub use customer::{Customer, User, Value, customer};
pub use page::{MalformedPage, page, page_without};
