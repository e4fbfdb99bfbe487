//! Any text as a cron expression and a time zone.
#![no_main]

#[path = "../../it/inputs/cron.rs"]
#[allow(dead_code, reason = "`cargo test` uses the rest")]
mod cron;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    cron::of_expression(input);
});
