//! The one place that says what a caller's pointer is. It reads the region table first, and the
//! memory at the pointer only when that says that it is a heap's.

use super::checked;
use crate::chunk::{Chunk, Kind};
use crate::config::REGION;
use crate::region::{self, FREED, Record};
use crate::{class, mapped, settings};

/// What a pointer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A live object of a run, and its class.
    Object(usize),
    /// A live chunk, and its size.
    Chunk(Chunk, usize),
    /// A live mapped chunk, and its payload bytes.
    Mapped(usize),
    /// None of them, for this reason.
    Bad(Why),
}

/// Why a pointer is nothing that may be freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
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
pub fn look(p: usize) -> Found {
    let word = region::word(p);
    if word == 0 {
        return match mapped::usable(p) {
            Some(n) => Found::Mapped(n),
            None if mapped::covers(p) => Found::Bad(Why::InsideMapped),
            None => Found::Bad(Why::Foreign),
        };
    }
    if !p.is_multiple_of(16) {
        return Found::Bad(Why::Inside);
    }
    if region::is_slot(word) {
        // SAFETY: a run's word leads to its states (I9).
        return match unsafe { region::state_at(word, p).get() } {
            0 => Found::Bad(Why::Inside),
            state if state & FREED != 0 => Found::Bad(Why::Freed),
            class => Found::Object(usize::from(class)),
        };
    }
    let r: *mut Record = region::record(p);
    // SAFETY: the word is not 0, so there is a record (I8).
    if unsafe { p < (*(*r).heap).first() } {
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
    // Nothing was ever written that could tell a damaged header from the inside of a chunk,
    // unless the chunk in front leads here.
    Found::Bad(if starts_here(r, p) {
        Why::Damaged
    } else {
        Why::Inside
    })
}

/// Whether a walk of the heap's chunks from its first byte comes to `p`. Slow, and read without
/// the lock: only for the choice of the last words of a process.
fn starts_here(r: *mut Record, p: usize) -> bool {
    // SAFETY: as in `look`; heaps live forever, and the walk stays inside this one's memory.
    let heap = unsafe { &*(*r).heap };
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

/// Payload bytes that may be written.
pub fn usable(p: usize) -> Result<usize, Why> {
    match look(p) {
        Found::Chunk(c, size) if settings::check() != 0 => Ok(checked::asked(c, size)),
        Found::Mapped(n) if settings::check() != 0 => {
            mapped::guarded::look_at(p);
            Ok(n)
        }
        Found::Object(class) => Ok(class::size_of(class)),
        Found::Chunk(_, size) => Ok(class::usable(size)),
        Found::Mapped(n) => Ok(n),
        Found::Bad(why) => Err(why),
    }
}

const _: () = assert!(REGION.is_power_of_two());
