//! `cargo fuzz run snapshot`: see `cairn_fuzz::snapshot`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: cairn_fuzz::tell(),
    |data: &[u8]| cairn_fuzz::snapshot(data)
);
