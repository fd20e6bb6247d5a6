//! Fuzzes digests.
#![no_main]

#[path = "../../tests/properties/hash.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
