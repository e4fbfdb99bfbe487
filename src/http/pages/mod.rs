//! The pages: functions from what the mirror knows to HTML, and nothing else. They read no file and no clock.
//!
//! Names and addresses of customers are hostile input here. `maud` escapes whatever is put between tags or into an attribute, so that no
//! text becomes markup; `text` puts it into an element of its own with its own direction of writing, and makes visible what
//! would be hidden. The pages have no style attributes and no scripts of their own, as the server's content security policy
//! allows none: looks are in `assets/style.css`, and what keeps the status page up to date is in `assets/live.js`. Everything that
//! matters is there without the latter.
//!
//! Each part of a page that a person or a program may want to find again has an `id`. A `<section data-live>` is kept up to date.

mod assets;
mod chart;
mod customer;
mod customers;
mod error;
mod frame;
mod lists;
mod paths;
mod people;
mod status;
mod text;

pub(crate) use assets::asset;
pub(crate) use customer::{CustomerView, customer, no_such_customer};
#[cfg(test)]
pub(crate) use customers::Misunderstood;
pub(crate) use customers::{CustomersForm, CustomersView, Found, customers};
pub(crate) use error::error;
pub(crate) use lists::{
    ConflictsView, DeletionsView, QuarantineView, conflicts, deletions, quarantine,
};
pub(crate) use status::{StatusView, status};

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
