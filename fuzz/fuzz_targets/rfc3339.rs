//! Bytes from the fuzzer into the property of tests/properties/rfc3339.rs.
#![no_main]

#[path = "../../tests/properties/rfc3339.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
