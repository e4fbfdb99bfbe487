//! What became of a request, and what that means for the next one. Pure; every rule is here, with its reason.

use super::Ending;

/// What became of one request, as far as the next step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An answer with a status other than 200.
    Status {
        /// The status code.
        code: u16,
        /// True if it came with a `Retry-After` that makes sense.
        retry_after: bool,
    },
    /// A 200 whose body is not a page, or no HTTP at all.
    Malformed,
    /// A body over `api.max_response_bytes`.
    OverCap,
    /// No connection within `api.connect_timeout`.
    ConnectTimeout,
    /// The answer stalled, or was not complete within `api.request_timeout`.
    AnswerTimeout,
    /// The server's certificate is refused.
    Untrusted,
    /// The connection could not be made, or broke.
    Transport,
}

/// What an outcome means for the page that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// May pass: retry after a delay of our own choice.
    Transient(Shrink),
    /// The server wants fewer requests: retry when it says, else as if transient.
    Throttled,
    /// May be a proxy's glitch: retry, but only a few times.
    Malformed,
    /// May be a certificate in mid-renewal, or a portal that passes: retry, but only a few times.
    Untrusted,
    /// The page is too much: ask for half of it, at once.
    TooLarge,
    /// The key is refused; final.
    AuthRefused,
    /// The cursor is refused; final.
    CursorRejected,
    /// The server sends us elsewhere, where the key must not go; final.
    Redirect,
    /// The request is refused for good; final.
    Permanent,
}

/// Whether a smaller page may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shrink {
    /// No: it isn't about size.
    No,
    /// Yes, from the second such answer in a row: one says little.
    IfRepeated,
    /// Yes.
    Now,
}

/// Classifies an outcome; `has_cursor` tells whether the request carried a cursor.
#[expect(clippy::match_same_arms, reason = "each arm has a reason of its own")]
pub(super) fn classify(outcome: Outcome, has_cursor: bool) -> Class {
    match outcome {
        // Refused, reset, no route, name not resolved, TLS failed, body truncated: networks and restarts do that.
        Outcome::Transport => Class::Transient(Shrink::No),
        // Time seldom mends an expired certificate, or one of another host; an operator does.
        Outcome::Untrusted => Class::Untrusted,
        // Nobody has seen the `limit` yet.
        Outcome::ConnectTimeout => Class::Transient(Shrink::No),
        // The server is at work, but on too much.
        Outcome::AnswerTimeout => Class::Transient(Shrink::Now),
        Outcome::OverCap => Class::TooLarge,
        Outcome::Malformed => Class::Malformed,
        Outcome::Status { code, retry_after } => status(code, has_cursor, retry_after),
    }
}

/// What an outcome is counted as.
pub(super) fn ending(outcome: Outcome, has_cursor: bool) -> Ending {
    match (classify(outcome, has_cursor), outcome) {
        (Class::Throttled, _) => Ending::Throttled,
        (Class::Malformed, _) => Ending::Malformed,
        (Class::TooLarge, _) => Ending::TooLarge,
        (Class::AuthRefused, _) => Ending::AuthRefused,
        (Class::CursorRejected, _) => Ending::CursorRejected,
        (Class::Redirect, _) => Ending::Redirect,
        (_, Outcome::ConnectTimeout | Outcome::AnswerTimeout) => Ending::Timeout,
        (_, Outcome::Status { code: ..500, .. }) => Ending::ClientError,
        (_, Outcome::Status { .. }) => Ending::ServerError,
        (Class::Transient(_) | Class::Permanent | Class::Untrusted, _) => Ending::Transport,
    }
}

