//! Bytes from the fuzzer into the property of tests/properties/json.rs.
#![no_main]

#[path = "../../tests/properties/json.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
