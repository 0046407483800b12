//! What an arena has beyond any other that is a heap of the program's own: a bound, and an end.
//!
//! It has no runs, so that all of its regions are chunks and have one word, which no fast path knows
//! ([`region::NAMED`]).

use super::bins::Bins;
use super::decay::Decay;
use super::extents::Extents;
use super::heap::Heap;
use super::top::Top;
use super::{Arena, State, records};
use crate::config::{MAX_ARENAS, REGION};
use crate::{os, region};
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

/// See above.
pub(crate) struct Own {
    /// Bytes of heaps and mapped chunks together that it may have, 0 for any number.
    bound: usize,
    /// Of heaps that ended, or could not begin: what is known of them, for the next ones, since it
    /// is never given back (I11).
    shells: *mut Heap,
}

impl Own {
    /// No bound.
    pub(super) const fn new() -> Self {
        Self {
            bound: 0,
            shells: ptr::null_mut(),
        }
    }

    /// Memory for what is known of a heap.
    pub(super) fn shell(&mut self) -> Option<usize> {
        // SAFETY: heaps live as long as the process (I11), and these are the locked arena's (I10).
        let first = unsafe { self.shells.as_ref()? };
        self.shells = first.older;
        Some(ptr::from_ref(first).expose_provenance())
    }

    /// # Safety
    /// A heap of this locked arena's that has no regions, and is on no list.
    pub(super) const unsafe fn keep(&mut self, heap: *mut Heap) {
        // SAFETY: the caller's.
        unsafe { (*heap).older = self.shells };
        self.shells = heap;
    }
}

impl Arena {
    /// Whether it is a heap of the program's own.
    pub(crate) const fn is_named(&self) -> bool {
        self.index >= MAX_ARENAS
    }

    /// Makes a bound for it that has nothing.
    pub(crate) fn set_bound(&self, bytes: usize) {
        self.lock().own.bound = bytes;
    }

    /// Promises so many bytes to a mapped chunk, which are to be taken off `beside` again when that
    /// counts itself; whether its bound permits them.
    pub(crate) fn promise(&self, bytes: usize) -> bool {
        let state = self.lock();
        let may = state.permits(bytes);
        if may {
            self.beside.fetch_add(bytes, Relaxed);
        }
        may
    }

    /// Ends it: its regions are nobody's, whatever lies there, and its memory and its addresses go
    /// back. It is as it was when it was made, and takes as long as it has regions.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        // Nobody asks the kernel for pages of it meanwhile.
        let _asked = self.purging.acquire();
        state.drop_spare();
        let (mut stay, mut heap) = (ptr::null_mut(), state.top.heap());
        while !heap.is_null() {
            // SAFETY: a heap of this arena's list, all of which ends.
            heap = unsafe { state.end_in_use(heap, &mut stay) };
        }
        while let Some(vacant) = state.heaps.vacant.take(0) {
            // SAFETY: taken off the list; it has no regions.
            unsafe { state.end_in_use(vacant, &mut stay) };
        }
        state.top = Top::new();
        state.decay = Decay::new();
        state.extents = Extents::new();
        state.waiting.end();
        state.bins = Bins::new();
        state.heaps.end();
        state.own.bound = 0;
        while !stay.is_null() {
            // SAFETY: as above.
            unsafe {
                let next = (*stay).older;
                state.heaps.vacant.put(stay);
                stay = next;
            }
        }
        for sum in [&self.live, &self.idle, &self.seen] {
            sum.store(0, Relaxed);
        }
        self.refusal.store(false, Relaxed);
        // The next heap that is made here is another.
        self.counters.clear();
    }
}

impl State {
    /// What its regions are for who looks up an address.
    pub(super) fn word(&self) -> usize {
        // SAFETY: `me` is set by every lock, and arenas live forever.
        if unsafe { (*self.me).is_named() } {
            region::NAMED
        } else {
            region::CHUNKS
        }
    }

    /// Whether it may have so many bytes more.
    pub(super) fn permits(&self, bytes: usize) -> bool {
        self.own.bound == 0 || self.is_within(bytes)
    }

    #[cold]
    fn is_within(&self, bytes: usize) -> bool {
        // SAFETY: as in `word`.
        let beside = unsafe { (*self.me).beside.load(Relaxed) };
        let all = self.heaps.bytes().saturating_add(beside);
        all.saturating_add(bytes) <= self.own.bound
    }

    /// Ends a heap with what is in it; the next older one. Where the kernel does not take its
    /// addresses it is put before those that `stay`, and is as if it had never been used.
    ///
    /// # Safety
    /// A heap of this locked arena, which ends: no list and no sum is kept right.
    unsafe fn end_in_use(&mut self, heap: *mut Heap, stay: &mut *mut Heap) -> *mut Heap {
        // SAFETY: the caller's; heaps live as long as the process (I11).
        let heap = unsafe { &mut *heap };
        let (base, end, older) = (heap.base, heap.end(), heap.older);
        for at in (base..end).step_by(REGION) {
            // SAFETY: a region of this arena has a record (I8), and no list outlives it.
            unsafe { records::clear(records::of(at)) };
        }
        // SAFETY: what is live there ends, says the caller, and the records are on no list.
        unsafe { region::leave(base, end) };
        records::forget(base, end);
        self.counters().shrunk.add(end - base);
        let (open, (from, to)) = (heap.open(), heap.mapped());
        heap.end_at(base);
        // SAFETY: the reservation is this heap's, and nobody's any more.
        unsafe {
            if os::unmap(from, to - from) {
                self.own.keep(heap);
            } else {
                if !os::purge(base, open - base) {
                    ptr::with_exposed_provenance_mut::<u8>(base).write_bytes(0, open - base);
                }
                heap.older = *stay;
                *stay = heap;
            }
        }
        older
    }
}
