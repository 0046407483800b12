//! The region table's arithmetic: which words an address leads to, and what a word says.
//!
//! Address space is cut into regions of 64 KiB. A two-level table holds a *word* a region, apart
//! from the heap: all that the fast paths need. A root entry covers 4 GiB.
//!
//! ```text
//! word   0                 nobody's: a mapped chunk, or not Cairn's
//!        NAMED             chunks with their own headers, of a heap of the program's own
//!        CHUNKS            chunks with their own headers, of any other
//!        bias              a slot of runs. Its state page less the first granule's number: a
//!                          pointer's granule added to it is the address of its state
//! ```
//!
//! Behind the words of a leaf stand, for each group of regions, where their *records* lie side by
//! side, what the arena keeps about them, and where the states of slots there would lie.

use super::sizes::{ALIGN, REGION_SHIFT};

/// log2 of the bytes that a root entry covers.
pub const ROOT_SHIFT: u32 = if cfg!(miri) { 22 } else { 32 };
/// Regions of a leaf. (Miri looks at each word of a table when a reference is made to it.)
pub const LEAF: usize = if cfg!(miri) { 1 << 6 } else { 1 << 16 };
/// The addresses that a program can have unless it asks for higher ones: 47 bits on x86-64, else
/// 48. A length that is no power of two leaves one comparison with the index where two shifts
/// would stand: 4 GiB too many, where they are the kernel's, or too few.
pub const ROOTS: usize = if cfg!(miri) {
    1 << 9 // 2 GiB, from which Miri hands out
} else if cfg!(target_arch = "x86_64") {
    (1 << 15) + 1
} else {
    (1 << 16) - 1
};

/// Regions whose records lie side by side. As whole pages they can go back, and what is kept of
/// addresses that are nobody's is a word for each group.
pub const GROUP: usize = if cfg!(miri) { 1 << 2 } else { 1 << 6 };
/// Regions whose states lie side by side.
pub const STATED: usize = if cfg!(miri) { 1 << 1 } else { 1 << 4 };

/// Bytes of the root, and of the words of none behind it: what an entry of 0 leads to, since an
/// entry is the distance of a leaf from those.
pub const TABLE_BYTES: usize = (ROOTS + LEAF) * size_of::<usize>();
/// Bytes of a leaf's words: what stands of its groups follows.
pub const WORDS_BYTES: usize = LEAF * size_of::<usize>();
/// Bytes of what stands of a group: where its records lie, then where the states of each part do; 0
/// before any of it was needed.
pub const GROUP_BYTES: usize = (1 + GROUP / STATED) * size_of::<usize>();
/// Bytes of a leaf: the words of its regions, then what stands of their groups.
pub const LEAF_BYTES: usize = WORDS_BYTES + LEAF / GROUP * GROUP_BYTES;

/// Word of a region with chunks of a heap of the program's own. No cache takes these, so it is a word
/// that no fast path knows.
pub const NAMED: usize = 1;
/// Word of a region with chunks of any other heap.
pub const CHUNKS: usize = 2;
/// The state of an object of a run is a byte at its start: its class while it is in use, and this
/// bit more once it was given back, to a thread cache or to its slot. 0 is "no object starts
/// here", also once what lay around has become part of another object.
pub const FREED: u8 = 0x80;
/// This bit and [`FREED`] together: in use, and a sample. It is no class's byte and none that was
/// given back, so no fast path takes it.
pub const SAMPLED: u8 = 0xc0;

/// The class that a state names.
#[inline(always)]
pub const fn class_of(state: u8) -> u8 {
    state & !SAMPLED
}

/// Whether a state is that of an object in use.
#[inline(always)]
pub const fn is_used(state: u8) -> bool {
    state != 0 && (state & FREED == 0 || state & SAMPLED == SAMPLED)
}

/// The place in a leaf of the region that `p` lies in.
#[inline(always)]
pub const fn entry(p: usize) -> usize {
    (p >> REGION_SHIFT) & (LEAF - 1)
}

/// The word of a slot at `base` with its states there. Both are multiples of 4096, and so is it.
pub const fn slot_word(base: usize, states: usize) -> usize {
    states.wrapping_sub(base / ALIGN)
}

/// Whether a word is a slot's.
#[inline(always)]
pub const fn is_slot(word: usize) -> bool {
    word > CHUNKS
}

/// Whether a word is that of a region with chunks.
#[inline(always)]
pub const fn is_chunks(word: usize) -> bool {
    word.wrapping_sub(NAMED) <= CHUNKS - NAMED
}

/// Address of the state of a granule, by its slot's word and its number.
#[inline(always)]
pub const fn state_of(word: usize, granule: usize) -> usize {
    word.wrapping_add(granule)
}
