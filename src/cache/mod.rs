//! The thread cache: per class an array of freed objects or chunks, no lock, no shared line.
//!
//! The arrays are out of band: nothing that lies in freed memory can become a pointer that
//! `malloc` returns. Each entry carries a witness, so that taking one checks that it is still
//! what was put: the state byte still says freed, or the header has the size of the bin, and turned
//! back the tag that the chunk had when it was freed.

mod aligned;
pub(crate) mod all;
mod arrays;
pub(crate) mod cover;
pub(crate) mod large;
pub(crate) mod lift;
pub(crate) mod nothing;
mod put;
pub(crate) mod refill;
mod spill;
pub(crate) mod stock;
#[cfg(test)]
mod tests;
pub(crate) mod thread;

pub(crate) use aligned::{take_aligned, take_newest_aligned};
pub(crate) use put::{put, put_object, put_or, put_sized, put_vetted_chunk};

use crate::arena::strip::Strip;
use crate::arena::{Arena, Entry};
use crate::chunk::Chunk;
use crate::class::{BIN_SHIFT, CLASSES};
use crate::config::{ALIGN, CACHE_LIMIT, RUN_LIMIT, chunk_size};
use crate::layout::places::cache as places;
use crate::object::FREED;

use crate::sync::tls;
use crate::{class, fatal};
use core::cell::{Cell, UnsafeCell};
use core::mem::{MaybeUninit, offset_of};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

/// Most entries of a run class, and of a chunk class.
const MOST: (usize, usize) = (1024, 256);

/// One class's array, `[base, limit)`; the entries are `[base, top)`.
#[repr(C)]
pub(crate) struct Bin {
    /// Atomic for the sake of one instruction: a relaxed load, a sum and a relaxed store become
    /// one addition in memory, where an ordinary pointer stays in a register and is written back.
    top: AtomicPtr<Entry>,
    base: Cell<*mut Entry>,
    limit: Cell<*mut Entry>,
    /// Of runs: objects cut from the cache's strip that the arena has not counted yet. Of chunks: the
    /// bytes of each, while there is an array.
    cut_or_size: Cell<u32>,
    /// Objects the next refill asks for.
    batch: Cell<u16>,
    /// Refilled or spilled since the last look for idle bins.
    busy: Cell<bool>,
}

impl Bin {
    #[inline(always)]
    fn top(&self) -> *mut Entry {
        self.top.load(Relaxed)
    }
    #[inline(always)]
    fn set_top(&self, to: *mut Entry) {
        self.top.store(to, Relaxed);
    }
    #[inline(always)]
    fn step(&self, entries: isize) {
        self.set_top(self.top().wrapping_offset(entries));
    }
}

/// How a thread uses a class.
struct Use {
    /// The entry in the middle of the array when there last was no room, the low half of its
    /// granule's number; 0 for none. Another one there means that objects were taken since.
    mark: Cell<u32>,
    /// How often its array may still become longer before the thread asks for the class again.
    turns: Cell<u8>,
    /// How often the thread asked for what had been given back.
    trust: Cell<u8>,
    /// Freed into more than it is asked for: what comes is given back as it comes.
    given: Cell<bool>,
}

/// What a thread's words lead to.
#[repr(C)]
struct Bins {
    of: [Bin; CLASSES],
    /// See [`class::NONE`].
    none: Bin,
    strip: Strip,
}

