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

use super::Arena;

/// One heap; its fields but `end` never change. `end` is guarded by the arena's lock.
#[repr(C)]
pub struct Heap {
    /// The arena that owns it.
    pub arena: *const Arena,
    /// First byte.
    pub base: usize,
    /// One past the last byte that may be used; a multiple of 64 KiB.
    pub end: usize,
    /// One past the reservation; 0 for the break.
    pub limit: usize,
    /// The next older heap of the arena.
    pub older: *mut Heap,
}

impl Heap {
    /// Whether this is a piece of the break.
    pub fn is_break(&self) -> bool {
        self.limit == 0
    }
    /// Payload of the first chunk.
    pub fn first(&self) -> usize {
        self.base + crate::config::ALIGN
    }
}
