//! The heap's geometry: what is aligned to what, and how large what is.

/// Every payload is aligned to this many bytes (the x86-64 and aarch64 ABIs' `max_align_t`).
pub const ALIGN: usize = 16;
/// Bytes of the header just below a payload: size and flags, then the tag.
pub const HEADER: usize = 8;
/// Bytes of a word.
pub(super) const WORD: usize = 8;
/// Bytes of a lock: its owner, and the fork that took it.
pub(super) const LOCK: usize = 16;
/// The smallest chunk, bytes: header, two links and a foot must fit when it is free.
pub const MIN_CHUNK: usize = 32;
/// log2 of the unit of address lookup.
pub const REGION_SHIFT: u32 = 16;
/// Bytes of a region, the unit of lookup, of growth and of a run's slot.
pub const REGION: usize = 1 << REGION_SHIFT;
/// Granules (16 bytes) in a region: bits of its map, bytes of its state page.
pub const GRANULES: usize = REGION / ALIGN;
/// Largest free chunk, bytes: sizes live in 32 bits, so merging stops below 4 GiB.
pub const MAX_CHUNK: usize = (1 << 32) - REGION;
/// Compile-time limit of requests served from runs, bytes. A state page is a sixteenth of what it
/// describes, so a larger object would pay more for its states than for a header.
pub const RUN_LIMIT: usize = 512;
/// Largest request the thread cache serves, bytes.
pub const CACHE_LIMIT: usize = 32 * 1024;
/// Most arenas one process can have; the number in use is bounded by its CPUs.
pub const MAX_ARENAS: usize = 64;
/// Most heaps of its own that a process can have at a time. Each begins with addresses for 64 MiB:
/// together they are 256 GiB, of the 128 TiB that a process has.
pub const MAX_NAMED: usize = 4096;

const _: () = assert!(GRANULES == 4096, "a state page is one byte a granule");
const _: () = assert!(MIN_CHUNK >= 2 * HEADER + 2 * size_of::<usize>());
const _: () = assert!(RUN_LIMIT.is_multiple_of(ALIGN));

/// Rounds `n` up to a multiple of `unit`, a power of two; the caller knows that it cannot wrap.
#[inline(always)]
pub const fn round_up(n: usize, unit: usize) -> usize {
    (n + unit - 1) & !(unit - 1)
}

/// The chunk size that serves a request of `n` bytes, at most `MAX_REQUEST`.
#[inline(always)]
pub const fn chunk_size(n: usize) -> usize {
    let size = round_up(n + HEADER, ALIGN);
    if size < MIN_CHUNK { MIN_CHUNK } else { size }
}
