//! The one HTTP client: what it sends with each request, whom it trusts, where it may go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, retry};
use url::{Host, Url};

use super::message::{cause, causes};
use crate::config::{Api, ApiKey, Parameters};
use crate::model::{Cursor, PageSize};

const KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// Why a source can't be set up. None of these passes by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The key would travel in the clear.
    #[error(
        "api.base_url {0}: plain http is for loopback only, or the API key could be read on the way; use https"
    )]
    PlainHttp(String),
    /// Not a URL of an API.
    #[error("api.base_url {0}: not an http or https URL of a host, without user and password")]
    BadBaseUrl(String),
    /// The key has characters that no HTTP header can carry.
    #[error("the API key can't be sent in an HTTP header; check the key file for stray characters")]
    BadKey,
    /// No server could be trusted.
    #[error("no CA certificates: install ca-certificates, or name a bundle in SSL_CERT_FILE")]
    NoCertificates,
    /// Anything else; holds the cause.
    #[error("the HTTP client can't be set up: {0}")]
    Client(String),
}

/// Builds the client. For plain http it needs no CA certificates.
pub(super) fn client(api: &Api, key: &ApiKey) -> Result<Client, SetupError> {
    let plain = is_plain_http(&api.base_url)?;
    let mut key = HeaderValue::from_str(key.expose()).map_err(|_| SetupError::BadKey)?;
    key.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(KEY_HEADER, key);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let mut builder = Client::builder()
        .user_agent(concat!("customer-mirror/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        // The key goes where it was meant to go, and nowhere else.
        .redirect(Policy::none())
        .referer(false)
        // The retry loop is in http.rs.
        .retry(retry::never())
        .connect_timeout(api.connect_timeout)
        // Never by DNS, which may have other ideas of where localhost is. Port 0 stands for the URL's.
        .resolve_to_addrs(
            "localhost",
            &[
                IpAddr::from(Ipv4Addr::LOCALHOST),
                Ipv6Addr::LOCALHOST.into(),
            ]
            .map(|address| SocketAddr::new(address, 0)),
        );
    if plain {
        // A proxy would see the key; and there is nobody whose certificate would be checked.
        builder = builder.no_proxy().tls_certs_only(Vec::new());
    } else {
        builder = builder.https_only(true);
    }
    builder.build().map_err(|error| {
        let no_certificates =
            causes(&error).any(|error| error.to_string().contains("CA certificates"));
        if no_certificates {
            SetupError::NoCertificates
        } else {
            SetupError::Client(cause(&error))
        }
    })
}

/// True for http to loopback, false for https; anything else is an error.
fn is_plain_http(base_url: &Url) -> Result<bool, SetupError> {
    let shown = || place(base_url);
    let Some(host) = base_url.host() else {
        return Err(SetupError::BadBaseUrl(shown()));
    };
    if !base_url.username().is_empty() || base_url.password().is_some() {
        return Err(SetupError::BadBaseUrl(shown()));
    }
    let loopback = match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    match base_url.scheme() {
        "https" => Ok(false),
        "http" if loopback => Ok(true),
        "http" => Err(SetupError::PlainHttp(shown())),
        _ => Err(SetupError::BadBaseUrl(shown())),
    }
}

/// The URL of the listing, without query.
pub(super) fn endpoint(base_url: &Url) -> Result<Url, SetupError> {
    let mut url = base_url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.path_segments_mut()
        .map_err(|()| SetupError::BadBaseUrl(place(base_url)))?
        .pop_if_empty()
        .push("customers");
    Ok(url)
}

/// The URL of one page.
pub(super) fn page_url(
    endpoint: &Url,
    parameters: &Parameters,
    filter: Option<&str>,
    limit: PageSize,
    cursor: Option<&Cursor>,
) -> Url {
    let mut url = endpoint.clone();
    {
        let mut query = url.query_pairs_mut();
        if let Some(filter) = filter {
            query.append_pair(&parameters.filter, filter);
        }
        query.append_pair(&parameters.limit, &limit.get().to_string());
        if let Some(cursor) = cursor {
            query.append_pair(&parameters.cursor, cursor.as_str());
        }
    }
    // Not every server reads `+` as a space; a real plus is `%2B` by now.
    let query = url.query().map(|query| query.replace('+', "%20"));
    url.set_query(query.as_deref());
    url
}

/// Where a URL points, without user, password, query and fragment.
pub(super) fn place(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}"));
    format!(
        "{}://{}{}{}",
        url.scheme(),
        url.host_str().unwrap_or_default(),
        port.unwrap_or_default(),
        url.path()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[rstest]
    #[case("https://api.example/v1", Ok(false))]
    #[case("http://127.0.0.1:8080", Ok(true))]
    #[case("http://127.9.9.9", Ok(true))]
    #[case("http://[::1]:8080", Ok(true))]
    #[case("http://localhost:8080", Ok(true))]
    #[case("http://LOCALHOST", Ok(true))]
    #[case("http://localhost.example", Err(SetupError::PlainHttp("http://localhost.example/".into())))]
    #[case("http://10.0.0.1", Err(SetupError::PlainHttp("http://10.0.0.1/".into())))]
    #[case("http://0.0.0.0", Err(SetupError::PlainHttp("http://0.0.0.0/".into())))]
    #[case("http://[::ffff:127.0.0.1]/", Err(SetupError::PlainHttp("http://[::ffff:7f00:1]/".into())))]
    #[case("ftp://127.0.0.1/x", Err(SetupError::BadBaseUrl("ftp://127.0.0.1/x".into())))]
    #[case("https://user:pw@api.example", Err(SetupError::BadBaseUrl("https://api.example/".into())))]
    fn where_the_key_may_go(#[case] base_url: &str, #[case] expected: Result<bool, SetupError>) {
        assert_eq!(is_plain_http(&url(base_url)), expected);
    }

    #[rstest]
    #[case("https://api.example", "https://api.example/customers")]
    #[case("https://api.example/v1", "https://api.example/v1/customers")]
    #[case("https://api.example/v1/", "https://api.example/v1/customers")]
    #[case("https://api.example/a%20b", "https://api.example/a%20b/customers")]
    fn the_listing(#[case] base_url: &str, #[case] expected: &str) {
        assert_eq!(endpoint(&url(base_url)).unwrap().as_str(), expected);
    }

    #[test]
    fn a_page_is_asked_for_by_the_configured_names() {
        let parameters = Parameters {
            filter: "q".into(),
            limit: "n".into(),
            cursor: "c".into(),
        };
        let endpoint = url("https://api.example/customers");
        let limit = PageSize::new(7).unwrap();
        let cursor = Cursor::new("a+b/c=&d").unwrap();
        let first = page_url(&endpoint, &parameters, None, limit, None);
        assert_eq!(first.as_str(), "https://api.example/customers?n=7");
        let next = page_url(&endpoint, &parameters, Some("x y+z"), limit, Some(&cursor));
        let expected = "https://api.example/customers?q=x%20y%2Bz&n=7&c=a%2Bb%2Fc%3D%26d";
        assert_eq!(next.as_str(), expected);
    }
}
