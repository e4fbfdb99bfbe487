//! Who is let in. Pure: a request's head in, a refusal or nothing out.
//!
//! The customers are personal data, and a browser on this machine runs the scripts of strangers. A page from elsewhere can't read
//! another origin's answers, unless its own name is resolved to this machine (DNS rebinding): so a request must name this machine,
//! not just reach it. What it can do is embed answers, or time them: so a browser that says that a request is another site's gets
//! nothing, unless its user followed a link.

use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Method, Uri};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::config::HttpToken;

/// Where style, script and icon of the pages are.
const ASSETS: &str = "/assets/";

/// What is asked of a request.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// Names that may be asked for, besides addresses and `localhost`; `None` for a Unix socket, which no browser reaches by itself.
    pub(super) hosts: Option<Vec<String>>,
    /// The token, if one is needed.
    pub(super) token: Option<HttpToken>,
}

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nothing can be changed here.
    Method,
    /// It names another host, or none.
    Host,
    /// Another site's page makes it.
    OtherSite,
    /// It has a body. Nothing here needs one; and where two programs part a stream of requests in different ways, as they do by lengths
    /// that contradict each other, one can be made to take a part of a body for somebody's request.
    Body,
    /// It doesn't give a token.
    Token,
    /// It gives another one.
    WrongToken,
}

impl Gate {
    /// Lets a request in, or not.
    pub(super) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Refusal::Method);
        }
        if has_body(headers) {
            return Err(Refusal::Body);
        }
        if let Some(hosts) = &self.hosts
            && !names_us(uri, headers, hosts)
        {
            return Err(Refusal::Host);
        }
        if is_of_other_site(headers) {
            return Err(Refusal::OtherSite);
        }
        match &self.token {
            // The looks of the page that asks for the token; there is nothing of anybody in them.
            Some(_) if uri.path().starts_with(ASSETS) => Ok(()),
            Some(_) if !headers.contains_key(AUTHORIZATION) => Err(Refusal::Token),
            Some(token) if !knows(token, headers) => Err(Refusal::WrongToken),
            _ => Ok(()),
        }
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    headers.contains_key(TRANSFER_ENCODING) || lengths.any(|length| length != "0")
}

/// Whether every host that the request names is this one.
fn names_us(uri: &Uri, headers: &HeaderMap, hosts: &[String]) -> bool {
    let in_headers = headers.get_all(HOST).iter().map(|host| host.to_str().ok());
    let named: Vec<Option<&str>> = in_headers
        .chain(uri.authority().map(|authority| Some(authority.as_str())))
        .collect();
    let is_us = |authority: Option<&str>| {
        authority
            .and_then(host_of)
            .is_some_and(|host| is_local(host, hosts))
    };
    !named.is_empty() && named.into_iter().all(is_us)
}

/// `example.com:80` → `example.com`, `[::1]:80` → `::1`.
fn host_of(authority: &str) -> Option<&str> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return (port.is_empty() || port.starts_with(':')).then_some(host);
    }
    Some(
        authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host),
    )
}

/// An address is never resolved, so nobody can have it resolved to us.
fn is_local(host: &str, hosts: &[String]) -> bool {
    host.parse::<std::net::IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| host.eq_ignore_ascii_case(known))
}

/// Browsers say where a request comes from, and what it is for; nobody else does.
fn is_of_other_site(headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_other = matches!(says("sec-fetch-site"), Some("cross-site" | "same-site"));
    // A link that somebody follows opens a page of its own.
    let is_link = says("sec-fetch-mode") == Some("navigate")
        && says("sec-fetch-dest").is_none_or(|dest| dest == "document");
    is_other && !is_link
}

