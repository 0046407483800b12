//! What an object was asked for with, by its trailer.

use super::canary;
use crate::chunk::Chunk;
use crate::{class, fatal};

/// The last words for an object with a damaged trailer.
#[cold]
pub(crate) fn overflowed(p: usize) -> ! {
    fatal::die("memory clobbered past end of allocated block", p)
}

/// What was asked for; the process ends when the trailer is damaged.
#[cold]
#[inline(never)]
pub(crate) fn asked(c: Chunk, size: usize) -> usize {
    asked_near(c, size, usize::MAX)
}

/// As [`asked`], before a resize to `n` bytes: what is far behind those is not compared.
pub(crate) fn asked_near(c: Chunk, size: usize, n: usize) -> usize {
    // SAFETY: a chunk in use, whole with its header (I1, I2).
    match unsafe { canary::read_near(c.payload(), class::usable(size), n) } {
        Some(n) => n,
        None => overflowed(c.payload()),
    }
}
