//! The one lookup: what an address belongs to, found without reading the address's memory.
//!
//! `layout::table` says what the words mean. The root and the first leaf are static, a leaf per
//! further 4 GiB is mapped when first needed.

pub(crate) use crate::layout::table::{CHUNKS, NAMED, is_chunks, is_slot, slot_word};

use crate::config::{ALIGN, GRANULES, REGION, round_up};
use crate::layout::table::{
    GROUP, GROUP_BYTES, LEAF, LEAF_BYTES, ROOT_SHIFT, ROOTS, STATED, TABLE_BYTES, entry,
};
use crate::statics::STATICS;
use crate::sync::Lock;
use crate::{os, side};
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
    group: [Group; LEAF / GROUP],
}

/// Bytes of a record, and of all that the arena keeps of a group: its records come first.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub record: usize,
    pub group: usize,
}

/// Where what is known of a group of regions lies side by side; 0 before any of it was needed.
#[repr(C)]
pub(crate) struct Group {
    /// Their records.
    records: AtomicUsize,
    /// The states of slots in a part of them.
    states: [AtomicUsize; GROUP / STATED],
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
const _: () = assert!(size_of::<Group>() == GROUP_BYTES);

static FIRST_TAKEN: AtomicBool = AtomicBool::new(false);

/// Held while regions are entered, and while what is known of nobody's goes back, whose group may be
/// shared by heaps of several arenas. Of the locks side memory's is further in.
pub(crate) static LOCK: Lock = Lock::new();
/// Bytes of addresses that one holding of the lock forgets; a leaf holds whole ones.
const STEP: usize = if cfg!(miri) { 4 } else { 16 } * GROUP * REGION;

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

/// The address of the record of the region `p` lies in; 0 if it never was
/// anybody's. Where the region is nobody's any more, the record may be zeros.
#[inline]
pub(crate) fn record(p: usize, sizes: Sizes) -> usize {
    let leaf = leaf(p);
    if leaf.is_null() {
        return 0;
    }
    // SAFETY: as in `word`.
    let group = unsafe { (*leaf).group.get_unchecked(entry(p) / GROUP) };
    match group.records.load(Acquire) {
        0 => 0,
        records => records + entry(p) % GROUP * sizes.record,
    }
}

/// The address of the record of the region with chunks that `p`, a multiple of 16, lies in; 0 for every
/// other address.
#[inline(always)]
pub(crate) fn record_of_chunks(p: usize, sizes: Sizes) -> usize {
    let (word, _) = aligned_word(p);
    if !is_chunks(word) {
        return 0;
    }
    let leaf = leaf(p);
    // SAFETY: as in `word`; a region with a word has a leaf.
    let group = unsafe { (*leaf).group.get_unchecked(entry(p) / GROUP) };
    group.records.load(Acquire) + entry(p) % GROUP * sizes.record
}

/// Where the states of a slot in the region `p` lies in are to be: zeros that nobody else has. The
/// region is in the table.
pub(crate) fn states(p: usize) -> Option<usize> {
    let leaf = leaf(p);
    if leaf.is_null() {
        return None;
    }
    let _held = LOCK.acquire();
    // SAFETY: as in `word`.
    let group = unsafe { (*leaf).group.get_unchecked(entry(p) / GROUP) };
    let place = group.states.get(entry(p) % GROUP / STATED)?;
    let mut block = place.load(Relaxed);
    if block == 0 {
        block = side::forever(STATED * GRANULES)?;
        place.store(block, Relaxed);
    }
    Some(block + entry(p) % STATED * GRANULES)
}

/// Makes the leaf for `p` exist. The lock is held.
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
    root.store(new.wrapping_sub(origin()), Release);
    Some(leaf(p))
}

