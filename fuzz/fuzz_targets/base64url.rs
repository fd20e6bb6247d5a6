//! Bytes from the fuzzer into the property of tests/properties/base64url.rs.
#![no_main]

#[path = "../../tests/properties/base64url.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
