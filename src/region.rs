//! The one lookup: what an address belongs to, found without reading the address's memory.
//!
//! `layout::table` says what the words mean. The root and the first leaf are static, a leaf per
//! further 4 GiB is mapped when first needed.

pub(crate) use crate::layout::table::{CHUNKS, is_slot, slot_word};

use crate::config::{ALIGN, REGION};
use crate::layout::table::{LEAF, LEAF_BYTES, ROOT_SHIFT, ROOTS, TABLE_BYTES, entry};
use crate::side;
use crate::statics::STATICS;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// What is known of 4 GiB of addresses.
///
/// The first leaf that is needed, most often the break's, costs no mapping: the heap can begin
/// when the process has used them up.
#[repr(C)]
pub(crate) struct Leaf {
    word: [AtomicUsize; LEAF],
    record: [AtomicUsize; LEAF],
}

/// The root, and the words of a leaf that nobody entered anything into. An entry is the distance
/// of a leaf from those, so that an entry of 0 leads to them: the fast path has no null to ask
/// for.
#[repr(C)]
pub(crate) struct Table {
    root: [AtomicUsize; ROOTS],
    none: [AtomicUsize; LEAF],
}

const _: () = assert!(size_of::<Table>() == TABLE_BYTES && size_of::<Leaf>() == LEAF_BYTES);

static FIRST_TAKEN: AtomicBool = AtomicBool::new(false);

#[inline(always)]
fn table() -> &'static Table {
    // SAFETY: zeros are a table without leaves, and the piece is nothing else anywhere.
    unsafe { STATICS.table.of() }
}

/// Where distances are counted from.
#[inline(always)]
fn origin() -> usize {
    (&raw const table().none).expose_provenance()
}

#[inline(always)]
fn leaf(p: usize) -> *mut Leaf {
    // A pointer beyond the table is nobody's.
    match table()
        .root
        .get(p >> ROOT_SHIFT)
        .map_or(0, |l| l.load(Acquire))
    {
        0 => ptr::null_mut(),
        distance => ptr::with_exposed_provenance_mut(origin().wrapping_add(distance)),
    }
}

/// The word of the region `p` lies in.
#[inline(always)]
pub(crate) fn word(p: usize) -> usize {
    word_under(p >> ROOT_SHIFT, p)
}

/// As [`word`] for a multiple of 16, and its granule's number; a word of 0 for every other
/// address, beyond the table or not.
///
/// Rotating the four low bits to the top makes one comparison of two, and leaves the granule.
#[inline(always)]
pub(crate) fn aligned_word(p: usize) -> (usize, usize) {
    let granule = p.rotate_right(ALIGN.ilog2());
    (
        word_under(granule >> (ROOT_SHIFT - ALIGN.ilog2()), p),
        granule,
    )
}

#[inline(always)]
fn word_under(root: usize, p: usize) -> usize {
    let Some(root) = table().root.get(root) else {
        return 0;
    };
    let words: *const AtomicUsize =
        ptr::with_exposed_provenance(origin().wrapping_add(root.load(Acquire)));
    // SAFETY: a leaf begins with its words, and so do those of none; leaves are never given
    // back, and the index is cut to the length. Whoever sees a word sees its record too, also a
    // wild pointer's look-up that nothing orders after the entry.
    unsafe { (*words.add(entry(p))).load(Acquire) }
}

/// The address of the record of the region `p` lies in; 0 if it is nobody's.
#[inline]
pub(crate) fn record(p: usize) -> usize {
    let leaf = leaf(p);
    if leaf.is_null() {
        return 0;
    }
    // SAFETY: as in `word`.
    unsafe { (*leaf).record.get_unchecked(entry(p)).load(Acquire) }
}

/// Makes the leaf for `p` exist.
///
/// Here and in [`enter`] a look is an exchange, which changes nothing: a page of zeros that is
/// read and then written faults twice, and each start of a process would pay for that.
fn leaf_or_new(p: usize) -> Option<*mut Leaf> {
    let root = table().root.get(p >> ROOT_SHIFT)?;
    if root.compare_exchange(0, 0, Acquire, Acquire).is_err() {
        return Some(leaf(p));
    }
    let new = if FIRST_TAKEN.swap(true, Relaxed) {
        side::take(size_of::<Leaf>())?
    } else {
        STATICS.leaf.at()
    };
    // If another arena was first its leaf serves, and ours, never touched, costs no memory.
    let _ = root.compare_exchange(0, new.wrapping_sub(origin()), Release, Acquire);
    Some(leaf(p))
}

/// Enters the regions of `[from, to)` as chunks; all of them, or on failure none. `fill` is told
/// each record's address and its region's base before anybody can look the record up there: zeros
/// of `record_bytes`, or what [`leave`] left.
///
/// # Safety
/// The range is whole regions of memory that a heap owns; its arena is locked.
pub(crate) unsafe fn enter(
    from: usize,
    to: usize,
    record_bytes: usize,
    fill: impl Fn(usize, usize),
) -> bool {
    let mut at = from;
    while at < to {
        let i = entry(at);
        let found = leaf_or_new(at).and_then(|leaf| {
            // SAFETY: leaves are never given back, and the index is cut to the length.
            let place = unsafe { (*leaf).record.get_unchecked(i) };
            let record = match place.compare_exchange(0, 0, Acquire, Acquire) {
                Ok(_) => side::forever(record_bytes)?,
                Err(existing) => existing,
            };
            Some((leaf, record))
        });
        let Some((leaf, record)) = found else {
            // SAFETY: entered a moment ago by the loop.
            unsafe { leave(from, at) };
            return false;
        };
        fill(record, at);
        // SAFETY: as above.
        unsafe {
            (*leaf).record.get_unchecked(i).store(record, Release);
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
pub(crate) unsafe fn leave(from: usize, to: usize) {
    let mut at = from;
    while at < to {
        set_word(at, 0);
        at += REGION;
    }
}

/// Changes a region's role. Arena locked, the region is ours.
pub(crate) fn set_word(p: usize, word: usize) {
    let leaf = leaf(p);
    if !leaf.is_null() {
        // SAFETY: as in `word`.
        unsafe { (*leaf).word.get_unchecked(entry(p)).store(word, Release) };
    }
}
