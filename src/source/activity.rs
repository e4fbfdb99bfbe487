//! What a source does, as it does it: for whoever shows it, watches over it, or counts it.
//!
//! What is counted is counted by words of closed lists. Nothing that a server says can become one of them.

use std::time::Duration;

use crate::model::{PageSize, Wait};

/// What a source does next and how long that takes at most, or what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activity {
    /// A request begins.
    Request {
        /// Its timeout.
        bound: Duration,
        /// How many customers it asks for.
        limit: PageSize,
        /// How the request before it ended, if this one repeats it.
        repeats: Option<Ending>,
    },
    /// The request has ended.
    Answered {
        /// How.
        ending: Ending,
        /// How long it took, from its beginning to the last byte.
        took: Duration,
    },
    /// A wait begins.
    Wait {
        /// Until when, and why.
        wait: Wait,
        /// Its length.
        delay: Duration,
    },
    /// The wait is over.
    Waited {
        /// Who wanted it.
        reason: WaitReason,
        /// How long it took.
        took: Duration,
    },
}

/// Gives an enum the words that it is counted by, and the list of all its values.
macro_rules! counted_as {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word it is counted by.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

pub(crate) use counted_as;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a page.
    Ok,
    /// 429, or 503 with a time to come back: the server wants fewer requests.
    Throttled,
    /// Any other 5xx.
    ServerError,
    /// Any other 4xx.
    ClientError,
    /// 401 or 403: the key is refused.
    AuthRefused,
    /// The cursor is refused.
    CursorRejected,
    /// A redirect, which is not followed.
    Redirect,
    /// What came is no page, or no HTTP.
    Malformed,
    /// 413, or a body over `api.max_response_bytes`.
    TooLarge,
    /// No connection, or no whole answer, in time.
    Timeout,
    /// The connection could not be made, or broke.
    Transport,
}

counted_as!(Ending {
    Ok = "ok",
    Throttled = "throttled",
    ServerError = "server_error",
    ClientError = "client_error",
    AuthRefused = "auth_refused",
    CursorRejected = "cursor_rejected",
    Redirect = "redirect",
    Malformed = "malformed",
    TooLarge = "too_large",
    Timeout = "timeout",
    Transport = "transport",
});

/// Who wants a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// The server: `Retry-After`, or a rate limit that is used up.
    Server,
    /// Our own backoff after a failure.
    Backoff,
    /// `api.max_requests_per_second`.
    RateCap,
}

counted_as!(WaitReason {
    Server = "server",
    Backoff = "backoff",
    RateCap = "rate_cap",
});
