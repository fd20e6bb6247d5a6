//! Request heads and answers.
#![no_main]

#[path = "../../tests/properties/http1.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::check(data));
