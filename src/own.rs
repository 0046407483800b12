//! What Cairn has before it maps anything: the region table and its first leaf, the arenas, what
//! a thread has for a cache before it has one, and the first span of side memory. All of it lies
//! in `.bss`, between two guards that close when the process is more than begun.
//!
//! ```text
//!  guard | root, words of none | first leaf | arenas, main arena | marks | blanks | first span | guard
//! ```
//!
//! It is `.bss` so that the fast paths know where the table is without a load, and so that the
//! heap can begin when the process has used up its mappings. It is one piece so that two calls
//! guard all of it: the two that the first span would cost as a mapping. Pages that are never
//! touched cost no memory.

use crate::arena::Arena;
use crate::arena::slack::Marks;
use crate::class::BINS_ROOM;
use crate::config::{HUGE_PAGE, MAX_ARENAS};
use crate::region::{Leaf, Table};
use crate::{os, side};
use core::cell::UnsafeCell;
#[cfg(not(miri))]
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::AtomicPtr;

/// Bytes of a guard: the largest page of the architecture's kernels.
const GUARD: usize = if cfg!(target_arch = "x86_64") {
    4 << 10
} else {
    64 << 10
};

/// Bytes of the first span. A process with few threads needs no other; a round number below what
/// is left of a huge page.
const SPAN: usize = 128 << 10;

/// A cache's bins, all of them zero: empty and full at once, so that every operation on them takes
/// the slow path, which knows them by their addresses; and a strip that is used up. Never written.
#[repr(C, align(8))]
struct Blank(UnsafeCell<[u8; BINS_ROOM]>);

// SAFETY: never written.
unsafe impl Sync for Blank {}

impl Blank {
    const fn new() -> Self {
        Self(UnsafeCell::new([0; BINS_ROOM]))
    }
}

/// Bytes that begin on a page and fill whole ones.
#[repr(C)]
#[cfg_attr(target_arch = "x86_64", repr(align(4096)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(align(65536)))]
struct Pages<const N: usize>(UnsafeCell<[u8; N]>);

// SAFETY: the guards are never touched, the span is side memory's, under its lock.
unsafe impl<const N: usize> Sync for Pages<N> {}

impl<const N: usize> Pages<N> {
    const fn new() -> Self {
        Self(UnsafeCell::new([0; N]))
    }
    fn at(&self) -> usize {
        self.0.get().expose_provenance()
    }
}

/// All of it.
#[repr(C)]
pub struct Own {
    before: Pages<GUARD>,
    /// The region table.
    pub table: Table,
    /// Its first leaf.
    pub first: Leaf,
    /// The arenas but the main one, by index, less one.
    pub others: [AtomicPtr<Arena>; MAX_ARENAS],
    /// The main arena.
    pub main: Arena,
    /// Which chunks have slack.
    pub marks: Marks,
    empty: Blank,
    finished: Blank,
    span: Pages<SPAN>,
    after: Pages<GUARD>,
}

/// The only one.
pub static OWN: Own = Own {
    before: Pages::new(),
    table: Table::new(),
    first: Leaf::new(),
    others: [const { AtomicPtr::new(ptr::null_mut()) }; MAX_ARENAS],
    main: Arena::new(),
    marks: Marks::new(),
    empty: Blank::new(),
    finished: Blank::new(),
    span: Pages::new(),
    after: Pages::new(),
};

// Where the kernel makes huge pages unasked it makes none of this, which would be resident at once.
const _: () = assert!(size_of::<Own>() - 2 * GUARD < HUGE_PAGE || !cfg!(target_arch = "x86_64"));
const _: () = assert!(align_of::<Own>() == GUARD && SPAN.is_multiple_of(GUARD));

/// Where [`OWN`] has what a thread's word leads to before the thread has a cache.
#[cfg(not(miri))]
pub const EMPTY: usize = offset_of!(Own, empty);

/// What a thread's word leads to before the thread has a cache.
pub fn empty() -> usize {
    OWN.empty.0.get().expose_provenance()
}

