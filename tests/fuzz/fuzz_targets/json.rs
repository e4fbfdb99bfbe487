//! Two texts, with a NUL between them, as values to compare.
#![no_main]

#[path = "../../it/sim/properties.rs"]
mod properties;
#[path = "../../it/sim/value.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let (before, after) = text.split_once('\0').unwrap_or((text, text));
        properties::of_values(before, after);
    }
});
