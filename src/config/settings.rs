//! The layers merged, and typed access to them: each value is checked here, its error naming place, key, value, remedy.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use config::{Value, ValueKind};

use super::error::{ConfigError, quoted};
use super::layer::Layer;

/// The merged layers.
#[derive(Debug)]
pub(super) struct Settings {
    root: Value,
}

/// One value and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<'a> {
    name: &'static str,
    value: &'a ValueKind,
    place: &'a str,
}

impl Settings {
    /// Merges layers; a later one wins.
    pub(super) fn merge(layers: impl IntoIterator<Item = Layer>) -> Result<Self, ConfigError> {
        let builder = layers
            .into_iter()
            .fold(config::Config::builder(), |builder, layer| {
                builder.add_source(layer)
            });
        let merged = builder
            .build()
            .map_err(|error| ConfigError::general(error.to_string()))?;
        Ok(Self { root: merged.cache })
    }

    /// The value of a key that need not be set.
    pub(super) fn find(&self, name: &'static str) -> Option<Setting<'_>> {
        let mut value = &self.root;
        for part in name.split('.') {
            let ValueKind::Table(table) = &value.kind else {
                return None;
            };
            value = table.get(part)?;
        }
        Some(Setting {
            name,
            value: &value.kind,
            place: value.origin().unwrap_or("default"),
        })
    }

    /// The value of a key that has a default.
    pub(super) fn get(&self, name: &'static str) -> Result<Setting<'_>, ConfigError> {
        self.find(name)
            .ok_or_else(|| ConfigError::general(format!("{name} is not set")))
    }

    /// A duration within bounds.
    pub(super) fn duration(
        &self,
        name: &'static str,
        bounds: RangeInclusive<Duration>,
    ) -> Result<Duration, ConfigError> {
        self.get(name)?.duration(bounds)
    }

    /// A duration within bounds, or `None` for `never`.
    pub(super) fn duration_or_never(
        &self,
        name: &'static str,
        bounds: RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, ConfigError> {
        let setting = self.get(name)?;
        if setting.text().trim() == "never" {
            Ok(None)
        } else {
            setting.duration(bounds).map(Some)
        }
    }

    /// A whole number within bounds, as any integer type that holds them.
    pub(super) fn integer<T: TryFrom<i64>>(
        &self,
        name: &'static str,
        bounds: RangeInclusive<i64>,
    ) -> Result<T, ConfigError> {
        let setting = self.get(name)?;
        let number = match setting.value {
            ValueKind::I64(number) if bounds.contains(number) => T::try_from(*number).ok(),
            _ => None,
        };
        number.ok_or_else(|| {
            setting.error(&format!("must be {} to {}", bounds.start(), bounds.end()))
        })
    }

    /// A boolean.
    pub(super) fn boolean(&self, name: &'static str) -> Result<bool, ConfigError> {
        let setting = self.get(name)?;
        match setting.value {
            ValueKind::Boolean(value) => Ok(*value),
            _ => Err(setting.error("must be true or false")),
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<T, ConfigError> {
        let setting = self.get(name)?;
        let found = words
            .iter()
            .find(|(word, _)| *word == setting.text().trim())
            .map(|(_, value)| *value);
        found.ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            setting.error(&format!("must be one of {}", words.join(", ")))
        })
    }
}

impl<'a> Setting<'a> {
    /// The text; empty if the value is no text, which its kind rules out.
    pub(super) fn text(self) -> &'a str {
        match self.value {
            ValueKind::String(text) => text,
            _ => "",
        }
    }

    /// True for a value that nobody wrote.
    pub(super) fn is_default(self) -> bool {
        self.place == "default"
    }

    /// `place: key = value: problem`.
    pub(super) fn error(self, problem: &str) -> ConfigError {
        let shown = match self.value {
            ValueKind::String(text) => quoted(text),
            other => other.to_string(),
        };
        self.error_showing(&shown, problem)
    }

    /// The same for a value that must be shown otherwise, because it may hold a secret.
    pub(super) fn error_showing(self, shown: &str, problem: &str) -> ConfigError {
        ConfigError::at(self.place, format!("{} = {shown}: {problem}", self.name)).about(self.name)
    }

    /// A text that isn't empty.
    pub(super) fn non_empty(self) -> Result<&'a str, ConfigError> {
        match self.text().trim() {
            "" => Err(self.error("must not be empty; write a value, or remove the setting")),
            text => Ok(text),
        }
    }

    /// A file path; relative ones are relative to the current directory.
    pub(super) fn path(self) -> Result<PathBuf, ConfigError> {
        let text = self.non_empty()?;
        if text.starts_with('~') {
            return Err(self.error("~ is not expanded here; write the path in full"));
        }
        // SQLite takes `:memory:` and `file:` addresses for something else than a path.
        let is_special = text.starts_with(':') || text.starts_with("file:");
        if is_special || text.ends_with('/') || text.contains('\0') {
            return Err(self.error("must be the path of a file"));
        }
        Ok(PathBuf::from(text))
    }

    /// A number within bounds, which keeps out NaN and infinity.
    pub(super) fn number(self, bounds: RangeInclusive<f64>) -> Result<f64, ConfigError> {
        match self.value {
            ValueKind::Float(number) if bounds.contains(number) => Ok(*number),
            _ => Err(self.error(&format!("must be {} to {}", bounds.start(), bounds.end()))),
        }
    }

    /// A duration within bounds.
    pub(super) fn duration(
        self,
        bounds: RangeInclusive<Duration>,
    ) -> Result<Duration, ConfigError> {
        let text = self.text().trim();
        if f64::from_str(text).is_ok() {
            return Err(self.error(&format!(
                "a duration needs a unit; write \"{text}s\" for seconds"
            )));
        }
        let duration = humantime::parse_duration(text).map_err(|_| {
            self.error("must be a duration such as \"500ms\", \"60s\", \"15m\" or \"90d\"")
        })?;
        if bounds.contains(&duration) {
            return Ok(duration);
        }
        let [least, most] = [bounds.start(), bounds.end()]
            .map(|bound| humantime::format_duration(*bound).to_string());
        Err(self.error(&format!("must be {least} to {most}")))
    }
}
