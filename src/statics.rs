//! The static bytes that Cairn has before it maps anything, and who has which. All of them are
//! zero in the beginning, and lie in `.bss`.
//!
//! ```text
//!  table: root, words of none | first leaf | arenas but the main one | main arena | surplus | blanks | span
//! ```
//!
//! This file knows sizes; what a piece holds is its owner's, who names a type for it once
//! ([`Piece::of`]).
//!
//! It is `.bss` so that the fast paths know where the table is without a load, and so that the
//! heap can begin when the process has used up its mappings. `preload/library.ld` lays holes of
//! some MiB around what `libcairn.so` has in `.bss`, which the loader closes. Pages that are never
//! touched cost no memory.

use crate::layout::class::BINS_ROOM;
use crate::layout::sizes::{ALIGN, MAX_ARENAS};
use crate::layout::table::{LEAF_BYTES, TABLE_BYTES};
use core::cell::UnsafeCell;

/// Bytes of an arena, or a little more.
pub(crate) const ARENA_ROOM: usize = 12 << 10;
/// Bytes of address that the marks of surplus tell apart, a bit for each 16.
pub(crate) const MARKED: usize = 2 << 20;
/// Bytes of side memory's first span. A process with few threads needs no other; a round number
/// below what is left of a huge page.
pub(crate) const SPAN: usize = 384 << 10;

/// Bytes for one owner, on cache lines of their own.
#[repr(C, align(64))]
pub(crate) struct Piece<const N: usize>(UnsafeCell<[u8; N]>);

// SAFETY: shared as its owner's type is: see `of`.
unsafe impl<const N: usize> Sync for Piece<N> {}

impl<const N: usize> Piece<N> {
    const fn new() -> Self {
        Self(UnsafeCell::new([0; N]))
    }
    /// What its owner makes of it.
    ///
    /// # Safety
    /// All zero is a `T`, and a piece is never looked at as two types.
    #[inline(always)]
    pub(crate) const unsafe fn of<T: Sync>(&'static self) -> &'static T {
        const { assert!(size_of::<T>() <= N && align_of::<T>() <= align_of::<Self>()) };
        // SAFETY: large and aligned enough; the rest is the caller's.
        unsafe { &*self.0.get().cast() }
    }
    /// Where it is.
    pub(crate) fn at(&'static self) -> usize {
        self.0.get().expose_provenance()
    }
}

/// A piece that begins on a page, of the architecture's largest.
#[repr(C)]
#[cfg_attr(target_arch = "x86_64", repr(align(4096)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(align(65536)))]
pub(crate) struct Paged<const N: usize>(pub Piece<N>);

/// All of it.
#[repr(C)]
pub(crate) struct Statics {
    /// The region table: `region`'s.
    pub table: Piece<TABLE_BYTES>,
    /// Its first leaf.
    pub leaf: Piece<LEAF_BYTES>,
    /// Addresses of the arenas but the main one, by index, less one: `arenas`'.
    pub others: Piece<{ MAX_ARENAS * size_of::<usize>() }>,
    /// The main arena, likewise.
    pub main: Piece<ARENA_ROOM>,
    /// Which chunks have a surplus: `arena::surplus`'.
    pub surplus: Piece<{ MARKED / ALIGN / 8 }>,
    /// What a thread has for a cache before it has one: empty and full at once, so that every
    /// operation takes the slow path, which knows it by its address; and a strip that is used up.
    /// Never written.
    pub empty: Piece<BINS_ROOM>,
    /// The same for a thread that is ending, or may not have a cache.
    pub finished: Piece<BINS_ROOM>,
    /// Side memory's first span.
    pub span: Paged<SPAN>,
}

/// The only ones.
pub(crate) static STATICS: Statics = Statics {
    table: Piece::new(),
    leaf: Piece::new(),
    others: Piece::new(),
    main: Piece::new(),
    surplus: Piece::new(),
    empty: Piece::new(),
    finished: Piece::new(),
    span: Paged(Piece::new()),
};

// Where the kernel makes huge pages unasked it makes none of this, which would be resident at once.
const _: () = assert!(size_of::<Statics>() < (2 << 20) - 4096 || !cfg!(target_arch = "x86_64"));
const _: () = assert!(SPAN.is_multiple_of(align_of::<Statics>()));

/// What a thread's word leads to before the thread has a cache.
pub(crate) fn empty() -> usize {
    STATICS.empty.at()
}

/// What it leads to when the thread is ending, or may not have a cache.
pub(crate) fn finished() -> usize {
    STATICS.finished.at()
}
