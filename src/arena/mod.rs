//! An arena: bins, fastbins, runs and top, behind one lock.
//!
//! Everything here happens with the arena locked (I10): the functions hang on [`State`], and the
//! only way to a `State` is [`Arena::lock`]. The thread caches see batches of [`Entry`], never
//! the insides.

mod batch;
pub(crate) mod bins;
pub(crate) mod check;
mod check_pages;
mod counted;
mod decay;
mod entry;
pub(crate) mod extents;
pub(crate) mod fastbins;
pub(crate) mod grow;
pub(crate) mod heap;
mod known;
pub(crate) mod own;
mod page_states;
mod quiet;
pub(crate) mod records;
mod row;
pub(crate) mod runs;
pub(crate) mod seen;
pub(crate) mod shown;
pub(crate) mod slots;
pub(crate) mod split;
pub(crate) mod strip;
pub(crate) mod supply;
pub(crate) mod surplus;
pub(crate) mod top;
mod tree;
mod trim;
mod vacant;

use crate::chunk::{Chunk, Kind};
use crate::class::RUNS;
use crate::layout::counters;
use crate::layout::places::arena as places;
use crate::sync::{Guard, Lock};
use crate::{granules, limit, region};
use bins::Bins;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ops::{Deref, DerefMut};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use counted::Counted;
pub(crate) use entry::Entry;
use records::Record;

/// An arena: the lock, and what it guards.
///
/// The long tables come last, here and in [`State`]: what a process needs that has hardly begun is
/// on one page then.
#[repr(C)]
pub(crate) struct Arena {
    pub(crate) lock: Lock,
    /// Held while the kernel is asked for pages, without the arena's lock. Whoever has that may wait
    /// for this, not the other way round.
    pub(crate) purging: Lock,
    /// The kernel would not have pages that are still marked as gone.
    refusal: AtomicBool,
    /// 0 is the main arena, the one that uses the break.
    pub index: usize,
    /// Threads that refill from here; the least used arena gets the next thread.
    pub threads: AtomicUsize,
    /// Requests of runs so far that no cache could serve, up to [`runs::EARLY`].
    pub asked: AtomicUsize,
    /// Live bytes when the arena last settled; written by it, read by caches.
    pub live: AtomicUsize,
    /// Bytes of its heaps beyond those, likewise.
    pub idle: AtomicUsize,
    /// What slow paths have done; for readers outside, too.
    pub counters: Counted,
    /// Objects of each run class that are out: in use, or in a cache. Late by what caches have cut
    /// and not told yet; read by caches that wonder how large a part of them they hold.
    pub out: [AtomicUsize; RUNS + 1],
    state: UnsafeCell<State>,
    /// What is given back just now. Guarded by `purging`.
    batch: UnsafeCell<batch::Batch>,
    /// What the background thread saw of it last ([`quiet`]).
    seen: AtomicUsize,
    /// Bytes held that the limit was told of. Guarded by the lock.
    told: AtomicUsize,
    /// Of a heap of the program's own: bytes of its mapped chunks, and of those on their way.
    pub beside: AtomicUsize,
}

const _: () = assert!(offset_of!(Arena, counters) == counters::OFFSET);

// SAFETY: `state` is reached only through `lock`, and `batch` with `purging` held.
unsafe impl Sync for Arena {}

/// What an arena's lock guards, in parts. Each keeps its own sums, and only its file writes them.
#[repr(C)]
pub(crate) struct State {
    me: *const Arena,
    /// The last chunk of the newest heap.
    pub top: top::Top,
    /// What the system gave.
    pub heaps: grow::Heaps,
    /// When memory goes back.
    decay: decay::Decay,
    /// Which pages are wholly free.
    pub extents: extents::Extents,
    /// Where objects of runs lie.
    pub slots: slots::Slots,
    /// Freed objects that rest.
    pub resting: runs::Resting,
    /// Freed chunks that wait uncoalesced.
    pub waiting: fastbins::Waiting,
    /// Free chunks.
    pub bins: Bins,
    /// What a heap of the program's own has beyond.
    own: own::Own,
}

const _: () = {
    let parts = [
        offset_of!(State, top),
        offset_of!(State, heaps),
        offset_of!(State, decay),
        offset_of!(State, extents),
        offset_of!(State, slots),
        offset_of!(State, resting),
        offset_of!(State, waiting),
        offset_of!(State, bins),
    ];
    let mut i = 0;
    while i < parts.len() {
        assert!(parts[i] + places::INSIDE == places::PARTS[i]);
        i += 1;
    }
    assert!(offset_of!(Arena, lock) == places::LOCK_OWNER);
    assert!(offset_of!(Arena, index) == places::INDEX);
    assert!(offset_of!(Arena, threads) == places::THREADS);
    assert!(offset_of!(Arena, state) == places::INSIDE);
};

/// A locked arena.
pub(crate) struct Locked<'a> {
    state: &'a mut State,
    _held: Guard<'a>,
}

impl Arena {
    /// An arena without a heap.
    pub(crate) const fn new() -> Self {
        Self {
            lock: Lock::new(),
            purging: Lock::new(),
            refusal: AtomicBool::new(false),
            index: 0,
            threads: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            live: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            counters: Counted::new(),
            out: [const { AtomicUsize::new(0) }; RUNS + 1],
            state: UnsafeCell::new(State {
                me: ptr::null(),
                top: top::Top::new(),
                heaps: grow::Heaps::new(),
                decay: decay::Decay::new(),
                extents: extents::Extents::new(),
                slots: slots::Slots::new(),
                resting: runs::Resting::new(),
                waiting: fastbins::Waiting::new(),
                bins: Bins::new(),
                own: own::Own::new(),
            }),
            batch: UnsafeCell::new(batch::Batch::new()),
            seen: AtomicUsize::new(0),
            told: AtomicUsize::new(0),
            beside: AtomicUsize::new(0),
        }
    }

