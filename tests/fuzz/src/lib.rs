//! The pure rooms of the program alone, so that fuzzing them needs neither SQLite nor TLS built with sanitizers.
#![allow(missing_docs, dead_code)]

#[path = "../../../src/decode/mod.rs"]
pub mod decode;
#[path = "../../../src/json/mod.rs"]
pub mod json;
#[path = "../../../src/model.rs"]
pub mod model;
