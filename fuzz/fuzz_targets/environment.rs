//! `cargo fuzz run environment`: see `cairn_fuzz::environment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::environment(data));
