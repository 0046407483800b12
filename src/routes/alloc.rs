//! Requests that the fast path could not serve.

use super::sampled;
use super::start::{self, Route};
use crate::arena::split::Fresh;
use crate::arena::supply::Growth;
use crate::arena::{Arena, Entry};
use crate::arenas::candidates;
use crate::config::{ALIGN, CACHE_LIMIT, HEAP_RESERVE, MAX_REQUEST};
use crate::mapped::{self, Bound};
use crate::watch::{checked, perturb, report};
use crate::{background, cache, class, relief, settings};
use core::ptr;

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

/// As [`slow`], whichever way the process goes: for who was there already.
#[cold]
#[inline(never)]
pub(super) fn plainly(n: usize) -> *mut u8 {
    let mut p = cache::cut(n);
    if p.is_null() {
        p = if n > CACHE_LIMIT {
            cache::large::take(n)
        } else {
            cache::take_as_chunk(n)
        };
    }
    if p.is_null() && n == 0 {
        p = cache::nothing::take();
    }
    if p.is_null() { serve(n) } else { p }
}

/// A request that no cache holds anything for.
#[inline(always)]
fn serve(n: usize) -> *mut u8 {
    if n > MAX_REQUEST || !relief::permits(n) {
        return ptr::null_mut();
    }
    let p = ptr::with_exposed_provenance_mut(match from_cache(n) {
        0 => direct(n, Growth::Yes).p,
        p => p,
    });
    perturb(p, n, !settings::perturb());
    background::attend();
    p
}

/// By way of this thread's cache; 0 when that does not serve this size, or has no memory.
fn from_cache(n: usize) -> usize {
    let class = class::of_request(n);
    if !class::may_cache(class) {
        return 0;
    }
    match cache::thread::current() {
        Some(c) => {
            let early = class::is_run(class) && cache::thread::arena().is_early();
            let class = if early { class::as_chunk(n) } else { class };
            // SAFETY: this thread's own cache.
            unsafe { (*c).take_or_refill(class) }.expose_provenance()
        }
        None => 0,
    }
}

/// From the arena or the system, past the cache.
pub(crate) fn direct(n: usize, growth: Growth) -> Fresh {
    let mine = home();
    if class::is_for_run(n) {
        let class = class::of_request(n);
        for arena in candidates(mine) {
            if let Some(p) = one_object(arena, class) {
                return Fresh {
                    p,
                    clean_from: usize::MAX,
                };
            }
        }
        // No whole region is free, or there is no memory for the states of its objects. What is
        // free may still hold a chunk.
    }
    from_arenas(n, ALIGN, mine, growth)
}

/// This thread's arena, which comes with a cache. Threads that only ask for what no cache holds
/// get one too: they all waited for the main arena. A process's only thread has that for itself;
/// making a second one takes a small request, and so a cache.
fn home() -> &'static Arena {
    if cache::thread::count() != 0 {
        cache::thread::current();
    }
    cache::thread::arena()
}

fn one_object(arena: &Arena, class: usize) -> Option<usize> {
    let mut out = [Entry::NONE];
    let mut state = arena.lock();
    (state.refill(class, &mut out) == 1).then(|| {
        let [e] = out;
        // SAFETY: an object's witness is its state byte (I9).
        unsafe { e.state().turn() };
        e.p
    })
}

/// A chunk for `n` bytes at a multiple of `align`; what caches hold is used before there is none.
fn from_arenas(n: usize, align: usize, mine: &'static Arena, growth: Growth) -> Fresh {
    let mut got = search_arenas(n, align, mine, growth);
    // No heap becomes longer than that.
    if got.p == 0 && n <= HEAP_RESERVE {
        cache::thread::flush();
        got = search_arenas(n, align, mine, growth);
    }
    report::look();
    got
}

fn search_arenas(n: usize, align: usize, mine: &'static Arena, growth: Growth) -> Fresh {
    let none = Fresh {
        p: 0,
        clean_from: 0,
    };
    let size = class::aligned_chunk_for(n, align);
    let take = |a: &Arena, growth: Growth| {
        let mut state = a.lock();
        let got = state.take(size, align, growth);
        state.audit();
        got.map(|c| Fresh {
            p: c.chunk.payload(),
            clean_from: c.clean_from,
        })
    };
    let mapped = |bound| {
        let p = mapped::map(n, align, bound)?;
        Some(Fresh { p, clean_from: p })
    };
    let big = size >= settings::mmap_threshold() && n > CACHE_LIMIT;
    if big {
        // Free memory first; growing the heap for it only when the system maps no more.
        let got = take(mine, Growth::No).or_else(|| mapped(Bound::Kept));
        if let Some(got) = got {
            return got;
        }
    }
    candidates(mine)
        .find_map(|a| take(a, growth))
        .or_else(|| mapped(Bound::Ignored))
        .unwrap_or(none)
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

/// As [`zeroed`] for what no cache holds, once it is known which way the process goes.
#[cold]
#[inline(never)]
pub(super) fn zeroed_plainly(n: usize) -> *mut u8 {
    zeroed_here(n)
}

#[inline(always)]
fn zeroed_here(n: usize) -> *mut u8 {
    if n > MAX_REQUEST || !relief::permits(n) {
        return ptr::null_mut();
    }
    let got = direct(n, Growth::Yes);
    let p: *mut u8 = ptr::with_exposed_provenance_mut(got.p);
    if got.p != 0 {
        let dirty = got.clean_from.saturating_sub(got.p).min(n);
        // SAFETY: at most the `n` bytes just allocated.
        unsafe { p.write_bytes(0, dirty) };
    }
    p
}

/// Memory for `n` bytes at a multiple of `align`, a power of two; null when there is none.
#[inline(always)]
pub(crate) fn aligned(align: usize, n: usize) -> *mut u8 {
    aligned_or(align, n, aligned_slowly)
}

/// As [`aligned`], if the thread's cache has it at hand; else what `otherwise` finds, which is the
/// last thing done. An alignment of 0 is not at hand.
#[inline(always)]
pub(crate) fn aligned_or(
    align: usize,
    n: usize,
    otherwise: fn(usize, usize) -> *mut u8,
) -> *mut u8 {
    cache::take_newest_aligned(align, n, otherwise)
}

/// As [`aligned`], from the start.
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

/// As [`aligned`] beyond the usual alignment, once it is known which way the process goes.
#[cold]
#[inline(never)]
pub(super) fn aligned_plainly(align: usize, n: usize) -> *mut u8 {
    aligned_here(align, n)
}

#[inline(always)]
fn aligned_here(align: usize, n: usize) -> *mut u8 {
    if n > MAX_REQUEST || align > MAX_REQUEST || n + align > MAX_REQUEST {
        return ptr::null_mut();
    }
    let cached = cache::take_aligned(align, n);
    if !cached.is_null() {
        return cached;
    }
    if !relief::permits(n) {
        return ptr::null_mut();
    }
    let p = ptr::with_exposed_provenance_mut(from_arenas(n, align, home(), Growth::Yes).p);
    perturb(p, n, !settings::perturb());
    p
}