/// `Bearer TOKEN`, or `Basic` with it as password, which browsers ask their user for.
fn knows(token: &HttpToken, headers: &HeaderMap) -> bool {
    let Some(text) = headers
        .get(AUTHORIZATION)
        .map(axum::http::HeaderValue::as_bytes)
    else {
        return false;
    };
    let Some(space) = text.iter().position(|byte| *byte == b' ') else {
        return false;
    };
    let (scheme, credentials) = (&text[..space], text[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return token.is(credentials);
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return false;
    }
    let Ok(decoded) = BASE64_STANDARD.decode(credentials) else {
        return false;
    };
    let colon = decoded.iter().position(|byte| *byte == b':');
    colon.is_some_and(|colon| token.is(&decoded[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn gate(token: bool) -> Gate {
        Gate {
            hosts: Some(vec!["mirror.example.com".to_owned()]),
            token: token.then(|| HttpToken::new(TOKEN).unwrap()),
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn asked(gate: &Gate, uri: &str, pairs: &[(&'static str, &str)]) -> Result<(), Refusal> {
        gate.check(&Method::GET, &uri.parse().unwrap(), &headers(pairs))
    }

    #[test]
    fn only_our_own_names_are_answered() {
        for (host, is_us) in [
            ("127.0.0.1:9480", true),
            ("192.168.7.9", true),
            ("[::1]:9480", true),
            ("localhost", true),
            ("LocalHost:9480", true),
            ("Mirror.Example.com:443", true),
            ("evil.example.com", false),
            ("localhost.evil.example.com", false),
            ("127.0.0.1.evil.example.com:9480", false),
            ("evil.example.com:127.0.0.1", false),
            ("[::1].evil.example.com", false),
            ("", false),
        ] {
            let expected = if is_us { Ok(()) } else { Err(Refusal::Host) };
            assert_eq!(
                asked(&gate(false), "/", &[("host", host)]),
                expected,
                "{host}"
            );
        }
        assert_eq!(asked(&gate(false), "/", &[]), Err(Refusal::Host));
        let two = [("host", "localhost"), ("host", "evil.example.com")];
        assert_eq!(asked(&gate(false), "/", &two), Err(Refusal::Host));
        // A request to a proxy names the host twice.
        let whole = "http://evil.example.com/";
        assert_eq!(
            asked(&gate(false), whole, &[("host", "localhost")]),
            Err(Refusal::Host)
        );
        // A reverse proxy says whatever it likes.
        let socket = Gate {
            hosts: None,
            token: None,
        };
        assert_eq!(asked(&socket, "/", &[("host", "crm.example.com")]), Ok(()));
    }

    #[test]
    fn nothing_can_be_changed() {
        let local = headers(&[("host", "localhost")]);
        for (method, expected) in [
            (Method::GET, Ok(())),
            (Method::HEAD, Ok(())),
            (Method::POST, Err(Refusal::Method)),
            (Method::DELETE, Err(Refusal::Method)),
            (Method::CONNECT, Err(Refusal::Method)),
            (Method::OPTIONS, Err(Refusal::Method)),
        ] {
            let uri = "/".parse().unwrap();
            assert_eq!(
                gate(false).check(&method, &uri, &local),
                expected,
                "{method}"
            );
        }
    }

    #[test]
    fn a_question_has_no_body() {
        for (name, value, expected) in [
            ("content-length", "0", Ok(())),
            ("content-length", "5", Err(Refusal::Body)),
            ("content-length", "+0", Err(Refusal::Body)),
            ("transfer-encoding", "chunked", Err(Refusal::Body)),
            ("transfer-encoding", "identity", Err(Refusal::Body)),
        ] {
            let pairs = [("host", "localhost"), (name, value)];
            assert_eq!(asked(&gate(false), "/", &pairs), expected, "{name} {value}");
        }
    }

    #[test]
    fn other_sites_get_nothing_but_links() {
        for (site, mode, dest, expected) in [
            ("same-origin", "cors", "empty", Ok(())),
            ("none", "navigate", "document", Ok(())),
            ("cross-site", "navigate", "document", Ok(())),
            ("cross-site", "no-cors", "image", Err(Refusal::OtherSite)),
            ("cross-site", "navigate", "iframe", Err(Refusal::OtherSite)),
            ("same-site", "cors", "empty", Err(Refusal::OtherSite)),
        ] {
            let pairs = [
                ("host", "localhost"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ];
            assert_eq!(
                asked(&gate(false), "/", &pairs),
                expected,
                "{site} {mode} {dest}"
            );
        }
    }

    #[test]
    fn without_the_token_there_are_looks_and_nothing_else() {
        let local = [("host", "localhost")];
        for (path, expected) in [
            ("/assets/style.css", Ok(())),
            ("/assets/../customers", Ok(())),
            ("/assets", Err(Refusal::Token)),
            ("/customers", Err(Refusal::Token)),
            ("/customers/assets/", Err(Refusal::Token)),
            ("//assets/style.css", Err(Refusal::Token)),
        ] {
            assert_eq!(asked(&gate(true), path, &local), expected, "{path}");
        }
        let evil = [("host", "evil.example.com")];
        assert_eq!(
            asked(&gate(true), "/assets/style.css", &evil),
            Err(Refusal::Host)
        );
    }

    #[test]
    fn the_token_opens() {
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        for (said, expected) in [
            (Some(format!("Bearer {TOKEN}")), true),
            (Some(format!("bearer   {TOKEN}")), true),
            (Some(basic(&format!("anybody:{TOKEN}"))), true),
            (Some(basic(&format!(":{TOKEN}"))), true),
            (Some(basic(TOKEN)), false),
            (Some(basic(&format!("{TOKEN}:"))), false),
            (Some(format!("Bearer {TOKEN}0")), false),
            (Some("Bearer".to_owned()), false),
            (Some("Bearer ".to_owned()), false),
            (Some("Basic !!!".to_owned()), false),
            (Some(TOKEN.to_owned()), false),
            (None, false),
        ] {
            let mut pairs = vec![("host", "localhost")];
            pairs.extend(said.as_deref().map(|said| ("authorization", said)));
            let expected = match (expected, &said) {
                (true, _) => Ok(()),
                (false, Some(_)) => Err(Refusal::WrongToken),
                (false, None) => Err(Refusal::Token),
            };
            assert_eq!(asked(&gate(true), "/", &pairs), expected, "{said:?}");
        }
    }
}