#[expect(clippy::match_same_arms, reason = "each arm has a reason of its own")]
fn status(code: u16, has_cursor: bool, retry_after: bool) -> Class {
    match code {
        // Another 2xx is no answer to a GET of a listing; something in between answered (204, 206 …).
        // A 1xx doesn't get here unless the peer is confused (101).
        ..300 => Class::Malformed,
        // The key goes to the configured address only. 304 too: nothing was asked for conditionally.
        300..400 => Class::Redirect,
        // The key is wrong, revoked, or not entitled; trying again may lock it.
        401 | 403 => Class::AuthRefused,
        // The server didn't get our request in time; nothing to do with the page.
        408 => Class::Transient(Shrink::No),
        // Too Early: to be sent again by definition.
        425 => Class::Transient(Shrink::No),
        413 => Class::TooLarge,
        429 => Class::Throttled,
        // The only thing in the request that the server can't know from the last one is the cursor.
        400 | 404 | 410 | 422 if has_cursor => Class::CursorRejected,
        // Any other 4xx says that the request is wrong; it would be as wrong again.
        400..500 => Class::Permanent,
        // Not Implemented, HTTP Version Not Supported: no matter of time.
        501 | 505 => Class::Permanent,
        // A named time means overload or maintenance, not a page that is too large.
        503 if retry_after => Class::Throttled,
        // Faults, restarts, gateways (500, 502, 503, 504, 52x …): may pass, or the page is too heavy.
        500..600 => Class::Transient(Shrink::IfRepeated),
        // No such statuses exist.
        600.. => Class::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(101, Class::Malformed)]
    #[case(204, Class::Malformed)]
    #[case(206, Class::Malformed)]
    #[case(301, Class::Redirect)]
    #[case(304, Class::Redirect)]
    #[case(308, Class::Redirect)]
    #[case(400, Class::Permanent)]
    #[case(401, Class::AuthRefused)]
    #[case(402, Class::Permanent)]
    #[case(403, Class::AuthRefused)]
    #[case(404, Class::Permanent)]
    #[case(405, Class::Permanent)]
    #[case(408, Class::Transient(Shrink::No))]
    #[case(410, Class::Permanent)]
    #[case(413, Class::TooLarge)]
    #[case(422, Class::Permanent)]
    #[case(425, Class::Transient(Shrink::No))]
    #[case(429, Class::Throttled)]
    #[case(500, Class::Transient(Shrink::IfRepeated))]
    #[case(501, Class::Permanent)]
    #[case(502, Class::Transient(Shrink::IfRepeated))]
    #[case(503, Class::Transient(Shrink::IfRepeated))]
    #[case(504, Class::Transient(Shrink::IfRepeated))]
    #[case(505, Class::Permanent)]
    #[case(524, Class::Transient(Shrink::IfRepeated))]
    #[case(999, Class::Malformed)]
    fn a_status_without_cursor(#[case] code: u16, #[case] class: Class) {
        let outcome = Outcome::Status {
            code,
            retry_after: false,
        };
        assert_eq!(classify(outcome, false), class);
    }

    #[test]
    fn a_cursor_changes_four_statuses_only() {
        let changed: Vec<u16> = (100..700)
            .filter(|&code| {
                let outcome = Outcome::Status {
                    code,
                    retry_after: false,
                };
                let with_cursor = classify(outcome, true);
                assert!(
                    with_cursor == classify(outcome, false) || with_cursor == Class::CursorRejected
                );
                with_cursor == Class::CursorRejected
            })
            .collect();
        assert_eq!(changed, [400, 404, 410, 422]);
    }

    #[rstest]
    #[case(Outcome::Transport, Ending::Transport)]
    #[case(Outcome::Untrusted, Ending::Transport)]
    #[case(Outcome::ConnectTimeout, Ending::Timeout)]
    #[case(Outcome::AnswerTimeout, Ending::Timeout)]
    #[case(Outcome::OverCap, Ending::TooLarge)]
    #[case(Outcome::Malformed, Ending::Malformed)]
    #[case::proxy(Outcome::Status { code: 204, retry_after: false }, Ending::Malformed)]
    #[case(Outcome::Status { code: 302, retry_after: false }, Ending::Redirect)]
    #[case(Outcome::Status { code: 403, retry_after: false }, Ending::AuthRefused)]
    #[case::cursor(Outcome::Status { code: 410, retry_after: false }, Ending::CursorRejected)]
    #[case(Outcome::Status { code: 408, retry_after: false }, Ending::ClientError)]
    #[case(Outcome::Status { code: 418, retry_after: false }, Ending::ClientError)]
    #[case(Outcome::Status { code: 413, retry_after: false }, Ending::TooLarge)]
    #[case(Outcome::Status { code: 429, retry_after: false }, Ending::Throttled)]
    #[case(Outcome::Status { code: 500, retry_after: false }, Ending::ServerError)]
    #[case(Outcome::Status { code: 501, retry_after: false }, Ending::ServerError)]
    #[case(Outcome::Status { code: 503, retry_after: true }, Ending::Throttled)]
    #[case(Outcome::Status { code: 503, retry_after: false }, Ending::ServerError)]
    #[case::no_status(Outcome::Status { code: 700, retry_after: false }, Ending::Malformed)]
    fn what_it_is_counted_as(#[case] outcome: Outcome, #[case] expected: Ending) {
        assert_eq!(ending(outcome, true), expected);
    }

    #[test]
    fn retry_after_makes_a_503_throttling_and_nothing_else() {
        let changed: Vec<u16> = (100..700)
            .filter(|&code| {
                let class = |retry_after| classify(Outcome::Status { code, retry_after }, true);
                class(true) != class(false)
            })
            .collect();
        assert_eq!(changed, [503]);
    }

    #[rstest]
    #[case(Outcome::Transport, Class::Transient(Shrink::No))]
    #[case(Outcome::Untrusted, Class::Untrusted)]
    #[case(Outcome::ConnectTimeout, Class::Transient(Shrink::No))]
    #[case(Outcome::AnswerTimeout, Class::Transient(Shrink::Now))]
    #[case(Outcome::OverCap, Class::TooLarge)]
    #[case(Outcome::Malformed, Class::Malformed)]
    fn what_is_no_status(#[case] outcome: Outcome, #[case] class: Class) {
        assert_eq!(classify(outcome, false), class);
        assert_eq!(classify(outcome, true), class);
    }
}
