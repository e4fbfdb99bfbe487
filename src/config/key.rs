//! The API key: where it is found, and what makes one usable. No message here holds any part of it.

use std::io;
use std::path::Path;

use secrecy::SecretString;

use super::Api;
use super::environment::{CREDENTIALS_VARIABLE, Environment, KEY_VARIABLE};
use super::error::ConfigError;
use super::file::{KEY_REMEDY, read_text};
use crate::trust;

/// The API key. Its `Debug` hides it, and its memory is wiped when it is dropped.
#[derive(Debug, Clone)]
pub struct ApiKey(SecretString);

/// A key, and how it was come by.
#[derive(Debug, Clone)]
pub struct LoadedKey {
    /// The key.
    pub key: ApiKey,
    /// Where it was found: a path, or the name of an environment variable.
    pub origin: String,
    /// True if it is in the file that `api.key_file` names, where another one may be put while the program runs.
    pub is_from_key_file: bool,
    /// What the operator should know, such as a key file that everyone can read.
    pub warnings: Vec<String>,
}

/// Longer than any key; servers commonly take headers of 8 KiB in all.
const KEY_BYTES_MAX: usize = 4096;

impl ApiKey {
    /// Wraps a key; `None` if it is empty or can't be sent in an HTTP header.
    pub fn new(text: &str) -> Option<Self> {
        unfit(text)
            .is_none()
            .then(|| Self(SecretString::from(text)))
    }

    /// The key itself; for the request header, and for cutting it out of texts.
    pub fn expose(&self) -> &str {
        secrecy::ExposeSecret::expose_secret(&self.0)
    }

    /// Finds the key: the credential that systemd passes, else `api.key_file`, else the environment.
    pub fn load(api: &Api, environment: &Environment) -> Result<LoadedKey, ConfigError> {
        if let Some(folder) = environment.get(CREDENTIALS_VARIABLE) {
            let path = Path::new(folder).join("api-key");
            match read_text(&path, FILE_BYTES_MAX) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                read => return from_file(&path, read),
            }
        }
        if let Some(path) = &api.key_file {
            return match read_text(path, FILE_BYTES_MAX) {
                // A single word that is no file may well be the key itself.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && path.components().count() == 1 =>
                {
                    Err(ConfigError::general(
                        "api.key_file names no file in the current directory (value not shown, in case it is the key itself); write the full path of the file",
                    ))
                }
                read => from_file(path, read).map(|loaded| LoadedKey {
                    is_from_key_file: true,
                    warnings: exposure(path, "the API key").into_iter().collect(),
                    ..loaded
                }),
            };
        }
        if let Some(text) = environment.get(KEY_VARIABLE) {
            let key = checked(text).map_err(|problem| ConfigError::at(KEY_VARIABLE, problem))?;
            return Ok(LoadedKey {
                key,
                origin: KEY_VARIABLE.to_owned(),
                is_from_key_file: false,
                warnings: Vec::new(),
            });
        }
        Err(ConfigError::general(format!(
            "there is no API key: {KEY_REMEDY}"
        )))
    }
}

/// A key with white space around it.
pub(super) const FILE_BYTES_MAX: u64 = 2 * KEY_BYTES_MAX as u64;

fn from_file(path: &Path, read: io::Result<String>) -> Result<LoadedKey, ConfigError> {
    let place = path.display().to_string();
    let text = read.map_err(|error| {
        let remedy = "check the path, and that the user running this program may read it";
        ConfigError::at(&place, format!("can't read the API key: {error}; {remedy}"))
    })?;
    let key = checked(&text).map_err(|problem| ConfigError::at(&place, problem))?;
    Ok(LoadedKey {
        key,
        is_from_key_file: false,
        warnings: open_to_everyone(path, "the API key").into_iter().collect(),
        origin: place,
    })
}

fn checked(text: &str) -> Result<ApiKey, String> {
    let text = text.trim();
    ApiKey::new(text).ok_or_else(|| describe(unfit(text).unwrap_or_default()))
}

/// Why a text can't be a secret that is sent in an HTTP header.
pub(super) fn unfit(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > KEY_BYTES_MAX {
        Some("it is longer than 4096 bytes")
    } else if text.contains(['\n', '\r']) {
        Some("it has more than one line")
    } else if !text.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        Some("it has characters other than printable ASCII without spaces")
    } else {
        None
    }
}

fn describe(problem: &str) -> String {
    format!(
        "this can't be an API key: {problem} (content not shown); put the key there, alone on one line"
    )
}

/// Why a secret in a file may not be one, or may be exchanged.
pub(super) fn exposure(path: &Path, what: &str) -> Option<String> {
    open_to_everyone(path, what)
        .or_else(|| trust::warning_of(path, &format!(", and it holds {what}")))
}

fn open_to_everyone(path: &Path, what: &str) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let shown = path.display();
    (mode & 0o007 != 0).then(|| {
        format!("{shown}: every user of this machine can get at {what} (mode {mode:04o}); run: chmod o= {shown}")
    })
}
