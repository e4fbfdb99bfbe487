//! How a simulator is set up.

use std::time::Duration;

use super::fault::FaultPlan;
use super::listing::Listing;
use super::page::LastPage;
use super::request_log::Request;

/// How a simulator is set up; `Options::default()` is a well-behaved server of 1000 customers.
#[derive(Debug, Clone)]
pub struct Options {
    /// TCP port on loopback; 0 takes a free one.
    pub port: u16,
    /// What comes before `/customers` in the path, for example `/v1`; no slash at its end.
    pub prefix: String,
    /// The API key.
    pub key: String,
    /// How a missing or wrong key is refused: 401 or 403.
    pub key_refusal_status: u16,
    /// What is listed.
    pub listing: Listing,
    /// What goes wrong; more can be pushed later.
    pub faults: Vec<FaultPlan>,
    /// How long each page takes at least.
    pub page_latency: Duration,
    /// How long a cursor is good for; `None` for ever.
    pub cursor_lifetime: Option<Duration>,
    /// How an expired or unknown cursor is refused: 410 or 400, for example.
    pub cursor_refusal_status: u16,
    /// How the last page says that it is the last.
    pub last_page: LastPage,
    /// Sends the same content in another key order and other white space at each request.
    pub shuffle_keys: bool,
    /// Names of the query parameters.
    pub parameters: ParameterNames,
    /// Decides about faults with a rate, seals cursors, shuffles keys.
    pub seed: u64,
    /// Hears of each request once it is answered.
    pub observer: Option<fn(&Request)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            prefix: String::new(),
            key: "demo-key".to_owned(),
            key_refusal_status: 401,
            listing: Listing::seeded(1, 1000),
            faults: Vec::new(),
            page_latency: Duration::ZERO,
            cursor_lifetime: None,
            cursor_refusal_status: 410,
            last_page: LastPage::default(),
            shuffle_keys: false,
            parameters: ParameterNames::default(),
            seed: 1,
            observer: None,
        }
    }
}

/// Names of the query parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterNames {
    /// Free text.
    pub filter: String,
    /// Customers per page.
    pub limit: String,
    /// The previous page's `nextCursor`.
    pub cursor: String,
}

impl Default for ParameterNames {
    fn default() -> Self {
        Self {
            filter: "filter".to_owned(),
            limit: "limit".to_owned(),
            cursor: "cursor".to_owned(),
        }
    }
}
