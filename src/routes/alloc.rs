//! Requests that the fast path could not serve: what else a cache may have, and which way the rest
//! goes ([`super::plain::alloc`]).

use super::plain::alloc::{
    aligned_here, aligned_plainly, plainly, serve, zeroed_here, zeroed_plainly,
};
use super::sampled;
use super::start::{self, Route};
use crate::cache;
use crate::config::{ALIGN, CACHE_LIMIT};
use crate::watch::{checked, report};

/// As [`super::allocate`], from the start.
#[inline(never)]
pub(crate) fn slow(n: usize) -> *mut u8 {
    cache::cut_or(n, as_chunk_or_slower, counted_or_slower)
}

#[inline(never)]
fn as_chunk_or_slower(n: usize) -> *mut u8 {
    cache::take_as_chunk_or(n, counted_or_slower)
}

#[cold]
#[inline(never)]
fn counted_or_slower(n: usize) -> *mut u8 {
    counted_or(n, slower)
}

/// The short way of a process whose requests are counted: see [`sampled::allocate_or`].
#[inline(always)]
pub(crate) fn counted_or(n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    if start::is_sampled() {
        sampled::allocate_or(n, otherwise)
    } else {
        otherwise(n)
    }
}

/// A request of the classes that neither the cache nor its strip could serve; it may have a chunk for
/// it elsewhere.
#[cold]
#[inline(never)]
pub(crate) fn slower(n: usize) -> *mut u8 {
    let p = cache::take_as_chunk(n);
    if p.is_null() { slowest(n) } else { p }
}

/// As [`slow`], for a request above the classes.
#[inline(never)]
pub(crate) fn large(n: usize) -> *mut u8 {
    cache::large::take_or(n, slowest)
}

/// A request that an arena or the system has to serve.
#[cold]
#[inline(never)]
pub(crate) fn slowest(n: usize) -> *mut u8 {
    let p = by_stage(n);
    report::look();
    p
}

#[inline(always)]
fn by_stage(n: usize) -> *mut u8 {
    if n == 0 {
        let p = cache::nothing::take();
        if !p.is_null() {
            return p;
        }
    }
    if start::is_plain() {
        return serve(n);
    }
    by_route(n)
}

#[cold]
#[inline(never)]
fn by_route(n: usize) -> *mut u8 {
    if start::is_sampled() {
        return sampled::allocate(n);
    }
    match start::route() {
        Route::Plain => plainly(n),
        Route::Checked => checked::allocate(n),
        Route::Sampled => sampled::allocate(n),
    }
}

/// Sizes that are cleared without a call, by four stores that may overlap.
const SHORT: core::ops::RangeInclusive<usize> = 17..=64;

/// Clears so few bytes.
///
/// # Safety
/// They are the caller's; [`SHORT`] has their number.
#[inline(always)]
unsafe fn clear_short(p: *mut u8, n: usize) {
    let store = |at: usize| {
        // SAFETY: the caller's; `at` is 16 bytes from the end at least.
        unsafe { p.add(at).cast::<u128>().write_unaligned(0) }
    };
    store(0);
    store(n - 16);
    if n > 32 {
        store(16);
        store(n - 32);
    }
}

/// Memory for `n` bytes, all zero, or null. What `M_PERTURB` filled is cleared like anything else.
pub(crate) fn zeroed(n: usize) -> *mut u8 {
    // First, since most are so short: then the cache is asked without another comparison.
    if SHORT.contains(&n) {
        let p = super::allocate(n);
        if !p.is_null() {
            // SAFETY: `n` bytes just allocated.
            unsafe { clear_short(p, n) };
        }
        return p;
    }
    zeroed_at_length(n)
}

#[inline(never)]
fn zeroed_at_length(n: usize) -> *mut u8 {
    if n <= CACHE_LIMIT {
        let p = super::allocate(n);
        if !p.is_null() {
            // SAFETY: `n` bytes just allocated.
            unsafe { p.write_bytes(0, n) };
        }
        return p;
    }
    if start::is_plain() {
        return zeroed_here(n);
    }
    zeroed_by_route(n)
}

#[cold]
#[inline(never)]
fn zeroed_by_route(n: usize) -> *mut u8 {
    match start::route() {
        Route::Plain => zeroed_plainly(n),
        Route::Checked => checked::zeroed(n),
        Route::Sampled => sampled::zeroed(n),
    }
}

/// As [`super::aligned`], if the thread's cache has it at hand; else what `otherwise` finds, which is
/// the last thing done. An alignment of 0 is not at hand.
#[inline(always)]
pub(crate) fn aligned_or(
    align: usize,
    n: usize,
    otherwise: fn(usize, usize) -> *mut u8,
) -> *mut u8 {
    cache::take_newest_aligned(align, n, otherwise)
}

/// As [`super::aligned`], from the start.
#[inline(never)]
pub(crate) fn aligned_slowly(align: usize, n: usize) -> *mut u8 {
    if align <= ALIGN {
        return super::allocate(n);
    }
    if start::is_plain() {
        return aligned_here(align, n);
    }
    aligned_by_route(align, n)
}

#[cold]
#[inline(never)]
fn aligned_by_route(align: usize, n: usize) -> *mut u8 {
    match start::route() {
        Route::Plain => aligned_plainly(align, n),
        Route::Checked => checked::aligned(align, n),
        Route::Sampled => sampled::aligned(align, n),
    }
}
