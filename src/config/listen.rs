//! `[http]`: where the operator's endpoint listens, under which names, and what opens it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::Http;
use super::error::ConfigError;
use super::settings::{Setting, Settings};

/// Names under which it may be reached: more is a mistake.
const HOSTS_MAX: usize = 32;
/// A host name is no longer, says DNS.
const HOST_BYTES_MAX: usize = 253;
/// The kernel's `sun_path` has 108 bytes, the last of them zero.
const SOCKET_PATH_BYTES_MAX: usize = 107;

const FORMS: &str = "write address and port such as \"127.0.0.1:9480\", the path of a Unix socket such as \
    \"unix:/run/customer-mirror/http.sock\", or \"off\"";

/// Where the endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket, for its owner and group.
    Unix(PathBuf),
}

impl Listen {
    /// Reads what `http.listen` and `serve --listen` take, but for `off`.
    ///
    /// # Errors
    /// What would be understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            return socket(path);
        }
        if text.starts_with('/') {
            return socket(text);
        }
        if let Some(("localhost", port)) = text.rsplit_once(':') {
            return port
                .parse()
                .map(|port| Self::Tcp((Ipv4Addr::LOCALHOST, port).into()))
                .map_err(|_| FORMS.to_owned());
        }
        match text.parse::<SocketAddr>() {
            Ok(address) => Ok(Self::Tcp(address)),
            Err(_) if text.parse::<IpAddr>().is_ok() => {
                Err(format!("the port is missing; {FORMS}"))
            }
            Err(_) => Err(FORMS.to_owned()),
        }
    }

    /// Whether others than this machine's users could reach it.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => false,
        }
    }
}

fn socket(path: &str) -> Result<Listen, String> {
    if !Path::new(path).is_absolute() || path.ends_with('/') || path.contains('\0') {
        return Err("the path of a Unix socket must begin with / and name a file".to_owned());
    }
    if path.len() > SOCKET_PATH_BYTES_MAX {
        return Err(format!(
            "the path of a Unix socket must not be longer than {SOCKET_PATH_BYTES_MAX} bytes"
        ));
    }
    Ok(Listen::Unix(path.into()))
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}/"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

pub(super) fn http(settings: &Settings) -> Result<Http, ConfigError> {
    let listen = settings.get("http.listen")?;
    let listen = match listen.text().trim() {
        "" | "off" => None,
        text => Some(Listen::parse(text).map_err(|problem| listen.error(&problem))?),
    };
    Ok(Http {
        listen,
        hosts: settings
            .find("http.hosts")
            .map(hosts)
            .transpose()?
            .unwrap_or_default(),
        token_file: settings
            .find("http.token_file")
            .map(Setting::path)
            .transpose()?,
        ready_periods: settings.integer("http.ready_periods", 1..=1000)?,
    })
}

/// Names, in lower case, with blanks or commas between them.
fn hosts(setting: Setting<'_>) -> Result<Vec<String>, ConfigError> {
    let names = setting.text().split([' ', ',']);
    let names: Vec<String> = names
        .filter(|name| !name.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let is_name = |name: &String| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        name.len() <= HOST_BYTES_MAX && name.bytes().all(fits)
    };
    if names.len() > HOSTS_MAX || !names.iter().all(is_name) {
        return Err(setting.error(
            "must be host names without ports, such as \"mirror.example.com\", with blanks between them",
        ));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_sockets() {
        for (text, shown, is_open) in [
            ("127.0.0.1:9480", "http://127.0.0.1:9480/", false),
            (" 127.8.0.1:0 ", "http://127.8.0.1:0/", false),
            ("[::1]:80", "http://[::1]:80/", false),
            (
                "[::ffff:127.0.0.1]:80",
                "http://[::ffff:127.0.0.1]:80/",
                false,
            ),
            ("localhost:80", "http://127.0.0.1:80/", false),
            ("0.0.0.0:80", "http://0.0.0.0:80/", true),
            ("[::]:80", "http://[::]:80/", true),
            ("10.0.0.7:80", "http://10.0.0.7:80/", true),
            ("unix:/run/m/http.sock", "unix:/run/m/http.sock", false),
            ("/run/m/http.sock", "unix:/run/m/http.sock", false),
        ] {
            let listen = Listen::parse(text).unwrap();
            assert_eq!(
                (listen.to_string(), listen.is_open()),
                (shown.to_owned(), is_open)
            );
        }
        let long = format!("unix:/{}", "x".repeat(107));
        for text in [
            "9480",
            ":9480",
            "127.0.0.1",
            "::1",
            "127.0.0.1:99999",
            "localhost:",
            "example.com:80",
            "http://127.0.0.1:80",
            "unix:run/http.sock",
            "unix:/run/",
            "on",
            &long,
        ] {
            assert!(Listen::parse(text).is_err(), "{text}");
        }
    }
}
