//! The last chunks above the classes: a thread that takes and frees the same large size again and
//! again is given the same chunk, without the arena's lock.
//!
//! There are few places, each for one size. A place gets a chunk only after its size was asked for
//! right behind a free of that size: what grows by way of many sizes, or is taken once and freed,
//! goes back to the arena at once. What the places hold counts against the cache's budget, and goes
//! back when it was not used for a while, with a trim, and when its place is needed for another size.

use super::{Cache, swapped, thread};
use crate::arena::{Entry, owner, records};
use crate::chunk::Chunk;
use crate::class::{self, CLASSES};
use crate::config::{ALIGN, CACHE_LIMIT, HEADER, round_up};
use crate::layout::places::cache as places;
use crate::region::{self, CHUNKS};
use crate::{arenas, fatal};
use core::cell::Cell;
use core::mem::offset_of;
use core::ptr;

/// Places of a cache.
const PLACES: usize = 4;
/// Largest request that they serve, bytes.
pub(crate) const LIMIT: usize = 1 << 20;
/// Most bytes in all places of a cache: one of the largest.
const BYTES: usize = LIMIT + (64 << 10);
/// Requests served between two looks after an arena.
const LOOK_AFTER: u32 = 4;

/// A place for a chunk of one size.
#[repr(C)]
struct Place {
    /// Bytes of its chunk, header included; 0 for a place without a size.
    size: Cell<usize>,
    /// The same while a freed chunk of it would be kept.
    wants: Cell<usize>,
    /// The freed chunk; none if its `p` is 0.
    entry: Cell<Entry>,
    /// Whether the size was asked for since the last look for idle ones.
    busy: Cell<bool>,
}

const _: () = assert!(
    offset_of!(Place, size) == 0
        && offset_of!(Place, entry) == places::PLACE_HOLDS
        && size_of::<Place>() == places::PLACE
        && PLACES == places::PLACE_COUNT
);

impl Place {
    fn held(&self) -> usize {
        if self.entry.get().p == 0 {
            0
        } else {
            self.size.get()
        }
    }
}

/// All places of a cache.
#[repr(C)]
pub(super) struct Places {
    all: [Place; PLACES],
    /// Bytes of the last freed chunk above the classes that was not kept.
    freed: Cell<usize>,
    /// The hand's: which place is looked at next.
    next: Cell<usize>,
    /// Bytes that they may still hold.
    left: Cell<usize>,
    /// Requests served.
    served: Cell<u32>,
}

impl Places {
    /// Chunks held, and their bytes. Their thread may be about to change that.
    pub(super) fn all_held(&self) -> (usize, usize) {
        let held = self.all.iter().map(Place::held).filter(|&bytes| bytes != 0);
        held.fold((0, 0), |(n, all), bytes| (n + 1, all + bytes))
    }

    /// The place that the hand is at, which moves on.
    fn hand(&self) -> Option<&Place> {
        let next = self.next.get();
        self.next.set(next.wrapping_add(1));
        self.all.get(next % PLACES)
    }

    /// Empties a place, for any size.
    fn clear(&self, place: &Place) {
        let entry = place.entry.replace(Entry::NONE);
        let before = place.size.replace(0);
        place.wants.set(0);
        if entry.p != 0 {
            self.left.set(self.left.get() + before);
            give_back(entry, before);
        }
    }

    /// Gives back what was not used since the last time.
    pub(super) fn clear_idle(&self) {
        for place in &self.all {
            if !place.busy.replace(false) && place.size.get() != 0 {
                self.clear(place);
            }
        }
    }

    /// Gives everything back.
    pub(super) fn clear_all(&self) {
        for place in &self.all {
            self.clear(place);
        }
    }
}

/// A chunk for `n` bytes, above the classes; null if there is none.
pub(crate) fn take(n: usize) -> *mut u8 {
    take_or(n, |_| ptr::null_mut())
}

/// As [`take`], or what `otherwise` finds. All that is rare is the last thing done, so that it
/// needs no stack frame.
#[inline(always)]
pub(crate) fn take_or(n: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
    if n > LIMIT {
        return otherwise(n);
    }
    let Some(cache) = thread::uncovered() else {
        return otherwise(n);
    };
    // SAFETY: this thread's own cache.
    let places = unsafe { &(*cache).large };
    let size = round_up(n + HEADER, ALIGN);
    let Some(place) = places.all.iter().find(|place| place.size.get() == size) else {
        // SAFETY: as above.
        return unsafe { (*cache).expect_large(n, size, otherwise) };
    };
    place.busy.set(true);
    let entry = place.entry.get();
    if entry.p == 0 {
        let again = places.freed.replace(0) == size;
        place.wants.set(if again { size } else { 0 });
        return otherwise(n);
    }
    place.wants.set(size);
    place.entry.set(Entry::NONE);
    places.left.set(places.left.get() + size);
    // SAFETY: a cached chunk's header is mapped memory (I8).
    let c = unsafe { Chunk::at(entry.p) };
    if !c.take_up(size as u32, || entry.tag()) {
        return swapped(c.payload());
    }
    // A thread that lives on such chunks alone takes no slower way, and has its turn all the same.
    places.served.set(places.served.get().wrapping_add(1));
    if places.served.get().is_multiple_of(LOOK_AFTER) {
        return take_turn(c.payload());
    }
    ptr::with_exposed_provenance_mut(c.payload())
}

