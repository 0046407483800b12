//! What an arena knows of its regions, and lists of that, linked through the records: they live in
//! side memory, out of any overflow's reach, so the links are followed without a check.

use super::heap::Heap;
use super::page_states::Pages;
use crate::granules::Granules;
use crate::layout::places::{list, record};
use crate::layout::table::{GROUP, entry};
use crate::region::{self, Sizes};
use core::mem::offset_of;
use core::ptr;

/// What an arena knows of one of its regions. Zeros are what it knows of a region that was just
/// entered, but for heap and base: the records of nobody's regions go back by advice.
///
/// Guarded by that arena's lock, but for what does not change while the region is its heap's.
#[repr(C, align(64))]
pub(crate) struct Record {
    /// The heap the region belongs to; does not change while it does.
    pub heap: *mut Heap,
    /// First byte of the region; likewise.
    pub base: usize,
    /// In the list of its role: regions with chunks waiting, or slots by their bound.
    pub next: *mut Record,
    /// The other way.
    pub prev: *mut Record,
    /// As chunks: bytes of chunks that wait in fastbins and start here.
    pub pending: u32,
    /// As a slot: free granules.
    pub free: u32,
    /// As a slot: no free span is longer, granules; `slots::LONG` stands for all that are as long
    /// or longer.
    pub bound: u16,
    /// As a slot: the granule from which the next search for a span goes on.
    pub search: u16,
    /// Whether it is on a list.
    pub listed: bool,
    /// Which of its pages are wholly free.
    pub pages: Pages<Record>,
    /// Its state page, once it was a slot here; 0 before.
    pub states: usize,
    /// A bit a granule. As chunks: a chunk that starts here waits in a fastbin (I7). As a slot:
    /// the granule is part of no object, in use or in a cache (I9). It lies behind the records of
    /// the group, with those of its neighbours: where all of a page of them are empty it goes.
    pub map: *mut Granules,
}

/// Bytes of a map.
pub(super) const MAP: usize = size_of::<Granules>();

/// Of a group: its records, then their maps.
const SIZES: Sizes = Sizes {
    record: size_of::<Record>(),
    group: GROUP * (size_of::<Record>() + MAP),
};

/// The map that belongs to the record at `record`, of the region at `base`.
fn map_beside(record: usize, base: usize) -> *mut Granules {
    let i = entry(base) % GROUP;
    let maps = record - i * SIZES.record + GROUP * SIZES.record;
    ptr::with_exposed_provenance_mut(maps + i * MAP)
}

const _: () = assert!(
    offset_of!(Record, heap) == record::HEAP
        && offset_of!(Record, base) == record::BASE
        && offset_of!(Record, pending) == record::PENDING
        && offset_of!(Record, free) == record::FREE
        && offset_of!(Record, pages) == record::IDLE
        && offset_of!(Record, states) == record::STATES
        && offset_of!(Record, map) == record::MAP
        && size_of::<Record>() == record::BYTES
        && offset_of!(List, first) == list::FIRST
        && size_of::<List>() == list::BYTES
);

/// The record of the region `p` lies in; null if it is nobody's.
#[inline]
pub(crate) fn of(p: usize) -> *mut Record {
    ptr::with_exposed_provenance_mut(region::record(p, SIZES))
}

/// The heap of the region `p` lies in, or null: nobody vetted the pointer, and the region may leave
/// its heap meanwhile.
pub(crate) fn heap_of(p: usize) -> *mut Heap {
    let r = of(p);
    if r.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: a record, once there, can be read (I11).
    unsafe { (&raw const (*r).heap).read_volatile() }
}

/// The heap of the region with chunks that `p`, a multiple of 16, lies in; null for every other address.
#[inline(always)]
pub(super) fn heap_with_chunk(p: usize) -> *mut Heap {
    let r: *mut Record = ptr::with_exposed_provenance_mut(region::record_of_chunks(p, SIZES));
    if r.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: as in `heap_of`.
    unsafe { (&raw const (*r).heap).read_volatile() }
}

