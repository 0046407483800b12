//! What an arena's slow paths have done so far, where a reader outside finds it: [`OFFSET`] bytes
//! into each arena, the main one of `descriptor::Descriptor::main` and those that its `others` name.
//!
//! A cliff shows here before it shows in time: much looked at for little that went, or memory that
//! goes and comes again. The counts only grow, and each stands for itself.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes from the beginning of an arena to its counters.
pub const OFFSET: usize = 80;

/// A count. One thread at a time adds to it, who holds the lock that guards it.
#[repr(transparent)]
pub struct Count(AtomicUsize);

impl Count {
    const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }
    /// Adds; the lock that guards it is held.
    #[inline]
    pub fn add(&self, n: usize) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }
    /// How many so far.
    pub fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

/// All of them.
#[repr(C)]
pub struct Counters {
    /// Times that heaps became longer, or began. Guarded by the arena's lock.
    pub growths: Count,
    /// Bytes by which they did. Likewise.
    pub grown: Count,
    /// Bytes by which heaps became shorter. Likewise.
    pub shrunk: Count,
    /// Regions whose waiting chunks were merged. Likewise.
    pub sweeps: Count,
    /// Regions and heaps that were looked at for what could go. Likewise.
    pub looks: Count,
    /// Times that the kernel was asked to take pages. Guarded by what is held while it is asked.
    pub purges: Count,
    /// Bytes of pages that it was asked for. Likewise.
    pub purged: Count,
    /// Bytes that it would not take. Likewise.
    pub refused: Count,
}

impl Counters {
    /// Nothing so far.
    #[allow(clippy::new_without_default, reason = "a constant")]
    pub const fn new() -> Self {
        Self {
            growths: Count::new(),
            grown: Count::new(),
            shrunk: Count::new(),
            sweeps: Count::new(),
            looks: Count::new(),
            purges: Count::new(),
            purged: Count::new(),
            refused: Count::new(),
        }
    }
}
