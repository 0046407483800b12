//! The state of an object of a run: one byte, apart from the object.

use crate::config::ALIGN;
use crate::layout::table;
use core::ptr;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

pub(crate) use crate::layout::table::{FREED, SAMPLED, class_of, is_used};

/// The state of the object that starts at `p`, by its slot's word.
#[inline(always)]
pub(crate) fn state_at(word: usize, p: usize) -> ObjectState {
    state_of(word, p / ALIGN)
}

/// The same, by the number of the granule.
#[inline(always)]
pub(crate) fn state_of(word: usize, granule: usize) -> ObjectState {
    ObjectState(table::state_of(word, granule))
}

/// Where a granule's state is: see [`FREED`].
///
/// Atomic, since two threads that free the same object by mistake both come here; and because a
/// relaxed load, a change and a relaxed store become one instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct ObjectState(pub usize);

impl ObjectState {
    /// # Safety
    /// The region is a slot, whose states are never unmapped (I9, I11).
    #[inline(always)]
    pub(crate) unsafe fn get(self) -> u8 {
        // SAFETY: the caller's.
        unsafe { self.byte() }.load(Relaxed)
    }

    /// In use becomes freed, and freed in use.
    ///
    /// # Safety
    /// As for [`Self::get`].
    #[inline(always)]
    pub(crate) unsafe fn turn(self) {
        // SAFETY: the caller's.
        let byte = unsafe { self.byte() };
        byte.store(byte.load(Relaxed) ^ FREED, Relaxed);
    }

    /// In use becomes a sample, and a sample in use.
    ///
    /// # Safety
    /// As for [`Self::get`].
    #[inline]
    pub(crate) unsafe fn turn_sampled(self) {
        // SAFETY: the caller's.
        let byte = unsafe { self.byte() };
        byte.store(byte.load(Relaxed) ^ SAMPLED, Relaxed);
    }

    /// Whether it is a sample.
    ///
    /// # Safety
    /// As for [`Self::get`].
    #[inline]
    pub(crate) unsafe fn is_sampled(self) -> bool {
        // SAFETY: the caller's.
        unsafe { self.get() & SAMPLED == SAMPLED }
    }

    /// An object of a class begins to be in use here.
    ///
    /// # Safety
    /// As for [`Self::get`], and no object has the granules.
    #[inline(always)]
    pub(crate) unsafe fn begin(self, class: u8) {
        // SAFETY: the caller's.
        unsafe { self.byte() }.store(class, Relaxed);
    }

    /// # Safety
    /// As for [`Self::get`].
    unsafe fn byte(self) -> &'static AtomicU8 {
        let at: *const AtomicU8 = ptr::with_exposed_provenance(self.0);
        // SAFETY: the caller's.
        unsafe { &*at }
    }
}
