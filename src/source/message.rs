//! From what a server or a network says to one line for a person, with the key cut out. Pure.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use serde_json::Value;

use super::spelling::Spellings;
use crate::config::ApiKey;

/// The most that is quoted of a response, in characters.
pub(super) const QUOTED_CHARS_MAX: usize = 300;
/// A longer title is no title.
const TITLE_CHARS_MAX: usize = 80;
/// How a message begins that is about the server's certificate.
pub(super) const CERTIFICATE_REFUSED: &str = "the server's certificate is refused: ";
/// How far an error's chain of causes is followed.
const CAUSES_MAX: usize = 16;

/// Cuts the API key out of texts.
pub(super) struct Redactor {
    pub(super) key: Spellings,
}

impl Redactor {
    pub(super) fn new(key: &ApiKey) -> Self {
        Self {
            key: Spellings::new(key),
        }
    }

    /// The text with `[key]` wherever the key was.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut rest = text;
        let mut redacted = String::with_capacity(text.len());
        // One walk, so that what is put in is never taken for the key itself.
        while let Some(next) = rest.chars().next() {
            if let Some(length) = self.key.at_start_of(rest) {
                redacted.push_str("[key]");
                rest = &rest[length..];
            } else {
                redacted.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        redacted
    }

    /// One line of at most `chars_max` characters. The key is cut out before the length is, so that no part of it stays.
    pub(super) fn quote(&self, text: &str, chars_max: usize) -> String {
        clean(&self.redact(&clean(text, usize::MAX)), chars_max)
    }

    /// What the body of an answer says, for a message; `None` if it says nothing.
    pub(super) fn body(&self, body: &[u8]) -> Option<String> {
        let Ok(text) = std::str::from_utf8(body) else {
            // An error body that was cut at its cap can end within a character.
            return Some(format!("{} bytes that are no text", body.len()));
        };
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return None;
        }
        if text.starts_with('<') {
            return Some(self.markup(text));
        }
        let said = self.error_object(body);
        Some(said.unwrap_or_else(|| self.quote(text, QUOTED_CHARS_MAX)))
    }

    /// What a JSON error object says; `None` for anything else, of which nothing is quoted: it may be customers.
    pub(super) fn error_object(&self, body: &[u8]) -> Option<String> {
        let value = serde_json::from_slice::<Value>(body).ok()?;
        Some(self.quote(&json(&value)?, QUOTED_CHARS_MAX))
    }

    fn markup(&self, text: &str) -> String {
        // ASCII case folding keeps the offsets.
        let lower = text.to_ascii_lowercase();
        if !lower.contains("<html") && !lower.starts_with("<!doctype html") {
            return "an XML document".to_owned();
        }
        let title = lower.find("<title").and_then(|tag| {
            let start = tag + lower[tag..].find('>')? + 1;
            let end = start + lower[start..].find("</title")?;
            Some(self.quote(&text[start..end], usize::MAX))
        });
        match title {
            Some(title) if (1..=TITLE_CHARS_MAX).contains(&title.chars().count()) => {
                format!("an HTML page titled \"{title}\"")
            }
            _ => "an HTML page".to_owned(),
        }
    }
}

/// One line: control and invisible characters are gone, runs of white space are one space, and what is over
/// `chars_max` characters is cut.
pub(super) fn clean(text: &str, chars_max: usize) -> String {
    let visible: String = text
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= chars_max {
        return line;
    }
    let mut cut: String = line.chars().take(chars_max).collect();
    cut.push('…');
    cut
}

