//! Bytes from the fuzzer into the property of tests/properties/signed_token.rs.
#![no_main]

#[path = "../../tests/properties/signed_token.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
