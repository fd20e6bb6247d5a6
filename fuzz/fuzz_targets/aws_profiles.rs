//! Fuzzes `codec::aws_profiles`: the property is in tests/properties/aws_profiles.rs.
#![no_main]

#[path = "../../tests/properties/aws_profiles.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
