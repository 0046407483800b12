//! A heap: a stretch of whole regions that one arena owns, chunks from its first byte to its end.
//!
//! ```text
//! base                                                                     end       limit
//!  | first chunk | chunk | slot chunk … | chunk |  top …                    | reserved |
//!  '- multiple of 64 KiB                                      fence header -' (16 bytes)
//! ```
//!
//! The break is a heap whose limit is unknown; others lie in a reservation and are committed
//! step by step. A heap that was left behind (the break moved by someone else, or a reservation
//! full) ends in a fence instead of top.
//!
//! A heap that has become long grows by huge pages: one fault where there were 512, and one entry
//! of the processor's translation buffer. It does so at its end alone, where memory is about to
//! be used from end to end, and no longer once pages inside it were given back: the kernel would
//! fill the holes again.

use super::Arena;
use crate::config::{REGION, round_up};
use crate::os;

/// One heap; its fields but `end` and `huge` never change. Those are guarded by the arena's lock.
#[repr(C)]
pub(crate) struct Heap {
    /// The arena that owns it.
    pub arena: *const Arena,
    /// First byte.
    pub base: usize,
    /// One past the last byte that may be used; a multiple of 64 KiB.
    pub end: usize,
    /// One past the reservation; 0 for the break.
    pub limit: usize,
    /// From here to its end it was asked for in huge pages; 0 if it was not, or no longer is.
    pub huge: usize,
    /// The next older heap of the arena.
    pub older: *mut Heap,
}

impl Heap {
    /// Whether this is a piece of the break.
    pub(crate) fn is_break(&self) -> bool {
        self.limit == 0
    }
    /// Pages inside go back: from now on the kernel may not make huge pages of what is left.
    pub(crate) fn give_up_huge(&mut self) {
        if self.huge != 0 && self.huge < self.end {
            // SAFETY: this heap's own pages.
            unsafe { os::advise_huge(self.huge, self.end - self.huge, false) };
        }
        self.huge = 0;
    }
    /// Payload of the first chunk.
    pub(crate) fn first(&self) -> usize {
        self.base + crate::config::ALIGN
    }
}

/// Address space for a heap, on a region's boundary, and the page in front of it, so that the
/// place of a header below the very base is no hole.
#[derive(Clone, Copy)]
pub(crate) struct Reservation {
    /// First byte behind the page in front.
    pub base: usize,
    /// Bytes from there on.
    pub len: usize,
    /// What is mapped: that, and what the kernel would not take back of either end.
    mapped: (usize, usize),
}

impl Reservation {
    /// Reserves `len` bytes.
    pub(crate) fn make(len: usize) -> Option<Self> {
        let page = os::page();
        let raw = os::map(len + REGION + page, false)?;
        let base = round_up(raw + page, REGION);
        let (mut from, mut to) = (raw, raw + len + REGION + page);
        // SAFETY: the ends of a mapping nobody else knows.
        unsafe {
            if base - page != from && os::unmap(from, base - page - from) {
                from = base - page;
            }
            if base + len != to && os::unmap(base + len, to - (base + len)) {
                to = base + len;
            }
        }
        let mapped = (from, to);
        Some(Self { base, len, mapped })
    }

    /// Makes the first `len` bytes and the page in front accessible.
    pub(crate) fn commit(self, len: usize) -> bool {
        // SAFETY: inside the reservation, which is no heap's yet.
        unsafe { os::commit(self.base - os::page(), len + os::page()) }
    }

    /// Gives it back, unless the kernel refuses (`vm.max_map_count`).
    pub(crate) fn give_back(self) -> bool {
        let (from, to) = self.mapped;
        // SAFETY: no heap lies here.
        unsafe { os::unmap(from, to - from) }
    }
}
