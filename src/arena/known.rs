//! What is known of memory that goes, and goes with it: states of slots that were there, and maps.
//!
//! Both are zeros where nothing is, so they may be given back; but not while somebody can be handed
//! pages there, and write them: so all pages that they tell of are busy meanwhile (`extents`).

use super::State;
use super::batch::{Batch, Of};
use super::records::{self, MAP, Record};
use crate::config::{GRANULES, REGION};
use crate::{os, region};

impl State {
    /// The states of a slot that once was in a region go with the memory, if all of that goes in
    /// this batch.
    ///
    /// # Safety
    /// A record of this locked arena.
    pub(super) unsafe fn take_states(r: *mut Record, batch: &mut Batch) {
        // SAFETY: the caller's. No slot is there, and none comes before its pages are done with.
        unsafe {
            if (*r).pages.gone().is_full() && Self::has_states(r) && batch.room() != 0 {
                batch.add((*r).states, (*r).states + GRANULES, Of::Side);
            }
        }
    }

    /// Whether a region once was a slot and is none now, and its states can go.
    ///
    /// # Safety
    /// A record of this locked arena.
    pub(super) unsafe fn has_states(r: *mut Record) -> bool {
        // SAFETY: the caller's.
        unsafe {
            (*r).states != 0 && region::is_chunks(region::word((*r).base)) && os::page() <= GRANULES
        }
    }

    /// The maps of a region and its neighbours that share a page go, if nothing is in any of them.
    ///
    /// # Safety
    /// A record of this locked arena.
    pub(super) unsafe fn take_maps_around(&mut self, r: *mut Record, batch: &mut Batch) {
        let n = 4096 / MAP;
        // SAFETY: the caller's; a record's heap lives forever (I11).
        let (base, heap) = unsafe { ((*r).base, &*(*r).heap) };
        let from = base & !(n * REGION - 1);
        let to = from + n * REGION;
        let inside = heap.base <= from && to <= heap.end();
        let gone = |at| {
            // SAFETY: regions of the same heap (I8).
            let pages = unsafe { &(*records::of(at)).pages };
            pages.gone().is_full()
        };
        if !inside || batch.room() < 2 || !(from..to).step_by(REGION).all(gone) {
            return;
        }
        for at in (from..to).step_by(REGION) {
            let part = records::of(at);
            // SAFETY: as above.
            self.extents.give(part, unsafe { (*part).pages.gone() });
        }
        batch.add(from, to, Of::Heap);
        // SAFETY: as above; all their pages are busy.
        unsafe { self.take_maps(from, n, batch) };
    }

    /// The maps of so many regions go, whole pages of them.
    ///
    /// # Safety
    /// Regions of this locked arena, one heap's, in which nothing is and all pages are busy.
    pub(super) unsafe fn take_maps(&self, from: usize, n: usize, batch: &mut Batch) {
        let is_slot = |i| region::is_slot(region::word(from + i * REGION));
        if batch.room() == 0 || os::page() > 4096 || (0..n).any(is_slot) {
            return;
        }
        // SAFETY: the caller's.
        let maps = unsafe { (*records::of(from)).map }.expose_provenance();
        batch.add(maps, maps + n * MAP, Of::Side);
    }
}
