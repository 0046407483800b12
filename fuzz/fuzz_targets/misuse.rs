//! `cargo fuzz run misuse`: see `cairn_fuzz::misuse`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: cairn_fuzz::tell(),
    |data: &[u8]| cairn_fuzz::misuse(data)
);