/// Enters the regions of `[from, to)` with a word; all of them, or on failure none. `fill` is told
/// each record's address and its region's base before anybody can look the record up there: zeros,
/// or what [`leave`] left.
///
/// # Safety
/// The range is whole regions of memory that a heap owns; its arena is locked.
pub(crate) unsafe fn enter(
    from: usize,
    to: usize,
    sizes: Sizes,
    word: usize,
    fill: impl Fn(usize, usize),
) -> bool {
    let _held = LOCK.acquire();
    let mut at = from;
    while at < to {
        let i = entry(at);
        let found = leaf_or_new(at).and_then(|leaf| {
            // SAFETY: leaves are never given back, and the index is cut to the length.
            let place = unsafe { &(*leaf).group.get_unchecked(i / GROUP).records };
            let records = match place.compare_exchange(0, 0, Acquire, Acquire) {
                Ok(_) => side::forever(sizes.group)?,
                Err(existing) => existing,
            };
            Some((leaf, records))
        });
        let Some((leaf, records)) = found else {
            // SAFETY: entered a moment ago by the loop.
            unsafe { leave(from, at) };
            return false;
        };
        fill(records + i % GROUP * sizes.record, at);
        // SAFETY: as above.
        unsafe {
            let group = (*leaf).group.get_unchecked(i / GROUP);
            group.records.store(records, Release);
            (*leaf).word.get_unchecked(i).store(word, Release);
        }
        at += REGION;
    }
    true
}

/// Takes regions out. Their records may be zeros from now on, and stay as they are until
/// [`forget`], or until others are entered there (I11).
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

/// Gives back the memory of records, states and words in `[from, to)` as far as whole groups of
/// regions are nobody's. Needs no arena's lock: none of them is entered meanwhile, and whoever looks
/// one up all the same, by a pointer that is stale, reads what it was or zeros.
pub(crate) fn forget(from: usize, to: usize, sizes: Sizes) {
    let mut at = from & !(GROUP * REGION - 1);
    while at < to {
        let end = to.min((at | (STEP - 1)) + 1);
        let _held = LOCK.acquire();
        forget_groups(at, end, sizes);
        forget_words(at, end);
        at = end;
    }
}

/// As [`forget`], of records and states. The lock is held.
fn forget_groups(from: usize, to: usize, sizes: Sizes) {
    let mut gone = Stretch(0, 0);
    let mut at = from;
    while at < to {
        let (leaf, i) = (leaf(at), entry(at));
        if !leaf.is_null() && is_free(leaf, i, i + GROUP) {
            // SAFETY: as in `word`; the blocks are nobody's but these regions'.
            unsafe {
                let group = (*leaf).group.get_unchecked(i / GROUP);
                gone.add(group.records.load(Relaxed), sizes.group);
                for states in &group.states {
                    gone.add(states.load(Relaxed), STATED * GRANULES);
                }
            }
        }
        at += GROUP * REGION;
    }
    // SAFETY: as above.
    unsafe { gone.purge() };
}

/// As [`forget`], of the words of one leaf. The lock is held.
fn forget_words(from: usize, to: usize) {
    let leaf = leaf(from);
    if leaf.is_null() {
        return;
    }
    let each = os::page() / size_of::<usize>();
    // SAFETY: as in `word`.
    let words = unsafe { (&raw const (*leaf).word).expose_provenance() };
    // Pages begin with this word, or so many later.
    let first = (round_up(words, os::page()) - words) / size_of::<usize>();
    let (i, end) = (entry(from), entry(to - 1) + 1);
    let mut at = first + i.saturating_sub(first) / each * each;
    while at < end && at + each <= LEAF {
        if is_free(leaf, at, at + each) {
            // SAFETY: a page of zeros, none of which anybody changes while the lock is held.
            unsafe { os::purge(words + at * size_of::<usize>(), os::page()) };
        }
        at += each;
    }
}

/// Whether regions of a leaf are nobody's.
fn is_free(leaf: *const Leaf, from: usize, to: usize) -> bool {
    // SAFETY: as in `word`.
    let words = unsafe { (*leaf).word.get(from..to) };
    words.is_some_and(|words| words.iter().all(|word| word.load(Relaxed) == 0))
}

/// Memory to be given back by one call.
struct Stretch(usize, usize);

impl Stretch {
    /// Adds a block, if it is one; what it does not touch goes first.
    ///
    /// # Safety
    /// Side memory that nobody needs the contents of.
    unsafe fn add(&mut self, at: usize, len: usize) {
        if at != 0 && at != self.1 {
            // SAFETY: the caller's, of what was added before.
            unsafe { self.purge() };
            *self = Self(at, at);
        }
        if at != 0 {
            self.1 = at + len;
        }
    }

    /// # Safety
    /// As for [`Self::add`].
    unsafe fn purge(&self) {
        let page = os::page();
        let (from, to) = (round_up(self.0, page), self.1 & !(page - 1));
        if from < to {
            // SAFETY: the caller's.
            unsafe { os::purge(from, to - from) };
        }
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
