//! The heap as a whole: which part serves a request, and what a pointer is.
//!
//! The fast paths ask the thread cache and end there. The slow ones, in the files below, are the
//! only place that knows caches, arenas and mapped chunks at once.

pub mod alloc;
pub mod check;
pub mod checked;
pub mod fork;
pub mod free;
pub mod realloc;
pub mod start;
pub mod stats;
#[cfg(test)]
mod tests;
pub mod vet;

use crate::cache;

/// Memory for `n` bytes, or null. `errno` is the caller's business.
#[inline(always)]
pub fn allocate(n: usize) -> *mut u8 {
    cache::take(n, alloc::slow)
}

/// Gives `p` back; null is fine, anything that is not a live object of Cairn's ends the process.
#[inline(always)]
pub fn release(p: *mut u8) {
    if !cache::put(p.addr()) {
        free::slow(p.expose_provenance());
    }
}
