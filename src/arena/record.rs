//! What an arena knows of one of its regions.

use super::heap::Heap;
use crate::granules::Granules;
use crate::region;
use core::ptr;

/// Guarded by that arena's lock, but for what never changes.
#[repr(C)]
pub struct Record {
    /// The heap the region belongs to; never changes.
    pub heap: *mut Heap,
    /// First byte of the region; never changes.
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
    /// As a slot: pages that went back to the system and were not used since, a bit each.
    pub purged: u16,
    /// As a slot: the granule from which the next search for a span goes on.
    pub search: u16,
    /// Whether it is on a list.
    pub listed: bool,
    /// Its state page, once it was a slot; 0 before.
    pub states: usize,
    /// A bit a granule. As chunks: a chunk that starts here waits in a fastbin (I7). As a slot:
    /// the granule is part of no object, in use or in a cache (I9).
    pub map: Granules,
}

/// The record of the region `p` lies in; null if it is nobody's.
#[inline]
pub fn of(p: usize) -> *mut Record {
    ptr::with_exposed_provenance_mut(region::record(p))
}

/// Enters the regions of `[from, to)` as chunks of `heap`; all of them, or on failure none.
///
/// # Safety
/// The range is whole regions of memory that `heap` owns; the arena is locked.
pub unsafe fn enter(from: usize, to: usize, heap: *mut Heap) -> bool {
    let fill = |record, base| {
        let new: *mut Record = ptr::with_exposed_provenance_mut(record);
        // SAFETY: side memory for a record, ours alone until its region is entered.
        unsafe {
            (*new).heap = heap;
            (*new).base = base;
        }
    };
    // SAFETY: the caller's.
    unsafe { region::enter(from, to, size_of::<Record>(), fill) }
}
