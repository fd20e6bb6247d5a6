//! Fuzzes `codec::sts_xml`: the property is in tests/properties/sts_xml.rs.
#![no_main]

#[path = "../../tests/properties/sts_xml.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
