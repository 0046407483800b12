//! What Cairn has before it maps anything: the region table and its first leaf, the arenas, what
//! a thread has for a cache before it has one, and the first span of side memory. All of it lies
//! in `.bss`.
//!
//! ```text
//!  root, words of none | first leaf | arenas, main arena | marks | blanks | first span
//! ```
//!
//! It is `.bss` so that the fast paths know where the table is without a load, and so that the
//! heap can begin when the process has used up its mappings. `preload/library.ld` lays holes of
//! some MiB around what `libcairn.so` has in `.bss`, which the loader closes. Pages that are never
//! touched cost no memory.

use crate::arena::Arena;
use crate::arena::slack::Marks;
use crate::class::BINS_ROOM;
use crate::config::{HUGE_PAGE, MAX_ARENAS};
use crate::region::{Leaf, Table};
use crate::side;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::AtomicPtr;

/// The largest page of the architecture's kernels, bytes.
const PAGE: usize = if cfg!(target_arch = "x86_64") {
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

// SAFETY: side memory's, under its lock.
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
}

/// The only one.
pub static OWN: Own = Own {
    table: Table::new(),
    first: Leaf::new(),
    others: [const { AtomicPtr::new(ptr::null_mut()) }; MAX_ARENAS],
    main: Arena::new(),
    marks: Marks::new(),
    empty: Blank::new(),
    finished: Blank::new(),
    span: Pages::new(),
};

// Where the kernel makes huge pages unasked it makes none of this, which would be resident at once.
const _: () = assert!(size_of::<Own>() < HUGE_PAGE - PAGE || !cfg!(target_arch = "x86_64"));
const _: () = assert!(align_of::<Own>() == PAGE && SPAN.is_multiple_of(PAGE));

/// Where [`OWN`] has what a thread's word leads to before the thread has a cache.
pub const EMPTY: usize = offset_of!(Own, empty);

/// What a thread's word leads to before the thread has a cache.
pub fn empty() -> usize {
    OWN.empty.0.get().expose_provenance()
}

/// What it leads to when the thread is ending, or may not have a cache.
pub fn finished() -> usize {
    OWN.finished.0.get().expose_provenance()
}

/// Gives side memory its first span. Once, before it is needed.
pub fn begin() {
    // SAFETY: whole pages, zero, and side memory's alone from here on.
    unsafe { side::lend(OWN.span.at(), SPAN) };
}
