//! Fuzzes asks and answers, with and without a token.
#![no_main]

#[path = "../../tests/properties/message.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