/// The turn of a thread that may take no slower way: at looking after others, and at following a
/// trim. It is served `p`.
#[cold]
#[inline(never)]
fn take_turn(p: usize) -> *mut u8 {
    arenas::look_after(None);
    if let Some(cache) = thread::existing() {
        // SAFETY: this thread's own cache.
        unsafe { (*cache).follow_trims() };
    }
    ptr::with_exposed_provenance_mut(p)
}

/// Takes back the chunk at `p`, vetting it first; false if there is no place for it, in which case
/// nothing was changed.
#[inline(never)]
pub(crate) fn put(p: usize) -> bool {
    let (word, _) = region::aligned_word(p);
    if word != CHUNKS {
        return false;
    }
    // SAFETY: a header below a payload of a heap's region is mapped memory (I8).
    let c = unsafe { Chunk::at(p) };
    // As in `put_if`: a header whose tag says "in use" is a plain one's here.
    let covered = c.head().covered();
    let tag = c.expected_under(covered);
    covered as usize > CACHE_LIMIT && c.tag() == tag && put_vetted(p, covered, tag)
}

/// As [`put`], for a plain chunk above the classes whose header was vetted: the half of it that the
/// tag covers, and the tag.
#[inline(always)]
pub(crate) fn put_vetted(p: usize, covered: u32, tag: u32) -> bool {
    let Some(cache) = thread::existing() else {
        return false;
    };
    let size = covered as usize;
    // SAFETY: this thread's own cache.
    let places = unsafe { &(*cache).large };
    let Some(place) = places.all.iter().find(|place| place.wants.get() == size) else {
        places.freed.set(size);
        return false;
    };
    let Some(left) = places.left.get().checked_sub(size) else {
        return false;
    };
    places.left.set(left);
    place.wants.set(0);
    // SAFETY: the caller vetted it: its header is mapped memory (I8).
    unsafe { Chunk::at(p) }.turn_found(tag);
    place.entry.set(Entry::chunk(p, tag));
    true
}

impl Cache {
    /// A request of `n` bytes for whose size there is no place; it is served by `otherwise`.
    #[cold]
    #[inline(never)]
    fn expect_large(&self, n: usize, size: usize, otherwise: fn(usize) -> *mut u8) -> *mut u8 {
        self.look_around();
        let places = &self.large;
        // A request without a free of its size before it would make a place for nothing. But each such
        // request moves a hand on, and what was not used since the hand was there goes back.
        let again = places.freed.replace(0) == size;
        if let Some(place) = places.hand()
            && !place.busy.replace(false)
        {
            places.clear(place);
        }
        if again {
            self.make_place(size);
        }
        otherwise(n)
    }

    /// Makes a place for chunks of a size, of which the next that is freed is kept.
    #[cold]
    #[inline(never)]
    fn make_place(&self, size: usize) {
        let places = &self.large;
        if !class::may_cache(CLASSES - 1) {
            return;
        }
        let empty = places.all.iter().find(|place| place.size.get() == 0);
        let Some(place) = empty.or_else(|| places.hand()) else {
            return;
        };
        places.clear(place);
        // What they may hold is counted anew when a size comes: threads come and go.
        let held: usize = places.all.iter().map(Place::held).sum();
        let left = BYTES.min(self.spare()).saturating_sub(held);
        places.left.set(left);
        place.size.set(size);
        place.wants.set(size);
        place.busy.set(true);
    }
}

/// Gives a freed chunk back to its arena.
fn give_back(entry: Entry, size: usize) {
    // SAFETY: a cached chunk was vetted: its header is mapped, and its region has a record (I8).
    let (c, mut state) = unsafe {
        let arena = owner(records::of(entry.p));
        (Chunk::at(entry.p), arena.lock())
    };
    if !c.is_left(size as u32, entry.tag()) {
        fatal::die("malloc(): memory corruption (fast)", entry.p);
    }
    state.release(c, size);
    state.audit();
    state.settle();
}