/// Characters that a terminal obeys instead of showing, or that hide text: controls, zero width, direction marks.
fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The words of the API's error object, or of the usual other ones (`error`, RFC 9457's `title` and `detail`).
fn json(value: &Value) -> Option<String> {
    let text = |value: &Value, name: &str| {
        let text = value.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let object = value
        .get("error")
        .filter(|error| error.is_object())
        .unwrap_or(value);
    let mut line = ["message", "detail", "title", "error_description", "error"]
        .into_iter()
        .find_map(|name| text(object, name))
        .unwrap_or_default();
    if let Some(code) = object.get("code").filter(|code| !code.is_null()) {
        let code = code
            .as_str()
            .map_or_else(|| code.to_string(), str::to_owned);
        line = if line.is_empty() {
            code
        } else {
            format!("{line} ({code})")
        };
    }
    let details = object.get("details").and_then(Value::as_array);
    for detail in details.into_iter().flatten() {
        let message = text(detail, "message").or_else(|| text(detail, "code"));
        let said: Vec<String> = [text(detail, "property"), message]
            .into_iter()
            .flatten()
            .collect();
        if !said.is_empty() {
            let _ = write!(line, "; {}", said.join(": "));
        }
    }
    if let Some(hint) = text(object, "hint") {
        let _ = write!(line, "; hint: {hint}");
    }
    (!line.is_empty()).then(|| line.trim_start_matches("; ").to_owned())
}

/// The innermost useful cause of a failed request, in a few words, without the URL.
pub(super) fn cause(error: &(dyn Error + 'static)) -> String {
    let innermost = causes(error).last().unwrap_or(error);
    let words = match innermost.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(io::ErrorKind::ConnectionReset) => "connection reset by the server".to_owned(),
        Some(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted) => {
            "connection broken".to_owned()
        }
        Some(io::ErrorKind::TimedOut) => "connection timed out".to_owned(),
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            "network unreachable".to_owned()
        }
        _ => innermost.to_string(),
    };
    let words = words.split(" (os error").next().unwrap_or_default();
    match words.strip_prefix("invalid peer certificate: ") {
        Some(reason) => format!("{CERTIFICATE_REFUSED}{reason}"),
        None if words.contains("lookup address") => {
            format!("the host name can't be resolved: {words}")
        }
        None => in_our_words(words),
    }
}

/// What the libraries for TLS and HTTP/2 say as if to each other, for a person: their words and ours, by how they begin.
const WORDS: [(&str, &str); 10] = [
    (
        "tls handshake eof",
        "TLS failed: the server closed the connection in the handshake",
    ),
    (
        "received corrupt message of type InvalidContentType",
        "TLS failed: what answers speaks no TLS",
    ),
    (
        "received fatal alert: ",
        "TLS failed: the server refuses it: ",
    ),
    ("received corrupt message", "TLS failed: a corrupt message"),
    ("received unexpected ", "TLS failed: unexpected "),
    ("peer ", "TLS failed: the server "),
    (
        "connection error received: not a result of an error",
        "the server closed the HTTP/2 connection",
    ),
    (
        "connection error received: ",
        "the server closed the HTTP/2 connection: ",
    ),
    (
        "stream error received: ",
        "the server gave the request up: ",
    ),
    ("connection error detected: ", "the server breaks HTTP/2: "),
];

fn in_our_words(words: &str) -> String {
    let known = WORDS
        .iter()
        .find_map(|(theirs, ours)| Some((ours, words.strip_prefix(theirs)?)));
    match known {
        Some((ours, rest)) => format!("{ours}{rest}"),
        None => words.replace("stream error detected: ", "the server breaks HTTP/2: "),
    }
}

