//! The thread cache: per class an array of freed objects or chunks, no lock, no shared line.
//!
//! The arrays are out of band: nothing that lies in freed memory can become a pointer that
//! `malloc` returns. Each entry carries a witness, so that taking one checks that it is still
//! what was put: the state byte still says freed, or the header still is the one that was left.

pub mod refill;

use crate::arena::{Arena, Entry};
use crate::chunk::{Chunk, Kind, TURN};
use crate::class::{BIN_SHIFT, CLASSES, LAST_RUN_BIN};
use crate::region::{self, FREED, IN_USE, RUN};
use crate::sync::tls;
use crate::{class, fatal};
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
}

const _: () = assert!(size_of::<Bin>() == 1 << BIN_SHIFT);

impl Cache {
    const fn new() -> Self {
        Self {
            bins: [const {
                Bin {
                    top: ptr::null_mut(),
                    base: ptr::null_mut(),
                    limit: ptr::null_mut(),
                    batch: 0,
                    busy: false,
                }
            }; CLASSES],
            arena: ptr::null(),
            room: 0,
            slow: 0,
        }
    }
}

// SAFETY: the two statics below are never written: empty and full at once, every operation on
// them takes the slow path, which knows them by their addresses.
unsafe impl Sync for Cache {}
/// What a thread's word points to before it has a cache.
pub static EMPTY: Cache = Cache::new();
/// What it points to when the thread is ending, or may not have a cache.
pub static FINISHED: Cache = Cache::new();

#[inline(always)]
fn bin_at(offset: usize) -> *mut Bin {
    ptr::with_exposed_provenance_mut(tls::get() + offset)
}

/// An object for `n` bytes, or null when the cache has none.
#[inline(always)]
pub fn take(n: usize) -> *mut u8 {
    let offset = class::bin(n);
    // SAFETY: the word is a cache's address, and `offset` one of its bins.
    unsafe { take_from(bin_at(offset), offset) }
}

/// # Safety
/// `bin` is at `offset` in this thread's cache.
#[inline(always)]
unsafe fn take_from(bin: *mut Bin, offset: usize) -> *mut u8 {
    // SAFETY: only this thread uses the bin, and what lies below `top` are entries.
    unsafe {
        let top = (*bin).top;
        if top == (*bin).base {
            return ptr::null_mut();
        }
        let last = top.sub(1);
        let Entry { p, witness } = *last;
        (*bin).top = last;
        if offset <= LAST_RUN_BIN {
            let state: *mut u8 = ptr::with_exposed_provenance_mut(witness);
            if *state != FREED {
                swapped(p);
            }
            *state = IN_USE;
        } else {
            let c = Chunk::at(p);
            let tag = (witness >> 32) as u32;
            if c.tag() != tag
                || c.head().size() != witness as u32 as usize
                || !c.head().is(Kind::Plain)
            {
                swapped(p);
            }
            c.set_tag(tag ^ TURN);
        }
        ptr::with_exposed_provenance_mut(p)
    }
}

/// A cached chunk is no longer the one that was cached.
#[cold]
#[inline(never)]
fn swapped(p: usize) -> ! {
    fatal::die("malloc(): unaligned tcache chunk detected", p)
}

/// Takes back the object at `p`, vetting it first; false if that needs the slow way, in which
/// case nothing was changed.
#[inline(always)]
pub fn put(p: usize) -> bool {
    let word = region::word(p);
    // SAFETY: a run's word leads to its states (I9); a header below a payload of a heap's region
    // is mapped memory (I8); the bin is this thread's.
    unsafe {
        if word & RUN != 0 {
            let state = region::state_at(word, p);
            if p % 16 != 0 || *state != IN_USE {
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
        if word == 0 || p % 16 != 0 {
            return false;
        }
        let c = Chunk::at(p);
        let (head, tag) = (c.head(), c.tag());
        if tag != c.expected() || !head.is(Kind::Plain) {
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
