//! Which pages of an arena's heaps are wholly free, and what became of them.
//!
//! What a page may be, and what each region's record has of its own, is in [`super::page_states`].
//! Regions with idle pages are queued, the one that was freed into longest ago first.

use super::records::{self, Record};
use crate::config::REGION;
use crate::layout::places;
use crate::layout::table::GROUP;
use crate::pages::PageSet;
use crate::{mark, os};

use core::mem::offset_of;
use core::ptr;
#[cfg(feature = "stats")]
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[cfg(feature = "stats")]
static AGAIN: AtomicUsize = AtomicUsize::new(0);

/// Pages that had gone and were used again, since the start, of all arenas.
#[cfg(feature = "stats")]
pub(crate) fn again() -> usize {
    AGAIN.load(Relaxed)
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

const _: () = assert!(offset_of!(Extents, idle) == places::arena::IDLE - places::arena::PARTS[3]);

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
        p.add_idle(new);
        self.idle += new.len();
        if p.is_queued() && p.stamp() == self.epoch {
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
        if !p.gone().and(pages).is_empty() {
            return self.forget_gone(r, pages, used);
        }
        !p.idle().and(pages).is_empty() && self.forget_idle(r, pages)
    }

    #[cold]
    #[inline(never)]
    fn forget_gone(&mut self, r: *mut Record, pages: PageSet, used: bool) -> bool {
        // SAFETY: as above.
        let p = unsafe { &(*r).pages };
        let gone = p.gone().and(pages);
        self.has_less_gone(gone);
        p.remove_gone(gone);
        if used {
            mark::grew(gone.len() * os::page());
        }
        self.forget_idle(r, pages)
    }

    #[inline(always)]
    fn forget_idle(&mut self, r: *mut Record, pages: PageSet) -> bool {
        // SAFETY: as above.
        let p = unsafe { &(*r).pages };
        self.idle -= p.idle().and(pages).len();
        p.remove_idle(pages);
        if p.idle().is_empty() {
            self.remove(r);
        }
        p.is_busy(pages)
    }

    /// Pages that are wholly free go: the kernel is asked for them next, whether it has them already
    /// or not.
    pub(crate) fn give(&mut self, r: *mut Record, pages: PageSet) {
        // SAFETY: a record of this locked arena (I8, I10).
        let p = unsafe { &(*r).pages };
        self.idle -= p.idle().and(pages).len();
        self.has_more_gone(pages.without(p.gone()));
        p.remove_idle(pages);
        p.add_gone(pages);
        p.begin(pages);
        if p.idle().is_empty() {
            self.remove(r);
        }
    }

    /// The kernel would not have them: those of them that are still free are idle again.
    pub(crate) fn keep(&mut self, r: *mut Record, pages: PageSet) {
        // SAFETY: a record of this locked arena (I8, I10).
        let p = unsafe { &(*r).pages };
        let back = pages.and(p.gone());
        self.has_less_gone(back);
        p.remove_gone(back);
        self.vacate_in(r, back);
    }

    /// Whole pages of nobody's that were never touched: as gone as those that went.
    pub(crate) fn untouched(&mut self, from: usize, to: usize) {
        each(from, to, |r, pages| {
            // SAFETY: a record of this locked arena (I8, I10).
            let p = unsafe { &(*r).pages };
            let all = p.gone().with(pages.without(p.idle()));
            self.has_more_gone(all.without(p.gone()));
            p.set_gone(all);
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
        unsafe { (*r).pages.set_plain(plain) };
    }

    fn append(&mut self, r: *mut Record) {
        // SAFETY: records are side memory (I11) of this locked arena (I10).
        unsafe {
            let p = &(*r).pages;
            p.enqueue(self.epoch, self.newest);
            if self.newest.is_null() {
                self.oldest = r;
            } else {
                (*self.newest).pages.set_newer(r);
            }
        }
        self.newest = r;
    }

    fn remove(&mut self, r: *mut Record) {
        // SAFETY: records are side memory (I11) of this locked arena (I10).
        unsafe {
            let p = &(*r).pages;
            if !p.is_queued() {
                return;
            }
            let (older, newer) = p.dequeue();
            if older.is_null() {
                self.oldest = newer;
            } else {
                (*older).pages.set_newer(newer);
            }
            if newer.is_null() {
                self.newest = older;
            } else {
                (*newer).pages.set_older(older);
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
