//! Addresses within the pages.

use std::fmt::Write as _;

/// Where a customer's page is.
///
/// An ID may be any text. `.` and `..` are no path segment that a browser would keep, and an empty one is none either: these are named
/// in the query instead.
pub(crate) fn customer_path(customer_id: &str) -> String {
    if matches!(customer_id, "." | ".." | "") {
        return format!("/customers?id={}", encoded(customer_id));
    }
    format!("/customers/{}", encoded(customer_id))
}

/// Where a customer's record is, as it was sent.
pub(super) fn raw_path(customer_id: &str) -> String {
    if matches!(customer_id, "." | ".." | "") {
        return format!("/customers/raw?id={}", encoded(customer_id));
    }
    format!("/customers/{}/raw", encoded(customer_id))
}

/// A path with a query of those pairs that have a value.
pub(super) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut address = path.to_owned();
    let mut separator = if path.contains('?') { '&' } else { '?' };
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        // Writing to memory doesn't fail.
        let _ = write!(address, "{separator}{key}={}", encoded(value));
        separator = '&';
    }
    address
}

/// Everything that isn't unreserved (RFC 3986) becomes `%XX`.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_id_has_a_path_of_its_own() {
        for (id, path) in [
            ("c-1", "/customers/c-1"),
            ("a/b?c#d", "/customers/a%2Fb%3Fc%23d"),
            ("100%", "/customers/100%25"),
            ("Åsa \"x\"", "/customers/%C3%85sa%20%22x%22"),
            ("..", "/customers?id=.."),
            (".", "/customers?id=."),
            ("...", "/customers/..."),
            ("\0\n", "/customers/%00%0A"),
        ] {
            assert_eq!(customer_path(id), path);
        }
        assert_eq!(raw_path("a/b"), "/customers/a%2Fb/raw");
        assert_eq!(raw_path(".."), "/customers/raw?id=..");
    }

    #[test]
    fn a_query_names_what_has_a_value() {
        let pairs = [("q", "a&b=c d"), ("type", ""), ("page", "2")];
        assert_eq!(
            with_query("/customers", &pairs),
            "/customers?q=a%26b%3Dc%20d&page=2"
        );
        assert_eq!(
            with_query("/customers?id=..", &[("before_seq", "7")]),
            "/customers?id=..&before_seq=7"
        );
        assert_eq!(with_query("/customers", &[("q", "")]), "/customers");
    }
}