/// The map of the region `p` lies in, or null: likewise.
#[inline]
pub(super) fn map_of(p: usize) -> *mut Granules {
    let r = of(p);
    if r.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: as in `heap_of`.
    unsafe { (&raw const (*r).map).read_volatile() }
}

/// Enters the regions of `[from, to)` with their word as chunks of `heap`; all of them, or on failure none.
///
/// # Safety
/// The range is whole regions of memory that `heap` owns; the arena is locked.
pub(crate) unsafe fn enter(from: usize, to: usize, heap: *mut Heap, word: usize) -> bool {
    let fill = |record, base| {
        let new: *mut Record = ptr::with_exposed_provenance_mut(record);
        // SAFETY: side memory for a record, ours alone until its region is entered.
        unsafe {
            (*new).heap = heap;
            (*new).base = base;
            (*new).map = map_beside(record, base);
        }
    };
    // SAFETY: the caller's.
    unsafe { region::enter(from, to, SIZES, word, fill) }
}

/// What is known of a region becomes what is known of one that was just entered: its heap ends, with
/// whatever is in it.
///
/// # Safety
/// A record of a locked arena that is on none of its lists any more, or whose lists end too.
pub(super) unsafe fn clear(r: *mut Record) {
    // SAFETY: the caller's; zeros are such a record but for what does not change.
    unsafe {
        let (heap, base, states, map) = ((*r).heap, (*r).base, (*r).states, (*r).map);
        if (*r).pending != 0 {
            (*map).clear();
        }
        r.write_bytes(0, 1);
        ((*r).heap, (*r).base) = (heap, base);
        ((*r).states, (*r).map) = (states, map);
    }
}

/// Gives back what is known of the regions of `[from, to)` that are nobody's.
pub(crate) fn forget(from: usize, to: usize) {
    region::forget(from, to, SIZES);
}

/// A doubly linked list. A record is on one list at most; `Record::listed` says whether.
#[repr(C)]
pub(crate) struct List {
    first: *mut Record,
    last: *mut Record,
}

impl List {
    /// No records.
    pub(crate) const fn new() -> Self {
        Self {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
        }
    }
    /// The first record, or null.
    pub(crate) fn first(&self) -> *mut Record {
        self.first
    }
    /// Puts a record that is on no list to the front.
    pub(crate) fn push_front(&mut self, r: *mut Record) {
        // SAFETY: records are side memory (I11) of this locked arena (I10).
        unsafe {
            (*r).prev = ptr::null_mut();
            (*r).next = self.first;
            (*r).listed = true;
            if self.first.is_null() {
                self.last = r;
            } else {
                (*self.first).prev = r;
            }
        }
        self.first = r;
    }
    /// Puts a record that is on no list to the back.
    pub(crate) fn push_back(&mut self, r: *mut Record) {
        // SAFETY: records are side memory (I11) of this locked arena (I10).
        unsafe {
            (*r).next = ptr::null_mut();
            (*r).prev = self.last;
            (*r).listed = true;
            if self.last.is_null() {
                self.first = r;
            } else {
                (*self.last).next = r;
            }
        }
        self.last = r;
    }
    /// Takes a record off this list, if it is on it.
    pub(crate) fn remove(&mut self, r: *mut Record) {
        // SAFETY: records are side memory (I11) of this locked arena (I10).
        unsafe {
            if !(*r).listed {
                return;
            }
            let (next, prev) = ((*r).next, (*r).prev);
            if prev.is_null() {
                self.first = next;
            } else {
                (*prev).next = next;
            }
            if next.is_null() {
                self.last = prev;
            } else {
                (*next).prev = prev;
            }
            (*r).listed = false;
            (*r).next = ptr::null_mut();
            (*r).prev = ptr::null_mut();
        }
    }
}
