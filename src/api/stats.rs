//! The figures of the whole heap, as numbers.

use crate::routes::start;
use crate::stats::totals;

/// The figures of the whole heap at one moment. C has them as `struct cairn_stats`.
///
/// They are taken arena by arena, so that together they are exact only where no other thread
/// allocates meanwhile. Later versions may have more fields.
///
/// ```
/// let stats = cairn::stats();
/// assert!(stats.cached <= stats.free && stats.free <= stats.heaps);
/// println!("{} bytes in use, {} at most", stats.in_use, stats.peak_heaps + stats.peak_mapped);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
#[repr(C)]
pub struct Stats {
    /// Bytes of all that the program holds, headers included: of objects in heaps and of mapped
    /// chunks.
    pub in_use: usize,
    /// Bytes of heaps that no object has. Some of their pages may have gone back to the system.
    pub free: usize,
    /// Bytes of `free` that lie in caches of threads, or in check mode's quarantine.
    pub cached: usize,
    /// Bytes of the heaps of all arenas: what is in use there, and `free`.
    pub heaps: usize,
    /// Bytes of mapped chunks, whole pages.
    pub mapped: usize,
    /// Number of mapped chunks.
    pub mapped_chunks: usize,
    /// The most bytes that each arena's heaps ever had, added up.
    pub peak_heaps: usize,
    /// The most bytes of mapped chunks at a time.
    pub peak_mapped: usize,
    /// Bytes of pages inside heaps that were given back to the system since the start.
    pub purged: usize,
    /// Number of arenas.
    pub arenas: usize,
    /// Number of threads that have a cache.
    pub threads: usize,
}

/// The figures of the whole heap. C has it by `cairn_stats()`.
///
/// Each arena is locked in turn, and its free chunks are counted: a matter of milliseconds where
/// there are hundreds of thousands. Nothing is allocated.
///
/// ```
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// let before = cairn::stats().in_use;
/// let much = vec![1_u8; 3 << 20];
/// assert!(cairn::stats().in_use >= before + much.len());
/// ```
pub fn stats() -> Stats {
    start::ensure();
    let all = totals();
    Stats {
        in_use: all.heaps.saturating_sub(all.free) + all.mapped.bytes,
        free: all.free,
        cached: all.cached,
        heaps: all.heaps,
        mapped: all.mapped.bytes,
        mapped_chunks: all.mapped.chunks,
        peak_heaps: all.peak_heaps,
        peak_mapped: all.mapped.max_bytes,
        purged: all.purged,
        arenas: all.arenas,
        threads: all.threads,
    }
}
