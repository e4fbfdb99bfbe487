//! Any text as a question.
#![no_main]

#[path = "../../it/inputs/search.rs"]
#[allow(dead_code, reason = "`cargo test` uses the rest")]
mod search;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    search::of_question(input);
});
