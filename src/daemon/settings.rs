//! What a daemon goes by, and may read again.

use std::path::Path;

use crate::config::{Api, ApiKey, Config, ConfigError, Environment, LoadedKey};

/// The configuration with all that a pass needs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The configuration.
    pub config: Config,
    /// Its `[api]`.
    pub api: Api,
    /// The key.
    pub key: LoadedKey,
    environment: Environment,
}

impl Settings {
    /// Reads configuration and key.
    ///
    /// # Errors
    /// If either is missing or wrong.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        Self::complete(Config::load(file, environment)?, environment)
    }

    /// Adds the key to a configuration.
    ///
    /// # Errors
    /// If there is no key, or no API to use it for.
    pub fn complete(config: Config, environment: &Environment) -> Result<Self, ConfigError> {
        let api = config.require_api()?.clone();
        Ok(Self {
            key: ApiKey::load(&api, environment)?,
            environment: environment.clone(),
            api,
            config,
        })
    }

    /// The key as it is now where it was found, if it is another one.
    pub fn other_key(&self) -> Option<LoadedKey> {
        // A key that can't be read at the moment may be one that is being written.
        let now = ApiKey::load(&self.api, &self.environment).ok()?;
        (now.key.expose() != self.key.key.expose()).then_some(now)
    }

    /// Why these settings can't take the place of `old` in a running daemon.
    pub(super) fn unfit_after(&self, old: &Self) -> Option<&'static str> {
        if self.config.mirror.path != old.config.mirror.path {
            return Some("mirror.path is another one; that takes a restart");
        }
        if self.config.http != old.config.http {
            return Some("[http] is another one; that takes a restart");
        }
        if self.api.source_fingerprint() != old.api.source_fingerprint() {
            return Some(
                "api.base_url or api.filter is another one, and a mirror belongs to one of each; \
                 that takes another mirror.path and a restart",
            );
        }
        None
    }
}
