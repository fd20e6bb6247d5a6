//! Fuzzes `codec::sigv4`: the property is in tests/properties/sigv4.rs.
#![no_main]

#[path = "../../tests/properties/sigv4.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
