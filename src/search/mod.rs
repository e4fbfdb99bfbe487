//! Offline search: what of a customer can be found, by what, and how well a customer answers a question. Pure.
//!
//! The index (two FTS5 tables, written by `mirror`) holds two things of a customer: the *words* of its names and addresses, and
//! the *grams*, each three characters in a row, of its e-mail addresses, phone numbers and IDs, so that any part of these is
//! found. Both are folded: no case, no diacritics. The index only finds candidates, quickly; whether a customer answers, how
//! well, and by which characters, is read from the customer itself ([`Question::judge`]).

mod document;
mod fold;
mod judge;
mod lookup;
mod question;

pub use document::{Document, Kind, SEARCHED, Searched};
pub use judge::{Answer, Field};
pub use lookup::Lookup;
pub use question::Question;
