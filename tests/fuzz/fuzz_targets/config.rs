//! Any text as a configuration file, and what follows a NUL as environment variables.
#![no_main]

#[path = "../../it/inputs/config.rs"]
#[allow(dead_code, reason = "`cargo test` uses the rest")]
mod config;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    config::of_settings(input);
});
