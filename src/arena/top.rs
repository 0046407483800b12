//! Top: the last chunk of the newest heap, which reaches to the heap's end.
//!
//! ```text
//!            at                 fresh                  end
//!  … chunk |hd| top, used before | never used: zero      | not the heap's, or reserved
//! ```
//!
//! What was used of it is told page by page, as what else is free (`extents`); beyond `fresh` there
//! is nothing to tell.

use super::heap::Heap;
use super::split::Carved;
use super::{State, bins, records};
use crate::chunk::{Chunk, Kind};
use crate::config::{MIN_CHUNK, REGION, round_up};
use crate::layout::places::arena as places;
use crate::{fatal, os, region, settings};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

/// Regions that are looked at in one go for what top need not keep: 256 MiB.
const REGIONS_AT_ONCE: usize = 4096;
/// The least that a heap is shortened by, bytes.
const WORTH: usize = 2 * REGION;

/// Where top is.
#[repr(C)]
pub(crate) struct Top {
    /// Its payload; 0 before the first heap.
    at: usize,
    /// From here to the heap's end no byte was ever used: known to be zero.
    fresh: usize,
    /// The newest heap, the one that holds top.
    heap: *mut Heap,
    /// The least that was used of it before, at any time of this epoch, bytes.
    least: usize,
    /// Bytes that are to go from its end.
    owed: usize,
}

const _: () = assert!(
    offset_of!(Top, fresh) == places::TOP_FRESH - places::TOP_AT
        && offset_of!(Top, heap) == places::TOP_HEAP - places::TOP_AT
);

impl Top {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self {
            at: 0,
            fresh: 0,
            heap: ptr::null_mut(),
            least: 0,
            owed: 0,
        }
    }
    /// Its payload; 0 before the first heap.
    #[inline]
    pub(crate) const fn at(&self) -> usize {
        self.at
    }
    /// Where what was never used begins.
    pub(crate) const fn fresh(&self) -> usize {
        self.fresh
    }
    /// Whether it ends where the break was set for it.
    pub(super) fn is_at_break(&self) -> bool {
        // SAFETY: an arena with top has a heap (I10).
        self.at != 0 && unsafe { (*self.heap).is_break() }
    }
    /// The newest heap, or null.
    pub(crate) const fn heap(&self) -> *mut Heap {
        self.heap
    }
    /// Bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        if self.at == 0 {
            return 0;
        }
        // SAFETY: an arena with top has a heap (I10).
        unsafe { (*self.heap).end() - self.at }
    }
    /// Whether it holds so many.
    #[inline]
    pub(crate) fn has_room(&self, size: usize) -> bool {
        self.size() >= size
    }
    /// Whether it holds so many that were used before.
    pub(crate) fn has_used(&self, size: usize) -> bool {
        self.at != 0 && self.at + size <= self.fresh && self.has_room(size)
    }
    /// Bytes of it that never were, as far as that is whole pages.
    pub(super) fn unused(&self) -> usize {
        if self.at == 0 {
            return 0;
        }
        let from = round_up(self.fresh.max(self.at), os::page());
        // SAFETY: an arena with top has a heap (I10).
        unsafe { (*self.heap).end() }.saturating_sub(from)
    }
    /// Bytes of it that were used before.
    pub(crate) const fn used(&self) -> usize {
        self.fresh.saturating_sub(self.at)
    }
}

impl Top {
    /// Bytes that are to go from its end.
    pub(crate) const fn owed(&self) -> usize {
        self.owed
    }
    /// After a slow operation; at the end of an epoch what it never needed is to go, but for what it
    /// `keeps`.
    pub(super) fn watch(&mut self, keeps: usize, ended: bool) {
        self.least = self.least.min(self.used());
        if ended {
            self.owed = self.least.saturating_sub(keeps);
            self.least = self.used();
        }
    }
    /// All that was used of it is to go, but for what it `keeps`.
    pub(super) const fn owe(&mut self, keeps: usize) {
        self.owed = self.used().saturating_sub(keeps);
    }
    /// So many of them go.
    pub(super) const fn pay(&mut self, bytes: usize) {
        self.owed = if bytes == 0 {
            0
        } else {
            self.owed.saturating_sub(bytes)
        };
    }
}

impl State {
    /// Ends the newest heap at `from`, a region's boundary within top; whether it does. Nobody asks
    /// the kernel for pages of it meanwhile.
    fn give_end(&mut self, from: usize) -> bool {
        // SAFETY: the newest heap of a locked arena (I10).
        let heap = unsafe { &mut *self.top.heap() };
        let end = heap.end();
        let len = end - from;
        let used = round_up(self.top.fresh(), os::page()).min(end).max(from);
        let marked = round_up(used, REGION);
        if heap.is_break() {
            if os::sbrk(0) != Some(end) {
                return false;
            }
            // Before they leave: then anybody may forget them.
            self.extents.forget(from, marked);
            // SAFETY: only top lies there, so nothing is on a list.
            unsafe { region::leave(from, end) };
            if os::sbrk(-(len as isize)).is_none() {
                // SAFETY: they were this heap's a moment ago, and their records are there.
                unsafe { records::enter(from, end, heap, self.word()) };
                self.extents.vacate(from, used);
                return false;
            }
        } else {
            self.extents.forget(from, marked);
            // A reservation: the addresses stay, and are as if they had never been used.
            // SAFETY: as above.
            unsafe { region::leave(from, end) };
            if heap.may_be_huge(end - 1) {
                // The first touch of a huge page made all of it resident, what stays top's as well.
                let from = round_up(self.top.fresh(), os::page()).min(from);
                // SAFETY: top's, that nobody has asked for, and the heap's no more, and nobody's.
                unsafe { os::purge(from, end - from) };
            }
        }
        heap.end_at(from);
        self.heaps.leave(from, end);
        self.counters().shrunk.add(len);
        true
    }

