//! Resizing: what a glance tells, and which way the rest goes ([`super::plain::realloc`]).

use super::plain::realloc::{
    remap, resize_aligned_here, resize_chunk, resize_here, resize_plainly,
};
use super::start::{self, Route};
use super::{claims, free, sampled};
use crate::chunk::Chunk;
use crate::config::{ALIGN, MAX_REQUEST};
use crate::object::{self, ObjectState};
use crate::{cache, region, watch};
use core::ptr;

/// The object at `p`, live, for `n` bytes (not 0); null leaves it as it was.
pub(crate) fn resize(p: *mut u8, n: usize) -> *mut u8 {
    resize_or(p, n, ptr::null_mut)
}

/// As [`resize`]; what `fail` returns where that is null. What is long is the last thing done, so
/// that the shortest way needs no frame.
///
/// What a glance shows to be in use, as the fast path of `free` sees it, needs no closer look.
#[inline(always)]
pub(crate) fn resize_or(p: *mut u8, n: usize, fail: impl Fn() -> *mut u8) -> *mut u8 {
    if start::is_plain() {
        match glance(p.addr()) {
            Glance::Object(_, class) if is_of(n, class) => return p,
            Glance::Object(state, class) => {
                return copy_object(p, state, class * ALIGN, n, fail);
            }
            Glance::Chunk(c, covered, tag) => return resize_chunk(c, covered, tag, n, fail),
            Glance::Other => {}
        }
    }
    resize_at_length(p, n, fail)
}

/// What a glance shows to be in use.
enum Glance {
    /// An object of a run: its state and its class.
    Object(ObjectState, usize),
    /// A plain chunk: what its tag covers, and the tag.
    Chunk(Chunk, u32, u32),
    /// Anything else.
    Other,
}

#[inline(always)]
fn glance(p: usize) -> Glance {
    let (word, granule) = region::aligned_word(p);
    if region::is_slot(word) {
        let state = object::state_of(word, granule);
        // SAFETY: a slot's word leads to its states (I9).
        let class = unsafe { state.get() }.cast_signed();
        if class > 0 {
            return Glance::Object(state, class as usize);
        }
    } else if word == region::CHUNKS {
        // SAFETY: a header below a payload of a heap's region is mapped memory (I8).
        let c = unsafe { Chunk::at(p) };
        let covered = c.head().covered();
        let tag = c.expected_under(covered);
        if c.tag() == tag {
            return Glance::Chunk(c, covered, tag);
        }
    }
    Glance::Other
}

/// Whether `n` bytes are of this class of runs: an object stays only within its class, since a sized
/// free must find the class its size belongs to. A size that wraps is no class's.
#[inline(always)]
fn is_of(n: usize, class: usize) -> bool {
    n.wrapping_add(ALIGN - 1) / ALIGN == class
}

#[cold]
#[inline(never)]
fn resize_at_length(p: *mut u8, n: usize, fail: impl Fn() -> *mut u8) -> *mut u8 {
    if start::is_sampled() && sampled::follows() {
        match glance(p.addr()) {
            Glance::Object(_, class) if is_of(n, class) && sampled::counts(n) => return p,
            // What it becomes is a request like any other.
            Glance::Object(state, class) if !is_of(n, class) => {
                return copy_object(p, state, class * ALIGN, n, fail);
            }
            Glance::Chunk(c, covered, tag) if sampled::counts(n) => {
                return sampled::below(|| resize_chunk(c, covered, tag, n, fail));
            }
            _ => {}
        }
    }
    let to = if start::is_plain() {
        resize_here(p, n)
    } else {
        by_route(p, ALIGN, n)
    };
    if to.is_null() { fail() } else { to }
}

/// An object of a run in use, of `have` bytes.
#[inline(never)]
fn copy_object(
    p: *mut u8,
    state: ObjectState,
    have: usize,
    n: usize,
    fail: impl Fn() -> *mut u8,
) -> *mut u8 {
    let new = super::allocate(n);
    if new.is_null() {
        return fail();
    }
    // SAFETY: two live objects; the old one has `have` bytes, the new one `n`; it is its state.
    unsafe {
        new.copy_from_nonoverlapping(p, have.min(n));
        if !cache::put_object(p.addr(), state) {
            free::slow(p.expose_provenance());
        }
    }
    new
}

/// As [`resize`] or [`resize_aligned`], for who is on no fast way.
#[cold]
#[inline(never)]
pub(crate) fn by_route(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    match start::route() {
        Route::Plain => resize_plainly(p, align, n),
        Route::Checked => watch::resize::resize(p, align, n),
        Route::Sampled => sampled::resize(p, align, n),
    }
}

/// As [`resize`] at a multiple of `align`, of an object that the caller says to be `had` bytes; if
/// it cannot be, the process ends.
pub(crate) fn resize_claimed(p: *mut u8, had: usize, align: usize, n: usize) -> *mut u8 {
    let plain = align <= ALIGN;
    if plain && n <= MAX_REQUEST && region::word(p.addr()) == 0 && start::route() == Route::Plain {
        return remap(p, n, Some(had));
    }
    claims::check_size(p.addr(), had, align);
    if plain {
        resize(p, n)
    } else {
        resize_aligned(p, align, n)
    }
}

/// As [`resize`] at a multiple of `align`, a power of two above 16.
pub(crate) fn resize_aligned(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    if start::is_plain() {
        return resize_aligned_here(p, align, n);
    }
    by_route(p, align, n)
}
