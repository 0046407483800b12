//! The thread cache: per class an array of freed objects or chunks, no lock, no shared line.
//!
//! The arrays are out of band: nothing that lies in freed memory can become a pointer that
//! `malloc` returns. Each entry carries a witness, so that taking one checks that it is still
//! what was put: the state byte still says freed, or the header still is the one that was left.

pub mod refill;
pub mod thread;

use crate::arena::{Arena, Entry};
use crate::chunk::{Chunk, Kind, TURN};
use crate::class::{BIN_SHIFT, CLASSES, LAST_RUN_BIN};
use crate::region::{self, FREED, IN_USE, RUN};
use crate::sync::tls;
use crate::{class, fatal};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr;

/// One class's array, `[base, limit)`; the entries are `[base, top)`.
#[repr(C)]
pub struct Bin {
    top: *mut Entry,
    base: *mut Entry,
    limit: *mut Entry,
    /// Objects the next refill asks for.
    batch: u32,
    /// Refilled or spilled since the last look for idle bins.
    busy: bool,
}

/// A thread's cache. Only its thread touches it.
#[repr(C)]
pub struct Cache {
    bins: [Bin; CLASSES],
    arena: *const Arena,
    /// Bytes that the arrays could hold at most, against the budget.
    room: usize,
    /// Slow operations so far.
    slow: u32,
    /// The array each class begins with.
    first: MaybeUninit<[[Entry; refill::FIRST]; CLASSES]>,
}

const _: () = assert!(size_of::<Bin>() == 1 << BIN_SHIFT);

/// Bins that are empty and full at once: every operation on them takes the slow path, which knows
/// them by their addresses. Never written; behind a cell so that they lie in `.bss`, where they
/// cost the library's file nothing.
pub struct Blank(
    #[expect(dead_code, reason = "read through its address alone")] UnsafeCell<[Bin; CLASSES]>,
);

// SAFETY: never written.
unsafe impl Sync for Blank {}

impl Blank {
    const fn new() -> Self {
        Self(UnsafeCell::new(
            [const {
                Bin {
                    top: ptr::null_mut(),
                    base: ptr::null_mut(),
                    limit: ptr::null_mut(),
                    batch: 0,
                    busy: false,
                }
            }; CLASSES],
        ))
    }
}

/// What a thread's word points to before it has a cache.
pub static EMPTY: Blank = Blank::new();
/// What it points to when the thread is ending, or may not have a cache.
pub static FINISHED: Blank = Blank::new();

#[inline(always)]
fn bin_at(offset: usize) -> *mut Bin {
    ptr::with_exposed_provenance_mut(tls::get() + offset)
}

/// An object for `n` bytes, or what `otherwise` finds when the cache has none.
///
/// `otherwise` is the last thing done, so that the fast path needs no stack frame.
#[inline(always)]
pub fn take(n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    let offset = if n <= class::FINE_LIMIT {
        class::fine_bin(n)
    } else {
        return take_wide(n, otherwise);
    };
    take_from(offset, n, otherwise)
}

/// As [`take`] for the sizes of the second table.
#[inline(never)]
fn take_wide(n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    take_from(class::bin(n), n, otherwise)
}

/// The newest entry of the bin at `offset`.
#[inline(always)]
fn take_from(offset: usize, n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    let bin = bin_at(offset);
    // SAFETY: only this thread uses the bin, and what lies below `top` are entries.
    unsafe {
        let top = (*bin).top;
        if top == (*bin).base {
            return otherwise(n);
        }
        let last = top.sub(1);
        let Entry { p, witness } = *last;
        (*bin).top = last;
        if offset <= LAST_RUN_BIN {
            let state: *mut u8 = ptr::with_exposed_provenance_mut(witness);
            if *state != FREED {
                return swapped(p);
            }
            *state = IN_USE;
        } else {
            let c = Chunk::at(p);
            let tag = (witness >> 32) as u32;
            if c.tag() != tag || c.head().covered() != witness as u32 {
                return swapped(p);
            }
            c.set_tag(tag ^ TURN);
        }
        ptr::with_exposed_provenance_mut(p)
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
    ptr::null_mut()
}

/// Null, for callers of [`take`] that only ask the cache.
pub fn nothing(_: usize) -> *mut u8 {
    ptr::null_mut()
}

/// Takes back the object at `p`, vetting it first; false if that needs the slow way, in which
/// case nothing was changed.
#[inline(always)]
pub fn put(p: usize) -> bool {
    let word = region::aligned_word(p);
    // SAFETY: a run's word leads to its states (I9); a header below a payload of a heap's region
    // is mapped memory (I8); the bin is this thread's.
    unsafe {
        if word & RUN != 0 {
            let state = region::state_at(word, p);
            if *state != IN_USE {
                return false;
            }
            let bin = bin_at(word & region::BIN);
            let top = (*bin).top;
            if top == (*bin).limit {
                return false;
            }
            *state = FREED;
            top.write(Entry {
                p,
                witness: state.addr(),
            });
            (*bin).top = top.add(1);
            return true;
        }
        if word == 0 {
            return false;
        }
        let c = Chunk::at(p);
        let (head, tag) = (c.head(), c.tag());
        if tag != c.expected_under(head) || !head.is(Kind::Plain) {
            return false;
        }
        let size = head.size();
        let bin = bin_at(class::of_chunk(size) << BIN_SHIFT);
        let top = (*bin).top;
        if top == (*bin).limit {
            return false;
        }
        c.set_tag(tag ^ TURN);
        top.write(Entry {
            p,
            witness: Chunk::witness(size, tag ^ TURN),
        });
        (*bin).top = top.add(1);
        true
    }
}
