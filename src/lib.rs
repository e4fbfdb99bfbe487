//! customer-mirror: a complete, provably up-to-date SQLite mirror of every customer an API key can see.

#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod decode;
#[cfg(test)]
mod fixture;
mod harmless;
pub mod http;
mod human;
pub mod json;
pub mod meters;
pub mod mirror;
pub mod model;
pub mod pass;
pub mod plan;
pub mod schedule;
pub mod search;
pub mod simulator;
pub mod source;
pub mod status;
pub mod telemetry;
mod trust;
mod when;
