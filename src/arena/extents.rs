//! Which pages of an arena's heaps are wholly free, and what became of them.
//!
//! ```text
//!             a chunk, a slot or top is freed          an epoch without use
//!    in use ----------------------------------> idle ------------------------> gone
//!      ^                                          |                             |
//!      '------------------ handed out ------------+-----------------------------'
//! ```
//!
//! *Idle*: no chunk in use, no object, header, link or foot has any of the page, and it may hold
//! memory. *Gone*: the same, and the kernel has the memory back. A bit a page each, in the region's
//! record, where no overflow reaches. What lies free in a chunk, in a slot and in top is told by the
//! same bits, so whoever gives memory back need not know which it is, and looks at nothing that went
//! already: the work is that of the pages that go, however large the hole is they lie in.
//!
//! Regions with idle pages are queued, the one that was freed into longest ago first.
//!
//! A gone page is *busy* while the kernel is asked for it, which is done without the arena's lock.
//! Whoever is handed such a page waits for [`super::Arena::purging`] first; all others do not.

use super::records::{self, Record};
use crate::config::REGION;
use crate::layout::places;
use crate::layout::table::GROUP;
use crate::pages::PageSet;
use crate::{mark, os};

use core::cell::Cell;
use core::mem::offset_of;
use core::ptr;
#[cfg(feature = "stats")]
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::{
    AtomicU16,
    Ordering::{Acquire, Relaxed, Release},
};

#[cfg(feature = "stats")]
static AGAIN: AtomicUsize = AtomicUsize::new(0);

/// Pages that had gone and were used again, since the start, of all arenas.
#[cfg(feature = "stats")]
pub(crate) fn again() -> usize {
    AGAIN.load(Relaxed)
}

/// What a region's record has of its pages. Only this file changes it; nobody holds an exclusive
/// reference to it, since `busy` is another thread's too.
#[repr(C)]
pub(crate) struct Pages {
    idle: Cell<PageSet>,
    gone: Cell<PageSet>,
    /// Set with the arena locked; cleared without it, by whoever holds `purging`.
    busy: AtomicU16,
    /// Whether it is in the queue.
    queued: Cell<bool>,
    /// Of the first region of a huge page: the kernel was told to make none here.
    plain: Cell<bool>,
    /// The epoch in which it was freed into last.
    stamp: Cell<u32>,
    older: Cell<*mut Record>,
    newer: Cell<*mut Record>,
}

impl Pages {
    /// Idle pages.
    pub(crate) fn idle(&self) -> PageSet {
        self.idle.get()
    }
    /// Pages that went back and were not used since.
    pub(crate) fn gone(&self) -> PageSet {
        self.gone.get()
    }
    /// Pages that are wholly free.
    pub(crate) fn free(&self) -> PageSet {
        self.idle.get().with(self.gone.get())
    }
    /// The epoch in which it was freed into last.
    pub(crate) fn stamp(&self) -> u32 {
        self.stamp.get()
    }
    /// The next of the queue, or null.
    pub(crate) fn newer(&self) -> *mut Record {
        self.newer.get()
    }
    /// Whether the huge page that begins here may be none.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain.get()
    }
    /// The kernel has these pages back, or would not have them.
    pub(crate) fn finish(&self, pages: PageSet) {
        self.busy.fetch_and(!pages.bits(), Release);
    }
}

/// The queue, and the sums of one arena.
#[repr(C)]
pub(crate) struct Extents {
    oldest: *mut Record,
    newest: *mut Record,
    idle: usize,
    /// Counts epochs; see `decay`.
    epoch: u32,
    /// Pages that went.
    gone: u32,
}

const _: () = assert!(
    offset_of!(Extents, idle) == places::arena::IDLE - places::arena::PARTS[3]
        && offset_of!(Record, pages) + offset_of!(Pages, idle) == places::record::IDLE
        && offset_of!(Record, pages) + offset_of!(Pages, gone) == places::record::GONE
);

