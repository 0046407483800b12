//! The one lookup: what an address belongs to, found without reading the address's memory.
//!
//! Address space is cut into regions of 64 KiB. A two-level table (the root and the first leaf are
//! static, a leaf per further 4 GiB is mapped when first needed) holds two words a region, apart
//! from the heap: the *word*, all that the fast paths need, and the *record*, what the arena keeps
//! about the region.
//!
//! ```text
//! word   0                 nobody's: a mapped chunk, or not Cairn's
//!        CHUNKS            chunks with their own headers
//!        bias + bin        a slot of a run. Its state page less the first granule's number: a
//!                          pointer's granule added to it is the address of its state. Both
//!                          are multiples of 4096, so the low bits are free for the class,
//!                          as the byte offset of the thread cache's bin
//! ```

use crate::arena::heap::Heap;
use crate::class::BIN_SHIFT;
use crate::config::{ALIGN, GRANULES, REGION, REGION_SHIFT};
use crate::own::OWN;
use crate::side;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Word of a region with chunks.
pub const CHUNKS: usize = 1;
/// Bits of a slot's word that are its bin's byte offset.
pub const BIN: usize = 0xfff;

/// States of an object of a run, one byte at its start; 0 is "no object starts here, or never given".
pub const IN_USE: u8 = 1;
/// Given back: in a thread cache or in the slot's map.
pub const FREED: u8 = 2;

const LEAF: usize = 1 << 16;

/// What is known of 4 GiB of addresses.
///
/// The first leaf that is needed, most often the break's, costs no mapping: the heap can begin
/// when the process has used them up.
#[repr(C)]
pub struct Leaf {
    word: [AtomicUsize; LEAF],
    record: [AtomicPtr<Record>; LEAF],
}

impl Leaf {
    /// Nothing known.
    pub const fn new() -> Self {
        Self {
            word: [const { AtomicUsize::new(0) }; LEAF],
            record: [const { AtomicPtr::new(ptr::null_mut()) }; LEAF],
        }
    }
}

/// The addresses that a program can have unless it asks for higher ones: 47 bits on x86-64, else
/// 48. A length that is no power of two leaves one comparison with the index where two shifts
/// would stand: 4 GiB too many, where they are the kernel's, or too few.
const ROOTS: usize = if cfg!(target_arch = "x86_64") {
    (1 << 15) + 1
} else {
    (1 << 16) - 1
};

/// The root, and the words of a leaf that nobody entered anything into. An entry is the distance
/// of a leaf from those, so that an entry of 0 leads to them: the fast path has no null to ask
/// for.
#[repr(C)]
pub struct Table {
    root: [AtomicUsize; ROOTS],
    none: [AtomicUsize; LEAF],
}

impl Table {
    /// No leaf.
    pub const fn new() -> Self {
        Self {
            root: [const { AtomicUsize::new(0) }; ROOTS],
            none: [const { AtomicUsize::new(0) }; LEAF],
        }
    }
}

static FIRST_TAKEN: AtomicBool = AtomicBool::new(false);

/// What the arena knows of one of its regions. Guarded by that arena's lock.
#[repr(C)]
pub struct Record {
    /// The heap the region belongs to; never changes.
    pub heap: *mut Heap,
    /// First byte of the region; never changes.
    pub base: usize,
    /// In the list of its role: regions with chunks waiting, or slots of a class.
    pub next: *mut Record,
    /// The other way.
    pub prev: *mut Record,
    /// As chunks: bytes of chunks that wait in fastbins and start here.
    pub pending: u32,
    /// As a slot: its class, 0 while it has none.
    pub class: u16,
    /// Whether it is on a list.
    pub listed: bool,
    /// As a slot: objects given so far, and those of them that are back in `map`.
    pub given: u32,
    /// See `given`.
    pub free: u32,
    /// Its state page, once it was a slot; 0 before.
    pub states: usize,
    /// A bit a granule. As chunks: a chunk that starts here waits in a fastbin (I7). As a slot:
    /// an object that starts here is free and in no cache (I9).
    pub map: [AtomicU64; GRANULES / 64],
}

/// Where distances are counted from.
#[inline(always)]
fn origin() -> usize {
    (&raw const OWN.table.none).expose_provenance()
}

#[inline(always)]
fn leaf(p: usize) -> *mut Leaf {
    // A pointer beyond the table is nobody's.
    match OWN.table.root.get(p >> 32).map_or(0, |l| l.load(Acquire)) {
        0 => ptr::null_mut(),
        distance => ptr::with_exposed_provenance_mut(origin().wrapping_add(distance)),
    }
}

/// The word of the region `p` lies in.
#[inline(always)]
pub fn word(p: usize) -> usize {
    word_under(p >> 32, p)
}

/// As [`word`] for a multiple of 16, and its granule's number; a word of 0 for every other
/// address, beyond the table or not.
///
/// Rotating the four low bits to the top makes one comparison of two, and leaves the granule.
#[inline(always)]
pub fn aligned_word(p: usize) -> (usize, usize) {
    let granule = p.rotate_right(ALIGN.ilog2());
    (word_under(granule >> (32 - ALIGN.ilog2()), p), granule)
}

