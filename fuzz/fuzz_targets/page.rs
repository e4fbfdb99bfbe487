//! Any bytes as a response body.
#![no_main]

#[path = "../../tests/it/sim/properties.rs"]
mod properties;
#[path = "../../tests/it/sim/value.rs"]
mod value;

libfuzzer_sys::fuzz_target!(|body: &[u8]| properties::of_body(body));
