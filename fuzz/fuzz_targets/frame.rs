//! Fuzzes frames and fields.
#![no_main]

#[path = "../../tests/properties/frame.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
