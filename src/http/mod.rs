//! The operator's endpoint: health, metrics, the status page, and the customers, all read-only.

pub(crate) mod health;
// Until the server calls it.
#[allow(dead_code, unused_imports)]
pub(crate) mod pages;
