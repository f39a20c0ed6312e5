//! Arbitrary bytes are inspected, and never panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glovebox_sandbox_fuzz::check_inspection(data));