/// A thread's cache. Only its thread touches it.
///
/// It is reached in two ways that are the same memory: as a `Cache` where it works slowly, and by
/// the thread's word where it works fast, which the former calls. So nobody may hold a `&mut` to any
/// of it: all that changes is in cells, and behind them are raw pointers.
#[repr(C)]
pub(crate) struct Cache {
    bins: UnsafeCell<Bins>,
    /// Written once, before anybody else knows the cache.
    arena: *const Arena,
    /// Bytes that the arrays could hold at most, against the budget.
    room: Cell<usize>,
    /// Slow operations so far.
    slow: Cell<u32>,
    /// Trims of the process that this cache has followed.
    trims: Cell<usize>,
    /// What the arrays of the classes weigh that are only freed into.
    given: Cell<usize>,
    /// How each class is used.
    uses: UnsafeCell<[Use; CLASSES]>,
    /// The last chunks above the classes.
    large: large::Places,
    /// Its neighbours in the list of all caches.
    links: all::Links,
    /// What the thread's word for taking leads to while its requests are counted; null before.
    cover: Cell<*mut cover::Cover>,
    /// The class that the strip began with, and what was cut of it by then.
    cut_first: Cell<[u32; 2]>,
    /// The array each class begins with. Those of the chunk classes come first: an arena's first
    /// requests are served by chunks, and where there are no others the rest stays untouched.
    first: UnsafeCell<MaybeUninit<[[Entry; arrays::FIRST]; CLASSES]>>,
}

const _: () = assert!(size_of::<Bin>() == 1 << BIN_SHIFT);
const _: () = assert!(offset_of!(Bins, none) == class::NONE);
const _: () = assert!(size_of::<Bins>() <= class::BINS_ROOM);
const _: () = assert!(
    offset_of!(Bin, top) == places::TOP
        && offset_of!(Bin, base) == places::BASE
        && offset_of!(Bin, limit) == places::LIMIT
        && size_of::<Bin>() == places::BIN
        && size_of::<Entry>() == places::ENTRY
        && offset_of!(Entry, p) == 0
        && offset_of!(Bins, strip) == places::STRIP
        && offset_of!(Cache, arena) == places::ARENA
        && offset_of!(Cache, large) == places::PLACES
        && offset_of!(Cache, links) == places::LINKS
        && offset_of!(Cache, cover) == places::COVER
        && offset_of!(cover::Cover, bins) == 0
);

/// A bin to take from.
#[inline(always)]
fn bin_at(offset: usize) -> *const Bin {
    ptr::with_exposed_provenance(tls::to_take() + offset)
}

/// A bin to put into.
#[inline(always)]
fn bin_to_put_at(offset: usize) -> *const Bin {
    ptr::with_exposed_provenance(tls::to_put() + offset)
}

/// An object for `n` bytes, or what `otherwise` finds when the cache has none.
///
/// `otherwise` is the last thing done, so that the fast path needs no stack frame.
#[inline(always)]
pub(crate) fn take(n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    take_or(n, otherwise, otherwise)
}

/// As [`take`], with a way of its own for what is above the classes.
#[inline(always)]
pub(crate) fn take_or(
    n: usize,
    otherwise: fn(usize) -> *mut u8,
    beyond: fn(usize) -> *mut u8,
) -> *mut u8 {
    take_of(bin_at, n, otherwise, beyond)
}

/// As [`take_or`], from the bins that `at` finds by their offsets.
#[inline(always)]
fn take_of(
    at: impl Fn(usize) -> *const Bin,
    n: usize,
    otherwise: fn(usize) -> *mut u8,
    beyond: fn(usize) -> *mut u8,
) -> *mut u8 {
    if n <= RUN_LIMIT {
        take_object(at(class::run_bin(n)), n, otherwise)
    } else if n <= class::EXACT_LIMIT {
        take_chunk(at(class::exact_bin(chunk_size(n))), n, otherwise)
    } else if n <= CACHE_LIMIT {
        take_chunk(at(class::wide_bin(n)), n, otherwise)
    } else {
        beyond(n)
    }
}

/// An object for `n` bytes off the strip; where runs do not serve it what `otherwise` finds, and where
/// the strip is not long enough what `beyond` does. Not for 0 bytes: of those freed objects come first
/// ([`nothing`]).
///
/// As in the fast path, both are the last thing done, so that a cut needs no frame.
#[inline(always)]
pub(crate) fn cut_or(
    n: usize,
    otherwise: fn(usize) -> *mut u8,
    beyond: fn(usize) -> *mut u8,
) -> *mut u8 {
    cut_of(tls::to_take, n, otherwise, beyond)
}

