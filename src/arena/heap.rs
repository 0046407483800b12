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
//! of the processor's translation buffer. It does so for small chunks and slots alone, which are
//! used from end to end. Where single pages of a huge one were given back the kernel may make none
//! until all of it went, or it would fill the holes again (`trim`).

use super::Arena;
use crate::config::{HUGE_PAGE, REGION, round_up};
use crate::layout::places::heap;
use crate::os;
use core::mem::offset_of;

/// One heap; its fields but `end` and `huge` never change. Those are guarded by the arena's lock,
/// and the arena alone changes them.
#[repr(C)]
pub(crate) struct Heap {
    /// The arena that owns it.
    pub arena: *const Arena,
    /// First byte.
    pub base: usize,
    /// One past the last byte that may be used; a multiple of 64 KiB.
    end: usize,
    /// One past the last byte that ever could be used: what the heap no longer has of a reservation
    /// it need not ask for again.
    open: usize,
    /// One past the reservation; 0 for the break.
    pub limit: usize,
    /// From here to its end some of it was asked for in huge pages; 0 if none was.
    huge: usize,
    /// The next older heap of the arena.
    pub older: *mut Heap,
    /// Pages that the kernel would not take back of either end of the reservation.
    ends: [u32; 2],
}

const _: () = assert!(
    offset_of!(Heap, arena) == heap::ARENA
        && offset_of!(Heap, base) == heap::BASE
        && offset_of!(Heap, end) == heap::END
        && offset_of!(Heap, limit) == heap::LIMIT
        && offset_of!(Heap, huge) == heap::HUGE
        && offset_of!(Heap, older) == heap::OLDER
        && size_of::<Heap>() == heap::BYTES
);

impl Heap {
    /// Whether this is a piece of the break.
    pub(crate) fn is_break(&self) -> bool {
        self.limit == 0
    }
    /// A heap of so many bytes.
    pub(super) const fn new(
        arena: *const Arena,
        (base, end, limit): (usize, usize, usize),
        older: *mut Self,
    ) -> Self {
        Self {
            arena,
            base,
            end,
            open: end,
            limit,
            huge: 0,
            older,
            ends: [0; 2],
        }
    }
    /// One past the last byte that may be used; a multiple of 64 KiB.
    #[inline]
    pub(crate) const fn end(&self) -> usize {
        self.end
    }
    /// One past what may be used without asking the kernel.
    pub(super) const fn open(&self) -> usize {
        self.open
    }
    /// It is longer now.
    pub(super) fn set_end(&mut self, end: usize) {
        self.end = end;
        self.open = self.open.max(end);
        if self.huge >= end {
            self.huge = 0;
        }
    }
    /// What begins here was asked for in huge pages.
    pub(super) const fn set_huge(&mut self, from: usize) {
        if self.huge == 0 {
            self.huge = from;
        }
    }
    /// Whether the huge page that `p` would lie in is one that was asked for.
    pub(crate) const fn may_be_huge(&self, p: usize) -> bool {
        self.huge != 0 && p >= self.huge && p - p % HUGE_PAGE + HUGE_PAGE <= self.end
    }
    /// It ends earlier. Of a reservation the addresses behind stay: who comes there next may want
    /// single pages where this one had asked for huge ones.
    pub(super) fn end_at(&mut self, end: usize) {
        if !self.is_break() && self.huge != 0 {
            let from = self.huge.max(end);
            // SAFETY: the heap's no more, and nobody's.
            unsafe { os::advise_huge(from, self.end.saturating_sub(from), false) };
        }
        self.set_end(end);
    }
    /// It is in this reservation.
    pub(super) fn set_reservation(&mut self, r: Reservation) {
        let page = os::page();
        let pages = |bytes: usize| bytes.checked_div(page).unwrap_or(0) as u32;
        self.ends = [
            pages(self.base - page - r.mapped.0),
            pages(r.mapped.1 - self.limit),
        ];
    }
    /// All that is mapped for it, the page in front too. It is not the break.
    pub(super) fn mapped(&self) -> (usize, usize) {
        let bytes = |pages: u32| pages as usize * os::page();
        let [front, behind] = self.ends;
        (
            self.base - os::page() - bytes(front),
            self.limit + bytes(behind),
        )
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
        let raw = os::map(len + REGION + page, false, c"cairn heap")?;
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
