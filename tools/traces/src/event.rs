//! One call of a trace.

/// An object: the thread that allocated it, and how many that one had allocated before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Birth {
    /// The thread, from 0 in the order of their first calls.
    pub thread: u32,
    /// The objects that it had allocated before.
    pub number: u64,
}

/// What was called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// `malloc`, `new`, and `realloc` of nothing.
    Malloc,
    /// `calloc`.
    Calloc,
    /// An allocation with an alignment, which is 2 to this power.
    Aligned(u8),
    /// `free`, `delete`, and `realloc` to nothing.
    Free(Birth),
    /// `realloc` of that object, which ends; another begins, where it was or elsewhere.
    Realloc {
        /// The object that ends.
        of: Birth,
        /// Whether it begins elsewhere.
        moved: bool,
    },
    /// An allocation that failed.
    Failed,
    /// No call: the object was never freed, and [`Event::share`] of it was resident at the end.
    Rest(Birth),
}

/// A call with its circumstances.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// Ticks since the recording began ([`crate::file::Start::tick`]): after an allocation, before
    /// a free.
    pub time: u64,
    /// Who called, from 0.
    pub thread: u32,
    /// What.
    pub call: Call,
    /// Bytes that were asked for; 0 of a free.
    pub size: u64,
    /// Of a large object that ends: how much of it was resident, of 255.
    pub share: Option<u8>,
}

impl Event {
    /// Whether an object begins.
    pub fn is_birth(&self) -> bool {
        matches!(
            self.call,
            Call::Malloc | Call::Calloc | Call::Aligned(_) | Call::Realloc { .. }
        )
    }

    /// The object that ends.
    pub fn ends(&self) -> Option<Birth> {
        match self.call {
            Call::Free(of) | Call::Realloc { of, .. } => Some(of),
            _ => None,
        }
    }
}