/// As [`cut_or`], off the strip behind the bins at `at`.
#[inline(always)]
fn cut_of(
    at: impl FnOnce() -> usize,
    n: usize,
    otherwise: fn(usize) -> *mut u8,
    beyond: fn(usize) -> *mut u8,
) -> *mut u8 {
    if !class::may_cut(n) {
        return otherwise(n);
    }
    let class = n.div_ceil(ALIGN);
    let bins: *const Bins = ptr::with_exposed_provenance(at());
    // SAFETY: only this thread uses its bins and strip, and whoever has none has an empty one; the
    // granules ahead are no object's (I9).
    unsafe {
        let Some(p) = (*bins).strip.cut(class) else {
            return beyond(n);
        };
        let cut = &(*bins.byte_add(class << BIN_SHIFT).cast::<Bin>()).cut_or_size;
        cut.set(cut.get().wrapping_add(1));
        ptr::with_exposed_provenance_mut(p)
    }
}

/// As [`cut_or`]; null where that is nothing.
#[inline(always)]
pub(crate) fn cut(n: usize) -> *mut u8 {
    cut_or(n, no_object, no_object)
}

/// A chunk for a request so small that [`take`] looked for an object, where runs do not serve it;
/// what `otherwise` finds if they do, or the cache has none.
#[inline(always)]
pub(crate) fn take_as_chunk_or(n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    if n > RUN_LIMIT || class::is_for_run(n) {
        return otherwise(n);
    }
    take_chunk(bin_at(class::exact_bin(chunk_size(n))), n, otherwise)
}

/// As [`take_as_chunk_or`]; null where that is nothing.
#[inline(always)]
pub(crate) fn take_as_chunk(n: usize) -> *mut u8 {
    take_as_chunk_or(n, no_object)
}

/// The newest entry of a bin of objects.
#[inline(always)]
fn take_object(bin: *const Bin, n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    // SAFETY: only this thread uses the bin, and what lies below `top` are entries; an object's
    // witness is its state byte (I9).
    unsafe {
        let top = (*bin).top();
        if top == (*bin).base.get() {
            return otherwise(n);
        }
        let last = top.sub(1);
        (*bin).step(-1);
        let state = (*last).state();
        state.turn();
        // Only what was freed has the bit no more.
        if state.get() & FREED != 0 {
            return swapped((*last).p);
        }
        ptr::with_exposed_provenance_mut((*last).p)
    }
}

/// The newest entry of a bin of chunks.
#[inline(always)]
fn take_chunk(bin: *const Bin, n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    // SAFETY: only this thread uses the bin.
    unsafe {
        let top = (*bin).top();
        if top == (*bin).base.get() {
            return otherwise(n);
        }
        take_last_chunk(bin, top)
    }
}

/// The newest entry of a bin that has one; `top` is the bin's.
///
/// # Safety
/// The bin is this thread's, of chunks, and not empty.
#[inline(always)]
unsafe fn take_last_chunk(bin: *const Bin, top: *mut Entry) -> *mut u8 {
    // SAFETY: below `top` are entries, and a cached chunk's header is mapped memory (I8).
    unsafe {
        let last = top.sub(1);
        (*bin).step(-1);
        let c = Chunk::at((*last).p);
        if !c.take_up((*bin).cut_or_size.get(), || (*last).tag()) {
            return swapped(c.payload());
        }
        ptr::with_exposed_provenance_mut(c.payload())
    }
}

/// A cached chunk is no longer the one that was cached.
///
/// It returns by type alone, and the compiler must not see that it never does: a call that
/// cannot return needs a stack frame around it, a jump in the last place does not.
#[cold]
#[inline(never)]
fn swapped(p: usize) -> *mut u8 {
    if core::hint::black_box(true) {
        fatal::die("malloc(): unaligned tcache chunk detected", p);
    }
    core::hint::black_box(ptr::null_mut())
}

/// Null, for callers of [`take`] that only ask the cache.
pub(crate) fn no_object(_: usize) -> *mut u8 {
    ptr::null_mut()
}
