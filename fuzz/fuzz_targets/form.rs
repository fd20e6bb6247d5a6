//! Fuzzes `codec::form`: the property is in tests/properties/form.rs.
#![no_main]

#[path = "../../tests/properties/form.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
