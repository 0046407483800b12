//! What is freed goes into the thread's cache, vetted.

use super::{Bin, bin_to_put_at};
use crate::arena::Entry;
use crate::chunk::Chunk;
use crate::class::{self, BIN_SHIFT};
use crate::config::{RUN_LIMIT, chunk_size};
use crate::object::{self, ObjectState};
use crate::region::{self, CHUNKS};

/// Takes back the object at `p`, vetting it first; false if that needs the slow way, in which
/// case nothing was changed.
#[inline(always)]
pub(crate) fn put(p: usize) -> bool {
    put_or(p, |_, _, _| false)
}

/// As [`put`], with what takes a vetted chunk above the classes: its payload, the half of its header
/// that the tag covers, and the tag.
#[inline(always)]
pub(crate) fn put_or(p: usize, beyond: impl FnOnce(usize, u32, u32) -> bool) -> bool {
    put_if(bin_to_put_at, p, |_| true, |_| true, beyond)
}

/// As [`put`], and only if a plain request for `n` bytes has the class of what is at `p`: of an
/// object that was asked for otherwise the slow way knows whether its size is right.
#[inline(always)]
pub(crate) fn put_sized(p: usize, n: usize) -> bool {
    put_if(
        bin_to_put_at,
        p,
        |offset| n <= RUN_LIMIT && offset == class::run_bin(n),
        |offset| {
            offset
                == if n <= class::EXACT_LIMIT {
                    class::exact_bin(chunk_size(n))
                } else {
                    class::wide_bin(n)
                }
        },
        |_, _, _| false,
    )
}

/// [`put`], if the bin's offset suits an object of a run, or a chunk.
#[inline(always)]
fn put_if(
    at: impl Fn(usize) -> *const Bin,
    p: usize,
    object: impl FnOnce(usize) -> bool,
    chunk: impl FnOnce(usize) -> bool,
    beyond: impl FnOnce(usize, u32, u32) -> bool,
) -> bool {
    let (word, granule) = region::aligned_word(p);
    // SAFETY: a slot's word leads to its states (I9); a header below a payload of a heap's region
    // is mapped memory (I8); the bin is this thread's.
    unsafe {
        if region::is_slot(word) {
            return put_object_if(at, p, object::state_of(word, granule), object);
        }
        if word != CHUNKS {
            return false;
        }
        let c = Chunk::at(p);
        // Every header in such a region whose tag says "in use" is a plain one's.
        let covered = c.head().covered();
        let tag = c.expected_under(covered);
        if c.tag() != tag {
            return false;
        }
        let size = covered as usize;
        if size <= class::EXACT_CHUNK {
            let offset = class::exact_bin(size);
            return chunk(offset) && put_chunk(at(offset), c, tag);
        }
        match class::wide_chunk_bin(size) {
            Some(offset) => chunk(offset) && put_chunk(at(offset), c, tag),
            None => beyond(p, covered, tag),
        }
    }
}

/// Takes back the object at `p` if it is in use, as its state says; false if that needs the slow
/// way, in which case nothing was changed.
///
/// # Safety
/// It is the state of the granule at `p`.
#[inline(always)]
pub(crate) unsafe fn put_object(p: usize, state: ObjectState) -> bool {
    // SAFETY: the caller's.
    unsafe { put_object_if(bin_to_put_at, p, state, |_| true) }
}

/// [`put_object`], if the bin's offset suits.
#[inline(always)]
unsafe fn put_object_if(
    at: impl Fn(usize) -> *const Bin,
    p: usize,
    state: ObjectState,
    suits: impl FnOnce(usize) -> bool,
) -> bool {
    // SAFETY: the caller's; the bin is this thread's, and between `top` and `limit` there is room.
    unsafe {
        let class = state.get().cast_signed();
        if class <= 0 {
            return false;
        }
        let offset = (class as usize) << BIN_SHIFT;
        if !suits(offset) {
            return false;
        }
        let bin = at(offset);
        let top = (*bin).top();
        if top == (*bin).limit.get() {
            return false;
        }
        state.turn();
        top.write(Entry::object(p, state));
        (*bin).step(1);
        true
    }
}

/// Takes back a chunk that its caller vetted, with what that found: the half of its header that the
/// tag covers, and the tag. False, and nothing changed, if it is not what it was, or there is no room
/// for it.
#[inline(always)]
pub(crate) fn put_vetted_chunk(c: Chunk, covered: u32, tag: u32) -> bool {
    let size = covered as usize;
    let offset = if size <= class::EXACT_CHUNK {
        Some(class::exact_bin(size))
    } else {
        class::wide_chunk_bin(size)
    };
    c.tag() == tag
        && c.head().covers(covered)
        && offset.is_some_and(|offset| put_chunk(bin_to_put_at(offset), c, tag))
}

/// Puts a vetted chunk into the bin of its size, unless that is full.
#[inline(always)]
fn put_chunk(bin: *const Bin, c: Chunk, tag: u32) -> bool {
    // SAFETY: the bin is this thread's, and between `top` and `limit` there is room.
    unsafe {
        let top = (*bin).top();
        if top == (*bin).limit.get() {
            return false;
        }
        c.turn_found(tag);
        top.write(Entry::chunk(c.payload(), tag));
        (*bin).step(1);
        true
    }
}
