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
const HEAPS_AT_ONCE: usize = 8;

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
        for _ in 0..HEAPS_AT_ONCE {
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
        heap.end_at(base);
        // SAFETY: it is on no list, and this arena's.
        unsafe { self.heaps.vacant.put(heap) };
    }
}

#[cfg(test)]
mod tests {
    use crate::arena::grow::Use;
    use crate::cache::thread;
    use crate::knobs::Knobs;
    use crate::os::scripted;
    use crate::{c, check_heap, os, routes, settings};
    use std::vec::Vec;

    /// Heaps of this thread's arena.
    fn heaps() -> usize {
        let state = thread::arena().lock();
        let (mut n, mut heap) = (0, state.top.heap());
        // SAFETY: heaps live as long as the process (I11).
        while let Some(older) = unsafe { heap.as_ref() } {
            (n, heap) = (n + 1, older.older);
        }
        n
    }

    /// Fills several heaps, frees all of it and trims; the heaps there were, and are left. None if
    /// anything is wrong.
    fn fill_and_free() -> Option<(usize, usize)> {
        let all: Vec<_> = (0..2500).map(|_| routes::alloc::zeroed(100_000)).collect();
        // SAFETY: each has so many bytes, given out as zeros.
        let are_zero = all.iter().all(|p| unsafe {
            let (first, last) = (p.read(), p.add(99_999).read());
            p.add(50_000).write(1);
            p.write(1);
            first == 0 && last == 0
        });
        let is_whole = check_heap().is_ok();
        let most = heaps();
        for p in all {
            routes::release(p);
        }
        thread::flush();
        thread::arena().trim(0);
        (are_zero && is_whole && check_heap().is_ok()).then(|| (most, heaps()))
    }

    fn heaps_come_back() -> bool {
        let first = fill_and_free();
        let mapped = scripted::mapped();
        first.is_some_and(|(most, left)| most > 3 && left < most)
            && fill_and_free() == first
            && scripted::mapped() == mapped
    }

    /// An older heap that holds nothing is none any more, and the next one begins in its place.
    #[test]
    fn heaps_that_hold_nothing_are_begun_anew() {
        assert!(scripted::holds_in_child(heaps_come_back));
    }

    /// Nearly a whole reservation is asked for, with a pad that takes all of it and that the kernel
    /// refuses. A shorter one would not do.
    fn the_need_is_enough() -> bool {
        const NEED: usize = 60 << 20;
        // The heap that is there has no room for it.
        (0..100).for_each(|_| assert!(!routes::allocate(100_000).is_null()));
        settings::apply(&Knobs {
            top_pad: 1 << 30,
            ..Knobs::DEFAULT
        });
        let mut state = thread::arena().lock();
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let data = statm.split(' ').nth(5).and_then(|n| n.parse().ok());
        let data = data.unwrap_or(0usize) * os::page();
        let most = (data + NEED + (2 << 20)) as libc::rlim_t;
        let limit = libc::rlimit {
            rlim_cur: most,
            rlim_max: most,
        };
        // SAFETY: the structure outlives the call, which only reads it.
        let is_set = unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) } == 0;
        data != 0 && is_set && state.grow(NEED, Use::Sparse)
    }

    #[test]
    fn a_heap_begins_without_a_pad_that_is_refused() {
        c::init();
        assert!(scripted::holds_in_child(the_need_is_enough));
    }
}
