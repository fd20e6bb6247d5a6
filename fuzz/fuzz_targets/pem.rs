//! Fuzzes PEM of keys.
#![no_main]

#[path = "../../tests/properties/pem.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
