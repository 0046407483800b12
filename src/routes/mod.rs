//! The heap as a whole: which part serves a request.
//!
//! The fast paths ask the thread cache and end there. The slow ones, in the files below, are the
//! only place that knows caches, arenas and mapped chunks at once.

pub(crate) mod alloc;
pub(crate) mod check;
mod claims;
pub(crate) mod fork;
pub(crate) mod free;
pub(crate) mod named;
mod plain;
pub(crate) mod realloc;
pub(crate) mod sampled;
pub(crate) mod start;
#[cfg(test)]
mod tests;
pub(crate) mod trim;

use crate::vet::{self, Found, Why};
use crate::watch::{asked, guarded};
use crate::{cache, class, settings};

/// Memory for `n` bytes, or null. `errno` is the caller's business.
#[inline(always)]
pub(crate) fn allocate(n: usize) -> *mut u8 {
    cache::take_or(n, alloc::slow, alloc::large)
}

/// Memory for `n` bytes at a multiple of `align`, a power of two; null when there is none.
#[inline(always)]
pub(crate) fn aligned(align: usize, n: usize) -> *mut u8 {
    alloc::aligned_or(align, n, alloc::aligned_slowly)
}

/// Gives `p` back; null is fine, anything that is not a live object of Cairn's ends the process.
#[inline(always)]
pub(crate) fn release(p: *mut u8) {
    let large = |p, covered, tag| {
        free::large(p, covered, tag);
        true
    };
    if !cache::put_or(p.addr(), large) {
        free::slow(p.expose_provenance());
    }
}

/// As [`release`], for what the caller says to be `n` bytes at a multiple of `align`; if it cannot
/// be, the process ends.
#[inline(always)]
pub(crate) fn release_sized(p: *mut u8, n: usize, align: usize) {
    if !release_sized_quickly(p, n) {
        release_sized_at_length(p, n, align);
    }
}

/// The half of [`release_sized`] without a lock; whether it was enough.
#[inline(always)]
pub(crate) fn release_sized_quickly(p: *mut u8, n: usize) -> bool {
    cache::put_sized(p.addr(), n)
}

/// The other half.
#[inline(always)]
pub(crate) fn release_sized_at_length(p: *mut u8, n: usize, align: usize) {
    free::sized(p.expose_provenance(), n, align);
}

/// Payload bytes that may be written.
pub(crate) fn usable(p: usize) -> Result<usize, Why> {
    match vet::look(p) {
        Found::Chunk(c, size) if settings::check() != 0 => Ok(asked::asked(c, size)),
        Found::Mapped(n) if settings::check() != 0 => {
            guarded::look_at(p);
            Ok(n)
        }
        Found::Object(class) => Ok(class::size_of(class)),
        Found::Chunk(_, size) => Ok(class::usable(size)),
        Found::Mapped(n) | Found::Guarded(n) => Ok(n),
        Found::Bad(why) => Err(why),
    }
}

/// As [`release`], where the caller's size and alignment are a hint (C++'s sized delete): nobody
/// looks at them, but in check mode the process ends if they cannot be right.
#[inline(always)]
pub(crate) fn release_hinted(p: *mut u8, n: usize, align: usize) {
    if !cache::put(p.addr()) {
        free::hinted(p.expose_provenance(), n, align);
    }
}
