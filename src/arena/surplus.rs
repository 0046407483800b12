//! The surplus: which chunks are 16 bytes longer than the size their owner asked for needs.
//!
//! What is left of a free chunk, or of one that shrinks, may be 16 bytes: too little for a chunk of
//! its own, so the one in use keeps them. A free that names a size has to know, for a chunk of
//! that length may as well belong to a request of 16 bytes more. Headers have no bit to spare, so
//! the marks lie here, a bit for each end of a chunk within [`MARKED`] bytes of address.
//!
//! Marks are never taken away: a good free is never refused. A wrong one of 16 bytes less passes
//! only where a chunk with a surplus ended at the same place before, or at a multiple of the span.

use crate::chunk::Chunk;
use crate::config::{ALIGN, MIN_CHUNK};
use crate::statics::{MARKED, STATICS};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The marks, a bit each.
type Marks = [AtomicU64; MARKED / ALIGN / 64];

fn mark(c: Chunk, size: usize) -> (Option<&'static AtomicU64>, u64) {
    let granule = c.after(size).payload() % MARKED / ALIGN;
    // SAFETY: zeros are no marks, and the piece is nothing else anywhere.
    let marks: &Marks = unsafe { STATICS.surplus.of() };
    (marks.get(granule / 64), 1 << (granule % 64))
}

/// The chunk in use `c` of `size` bytes has 16 that were not asked for.
pub(crate) fn note(c: Chunk, size: usize) {
    if let (Some(word), bit) = mark(c, size)
        && word.load(Relaxed) & bit == 0
    {
        word.fetch_or(bit, Relaxed);
    }
}

/// Whether a chunk in use of `size` bytes serves a request for `wanted` as it is: what it is longer would
/// be no chunk.
#[inline(always)]
pub(crate) fn stays(c: Chunk, size: usize, wanted: usize) -> bool {
    let stays = wanted <= size && size - wanted < MIN_CHUNK;
    if stays && wanted != size {
        note(c, size);
    }
    stays
}

/// Whether it may have.
pub(crate) fn is_noted(c: Chunk, size: usize) -> bool {
    let (word, bit) = mark(c, size);
    word.is_some_and(|word| word.load(Relaxed) & bit != 0)
}
