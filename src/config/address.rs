//! `api.base_url`: https, or http to loopback; nothing in it that would change or leak requests.

use url::{Host, Url};

use super::error::{ConfigError, quoted};
use super::settings::Setting;

/// Reads and checks the base URL, without trailing slashes (a bare host keeps the one that a URL can't do without).
pub(super) fn base_url(setting: Setting<'_>) -> Result<Url, ConfigError> {
    let text = setting.non_empty()?;
    // User information and queries are where people put keys.
    let shown = if text.contains(['@', '?', '#']) {
        "(value not shown)".to_owned()
    } else {
        quoted(text)
    };
    let refuse = |problem: &str| Err(setting.error_showing(&shown, problem));
    let Ok(mut url) = Url::parse(text) else {
        return refuse("is not a URL; write it like \"https://api.example.com/v1\"");
    };
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return refuse("must begin with https://, as in \"https://api.example.com/v1\"");
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return refuse(
            "the API key would travel in the clear; write https:// (http:// is for loopback only)",
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("must hold no user name or password; the API key has its own settings");
    }
    if url.query().is_some() {
        return refuse(
            "must hold no query (\"?\"); there are api.filter and api.parameters for that",
        );
    }
    if url.fragment().is_some() {
        return refuse("must hold no fragment (\"#\")");
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
