//! The CPU time of this process, as what is measured: it is the same on a busy machine as on an idle one, nearly.

use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use rustix::time::{ClockId, clock_gettime};

/// CPU time of all threads, in the program and in the kernel on its behalf.
pub(crate) struct CpuTime;

/// What the process has used so far.
pub(crate) fn used() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

/// What it has used since then.
pub(crate) fn used_since(before: Duration) -> Duration {
    used().saturating_sub(before)
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        used()
    }

    fn end(&self, began: Duration) -> Duration {
        used_since(began)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}
