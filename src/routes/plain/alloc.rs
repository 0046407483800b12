//! Requests that no cache holds anything for.

use crate::arena::split::Fresh;
use crate::arena::supply::Growth;
use crate::arena::{Arena, Entry};
use crate::arenas::candidates;
use crate::config::{ALIGN, CACHE_LIMIT, HEAP_RESERVE, MAX_REQUEST};
use crate::mapped::{self, Bound};
use crate::watch::{perturb, report};
use crate::{background, cache, class, relief, settings};
use core::ptr;

/// As [`crate::routes::allocate`], past the fastest: for who was there already.
#[cold]
#[inline(never)]
pub(in crate::routes) fn plainly(n: usize) -> *mut u8 {
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
pub(in crate::routes) fn serve(n: usize) -> *mut u8 {
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
fn direct(n: usize, growth: Growth) -> Fresh {
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

/// As [`crate::routes::alloc::zeroed`] for what no cache holds.
#[cold]
#[inline(never)]
pub(in crate::routes) fn zeroed_plainly(n: usize) -> *mut u8 {
    zeroed_here(n)
}

#[inline(always)]
pub(in crate::routes) fn zeroed_here(n: usize) -> *mut u8 {
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

/// As [`crate::routes::aligned`] beyond the usual alignment.
#[cold]
#[inline(never)]
pub(in crate::routes) fn aligned_plainly(align: usize, n: usize) -> *mut u8 {
    aligned_here(align, n)
}

#[inline(always)]
pub(in crate::routes) fn aligned_here(align: usize, n: usize) -> *mut u8 {
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
