//! Every constant that a measurement or another allocator chose, with its unit and its reason; and
//! those of the heap's geometry, which `layout` has.

pub(crate) use crate::layout::sizes::{
    ALIGN, CACHE_LIMIT, GRANULES, HEADER, MAX_ARENAS, MAX_CHUNK, MAX_NAMED, MIN_CHUNK, REGION,
    RUN_LIMIT, chunk_size, round_up,
};

/// Largest request, bytes: pointer differences must stay representable (C17 7.22.3).
pub(crate) const MAX_REQUEST: usize = isize::MAX as usize;
/// How long memory lies free before it goes back to the system, milliseconds. Programs that build
/// something, free it and build it again come back to it sooner, and what comes after a peak later.
pub(crate) const PURGE_DELAY: usize = 25;
/// Bytes of a huge page (x86-64, and aarch64 with pages of 4 KiB). Elsewhere the advice that is
/// given in this unit does nothing.
pub(crate) const HUGE_PAGE: usize = 2 << 20;
/// Length from which a heap grows by huge pages, bytes: what it then holds beyond its need is an
/// eighth of it on average.
pub(crate) const HUGE_FROM: usize = 8 << 20;
/// Address space a non-main heap reserves, bytes (glibc's `HEAP_MAX_SIZE` on 64-bit).
pub(crate) const HEAP_RESERVE: usize = 64 << 20;
/// Upper bound of the dynamic mmap threshold, bytes (glibc's `DEFAULT_MMAP_THRESHOLD_MAX`).
pub(crate) const MMAP_THRESHOLD_MAX: usize = 32 << 20;
