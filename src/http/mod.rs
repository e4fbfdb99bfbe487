//! The operator's endpoint: health, metrics, the status page, and the customers, all read-only.

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the server, which comes next, calls it")
)]
mod metrics;
