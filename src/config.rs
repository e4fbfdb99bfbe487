//! The validated configuration.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::model::PageSize;

/// Everything the program can be told, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[api]`: where the customers are listed.
    pub api: Api,
    /// `[retry]`: how long a failing page is tried.
    pub retry: Retry,
    /// `[mirror]`: where the mirror is.
    pub mirror: Mirror,
    /// `[deletions]`: when an absence is believed.
    pub deletions: Deletions,
    /// `[changes]`: the change feed.
    pub changes: Changes,
}

/// `[api]`.
#[derive(Debug, Clone)]
pub struct Api {
    /// Without a trailing slash, user, query or fragment; https, or http to loopback.
    pub base_url: Url,
    /// Free-text filter sent with each request.
    pub filter: Option<String>,
    /// Customers asked for at once.
    pub page_size: PageSize,
    /// Bounds the connection, TLS handshake included.
    pub connect_timeout: Duration,
    /// Bounds a whole request, body included.
    pub request_timeout: Duration,
    /// The largest response body taken, decompressed, in bytes.
    pub max_response_bytes: u64,
    /// Requests a second at most; `None` for no cap.
    pub max_requests_per_second: Option<f64>,
    /// The names of the query parameters.
    pub parameters: Parameters,
    /// File that holds the key, if configured.
    pub key_file: Option<PathBuf>,
}

/// `[api.parameters]`: the names of the query parameters.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Default `filter`.
    pub filter: String,
    /// Default `limit`.
    pub limit: String,
    /// Default `cursor`.
    pub cursor: String,
}

/// `[retry]`.
#[derive(Debug, Clone)]
pub struct Retry {
    /// The first delay's upper bound.
    pub initial_delay: Duration,
    /// No delay that the program chooses itself is longer.
    pub max_delay: Duration,
    /// How long one page may fail before the pass ends.
    pub max_elapsed: Duration,
}

/// `[mirror]`.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// The SQLite file.
    pub path: PathBuf,
}

/// `[deletions]`.
#[derive(Debug, Clone)]
pub struct Deletions {
    /// Consecutive complete passes that must miss a customer.
    pub confirm_passes: u32,
    /// A sweep of more than this percentage of the live customers is held …
    pub max_percent: f64,
    /// … if it is also more customers than this.
    pub always_allow: u64,
    /// How long tombstones are kept; `None` for ever.
    pub purge_after: Option<Duration>,
}

/// `[changes]`.
#[derive(Debug, Clone)]
pub struct Changes {
    /// How long changes are kept; `None` for ever.
    pub keep: Option<Duration>,
}

/// The API key. Its `Debug` hides it, and its memory is wiped when it is dropped.
#[derive(Debug, Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// Wraps a key; `None` if it is empty or can't be sent in an HTTP header.
    pub fn new(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        fits.then(|| Self(SecretString::from(text)))
    }

    /// The key itself; for the request header, and for cutting it out of texts.
    pub fn expose(&self) -> &str {
        secrecy::ExposeSecret::expose_secret(&self.0)
    }
}
