//! The newest mimalloc 3 under malloc's names.
#![no_std]

include!("../../mimalloc.rs");