/// What it leads to when the thread is ending, or may not have a cache.
pub fn finished() -> usize {
    OWN.finished.0.get().expose_provenance()
}

/// Gives side memory its first span, and the guards around all of this. Once, before either is
/// needed.
pub fn begin() {
    // SAFETY: whole pages, zero, and side memory's alone from here on.
    unsafe { side::lend(OWN.span.at(), SPAN) };
    // A page that is larger than a guard cannot be closed.
    if os::page() <= GUARD {
        // SAFETY: whole pages that nobody uses.
        unsafe { os::close_later([OWN.before.at(), OWN.after.at()], GUARD) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test reports by panicking")]

    use super::*;
    use crate::arena::Arena;
    use crate::{cache, heap, region};
    use std::fs;
    use std::vec::Vec;

    /// First and last address of each mapping, and whether anybody may touch it.
    fn maps() -> Vec<(usize, usize, bool)> {
        let line = |line: &str| {
            let (range, rest) = line.split_once(' ')?;
            let (from, to) = range.split_once('-')?;
            let number = |n| usize::from_str_radix(n, 16).ok();
            Some((number(from)?, number(to)?, !rest.starts_with("---")))
        };
        let text = fs::read_to_string("/proc/self/maps").expect("the kernel's list");
        text.lines().filter_map(line).collect()
    }

    /// What lies at either end of the accessible mapping that holds `at`: pages that nobody may touch.
    #[track_caller]
    fn stands_alone(what: &str, at: usize, len: usize) -> (usize, usize) {
        let maps = maps();
        let i = maps.partition_point(|m| m.1 <= at);
        let (from, to, open) = maps[i];
        assert!(
            open && from <= at && at + len <= to,
            "{what} at {at:#x}: {from:#x}-{to:#x}"
        );
        // A gap would do today; tomorrow somebody may be mapped there.
        let closed = |m: Option<&(usize, usize, bool)>| m.filter(|m| !m.2).copied();
        let before = closed(maps.get(i.wrapping_sub(1))).map(|m| m.1);
        let after = closed(maps.get(i + 1)).map(|m| m.0);
        assert_eq!((before, after), (Some(from), Some(to)), "{what}: no guard");
        (from, to)
    }

    #[test]
    fn guards_stand_around_tables_arenas_and_side_memory() {
        let p = heap::allocate(100).expose_provenance();
        let record = region::record(p);
        // SAFETY: a live object's region has a record, and that a heap.
        let header = unsafe { (*record).heap };
        let cache = cache::thread::existing().expect("this thread allocated");
        let other = side::take(size_of::<Arena>()).expect("memory");
        stands_alone(
            "the table",
            (&raw const OWN.table).addr(),
            size_of::<Table>(),
        );
        stands_alone(
            "the first leaf",
            (&raw const OWN.first).addr(),
            size_of::<Leaf>(),
        );
        stands_alone(
            "the main arena",
            (&raw const OWN.main).addr(),
            size_of::<Arena>(),
        );
        stands_alone("the first span", OWN.span.at(), SPAN);
        stands_alone("a record", record.addr(), size_of::<region::Record>());
        stands_alone("a heap's header", header.addr(), 1);
        stands_alone("a thread's cache", cache.addr(), 1);
        stands_alone("another arena", other, size_of::<Arena>());
        // What has a mapping of its own has its own guards too, and does not live by a neighbour's.
        let alone = side::take(1 << 20).expect("memory");
        let bounds = stands_alone("a large table", alone, 1 << 20);
        assert_eq!(bounds, (alone, alone + (1 << 20)), "a guard is open");
        // Past the first span: spans that are mappings.
        for size in [64, 4 << 10, 64 << 10, 64 << 10, 64 << 10] {
            let at = side::take(size).expect("memory");
            stands_alone("side memory", at, size);
        }
        // SAFETY: as above.
        heap::release(ptr::with_exposed_provenance_mut(p));
    }
}
