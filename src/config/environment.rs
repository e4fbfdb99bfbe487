//! The environment: `CUSTOMER_MIRROR__API__PAGE_SIZE` and its like, handed in rather than read in passing.

use std::collections::BTreeMap;
use std::fmt;

use super::error::ConfigError;
use super::file::KEY_REMEDY;
use super::layer::{Layer, from_text};
use super::schema::{self, KEYS};

/// What begins the name of each variable that sets a key.
const PREFIX: &str = "CUSTOMER_MIRROR__";
/// Names the configuration file.
pub(super) const FILE_VARIABLE: &str = "CUSTOMER_MIRROR_CONFIG";
/// Holds the API key itself.
pub(super) const KEY_VARIABLE: &str = "CUSTOMER_MIRROR__API__KEY";
/// Holds the token of the HTTP endpoint itself.
pub(super) const TOKEN_VARIABLE: &str = "CUSTOMER_MIRROR__HTTP__TOKEN";
/// Set by systemd: the folder of the service's credentials.
pub(super) const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// The environment variables that matter here. `Debug` shows their names only, for one may be a secret.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process that matter here; an error if one of them is not UTF-8.
    pub fn of_process() -> Result<Self, ConfigError> {
        let mut variables = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| {
                name.starts_with("CUSTOMER_MIRROR") || *name == CREDENTIALS_VARIABLE
            }) else {
                continue;
            };
            let value = value.into_string().map_err(|_| {
                ConfigError::at(name, "its value is not UTF-8; set it to plain text")
            })?;
            variables.insert(name.to_owned(), value);
        }
        Ok(Self(variables))
    }

    /// The value of a variable; `None` also if it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// What the variables set, and those that can't be used; the secrets are left out.
    pub(super) fn layer(&self) -> (Layer, Vec<ConfigError>) {
        let mut layer = Layer::default();
        let mut errors = Vec::new();
        for (variable, value) in self.0.iter().filter(|(name, _)| {
            name.starts_with(PREFIX) && *name != KEY_VARIABLE && *name != TOKEN_VARIABLE
        }) {
            let Some(key) = KEYS.iter().find(|key| variable_of(key.name) == *variable) else {
                errors.push(unknown(variable));
                continue;
            };
            match from_text(key, value, variable) {
                Ok(value) => layer.set(key, value, variable),
                Err(error) => errors.push(error),
            }
        }
        (layer, errors)
    }

    /// Variables that are ignored, but look as if they were meant for the program.
    pub(super) fn warnings(&self) -> Vec<String> {
        let stray = self.0.keys().filter(|name| {
            name.starts_with("CUSTOMER_MIRROR_")
                && !name.starts_with(PREFIX)
                && *name != FILE_VARIABLE
        });
        stray
            .filter_map(|name| {
                let known = KEYS
                    .iter()
                    .map(|key| variable_of(key.name))
                    .chain([KEY_VARIABLE, TOKEN_VARIABLE].map(str::to_owned));
                let meant = known
                    .into_iter()
                    .find(|known| known.replace("__", "_") == name.replace("__", "_"))?;
                Some(format!(
                    "the environment variable {name} is ignored; did you mean {meant}?"
                ))
            })
            .collect()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// `api.page_size` → `CUSTOMER_MIRROR__API__PAGE_SIZE`.
fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

fn unknown(variable: &str) -> ConfigError {
    let name = variable
        .strip_prefix(PREFIX)
        .unwrap_or(variable)
        .replace("__", ".")
        .to_lowercase();
    if schema::find(&name).is_some() {
        return ConfigError::at(
            variable,
            format!(
                "unknown variable; write it in capitals: {}",
                variable_of(&name)
            ),
        );
    }
    if schema::sounds_secret(&name) {
        return ConfigError::at(
            variable,
            format!("unknown variable (value not shown); if it is the API key, {KEY_REMEDY}"),
        );
    }
    let suggestion = schema::suggestion(&name);
    let meant = suggestion
        .strip_prefix("did you mean ")
        .and_then(|rest| rest.strip_suffix('?'))
        .filter(|name| schema::find(name).is_some());
    let remedy = meant.map_or_else(
        || suggestion.clone(),
        |name| format!("did you mean {}?", variable_of(name)),
    );
    ConfigError::at(variable, format!("unknown variable; {remedy}"))
}
