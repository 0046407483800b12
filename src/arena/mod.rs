//! An arena: bins, fastbins, runs and top, behind one lock.
//!
//! Everything here happens with the arena locked (I10): the functions hang on [`State`], and the
//! only way to a `State` is [`Arena::lock`]. The thread caches see batches of [`Entry`], never
//! the insides.

pub(crate) mod bins;
pub(crate) mod check;
pub(crate) mod fastbins;
pub(crate) mod grow;
pub(crate) mod heap;
pub(crate) mod records;
pub(crate) mod runs;
pub(crate) mod slots;
pub(crate) mod split;
pub(crate) mod strip;
pub(crate) mod surplus;
pub(crate) mod trim;

use crate::chunk::Chunk;
use crate::class::{CLASSES, RUNS};
use crate::object::ObjectState;
use crate::sync::{Guard, Lock};
use bins::Bins;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use heap::Heap;
use records::{List, Record};

/// One freed object or chunk on its way between a cache and an arena.
///
/// The witness lets the cache see, without looking anything up, that what it hands out is what it
/// took.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Entry {
    /// The payload.
    pub p: usize,
    witness: Witness,
}

/// Which of the two it is the class of the entry's bin says.
#[derive(Clone, Copy)]
#[repr(C)]
union Witness {
    /// The object's state.
    state: ObjectState,
    /// Size word and tag of the freed chunk. Two words, as in the header: read as one after a
    /// write of one half, either would wait for the processor's store buffer.
    header: [u32; 2],
}

impl Entry {
    /// No entry.
    pub(crate) const NONE: Self = Self {
        p: 0,
        witness: Witness {
            state: ObjectState(0),
        },
    };
    /// A freed object and its state.
    #[inline(always)]
    pub(crate) const fn object(p: usize, state: ObjectState) -> Self {
        let witness = Witness { state };
        Self { p, witness }
    }
    /// Writes a freed chunk, its size word without the P flag, and its tag, half by half.
    ///
    /// # Safety
    /// There is room for an entry.
    #[inline(always)]
    pub(crate) unsafe fn write_chunk(entry: *mut Self, p: usize, covered: u32, tag: u32) {
        // SAFETY: the caller's.
        unsafe {
            (*entry).p = p;
            (*entry).witness.header[0] = covered;
            (*entry).witness.header[1] = tag;
        }
    }
    /// Becomes the entry of a freed chunk.
    pub(crate) fn set_chunk(&mut self, c: Chunk) {
        // SAFETY: an entry.
        unsafe { Self::write_chunk(self, c.payload(), c.head().covered(), c.tag()) };
    }
    /// The state of an entry that is an object.
    #[inline(always)]
    pub(crate) const fn state(&self) -> ObjectState {
        // SAFETY: every bit pattern is a number.
        unsafe { self.witness.state }
    }
    /// Size word and tag of an entry that is a chunk.
    #[inline(always)]
    pub(crate) const fn header(&self) -> [u32; 2] {
        // SAFETY: every bit pattern is a pair of numbers.
        unsafe { self.witness.header }
    }
}

/// An arena: the lock, and what it guards.
///
/// The long tables come last, here and in [`State`]: what a process needs that has hardly begun is
/// on one page then.
#[repr(C)]
pub(crate) struct Arena {
    pub(crate) lock: Lock,
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
    /// Objects of each run class that are out: in use, or in a cache. Late by what caches have cut
    /// and not told yet; read by caches that wonder how large a part of them they hold.
    pub out: [AtomicUsize; RUNS + 1],
    state: UnsafeCell<State>,
}

// SAFETY: `state` is reached only through `lock`.
unsafe impl Sync for Arena {}

/// What an arena's lock guards.
#[repr(C)]
pub(crate) struct State {
    pub(crate) me: *const Arena,
    /// Payload of top; 0 before the first heap.
    pub(crate) top: usize,
    /// From here to the end of the newest heap no byte was ever used: known to be zero.
    pub(crate) fresh: usize,
    /// The newest heap, the one that holds top.
    pub(crate) heap: *mut Heap,
    /// Bytes of the chunks in fastbins, and of the objects that rest.
    pub(crate) fast_bytes: usize,
    /// See `fast_bytes`.
    pub(crate) resting: usize,
    /// Regions in which chunks wait; those that are mostly waiting come first.
    pub(crate) waiting: List,
    /// Slots without live objects, and their number.
    pub(crate) empty: List,
    /// See `empty`.
    pub(crate) empty_slots: usize,
    /// All slots.
    pub(crate) all_slots: usize,
    /// Bytes of chunks in bins.
    pub(crate) free: usize,
    /// Bytes of slots that no object or strip has, but for pages that were purged.
    pub(crate) vacant: usize,
    /// Bytes of these pages.
    pub(crate) purged: usize,
    /// Bytes of free chunks large enough to purge that were not purged yet.
    pub(crate) dirty: usize,
    /// When dirty chunks are purged.
    pub(crate) decay: trim::Decay,
    /// A reservation that holds no heap, and that the kernel would not take back.
    pub(crate) spare: Option<heap::Reservation>,
    /// Bytes got from the system, now and at most.
    pub(crate) system: usize,
    /// See `system`.
    pub(crate) system_peak: usize,
    /// Somebody else moves the break too: the main arena uses reservations from now on.
    pub(crate) break_lost: bool,
    /// Whether the heap grows for something that need not be used from end to end.
    pub(crate) sparse: bool,
    /// Slots with something to give, by their bounds.
    pub(crate) slots: [List; slots::LONG + 1],
    /// Freed chunks that wait uncoalesced, and freed objects that rest, a stack per class.
    pub(crate) fast: [fastbins::Stack; CLASSES],
    pub(crate) bins: Bins,
}

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
            index: 0,
            threads: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            live: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            out: [const { AtomicUsize::new(0) }; RUNS + 1],
            state: UnsafeCell::new(State {
                me: ptr::null(),
                top: 0,
                fresh: 0,
                heap: ptr::null_mut(),
                fast_bytes: 0,
                resting: 0,
                waiting: List::new(),
                empty: List::new(),
                empty_slots: 0,
                all_slots: 0,
                free: 0,
                vacant: 0,
                purged: 0,
                dirty: 0,
                decay: trim::Decay::new(),
                spare: None,
                system: 0,
                system_peak: 0,
                break_lost: false,
                sparse: false,
                slots: [const { List::new() }; slots::LONG + 1],
                fast: [const { fastbins::Stack::new() }; CLASSES],
                bins: Bins::new(),
            }),
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

/// The arena that owns a region.
///
/// # Safety
/// `record` is one of the region table's, not null.
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