#[inline(always)]
fn word_under(root: usize, p: usize) -> usize {
    let Some(root) = OWN.table.root.get(root) else {
        return 0;
    };
    let words: *const AtomicUsize =
        ptr::with_exposed_provenance(origin().wrapping_add(root.load(Acquire)));
    // SAFETY: a leaf begins with its words, and so do those of none; leaves are never given
    // back, and the index is cut to 16 bits. Whoever sees a word sees its record too, also a
    // wild pointer's look-up that nothing orders after the entry.
    unsafe { (*words.add((p >> REGION_SHIFT) & (LEAF - 1))).load(Acquire) }
}

/// The record of the region `p` lies in; null if it is nobody's.
#[inline]
pub fn record(p: usize) -> *mut Record {
    let leaf = leaf(p);
    if leaf.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: as in `word`.
    unsafe {
        (*leaf)
            .record
            .get_unchecked((p >> REGION_SHIFT) & (LEAF - 1))
            .load(Acquire)
    }
}

/// The word of the slot at `base`.
pub fn slot_word(base: usize, states: usize, class: usize) -> usize {
    states.wrapping_sub(base / ALIGN) | class << BIN_SHIFT
}

/// Whether a word is a slot's. Class 0 is no run's, so a slot's word is more than [`CHUNKS`].
#[inline(always)]
pub fn is_slot(word: usize) -> bool {
    word > CHUNKS
}

/// Address of the state byte of the object that starts at `p`, by its slot's word.
#[inline(always)]
pub fn state_at(word: usize, p: usize) -> *mut u8 {
    state_of(word, p / ALIGN)
}

/// The same, by the number of the granule.
#[inline(always)]
pub fn state_of(word: usize, granule: usize) -> *mut u8 {
    ptr::with_exposed_provenance_mut((word & !BIN).wrapping_add(granule))
}

/// Makes the leaf for `p` exist.
fn leaf_or_new(p: usize) -> Option<*mut Leaf> {
    let root = OWN.table.root.get(p >> 32)?;
    let found = leaf(p);
    if !found.is_null() {
        return Some(found);
    }
    let new = if FIRST_TAKEN.swap(true, Relaxed) {
        side::take(size_of::<Leaf>())?
    } else {
        (&raw const OWN.first).expose_provenance()
    };
    // If another arena was first its leaf serves, and ours, never touched, costs no memory.
    let _ = root.compare_exchange(0, new.wrapping_sub(origin()), Release, Acquire);
    Some(leaf(p))
}

/// Enters the regions of `[from, to)` as chunks of `heap`; all of them, or on failure none.
///
/// # Safety
/// The range is whole regions of memory that `heap` owns; the arena is locked.
pub unsafe fn enter(from: usize, to: usize, heap: *mut Heap) -> bool {
    let mut at = from;
    while at < to {
        let entered = leaf_or_new(at).and_then(|_| {
            let existing = record(at);
            if existing.is_null() {
                side::zeroed(size_of::<Record>())
            } else {
                Some(existing.expose_provenance())
            }
        });
        let Some(address) = entered else {
            // SAFETY: entered a moment ago by the loop.
            unsafe { leave(from, at) };
            return false;
        };
        let new: *mut Record = ptr::with_exposed_provenance_mut(address);
        // SAFETY: the record is ours alone until the word is published below.
        unsafe {
            (*new).heap = heap;
            (*new).base = at;
            let leaf = leaf(at);
            let i = (at >> REGION_SHIFT) & (LEAF - 1);
            (*leaf).record.get_unchecked(i).store(new, Release);
            (*leaf).word.get_unchecked(i).store(CHUNKS, Release);
        }
        at += REGION;
    }
    true
}

/// Takes regions out; their records stay for whoever gets the address next (I11).
///
/// # Safety
/// Nothing live is in `[from, to)`, and no record of it is on a list; the arena is locked.
pub unsafe fn leave(from: usize, to: usize) {
    let mut at = from;
    while at < to {
        set_word(at, 0);
        at += REGION;
    }
}

/// Changes a region's role. Arena locked, the region is ours.
pub fn set_word(p: usize, word: usize) {
    let leaf = leaf(p);
    if !leaf.is_null() {
        // SAFETY: as in `word`.
        unsafe {
            (*leaf)
                .word
                .get_unchecked((p >> REGION_SHIFT) & (LEAF - 1))
                .store(word, Release)
        };
    }
}

impl Record {
    #[inline]
    fn bit(&self, p: usize) -> (&AtomicU64, u64) {
        let g = (p & (REGION - 1)) / ALIGN;
        // SAFETY: the granule is below 4096, so the word is below 64.
        (unsafe { self.map.get_unchecked(g / 64) }, 1 << (g % 64))
    }
    /// Whether the granule of `p` is marked.
    #[inline]
    pub fn is_marked(&self, p: usize) -> bool {
        let (word, bit) = self.bit(p);
        word.load(Relaxed) & bit != 0
    }
    /// Marks the granule of `p`; false if it was marked before. Arena locked.
    #[inline]
    pub fn mark(&self, p: usize) -> bool {
        let (word, bit) = self.bit(p);
        let was = word.load(Relaxed);
        word.store(was | bit, Relaxed);
        was & bit == 0
    }
    /// Unmarks the granule of `p`; false if it was not marked. Arena locked.
    #[inline]
    pub fn unmark(&self, p: usize) -> bool {
        let (word, bit) = self.bit(p);
        let was = word.load(Relaxed);
        word.store(was & !bit, Relaxed);
        was & bit != 0
    }
}
