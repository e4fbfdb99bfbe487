//! The validated configuration: defaults, then the file, then the environment; a later one wins.
//!
//! `config.example.toml` documents every key. `schema` lists them, `file` and `environment` read a `layer` each,
//! `settings` merges them and checks single values, `load` builds the types below. An error is one line that names
//! the place, the key, the value and the remedy; the API key is in none of them, and not in [`Config`] either.

mod address;
mod environment;
mod error;
mod file;
mod key;
mod layer;
mod listen;
mod load;
mod schema;
mod settings;
mod survey;
#[cfg(test)]
mod tests;
mod token;

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;
use url::form_urlencoded;

pub use environment::Environment;
pub use error::ConfigError;
pub use key::{ApiKey, LoadedKey};
pub use listen::Listen;
pub use survey::Survey;
pub use token::{HttpToken, LoadedToken};

use crate::model::PageSize;
use crate::schedule::Schedule;

/// Everything the program can be told, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[api]`: where the customers are listed; `None` if no base URL is set. See [`Config::require_api`].
    pub api: Option<Api>,
    /// `[retry]`: how long a failing page is tried.
    pub retry: Retry,
    /// `[schedule]`: when passes are due.
    pub schedule: Timing,
    /// `[mirror]`: where the mirror is.
    pub mirror: Mirror,
    /// `[deletions]`: when an absence is believed.
    pub deletions: Deletions,
    /// `[changes]`: the change feed.
    pub changes: Changes,
    /// `[http]`: the operator's endpoint.
    pub http: Http,
    /// `[log]`: what is logged, and how.
    pub log: Log,
    /// The file that was read, if there is one.
    pub file: Option<PathBuf>,
    /// What the operator should know, though it is no error.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads and checks everything but the API key, for which there is [`ApiKey::load`].
    ///
    /// The file is `cli_path`, else what `CUSTOMER_MIRROR_CONFIG` names, else `/etc/customer-mirror/config.toml`; only the
    /// last may be missing.
    pub fn load(cli_path: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        load::load(cli_path, environment, Path::new(load::DEFAULT_FILE))
    }

    /// The API, for the commands that talk to it; an error that says how to set it if it isn't.
    pub fn require_api(&self) -> Result<&Api, ConfigError> {
        self.api.as_ref().ok_or_else(|| {
            let file = self.file.as_deref().unwrap_or(Path::new(load::DEFAULT_FILE)).display();
            ConfigError::general(format!(
                "api.base_url is not set: write base_url = \"https://…\" under [api] in {file}, or set CUSTOMER_MIRROR__API__BASE_URL"
            ))
        })
    }
}

/// `[api]`.
#[derive(Debug, Clone)]
pub struct Api {
    /// Without a trailing slash (but for a bare host), user, query or fragment; https, or http to loopback.
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

impl Api {
    /// The address of the listing, without parameters: `{base_url}/customers`.
    pub fn customers_url(&self) -> Url {
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("customers");
        }
        url
    }

    /// What a mirror belongs to, as stable text: `https://api.example.com/v1`, or with `?filter=…` if there is one.
    pub fn source_fingerprint(&self) -> String {
        let base_url = self.base_url.as_str().trim_end_matches('/');
        match &self.filter {
            None => base_url.to_owned(),
            Some(filter) => {
                let filter: String = form_urlencoded::byte_serialize(filter.as_bytes()).collect();
                format!("{base_url}?filter={filter}")
            }
        }
    }
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

/// `[schedule]`.
#[derive(Debug, Clone)]
pub struct Timing {
    /// `cron` in `timezone`.
    pub when: Schedule,
    /// Each due time is put off by a random duration up to this.
    pub jitter: Duration,
    /// Whether the daemon begins with a pass.
    pub run_on_start: bool,
}

/// `[mirror]`.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// The database file.
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

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where to listen; `None` for nowhere.
    pub listen: Option<Listen>,
    /// Names, besides `localhost` and addresses, under which it may be reached; in lower case.
    pub hosts: Vec<String>,
    /// File that holds the token, if configured.
    pub token_file: Option<PathBuf>,
    /// The mirror is ready while the last complete pass began no longer ago than so many periods of the schedule.
    pub ready_periods: u32,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct Log {
    /// What is less important isn't logged.
    pub level: tracing::Level,
    /// How a line looks.
    pub format: LogFormat,
}

/// `log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal where stderr leads there (under systemd), text otherwise.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
    /// The journal, by its own protocol: a priority and a field for each field. Text if it can't be reached.
    Journald,
}
