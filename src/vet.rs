//! The one place that says what a caller's pointer is. It reads the region table first, and the
//! memory at the pointer only when that says that it is a heap's.

use crate::arena::heap::Heap;
use crate::arena::records;
use crate::chunk::{Chunk, Kind};
use crate::object::{self, FREED};
use crate::region;
use crate::{fatal, guards, mapped};

/// What a pointer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// A live object of a run, and its class.
    Object(usize),
    /// A live chunk, and its size.
    Chunk(Chunk, usize),
    /// A live mapped chunk, and its payload bytes.
    Mapped(usize),
    /// A live guarded object, and its bytes.
    Guarded(usize),
    /// None of them, for this reason.
    Bad(Why),
}

/// Why a pointer is nothing that may be freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// No heap, no run, no mapped chunk of Cairn's.
    Foreign,
    /// Cairn's memory, but nothing starts here.
    Inside,
    /// Inside a mapped chunk, not at its payload.
    InsideMapped,
    /// It was freed before, and not handed out since.
    Freed,
    /// A chunk may start here, but its header was overwritten.
    Damaged,
}

/// What starts at `p`.
pub(crate) fn look(p: usize) -> Found {
    look_in(region::word(p), p)
}

/// As [`look`], for who knows the region's word.
pub(crate) fn look_in(word: usize, p: usize) -> Found {
    if word == 0 {
        return match mapped::usable(p) {
            Some(n) => Found::Mapped(n),
            None if guards::covers(p) => guarded(p),
            None if mapped::covers(p) => Found::Bad(Why::InsideMapped),
            None => Found::Bad(Why::Foreign),
        };
    }
    if !p.is_multiple_of(16) {
        return Found::Bad(Why::Inside);
    }
    if region::is_slot(word) {
        // SAFETY: a run's word leads to its states (I9).
        return match unsafe { object::state_at(word, p).get() } {
            0 => Found::Bad(Why::Inside),
            state if state & FREED != 0 => {
                if object::is_used(state) {
                    return Found::Object(usize::from(object::class_of(state)));
                }
                Found::Bad(Why::Freed)
            }
            class => Found::Object(usize::from(class)),
        };
    }
    // Nobody's meanwhile, if another thread gave the region back since the word was read.
    // SAFETY: heaps live as long as the process (I11).
    let Some(heap) = (unsafe { records::heap_of(p).as_ref() }) else {
        return Found::Bad(Why::Inside);
    };
    if p < heap.first() {
        return Found::Bad(Why::Inside);
    }
    // SAFETY: a heap's region (I8).
    let c = unsafe { Chunk::at(p) };
    let head = c.head();
    if c.is_used() && head.is(Kind::Plain) && head.size() != 0 {
        return Found::Chunk(c, head.size());
    }
    if c.is_freed() {
        return Found::Bad(Why::Freed);
    }
    if c.is_sampled() && head.is(Kind::Plain) && head.size() != 0 {
        return Found::Chunk(c, head.size());
    }
    // Nothing was ever written that could tell a damaged header from the inside of a chunk,
    // unless the chunk in front leads here.
    Found::Bad(if starts_here(heap, p) {
        Why::Damaged
    } else {
        Why::Inside
    })
}

/// What starts at an address of the pool of guarded objects.
#[cold]
fn guarded(p: usize) -> Found {
    match guards::at(p).map(|slot| (slot.state(), slot.place().size)) {
        Some((guards::State::InUse, size)) => Found::Guarded(size),
        Some((guards::State::Freed, _)) => Found::Bad(Why::Freed),
        _ => Found::Bad(Why::Inside),
    }
}

/// Whether a walk of the heap's chunks from its first byte comes to `p`. Slow, and read without
/// the lock: only for the choice of the last words of a process.
fn starts_here(heap: &Heap, p: usize) -> bool {
    let mut at = heap.first();
    while at < p {
        // SAFETY: between the heap's first byte and `p`, all of it committed.
        let c = unsafe { Chunk::at(at) };
        if !c.is_valid() || c.head().size() == 0 {
            return false;
        }
        at += c.head().size();
    }
    at == p
}

/// The last words for a pointer that cannot be freed.
#[cold]
pub(crate) fn refuse(why: Why, p: usize) -> ! {
    match why {
        Why::Foreign => fatal::die_foreign("free(): invalid pointer", p),
        Why::Inside => fatal::die("free(): invalid pointer", p),
        Why::InsideMapped => fatal::die("munmap_chunk(): invalid pointer", p),
        Why::Freed => fatal::die("free(): double free detected in tcache 2", p),
        Why::Damaged => fatal::die("free(): invalid size", p),
    }
}

/// What `p` is; the process ends if it is nothing live.
pub(crate) fn found(p: usize) -> Found {
    alive(look(p), p)
}

/// What was found at `p`; the process ends if it is nothing live.
#[inline]
pub(crate) fn alive(found: Found, p: usize) -> Found {
    if let Found::Bad(why) = found {
        match why {
            Why::Foreign => fatal::die_foreign("realloc(): invalid pointer", p),
            Why::Inside | Why::InsideMapped | Why::Freed => {
                fatal::die("realloc(): invalid pointer", p)
            }
            Why::Damaged => fatal::die("realloc(): invalid size", p),
        }
    }
    found
}
