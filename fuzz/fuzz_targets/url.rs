//! Feeds the fuzzer's bytes to the property in tests/properties/url.rs.
#![no_main]

#[path = "../../tests/properties/url.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
