//! Any bytes as what is on record of a walk.
#![no_main]

#[path = "../../it/inputs/plan.rs"]
#[allow(dead_code, reason = "`cargo test` uses the rest")]
mod plan;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    plan::of_evidence(input);
});
