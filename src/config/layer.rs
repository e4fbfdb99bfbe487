//! One layer of the configuration: what a single source sets, each value with the place it comes from.

use config::{Map, Value, ValueKind};

use super::error::{ConfigError, quoted};
use super::schema::{KEYS, Key, Kind};

/// What one source sets. Names are those of the schema, values have the type that the schema wants.
#[derive(Debug, Clone, Default)]
pub(super) struct Layer {
    values: Map<String, Value>,
}

impl Layer {
    /// Takes a value; `place` is what an error will name.
    pub(super) fn set(&mut self, key: &Key, value: ValueKind, place: &str) {
        self.values.insert(
            key.name.to_owned(),
            Value::new(Some(&place.to_owned()), value),
        );
    }

    /// Forgets a value; false if there was none.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.values.remove(name).is_some()
    }

    /// Keeps the values whose place suits.
    pub(super) fn retain(&mut self, suits: impl Fn(&str) -> bool) {
        self.values
            .retain(|_, value| value.origin().is_none_or(&suits));
    }

    /// The defaults of the schema.
    pub(super) fn defaults() -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        for key in KEYS {
            if let Some(text) = key.default {
                layer.set(key, from_text(key, text, "default")?, "default");
            }
        }
        Ok(layer)
    }
}

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.values.clone())
    }
}

/// Reads a text (all that the environment has) as the type of its key. Nothing is rounded or guessed.
pub(super) fn from_text(key: &Key, text: &str, place: &str) -> Result<ValueKind, ConfigError> {
    let trimmed = text.trim();
    let value = match key.kind {
        Kind::Text | Kind::Duration => Some(ValueKind::String(text.to_owned())),
        Kind::Integer => trimmed.parse().ok().map(ValueKind::I64),
        Kind::Number => trimmed.parse().ok().map(ValueKind::Float),
        Kind::Boolean => trimmed.parse().ok().map(ValueKind::Boolean),
    };
    value.ok_or_else(|| wrong_type(key, &quoted(text), place))
}

/// The error for a value, shown as given, that has not the type of its key.
pub(super) fn wrong_type(key: &Key, shown: &str, place: &str) -> ConfigError {
    let wanted = match key.kind {
        Kind::Text => "must be text; put it in double quotes".to_owned(),
        Kind::Duration if shown.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("a duration needs a unit; write \"{shown}s\" for seconds")
        }
        Kind::Duration => {
            "must be a duration such as \"500ms\", \"60s\", \"15m\" or \"90d\"".to_owned()
        }
        Kind::Integer => "must be a whole number, without quotes in a file".to_owned(),
        Kind::Number => "must be a number, without quotes in a file".to_owned(),
        Kind::Boolean => "must be true or false, without quotes in a file".to_owned(),
    };
    ConfigError::at(place, format!("{} = {shown}: {wanted}", key.name)).about(key.name)
}
