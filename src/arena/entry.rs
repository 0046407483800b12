//! What passes between a cache and an arena.

use crate::chunk::Chunk;
use crate::object::ObjectState;

/// One freed object or chunk on its way between a cache and an arena.
///
/// The witness lets the cache see, without looking anything up, that what it hands out is what it
/// took.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Entry {
    /// The payload.
    pub p: usize,
    witness: Witness,
}

/// Which of the two it is the class of the entry's bin says.
#[derive(Clone, Copy)]
#[repr(C)]
union Witness {
    /// The object's state.
    state: ObjectState,
    /// Size word and tag of the freed chunk. Two words, as in the header: read as one after a
    /// write of one half, either would wait for the processor's store buffer.
    header: [u32; 2],
}

impl Entry {
    /// No entry.
    pub(crate) const NONE: Self = Self {
        p: 0,
        witness: Witness {
            state: ObjectState(0),
        },
    };
    /// A freed object and its state.
    #[inline(always)]
    pub(crate) const fn object(p: usize, state: ObjectState) -> Self {
        let witness = Witness { state };
        Self { p, witness }
    }
    /// Writes a freed chunk, its size word without the P flag, and its tag, half by half.
    ///
    /// # Safety
    /// There is room for an entry.
    #[inline(always)]
    pub(crate) unsafe fn write_chunk(entry: *mut Self, p: usize, covered: u32, tag: u32) {
        // SAFETY: the caller's.
        unsafe {
            (*entry).p = p;
            (*entry).witness.header[0] = covered;
            (*entry).witness.header[1] = tag;
        }
    }
    /// Becomes the entry of a freed chunk.
    pub(crate) fn set_chunk(&mut self, c: Chunk) {
        // SAFETY: an entry.
        unsafe { Self::write_chunk(self, c.payload(), c.head().covered(), c.tag()) };
    }
    /// The state of an entry that is an object.
    #[inline(always)]
    pub(crate) const fn state(&self) -> ObjectState {
        // SAFETY: every bit pattern is a number.
        unsafe { self.witness.state }
    }
    /// Size word and tag of an entry that is a chunk.
    #[inline(always)]
    pub(crate) const fn header(&self) -> [u32; 2] {
        // SAFETY: every bit pattern is a pair of numbers.
        unsafe { self.witness.header }
    }
}