/// An error and what it came from, outermost first.
pub(super) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        // An io::Error hides the error that it wraps: its `source` is that one's source.
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
    .take(CAUSES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn redactor(key: &str) -> Redactor {
        Redactor::new(&ApiKey::new(key).unwrap())
    }

    #[rstest]
    #[case("s3cret", "no s3cret here, s3cret", "no [key] here, [key]")]
    #[case("a/b+c=", "x=a%2Fb%2Bc%3D&y=a%2fb%2bc%3d", "x=[key]&y=[key]")]
    #[case("a~b", "a%7Eb a~b", "[key] [key]")]
    #[case(r#"a"b\c"#, r#"{"k":"a\"b\\c"}"#, r#"{"k":"[key]"}"#)]
    #[case("a&b<c", "<b>a&amp;b&lt;c</b>", "<b>[key]</b>")]
    #[case("key", "the key", "the [key]")]
    #[case("k", "kick", "[key]ic[key]")]
    fn the_key_is_cut_out(#[case] key: &str, #[case] text: &str, #[case] expected: &str) {
        assert_eq!(redactor(key).redact(text), expected);
    }

    #[test]
    fn no_part_of_the_key_survives_cutting_or_cleaning() {
        let redactor = redactor("s3cret-and-long");
        assert_eq!(redactor.quote("no s3cret-and-long", 8), "no [key]");
        assert_eq!(
            redactor.quote("s3cret\u{200b}-and\u{7}-long!", 99),
            "[key]!"
        );
        let text = format!("{}s3cret-and-long", "x".repeat(QUOTED_CHARS_MAX - 3));
        let said = redactor.body(text.as_bytes()).unwrap();
        assert!(said.ends_with("x[ke…"), "{said}");
    }

    #[rstest]
    #[case("", None)]
    #[case("  \r\n ", None)]
    #[case("try\nlater\u{1b}[31m", Some("try later[31m"))]
    #[case(
        r#"{"code":"INVALID","message":"bad request"}"#,
        Some("bad request (INVALID)")
    )]
    #[case(
        r#"{"code":"INVALID","message":"bad","details":[{"code":"X","message":"too big","property":"limit","suggestion":"1000"},{"code":"Y"}],"hint":"read the manual"}"#,
        Some("bad (INVALID); limit: too big; Y; hint: read the manual")
    )]
    #[case(r#"{"details":[{"message":"too big"}]}"#, Some("too big"))]
    #[case(r#"{"code":17}"#, Some("17"))]
    #[case(r#"{"error":{"message":"inner","code":"E"}}"#, Some("inner (E)"))]
    #[case(r#"{"error":"invalid_token"}"#, Some("invalid_token"))]
    #[case(
        r#"{"title":"Gone","detail":"cursor expired"}"#,
        Some("cursor expired")
    )]
    #[case(r#"{"message":5,"details":7}"#, Some(r#"{"message":5,"details":7}"#))]
    #[case("[1, 2]", Some("[1, 2]"))]
    #[case("<!DOCTYPE html><p>x", Some("an HTML page"))]
    #[case(
        "<html><head><TITLE lang=en>\nBad\nGateway </Title>",
        Some("an HTML page titled \"Bad Gateway\"")
    )]
    #[case("<html><title></title>", Some("an HTML page"))]
    #[case("<html><title>unclosed", Some("an HTML page"))]
    #[case("<?xml version='1.0'?><Error/>", Some("an XML document"))]
    fn what_a_body_says(#[case] body: &str, #[case] expected: Option<&str>) {
        assert_eq!(
            redactor("s3cret").body(body.as_bytes()).as_deref(),
            expected
        );
    }

    #[test]
    fn a_body_is_cut_and_binary_is_not_shown() {
        let redactor = redactor("s3cret");
        let said = redactor.body("ä".repeat(1000).as_bytes()).unwrap();
        assert_eq!(said.chars().count(), QUOTED_CHARS_MAX + 1);
        assert_eq!(
            redactor.body(b"\xff\xfe").unwrap(),
            "2 bytes that are no text"
        );
        let page = format!("<html><title>{}</title>", "x".repeat(81));
        assert_eq!(redactor.body(page.as_bytes()).unwrap(), "an HTML page");
    }

    #[test]
    fn customers_are_not_quoted() {
        let redactor = redactor("s3cret");
        for body in [
            "{\"items\":[{\"name\":\"Jane",
            "{\"items\":[{\"name\":\"Jane\"}]}",
            "Jane",
        ] {
            assert_eq!(redactor.error_object(body.as_bytes()), None);
        }
    }

    #[test]
    fn the_innermost_cause_is_named() {
        let inner = io::Error::from(io::ErrorKind::ConnectionRefused);
        let outer = io::Error::other(io::Error::other(inner));
        assert_eq!(cause(&outer), "connection refused");
        let tls = io::Error::other("invalid peer certificate: UnknownIssuer");
        assert_eq!(
            cause(&tls),
            "the server's certificate is refused: UnknownIssuer"
        );
        for (theirs, ours) in [
            (
                "received fatal alert: ProtocolVersion",
                "TLS failed: the server refuses it: ProtocolVersion",
            ),
            (
                "connection error received: not a result of an error",
                "the server closed the HTTP/2 connection",
            ),
            (
                "stream error received: refused stream before processing any application logic",
                "the server gave the request up: refused stream before processing any application logic",
            ),
            (
                "stream error detected: frame with invalid size",
                "the server breaks HTTP/2: frame with invalid size",
            ),
            ("something else", "something else"),
        ] {
            assert_eq!(cause(&io::Error::other(theirs)), ours);
        }
        let dns = io::Error::other("failed to lookup address information: no such name");
        assert!(cause(&dns).starts_with("the host name can't be resolved: "));
    }
}
