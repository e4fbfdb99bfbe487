//! One message for whoever wrote the configuration: where it is wrong, what is wrong, what to write instead.

use std::fmt;

use crate::harmless::harmless;

/// Why the configuration, or the API key, can't be used. `Display` is the whole message, on one line, and never holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    place: Option<String>,
    key: Option<&'static str>,
    problem: String,
}

impl ConfigError {
    /// A problem at a place: `file:line`, a file, or the name of an environment variable.
    pub(super) fn at(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            place: Some(place.into()),
            key: None,
            problem: problem.into(),
        }
    }

    /// A problem that is in no single place, such as a missing key.
    pub(super) fn general(problem: impl Into<String>) -> Self {
        Self {
            place: None,
            key: None,
            problem: problem.into(),
        }
    }

    /// The same, about the value of one key, or about one section.
    pub(super) fn about(self, key: &'static str) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// The key whose value is wrong, `api.page_size`, or the section with an unknown key, `api`; `None` if it may be about anything.
    pub(super) fn key(&self) -> Option<&'static str> {
        self.key
    }

    /// Where it is wrong: `file:line`, a file, or the name of an environment variable.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            // The name of a file or variable can be anything.
            Some(place) => write!(f, "{}: {}", harmless(place), self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

impl std::error::Error for ConfigError {}

/// A text of the configuration as a message shows it: quoted, on one line, shortened.
pub(super) fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 120;
    let mut shown: String = text.chars().take(CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}
