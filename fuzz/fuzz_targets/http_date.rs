//! Fuzzes `codec::http_date`: the property is in tests/properties/http_date.rs.
#![no_main]

#[path = "../../tests/properties/http_date.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
