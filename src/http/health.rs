//! Whether the mirror is fit to be relied on.

use crate::model::Timestamp;

/// Whether the mirror is complete, and fresh enough.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code))]
pub(crate) enum Readiness {
    /// It is.
    Ready {
        /// From when on it would be too old; `None` if it never is.
        stale_at: Option<Timestamp>,
    },
    /// It isn't.
    NotReady {
        /// Why, for a person.
        reason: String,
    },
}
