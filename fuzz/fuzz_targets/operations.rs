//! `cargo fuzz run operations`: see `cairn_fuzz::operations`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: cairn_fuzz::tell(),
    |data: &[u8]| cairn_fuzz::operations(data)
);
