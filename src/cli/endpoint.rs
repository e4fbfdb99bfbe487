//! What `run` and `serve` share: the HTTP endpoint, from its settings to its log line.

use tokio::sync::watch;

use super::{Exit, Failure};
use crate::clock::Clock;
use crate::config::{Api, Config, Environment, Http, HttpToken, Timing};
use crate::http::{Bound, DaemonView, Endpoint, Site};

/// An address that is ours, and who will be let in.
#[derive(Debug)]
pub(super) struct Reserved {
    bound: Bound,
    token: Option<HttpToken>,
}

/// Takes the address, if there is to be an endpoint.
///
/// # Errors
/// If the token is missing or can't be used, or the address can't be had.
pub(super) fn bind(http: &Http, environment: &Environment) -> Result<Option<Reserved>, Failure> {
    let Some(listen) = &http.listen else {
        return Ok(None);
    };
    let loaded = HttpToken::load(http, environment)?;
    for warning in loaded.iter().flat_map(|loaded| &loaded.warnings) {
        tracing::warn!("{warning}");
    }
    if listen.is_open() {
        tracing::warn!(
            "http.listen is {listen}: the token and the customers travel without encryption; put a proxy with TLS before it"
        );
    }
    let bound =
        Bound::new(listen).map_err(|error| Failure::new(Exit::CantCreate, error.to_string()))?;
    Ok(Some(Reserved {
        bound,
        token: loaded.map(|loaded| loaded.token),
    }))
}

impl Reserved {
    /// Begins to serve.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub(super) fn serve(
        self,
        config: &Config,
        timing: watch::Receiver<Timing>,
        daemon: Option<DaemonView>,
    ) -> Result<Endpoint, Failure> {
        let site = Site {
            mirror: config.mirror.path.clone(),
            source: config.api.as_ref().map(Api::source_fingerprint),
            http: config.http.clone(),
            token: self.token,
            timing,
            daemon,
            clock: Clock::system(),
        };
        Endpoint::start(self.bound, site)
            .map_err(|error| Failure::new(Exit::Bug, format!("can't serve over HTTP: {error}")))
    }
}