    /// The first `size` bytes of top as a chunk in use; top has them.
    pub(super) fn cut_top(&mut self, size: usize) -> Option<Carved> {
        if !self.top.has_room(size) {
            return None;
        }
        let c = self.vetted_top();
        let clean_from = self.top.fresh;
        let prev_in_use = c.head().prev_in_use();
        let (from, to) = (c.payload(), c.payload() + size);
        self.used(from - 16, to.min(round_up(clean_from, os::page())));
        self.set_top(c.after(size), true);
        c.write(size, Kind::Plain, prev_in_use, true);
        self.decay.count(size);
        Some(Carved {
            chunk: c,
            clean_from,
        })
    }

    /// Top's chunk, its header compared with its tag.
    pub(super) fn vetted_top(&self) -> Chunk {
        // SAFETY: top is inside the newest heap (I1).
        let c = unsafe { Chunk::at(self.top.at) };
        if !c.head().is(Kind::Top) || !c.is_freed() {
            fatal::die("malloc(): corrupted top size", c.payload());
        }
        c
    }

    /// Makes `c` top.
    pub(super) fn set_top(&mut self, c: Chunk, prev_in_use: bool) {
        self.top.at = c.payload();
        self.top.fresh = self.top.fresh.max(c.payload());
        c.write(0, Kind::Top, prev_in_use, false);
    }

    /// Makes all of a heap without chunks top.
    pub(super) fn begin_top(&mut self, heap: *mut Heap) {
        // SAFETY: the heap was just opened, and its first chunk lies in it.
        let first = unsafe { Chunk::at((*heap).first()) };
        (self.top.heap, self.top.fresh) = (heap, first.payload());
        self.set_top(first, true);
    }

    /// Ends the newest heap with a fence: what was top becomes an ordinary free chunk.
    pub(super) fn close_top(&mut self) {
        let size = self.top.size();
        if self.top.at == 0 {
            return;
        }
        let c = self.vetted_top();
        let prev_in_use = c.head().prev_in_use();
        let fresh = round_up(self.top.fresh, os::page());
        self.top.at = 0;
        // What is written now: links or the fence, and the foot.
        let end = c.payload() + size;
        self.used(c.payload(), end.min(c.payload() + bins::LINKS));
        if size < MIN_CHUNK {
            self.used(c.payload() - 16, end);
            c.write(0, Kind::Fence, prev_in_use, false);
            return;
        }
        let last = (end - 16) & !(os::page() - 1);
        if fresh < last {
            self.extents.untouched(
                fresh.max(round_up(c.payload() + bins::LINKS, os::page())),
                last,
            );
        }
        self.used(last, end);
        c.after(size).write(0, Kind::Fence, true, false);
        c.write(size, Kind::Plain, prev_in_use, false);
        self.release(c, size);
    }

    /// Bytes of top that stay when pages go: the pad, and up to the threshold all do, whoever set it
    /// (glibc's promise).
    pub(super) fn top_keeps(&self) -> usize {
        let (keeps, threshold) = (settings::kept_of_top(), settings::trim_threshold());
        if self.top.used() <= threshold {
            keeps.max(threshold)
        } else {
            keeps
        }
    }

    /// What went at the end of top was never used as far as anybody can tell; and what was never
    /// used beyond `keep` bytes is the heap's no more. Nobody asks the kernel for pages meanwhile.
    pub(super) fn shorten(&mut self, keep: usize) -> bool {
        // SAFETY: `me` is set by every lock.
        if self.top.at == 0 || unsafe { (*self.me).refusal.load(Relaxed) } {
            return false;
        }
        let page = os::page();
        let least = round_up(self.top.at, page);
        for _ in 0..REGIONS_AT_ONCE {
            if self.top.fresh <= least {
                break;
            }
            let last = (self.top.fresh - 1) & !(page - 1);
            let r = records::of(last);
            // SAFETY: top's regions are the heap's (I8).
            let gone = unsafe { (*r).pages.gone() };
            let pages = (last & (REGION - 1)) / page;
            let run = gone.run_below(pages + 1) * page;
            let to = (last + page - run).max(least);
            if run == 0 || to > last {
                break;
            }
            self.extents.forget(to, last + page);
            self.top.fresh = to.max(self.top.at);
        }
        let Some(from) = self.top.at.checked_add(keep) else {
            return false;
        };
        let from = round_up(from.max(self.top.fresh), REGION);
        // SAFETY: the newest heap of a locked arena (I10).
        let end = unsafe { (*self.top.heap).end() };
        from < end && end - from >= WORTH && self.give_end(from)
    }

    /// Shortens the heap at once to what top has to keep, used or not. Whether it did.
    pub(super) fn trim_top(&mut self, keep: usize) -> bool {
        let Some(from) = self.top.at.checked_add(keep) else {
            return false;
        };
        let from = round_up(from, REGION);
        // SAFETY: the newest heap of a locked arena (I10).
        let there = self.top.is_at_break() && from < unsafe { (*self.top.heap).end() };
        let fresh = round_up(self.top.fresh, os::page());
        if !there || !self.give_end(from) {
            return false;
        }
        if from < fresh {
            self.top.fresh = from;
        }
        true
    }
}
