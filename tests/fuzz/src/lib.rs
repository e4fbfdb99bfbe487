//! The rooms of the program that need neither network nor files alone, so that fuzzing them needs neither SQLite nor TLS built with sanitizers.
#![allow(missing_docs, dead_code)]

#[path = "../../../src/config/mod.rs"]
pub mod config;
#[path = "../../../src/decode/mod.rs"]
pub mod decode;
#[path = "../../../src/harmless.rs"]
mod harmless;
#[path = "../../../src/json/mod.rs"]
pub mod json;
#[path = "../../../src/model.rs"]
pub mod model;
#[path = "../../../src/plan.rs"]
pub mod plan;
#[path = "../../../src/schedule/mod.rs"]
pub mod schedule;
#[path = "../../../src/search/mod.rs"]
pub mod search;
#[path = "../../../src/trust.rs"]
mod trust;
