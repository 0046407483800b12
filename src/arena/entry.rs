//! What passes between a cache and an arena.

use crate::chunk::{Chunk, TURN};
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
    /// The tag of a chunk, as it is in use. Its size is that of the bin.
    tag: u32,
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
    /// A freed chunk, and its tag while it was in use.
    #[inline(always)]
    pub(crate) const fn chunk(p: usize, tag: u32) -> Self {
        let witness = Witness { tag };
        Self { p, witness }
    }
    /// The entry of a freed chunk, by its header.
    pub(crate) fn of_chunk(c: Chunk) -> Self {
        Self::chunk(c.payload(), c.tag() ^ TURN)
    }
    /// The state of an entry that is an object.
    #[inline(always)]
    pub(crate) const fn state(&self) -> ObjectState {
        // SAFETY: every bit pattern is a number.
        unsafe { self.witness.state }
    }
    /// The tag of an entry that is a chunk, as it is in use.
    #[inline(always)]
    pub(crate) const fn tag(&self) -> u32 {
        // SAFETY: every bit pattern is a number.
        unsafe { self.witness.tag }
    }
}
