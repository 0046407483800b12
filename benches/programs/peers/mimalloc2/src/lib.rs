//! The newest mimalloc 2 under malloc's names.
#![no_std]

include!("../../mimalloc.rs");
