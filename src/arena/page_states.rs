//! What a region's record has of its pages, and its place in a queue of such records.
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
//! A gone page is *busy* while the kernel is asked for it, which is done without the arena's lock.
//! Whoever is handed such a page waits for [`super::Arena::purging`] first; all others do not.

use crate::layout::places::record;
use crate::pages::PageSet;
use core::cell::Cell;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{
    AtomicU16,
    Ordering::{Acquire, Relaxed, Release},
};

/// What a record `R` has of its region's pages. Only `extents` changes it; nobody holds an exclusive
/// reference to it, since `busy` is another thread's too.
#[repr(C)]
pub(crate) struct Pages<R> {
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
    older: Cell<*mut R>,
    newer: Cell<*mut R>,
}

const _: () = assert!(
    offset_of!(Pages<()>, gone) - offset_of!(Pages<()>, idle) == record::GONE - record::IDLE
        && offset_of!(Pages<()>, idle) == 0
);

impl<R> Pages<R> {
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
    pub(crate) fn newer(&self) -> *mut R {
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

    /// These pages are idle, too.
    pub(super) fn add_idle(&self, pages: PageSet) {
        self.idle.set(self.idle.get().with(pages));
    }
    /// None of these pages is idle.
    pub(super) fn remove_idle(&self, pages: PageSet) {
        self.idle.set(self.idle.get().without(pages));
    }
    /// These pages are gone, too.
    pub(super) fn add_gone(&self, pages: PageSet) {
        self.gone.set(self.gone.get().with(pages));
    }
    /// These pages are gone, and no others.
    pub(super) fn set_gone(&self, pages: PageSet) {
        self.gone.set(pages);
    }
    /// None of these pages is gone.
    pub(super) fn remove_gone(&self, pages: PageSet) {
        self.gone.set(self.gone.get().without(pages));
    }
    /// The kernel is asked for these pages next: until [`Pages::finish`] they are busy.
    pub(super) fn begin(&self, pages: PageSet) {
        self.busy.fetch_or(pages.bits(), Relaxed);
    }
    /// Whether any of these pages is busy.
    pub(super) fn is_busy(&self, pages: PageSet) -> bool {
        self.busy.load(Acquire) & pages.bits() != 0
    }
    /// Whether all of these pages are busy.
    pub(super) fn are_busy(&self, pages: PageSet) -> bool {
        self.busy.load(Acquire) & pages.bits() == pages.bits()
    }
    /// Whether the huge page that begins here may be one.
    pub(super) fn set_plain(&self, plain: bool) {
        self.plain.set(plain);
    }

    /// Whether it is in the queue.
    pub(super) fn is_queued(&self) -> bool {
        self.queued.get()
    }
    /// It is the queue's newest from now on, behind `older`, which may be null.
    pub(super) fn enqueue(&self, stamp: u32, older: *mut R) {
        self.stamp.set(stamp);
        self.queued.set(true);
        self.older.set(older);
        self.newer.set(ptr::null_mut());
    }
    /// It is not in the queue any more: the neighbours it had there, older and newer.
    pub(super) fn dequeue(&self) -> (*mut R, *mut R) {
        self.queued.set(false);
        (self.older.get(), self.newer.get())
    }
    /// Of one in the queue: the neighbour on the older side.
    pub(super) fn set_older(&self, r: *mut R) {
        self.older.set(r);
    }
    /// Of one in the queue: the neighbour on the newer side.
    pub(super) fn set_newer(&self, r: *mut R) {
        self.newer.set(r);
    }
}
