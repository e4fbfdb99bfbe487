//! The token that opens the operator's endpoint: found like the API key, and as little shown.

use std::io;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::Http;
use super::environment::{CREDENTIALS_VARIABLE, Environment, TOKEN_VARIABLE};
use super::error::ConfigError;
use super::file::{TOKEN_REMEDY, read_text};
use super::key::{FILE_BYTES_MAX, exposure, unfit};

/// A shorter one could be guessed over the network.
const CHARS_MIN: usize = 16;

/// The token. Its `Debug` hides it.
#[derive(Debug, Clone)]
pub struct HttpToken(SecretString);

/// A token, and how it was come by.
#[derive(Debug, Clone)]
pub struct LoadedToken {
    /// The token.
    pub token: HttpToken,
    /// What the operator should know, such as a file that everyone can read.
    pub warnings: Vec<String>,
}

impl HttpToken {
    /// Wraps a token; `None` if it is too short, or can't be sent in an HTTP header.
    pub fn new(text: &str) -> Option<Self> {
        (text.len() >= CHARS_MIN && unfit(text).is_none()).then(|| Self(text.into()))
    }

    /// Whether this is it. How long that takes tells nothing of how much of it is right.
    pub fn is(&self, candidate: &[u8]) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(candidate).into()
    }

    /// Finds the token: the credential that systemd passes, else `http.token_file`, else the environment. `Ok(None)` if there is none,
    /// and none is needed.
    ///
    /// # Errors
    /// If there is one that can't be used; or none, and the endpoint is open to other machines.
    pub fn load(
        http: &Http,
        environment: &Environment,
    ) -> Result<Option<LoadedToken>, ConfigError> {
        if let Some(folder) = environment.get(CREDENTIALS_VARIABLE) {
            let path = Path::new(folder).join("http-token");
            match read_text(&path, FILE_BYTES_MAX) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                read => return from_file(&path, read).map(Some),
            }
        }
        if let Some(path) = &http.token_file {
            let loaded = from_file(path, read_text(path, FILE_BYTES_MAX))?;
            return Ok(Some(LoadedToken {
                warnings: exposure(path, "the token of [http]").into_iter().collect(),
                ..loaded
            }));
        }
        if let Some(text) = environment.get(TOKEN_VARIABLE) {
            let token =
                checked(text).map_err(|problem| ConfigError::at(TOKEN_VARIABLE, problem))?;
            return Ok(Some(LoadedToken {
                token,
                warnings: Vec::new(),
            }));
        }
        match &http.listen {
            Some(listen) if listen.is_open() => Err(ConfigError::general(format!(
                "http.listen is {listen}, where other machines can reach it, and there is no token that keeps them out: {TOKEN_REMEDY}; \
                 or listen on 127.0.0.1 or a Unix socket"
            ))),
            _ => Ok(None),
        }
    }
}

fn from_file(path: &Path, read: io::Result<String>) -> Result<LoadedToken, ConfigError> {
    let place = path.display().to_string();
    let text = read.map_err(|error| {
        let remedy = "check the path, and that the user running this program may read it";
        ConfigError::at(
            &place,
            format!("can't read the token of [http]: {error}; {remedy}"),
        )
    })?;
    let token = checked(&text).map_err(|problem| ConfigError::at(&place, problem))?;
    Ok(LoadedToken {
        token,
        // systemd has made it, for this service alone.
        warnings: Vec::new(),
    })
}

fn checked(text: &str) -> Result<HttpToken, String> {
    let text = text.trim();
    let problem = unfit(text).unwrap_or("it is shorter than 16 characters");
    HttpToken::new(text).ok_or_else(|| {
        format!(
            "this can't be the token of [http]: {problem} (content not shown); make one with: openssl rand -hex 32"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Listen;

    fn http(listen: &str, token_file: Option<&Path>) -> Http {
        Http {
            listen: Some(Listen::parse(listen).unwrap()),
            hosts: Vec::new(),
            token_file: token_file.map(Path::to_owned),
            ready_periods: 3,
        }
    }

    #[test]
    fn it_comes_from_the_credential_then_the_file_then_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap();
        let variables: Environment = [
            ("CREDENTIALS_DIRECTORY", name),
            (TOKEN_VARIABLE, "environment-0000"),
        ]
        .into_iter()
        .collect();
        let is = |http: &Http, text: &str| {
            let loaded = HttpToken::load(http, &variables).unwrap().unwrap();
            assert!(!format!("{loaded:?}").contains(text));
            loaded.token.is(text.as_bytes())
        };
        let plain = http("0.0.0.0:80", None);
        assert!(is(&plain, "environment-0000") && !is(&plain, "environment-0001"));
        assert!(!is(&plain, "environment-000"));
        let file = folder.path().join("t");
        std::fs::write(&file, "of-the-file-0000\n").unwrap();
        let with_file = http("0.0.0.0:80", Some(&file));
        assert!(is(&with_file, "of-the-file-0000"));
        std::fs::write(folder.path().join("http-token"), "credential-00000").unwrap();
        assert!(is(&with_file, "credential-00000"));
    }

    #[test]
    fn other_machines_need_one() {
        let nothing = Environment::default();
        for listen in ["127.0.0.1:80", "[::1]:80", "unix:/run/m.sock"] {
            let loaded = HttpToken::load(&http(listen, None), &nothing).unwrap();
            assert!(loaded.is_none(), "{listen}");
        }
        let error = HttpToken::load(&http("0.0.0.0:80", None), &nothing).unwrap_err();
        assert!(
            error.to_string().starts_with(
                "http.listen is http://0.0.0.0:80/, where other machines can reach it, and there is no token that keeps them out: provide"
            ),
            "{error}"
        );
    }

    #[test]
    fn a_bad_one_is_refused_and_not_shown() {
        for (text, problem) in [
            ("SECRET", "shorter than 16"),
            ("", "empty"),
            ("SECRET SECRET SECRET", "other than printable"),
            ("SECRETSECRETSECRET\nx", "more than one line"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("t");
            std::fs::write(&file, text).unwrap();
            let http = http("127.0.0.1:80", Some(&file));
            let error = HttpToken::load(&http, &Environment::default())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(problem) && !error.contains("SECRET"),
                "{error}"
            );
        }
    }
}
