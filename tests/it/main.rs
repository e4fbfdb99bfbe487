//! What a user relies on, tested from outside: a module for each promise. The API is the simulator, the program is the real
//! binary in a process of its own, and the mirror is a real file that is read by plain SQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod beside;
mod check;
mod complete;
mod config;
mod cursor;
mod daemon;
mod datasette;
mod displaced;
mod dry_run;
mod examples;
mod export;
mod faults;
mod feed;
mod files;
mod follow;
mod forget;
mod hostile;
mod http;
mod inputs;
mod journal;
mod life;
mod matrix;
mod meters;
mod past;
mod people;
mod query;
mod readers;
mod readme;
mod records;
mod recover;
mod resume;
mod search;
mod secrets;
mod seeds;
mod service;
mod shell;
mod sim;
mod support;
mod sweep;
mod tools;
mod traps;
mod watchdog;
mod wrong_clock;