    /// Makes an arena without a heap.
    ///
    /// # Safety
    /// There is room for one, aligned, and nobody else knows of it.
    pub(crate) unsafe fn begin(at: *mut Self, index: usize) {
        // A constant, so that it is cleared where it lies: by way of the stack, every thread's
        // first call would need two pages of that.
        // SAFETY: the caller's.
        unsafe {
            at.write(const { Self::new() });
            (*at).index = index;
        }
    }

    /// Adds to the count of a class's objects that are out, modulo 2^64.
    pub(crate) fn count_out(&self, class: usize, n: usize) {
        if let Some(count) = self.out.get(class) {
            count.fetch_add(n, Relaxed);
        }
    }

    /// Counts a request of runs; whether it is one of the first, which chunks serve.
    pub(crate) fn is_early(&self) -> bool {
        let early = self.asked.load(Relaxed) < runs::EARLY;
        if early {
            self.asked.fetch_add(1, Relaxed);
        }
        early
    }

    /// The arena, if nobody has it.
    pub(crate) fn try_lock(&self) -> Option<Locked<'_>> {
        let held = self.lock.try_acquire()?;
        // SAFETY: as in `lock`.
        let state = unsafe { &mut *self.state.get() };
        state.me = self;
        Some(Locked { state, _held: held })
    }

    /// Waits for the arena.
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_> {
        let held = self.lock.acquire();
        // SAFETY: the lock is held, and it is not re-entrant: this is the only reference.
        let state = unsafe { &mut *self.state.get() };
        state.me = self;
        Locked { state, _held: held }
    }
}

impl Locked<'_> {
    /// The arena that is locked.
    pub(crate) fn arena(&self) -> &'static Arena {
        // SAFETY: `me` is set by every lock, and arenas live forever.
        unsafe { &*self.me }
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        if limit::is_on() {
            self.tell();
        }
    }
}

impl Locked<'_> {
    /// Tells the limit what is held now.
    #[cold]
    #[inline(never)]
    fn tell(&self) {
        let unused = self.top.unused() + self.extents.gone_bytes();
        let held = self.heaps.bytes().saturating_sub(unused);
        let before = self.arena().told.swap(held, Relaxed);
        if held != before {
            limit::count(held, before);
        }
    }
}

impl Deref for Locked<'_> {
    type Target = State;
    fn deref(&self) -> &State {
        self.state
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state
    }
}

/// Whether what lies behind a chunk in use could be joined to it: what is free, or waits. Asked
/// without the lock, so it may be out of date: a no means a copy, a yes is asked again under it.
#[inline]
pub(crate) fn may_extend(c: Chunk, size: usize) -> bool {
    let next = c.after(size);
    let head = next.head();
    // In use, or in a cache, unless it waits. Whose region is no chunks' any more has no map.
    if head.is(Kind::Plain) {
        return has_waiting(next.payload());
    }
    !(head.is(Kind::Run) || head.is(Kind::Fence))
}

/// Makes a live chunk of `size` bytes one of `wanted` where it is, under its arena's lock; whether it is
/// one now.
#[inline]
pub(crate) fn resize(c: Chunk, size: usize, wanted: usize) -> bool {
    // SAFETY: a chunk's region has a record (I8).
    let mut state = unsafe { owner(records::of(c.payload())) }.lock();
    if !c.is_used() {
        crate::fatal::die("realloc(): invalid pointer", c.payload());
    }
    let done = if wanted <= size {
        state.shrink(c, wanted);
        true
    } else {
        state.extend(c, wanted)
    };
    state.audit();
    state.settle();
    done
}

/// Whether a chunk that starts at `p` waits in a fastbin. Only a holder of the lock can rely on it.
fn is_waiting(p: usize) -> bool {
    region::is_chunks(region::word(p)) && has_waiting(p)
}

/// The same, of a chunk in a region that is known to be chunks'.
#[inline(always)]
fn has_waiting(p: usize) -> bool {
    // SAFETY: a map, once there, can be read (I11).
    unsafe { records::map_of(p).as_ref() }.is_some_and(|map| map.has(granules::number(p)))
}

/// The arena that owns the region `p` lies in, or null. Only a holder of that arena's lock can rely
/// on it.
pub(crate) fn arena_of(p: usize) -> *const Arena {
    // SAFETY: heaps live as long as the process (I11).
    unsafe { records::heap_of(p).as_ref() }.map_or(ptr::null(), |heap| heap.arena)
}

/// The arena that owns a region in which something is in use.
///
/// # Safety
/// `record` is one of the region table's, not null, and something is in use there, or in a cache:
/// the region does not leave its heap.
pub(crate) unsafe fn owner(record: *mut Record) -> &'static Arena {
    // SAFETY: records and heaps live as long as the process (I11), and so do arenas.
    unsafe { &*(*(*record).heap).arena }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test reports by panicking")]

    use super::*;
    use crate::side;
    use std::slice;

    /// The main arena is never made: its static bytes are one.
    #[test]
    fn zeros_are_an_arena_without_a_heap() {
        let at = side::zeroed(size_of::<Arena>()).expect("memory");
        // SAFETY: room for an arena that nobody else knows.
        let bytes = unsafe {
            Arena::begin(ptr::with_exposed_provenance_mut(at), 0);
            slice::from_raw_parts(ptr::with_exposed_provenance::<u8>(at), size_of::<Arena>())
        };
        assert!(bytes.iter().all(|byte| *byte == 0));
    }
}