impl Extents {
    /// No pages.
    pub(crate) const fn new() -> Self {
        Self {
            oldest: ptr::null_mut(),
            newest: ptr::null_mut(),
            idle: 0,
            epoch: 0,
            gone: 0,
        }
    }

    /// Bytes of idle pages.
    pub(crate) fn idle_bytes(&self) -> usize {
        self.idle * os::page()
    }
    /// Idle pages.
    pub(crate) const fn idle(&self) -> usize {
        self.idle
    }
    /// Bytes of pages that went and were not used since.
    pub(crate) fn gone_bytes(&self) -> usize {
        self.gone as usize * os::page()
    }
    fn has_more_gone(&mut self, pages: PageSet) {
        self.gone = self.gone.wrapping_add(pages.len() as u32);
    }
    fn has_less_gone(&mut self, pages: PageSet) {
        self.gone = self.gone.wrapping_sub(pages.len() as u32);
    }
    /// The epoch.
    pub(crate) const fn epoch(&self) -> u32 {
        self.epoch
    }
    /// The next epoch begins.
    pub(crate) fn advance(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }
    /// The region with idle pages that was freed into longest ago, or null.
    pub(crate) const fn oldest(&self) -> *mut Record {
        self.oldest
    }

    /// Whole pages that are wholly free from now on. Those that were already stay as they are.
    pub(crate) fn vacate(&mut self, from: usize, to: usize) {
        each(from, to, |r, pages| self.vacate_in(r, pages));
    }

    /// The same of one region.
    pub(crate) fn vacate_in(&mut self, r: *mut Record, pages: PageSet) {
        // SAFETY: a record of this locked arena (I8, I10).
        let p = unsafe { &(*r).pages };
        let new = pages.without(p.free());
        if new.is_empty() {
            return;
        }
        p.idle.set(p.idle.get().with(new));
        self.idle += new.len();
        if p.queued.get() && p.stamp.get() == self.epoch {
            return;
        }
        self.remove(r);
        self.append(r);
    }

    /// Whole pages that are handed out, or hold what the heap writes. Whether any is busy: then
    /// nobody may write there before `purging` was free once.
    #[must_use]
    pub(crate) fn occupy(&mut self, from: usize, to: usize) -> bool {
        let mut busy = false;
        each(from, to, |r, pages| busy |= self.occupy_in(r, pages));
        busy
    }

    /// The same of one region.
    #[must_use]
    pub(crate) fn occupy_in(&mut self, r: *mut Record, pages: PageSet) -> bool {
        #[cfg(feature = "stats")]
        // SAFETY: a record of this locked arena (I8, I10).
        AGAIN.fetch_add(unsafe { &(*r).pages }.gone().and(pages).len(), Relaxed);
        self.forget_in(r, pages, true)
    }

    /// Nothing is known of these pages from now on; they may be touched where they are `used`. Whether
    /// any is busy.
    #[inline(always)]
    fn forget_in(&mut self, r: *mut Record, pages: PageSet, used: bool) -> bool {
        // SAFETY: a record of this locked arena (I8, I10).
        let p = unsafe { &(*r).pages };
        // Most often none of them went, and then nothing is called here.
        if !p.gone.get().and(pages).is_empty() {
            return self.forget_gone(r, pages, used);
        }
        !p.idle.get().and(pages).is_empty() && self.forget_idle(r, pages)
    }

    #[cold]
    #[inline(never)]
    fn forget_gone(&mut self, r: *mut Record, pages: PageSet, used: bool) -> bool {
        // SAFETY: as above.
        let p = unsafe { &(*r).pages };
        let gone = p.gone.get().and(pages);
        self.has_less_gone(gone);
        p.gone.set(p.gone.get().without(gone));
        if used {
            mark::grew(gone.len() * os::page());
        }
        self.forget_idle(r, pages)
    }

    #[inline(always)]
    fn forget_idle(&mut self, r: *mut Record, pages: PageSet) -> bool {
        // SAFETY: as above.
        let p = unsafe { &(*r).pages };
        self.idle -= p.idle.get().and(pages).len();
        p.idle.set(p.idle.get().without(pages));
        if p.idle.get().is_empty() {
            self.remove(r);
        }
        p.busy.load(Acquire) & pages.bits() != 0
    }

