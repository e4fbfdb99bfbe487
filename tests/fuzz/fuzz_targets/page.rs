//! Any bytes as a response body.
#![no_main]

#[path = "../../it/sim/properties.rs"]
mod properties;
#[path = "../../it/sim/value.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod value;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    properties::of_body(body);
});
