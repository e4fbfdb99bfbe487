//! Days of the daemon's life in seconds: the real loop, the real pass and a real mirror, in time that the test makes pass.
//!
//! `LIFE_SEED=123 cargo test --test it life` repeats one life; `LIFE_SEEDS=2000` lives that many, `LIFE_FIRST` the first of them.
//! Tokio's clock stands still unless all that is left to do is to wait, so months cost no time. The wall clock that the program
//! sees is the test's: it is set, and it goes on where timers stand still, because the machine sleeps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test's helpers fail as tests do"
)]

mod days;
mod judge;
mod lives;
mod program;
mod report;
mod server;
mod stage;
mod troubles;
