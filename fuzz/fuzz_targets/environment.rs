//! `cargo fuzz run environment`: see `cairn_fuzz::environment`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: cairn_fuzz::tell(),
    |data: &[u8]| cairn_fuzz::environment(data)
);