    /// Pages that are wholly free go: the kernel is asked for them next, whether it has them already
    /// or not.
    pub(crate) fn give(&mut self, r: *mut Record, pages: PageSet) {
        // SAFETY: a record of this locked arena (I8, I10).
        let p = unsafe { &(*r).pages };
        self.idle -= p.idle.get().and(pages).len();
        self.has_more_gone(pages.without(p.gone.get()));
        p.idle.set(p.idle.get().without(pages));
        p.gone.set(p.gone.get().with(pages));
        p.busy.fetch_or(pages.bits(), Relaxed);
        if p.idle.get().is_empty() {
            self.remove(r);
        }
    }

    /// The kernel would not have them: those of them that are still free are idle again.
    pub(crate) fn keep(&mut self, r: *mut Record, pages: PageSet) {
        // SAFETY: a record of this locked arena (I8, I10).
        let p = unsafe { &(*r).pages };
        let back = pages.and(p.gone.get());
        self.has_less_gone(back);
        p.gone.set(p.gone.get().without(back));
        self.vacate_in(r, back);
    }

    /// Whole pages of nobody's that were never touched: as gone as those that went.
    pub(crate) fn untouched(&mut self, from: usize, to: usize) {
        each(from, to, |r, pages| {
            // SAFETY: a record of this locked arena (I8, I10).
            let p = unsafe { &(*r).pages };
            let all = p.gone.get().with(pages.without(p.idle.get()));
            self.has_more_gone(all.without(p.gone.get()));
            p.gone.set(all);
        });
    }

    /// A region waits as long again as one that was freed into just now.
    pub(crate) fn defer(&mut self, r: *mut Record) {
        self.remove(r);
        self.append(r);
    }

    /// The regions of `[from, to)` leave the heap, or become what no bits tell of.
    pub(crate) fn forget(&mut self, from: usize, to: usize) {
        each(from, to, |r, pages| {
            self.forget_in(r, pages, false);
        });
    }

    /// Whether the huge page that begins with this region may be one.
    pub(crate) fn set_plain(&mut self, r: *mut Record, plain: bool) {
        // SAFETY: a record of this locked arena (I8, I10).
        unsafe { (*r).pages.plain.set(plain) };
    }

    fn append(&mut self, r: *mut Record) {
        // SAFETY: records are side memory (I11) of this locked arena (I10).
        unsafe {
            let p = &(*r).pages;
            p.stamp.set(self.epoch);
            p.queued.set(true);
            p.older.set(self.newest);
            p.newer.set(ptr::null_mut());
            if self.newest.is_null() {
                self.oldest = r;
            } else {
                (*self.newest).pages.newer.set(r);
            }
        }
        self.newest = r;
    }

    fn remove(&mut self, r: *mut Record) {
        // SAFETY: records are side memory (I11) of this locked arena (I10).
        unsafe {
            let p = &(*r).pages;
            if !p.queued.get() {
                return;
            }
            p.queued.set(false);
            let (older, newer) = (p.older.get(), p.newer.get());
            if older.is_null() {
                self.oldest = newer;
            } else {
                (*older).pages.newer.set(newer);
            }
            if newer.is_null() {
                self.newest = older;
            } else {
                (*newer).pages.older.set(older);
            }
        }
    }
}

/// Calls `f` with each region that whole pages lie in, and which of it they are.
fn each(from: usize, to: usize, mut f: impl FnMut(*mut Record, PageSet)) {
    let mut at = from;
    while at < to {
        let mut r = records::of(at);
        // The records of a group lie side by side.
        let group = to.min((at | (GROUP * REGION - 1)) + 1);
        while at < group {
            let end = group.min((at | (REGION - 1)) + 1);
            f(r, PageSet::of(at, end));
            r = r.wrapping_add(1);
            at = end;
        }
    }
}
