//! The wall clock as a value: read where something happens, and set by tests that live through years in seconds.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::model::Timestamp;

/// Tells the time. It may jump, both ways: nobody counts on it going forward.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        // Not `Utc::now`, which panics before 1970.
        Self(Arc::new(|| SystemTime::now().into()))
    }

    /// A clock of the caller's own.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}
