//! The pieces of a heap, and who is shown them.

use crate::tables::{Arena, Stretch};

/// What some bytes of a heap are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum What {
    /// An object or a chunk in use, header included.
    Live,
    /// Freed, or cut and not yet handed out: in a thread's cache.
    Cached,
    /// Freed, in check mode's quarantine.
    Quarantined,
    /// Freed, and not merged yet: in a fastbin, or at rest.
    Waiting,
    /// A free chunk.
    FreeChunk,
    /// Free in a slot.
    FreeSlot,
    /// Top, as far as it was ever used.
    Top,
    /// The rest of top.
    Fresh,
    /// A slot's header, a fence: what the heap needs itself.
    Overhead,
    /// What could not be read.
    Unread,
}

/// How many there are.
pub const WHATS: usize = 10;

/// A piece of a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// First byte: a chunk's header, an object's first granule.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// What it is.
    pub what: What,
    /// The cache that holds it, by its place in [`crate::Heap::caches`].
    pub cache: Option<u32>,
}

impl Piece {
    /// A piece that no cache holds.
    pub fn new(from: u64, to: u64, what: What) -> Self {
        Self {
            from,
            to,
            what,
            cache: None,
        }
    }
    /// Bytes.
    pub fn bytes(&self) -> u64 {
        self.to - self.from
    }
}

/// A slot of runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Its first byte.
    pub base: u64,
    /// Where the states of its objects lie.
    pub states: u64,
}

/// Who is shown what lies in the heaps.
pub trait Visit {
    /// A heap begins.
    fn begin(&mut self, _arena: &Arena, _heap: &Stretch) {}
    /// A chunk that is no slot, or another piece outside slots.
    fn chunk(&mut self, piece: &Piece);
    /// A slot, and its pieces from its header on.
    fn slot(&mut self, slot: Slot, pieces: &[Piece]);
    /// A heap ends.
    fn end(&mut self, _heap: &Stretch) {}
}

/// Several are shown the same.
pub struct All<'a>(pub Vec<&'a mut dyn Visit>);

impl Visit for All<'_> {
    fn begin(&mut self, arena: &Arena, heap: &Stretch) {
        self.0.iter_mut().for_each(|v| v.begin(arena, heap));
    }
    fn chunk(&mut self, piece: &Piece) {
        self.0.iter_mut().for_each(|v| v.chunk(piece));
    }
    fn slot(&mut self, slot: Slot, pieces: &[Piece]) {
        self.0.iter_mut().for_each(|v| v.slot(slot, pieces));
    }
    fn end(&mut self, heap: &Stretch) {
        self.0.iter_mut().for_each(|v| v.end(heap));
    }
}
