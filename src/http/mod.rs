//! The operator's endpoint: health, metrics, the status page, and the customers, all read-only.
