//! Heaps that hold nothing any more. A reservation is never given back; but once all of its heap is
//! one free chunk whose pages went, it is as if nothing had ever been there: the arena forgets the
//! heap, and begins the next one in its place.

use super::State;
use super::bins::LINKS;
use super::heap::Heap;
use super::records;
use crate::chunk::Chunk;
use crate::config::{ALIGN, REGION, round_up};
use crate::{os, region};
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

/// Heaps that one call looks at.
const LOOKS: usize = 8;

/// Heaps without memory, and who is looked at next.
pub(super) struct Vacant {
    /// Linked as an arena's heaps are.
    first: *mut Heap,
    /// The one in front of it in the arena's list; null for that list's first.
    seen: *mut Heap,
}

impl Vacant {
    /// None.
    pub(super) const fn new() -> Self {
        Self {
            first: ptr::null_mut(),
            seen: ptr::null_mut(),
        }
    }

    /// The next look is at the newest.
    pub(super) const fn look_anew(&mut self) {
        self.seen = ptr::null_mut();
    }

    /// Takes one out that has room for so many bytes.
    pub(super) fn take(&mut self, need: usize) -> Option<*mut Heap> {
        let mut link = &raw mut self.first;
        // SAFETY: heaps live as long as the process (I11), and these are the locked arena's (I10).
        unsafe {
            while let Some(heap) = (*link).as_mut() {
                if heap.limit - heap.base >= need {
                    *link = heap.older;
                    return Some(heap);
                }
                link = &raw mut heap.older;
            }
        }
        None
    }

    /// Puts one in.
    ///
    /// # Safety
    /// A heap of this locked arena's that is on no list.
    pub(super) const unsafe fn put(&mut self, heap: *mut Heap) {
        // SAFETY: the caller's.
        unsafe { (*heap).older = self.first };
        self.first = heap;
    }
}

impl State {
    /// Looks at the next few older heaps, and ends the first that holds nothing; whether there was
    /// one, or nothing at the end of the list. Nobody asks the kernel for pages of it meanwhile.
    pub(super) fn vacate(&mut self) -> Option<bool> {
        let newest = self.top.heap();
        // SAFETY: `me` is set by every lock.
        if newest.is_null() || unsafe { (*self.me).refusal.load(Relaxed) } {
            return None;
        }
        for _ in 0..LOOKS {
            let mut newer = self.heaps.vacant.seen;
            if newer.is_null() {
                newer = newest;
            }
            // SAFETY: heaps live as long as the process (I11), and these are this arena's (I10).
            unsafe {
                let Some(heap) = (*newer).older.as_mut() else {
                    self.heaps.vacant.look_anew();
                    return None;
                };
                self.counters().looks.add(1);
                if Self::holds_nothing(heap) {
                    (*newer).older = heap.older;
                    self.end_heap(heap);
                    return Some(true);
                }
                self.heaps.vacant.seen = heap;
            }
        }
        Some(false)
    }

    /// Whether all of an older heap in a reservation is one free chunk whose pages went.
    fn holds_nothing(heap: &Heap) -> bool {
        if heap.is_break() {
            return false;
        }
        // SAFETY: a heap begins with a chunk (I1).
        let c = unsafe { Chunk::at(heap.first()) };
        let (head, end) = (c.head(), heap.end());
        if !head.is_free() || !c.is_freed() || end - (heap.first() + head.size()) > ALIGN {
            return false;
        }
        let mut at = heap.base;
        // SAFETY: a heap's regions have records (I8).
        while at < end && unsafe { (*records::of(at)).pages.idle() }.is_empty() {
            at += REGION;
        }
        at >= end
    }

    /// Ends a heap that holds nothing and is on no list any more.
    fn end_heap(&mut self, heap: &mut Heap) {
        let (base, end, page) = (heap.base, heap.end(), os::page());
        // SAFETY: just looked at; unlinking compares it with all that it should be.
        let size = self.unlink(unsafe { Chunk::at(heap.first()) });
        self.extents.forget(base, end);
        // What of it the heap itself wrote: header and links, foot and fence.
        let last = (heap.first() + size - ALIGN) & !(page - 1);
        for (from, to) in [(base, round_up(heap.first() + LINKS, page)), (last, end)] {
            // SAFETY: the heap's, and nothing is there.
            unsafe {
                if !os::purge(from, to - from) {
                    ptr::with_exposed_provenance_mut::<u8>(from).write_bytes(0, to - from);
                }
            }
        }
        // SAFETY: nothing is there, and no record is on a list.
        unsafe { region::leave(base, end) };
        self.heaps.leave(base, end);
        self.counters().shrunk.add(end - base);
        heap.set_end(base);
        // SAFETY: it is on no list, and this arena's.
        unsafe { self.heaps.vacant.put(heap) };
    }
}
