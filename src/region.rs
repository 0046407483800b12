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
//!        bias              a slot of runs. Its state page less the first granule's number: a
//!                          pointer's granule added to it is the address of its state
//! ```

use crate::arena::heap::Heap;
use crate::config::{ALIGN, REGION, REGION_SHIFT};
use crate::granules::Granules;
use crate::own::OWN;
use crate::side;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Word of a region with chunks.
pub const CHUNKS: usize = 1;
/// The state of an object of a run is a byte at its start: its class while it is in use, and this
/// bit more once it was given back, to a thread cache or to its slot. 0 is "no object starts
/// here", also once what lay around has become part of another object.
pub const FREED: u8 = 0x80;

/// log2 of the bytes of address space that a leaf is for: 4 GiB. Miri looks at each atomic of what
/// a reference is made to, at each look-up; its addresses are few, and so are these tables there.
const LEAF_SHIFT: u32 = if cfg!(miri) { 23 } else { 32 };
const LEAF: usize = 1 << (LEAF_SHIFT - REGION_SHIFT);

/// What is known of a leaf's addresses.
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
const ROOTS: usize = if cfg!(miri) {
    1 << 7
} else if cfg!(target_arch = "x86_64") {
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
    /// In the list of its role: regions with chunks waiting, or slots by their bound.
    pub next: *mut Record,
    /// The other way.
    pub prev: *mut Record,
    /// As chunks: bytes of chunks that wait in fastbins and start here.
    pub pending: u32,
    /// As a slot: free granules.
    pub free: u32,
    /// As a slot: no free span is longer, granules; `slots::LONG` stands for all that are as long
    /// or longer.
    pub bound: u16,
    /// As a slot: pages that went back to the system and were not used since, a bit each.
    pub purged: u16,
    /// As a slot: the granule from which the next search for a span goes on.
    pub search: u16,
    /// Whether it is on a list.
    pub listed: bool,
    /// Its state page, once it was a slot; 0 before.
    pub states: usize,
    /// A bit a granule. As chunks: a chunk that starts here waits in a fastbin (I7). As a slot:
    /// the granule is part of no object, in use or in a cache (I9).
    pub map: Granules,
}

/// Where distances are counted from.
#[inline(always)]
fn origin() -> usize {
    (&raw const OWN.table.none).expose_provenance()
}

#[inline(always)]
fn leaf(p: usize) -> *mut Leaf {
    // A pointer beyond the table is nobody's.
    match OWN
        .table
        .root
        .get(p >> LEAF_SHIFT)
        .map_or(0, |l| l.load(Acquire))
    {
        0 => ptr::null_mut(),
        distance => ptr::with_exposed_provenance_mut(origin().wrapping_add(distance)),
    }
}

/// The word of the region `p` lies in.
#[inline(always)]
pub fn word(p: usize) -> usize {
    word_under(p >> LEAF_SHIFT, p)
}

/// As [`word`] for a multiple of 16, and its granule's number; a word of 0 for every other
/// address, beyond the table or not.
///
/// Rotating the four low bits to the top makes one comparison of two, and leaves the granule.
#[inline(always)]
pub fn aligned_word(p: usize) -> (usize, usize) {
    let granule = p.rotate_right(ALIGN.ilog2());
    (
        word_under(granule >> (LEAF_SHIFT - ALIGN.ilog2()), p),
        granule,
    )
}

#[inline(always)]
fn word_under(root: usize, p: usize) -> usize {
    let Some(root) = OWN.table.root.get(root) else {
        return 0;
    };
    let words: *const AtomicUsize =
        ptr::with_exposed_provenance(origin().wrapping_add(root.load(Acquire)));
    // SAFETY: a leaf begins with its words, and so do those of none; leaves are never given
    // back, and the index is cut to the length. Whoever sees a word sees its record too, also a
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

/// The word of a slot at `base` with its states there. Both are multiples of 4096, and so is it.
pub fn slot_word(base: usize, states: usize) -> usize {
    states.wrapping_sub(base / ALIGN)
}

/// Whether a word is a slot's.
#[inline(always)]
pub fn is_slot(word: usize) -> bool {
    word > CHUNKS
}

/// The state of the object that starts at `p`, by its slot's word.
#[inline(always)]
pub fn state_at(word: usize, p: usize) -> ObjectState {
    state_of(word, p / ALIGN)
}

/// The same, by the number of the granule.
#[inline(always)]
pub fn state_of(word: usize, granule: usize) -> ObjectState {
    ObjectState(word.wrapping_add(granule))
}

/// Where a granule's state is: see [`FREED`].
///
/// Atomic, since two threads that free the same object by mistake both come here; and because a
/// relaxed load, a change and a relaxed store become one instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct ObjectState(pub usize);

impl ObjectState {
    /// # Safety
    /// The region is a slot, whose states are never unmapped (I9, I11).
    #[inline(always)]
    pub unsafe fn get(self) -> u8 {
        // SAFETY: the caller's.
        unsafe { self.byte() }.load(Relaxed)
    }

    /// In use becomes freed, and freed in use.
    ///
    /// # Safety
    /// As for [`Self::get`].
    #[inline(always)]
    pub unsafe fn turn(self) {
        // SAFETY: the caller's.
        let byte = unsafe { self.byte() };
        byte.store(byte.load(Relaxed) ^ FREED, Relaxed);
    }

    /// An object of a class begins to be in use here.
    ///
    /// # Safety
    /// As for [`Self::get`], and no object has the granules.
    #[inline(always)]
    pub unsafe fn begin(self, class: u8) {
        // SAFETY: the caller's.
        unsafe { self.byte() }.store(class, Relaxed);
    }

    /// # Safety
    /// As for [`Self::get`].
    unsafe fn byte(self) -> &'static AtomicU8 {
        let at: *const AtomicU8 = ptr::with_exposed_provenance(self.0);
        // SAFETY: the caller's.
        unsafe { &*at }
    }
}

/// Makes the leaf for `p` exist.
///
/// Here and in [`enter`] a look is an exchange, which changes nothing: a page of zeros that is
/// read and then written faults twice, and each start of a process would pay for that.
fn leaf_or_new(p: usize) -> Option<*mut Leaf> {
    let root = OWN.table.root.get(p >> LEAF_SHIFT)?;
    if root.compare_exchange(0, 0, Acquire, Acquire).is_err() {
        return Some(leaf(p));
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
        let i = (at >> REGION_SHIFT) & (LEAF - 1);
        let found = leaf_or_new(at).and_then(|leaf| {
            // SAFETY: leaves are never given back, and the index is cut to the length.
            let place = unsafe { (*leaf).record.get_unchecked(i) };
            let none = ptr::null_mut();
            let address = match place.compare_exchange(none, none, Acquire, Acquire) {
                Ok(_) => side::forever(size_of::<Record>())?,
                Err(existing) => existing.expose_provenance(),
            };
            Some((leaf, address))
        });
        let Some((leaf, address)) = found else {
            // SAFETY: entered a moment ago by the loop.
            unsafe { leave(from, at) };
            return false;
        };
        let new: *mut Record = ptr::with_exposed_provenance_mut(address);
        // SAFETY: the record is ours alone until the word is published below.
        unsafe {
            (*new).heap = heap;
            (*new).base = at;
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
