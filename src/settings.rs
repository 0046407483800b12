//! The knobs as the running allocator sees them: set at the start from the environment, changed
//! by `mallopt`, and, for two thresholds, moved by use as glibc moves them.

use crate::config::{MAX_CHUNK, MMAP_THRESHOLD_MAX};
use crate::knobs::Knobs;
use crate::sync::{Bell, Lock};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

pub(crate) static MMAP_THRESHOLD: AtomicUsize = AtomicUsize::new(0);
pub(crate) static TRIM_THRESHOLD: AtomicUsize = AtomicUsize::new(0);
pub(crate) static TOP_PAD: AtomicUsize = AtomicUsize::new(0);
pub(crate) static MMAP_MAX: AtomicUsize = AtomicUsize::new(0);
pub(crate) static FIXED: AtomicBool = AtomicBool::new(false);
static TRIM_BY_HAND: AtomicBool = AtomicBool::new(false);
pub(crate) static PERTURB: AtomicUsize = AtomicUsize::new(0);
pub(crate) static ARENA_MAX: AtomicUsize = AtomicUsize::new(0);
pub(crate) static PURGE_DELAY: AtomicUsize = AtomicUsize::new(0);
pub(crate) static HUGE_FROM: AtomicUsize = AtomicUsize::new(0);
pub(crate) static CACHE_COUNT: AtomicUsize = AtomicUsize::new(0);
pub(crate) static MAX_FAST: AtomicUsize = AtomicUsize::new(0);
pub(crate) static CHECK: AtomicUsize = AtomicUsize::new(0);
pub(crate) static FREE_FILL: AtomicUsize = AtomicUsize::new(0);
pub(crate) static BACKGROUND: AtomicUsize = AtomicUsize::new(0);
/// Guards the start and the knobs; outside all other locks.
pub(crate) static LOCK: Lock = Lock::new();
/// Wakes the background thread: there is something to give back, or nobody left to work for.
pub(crate) static BELL: Bell = Bell::new();

/// Check mode of this level (0: off), for as long as the process lives: an object says nowhere
/// whether it has a trailer.
pub(crate) fn begin_check(k: &Knobs) {
    CHECK.store(k.check as usize, Relaxed);
    FREE_FILL.store(usize::from(k.free_fill), Relaxed);
}

/// Takes over all knobs.
pub(crate) fn apply(k: &Knobs) {
    MMAP_THRESHOLD.store(k.mmap_threshold, Relaxed);
    // Beyond any address, so that an address plus either never wraps.
    TRIM_THRESHOLD.store(k.trim_threshold.min(1 << 47), Relaxed);
    TOP_PAD.store(k.top_pad.min(1 << 47), Relaxed);
    MMAP_MAX.store(k.mmap_max, Relaxed);
    FIXED.store(k.mmap_threshold_fixed, Relaxed);
    TRIM_BY_HAND.store(k.trim_by_hand, Relaxed);
    PERTURB.store(usize::from(k.perturb), Relaxed);
    ARENA_MAX.store(k.arena_max, Relaxed);
    CACHE_COUNT.store(k.tcache_count, Relaxed);
    PURGE_DELAY.store(k.purge_delay, Relaxed);
    BACKGROUND.store(usize::from(k.background), Relaxed);
    crate::fatal::show_address(k.address);
    crate::os::names::give(k.names);
    HUGE_FROM.store(k.huge_from, Relaxed);
    MAX_FAST.store(
        if k.mxfast == 0 {
            0
        } else {
            crate::config::chunk_size(k.mxfast)
        },
        Relaxed,
    );
}

/// Requests from this size on are mapped, bytes.
pub(crate) fn mmap_threshold() -> usize {
    MMAP_THRESHOLD.load(Relaxed)
}
/// Used top bytes above which top is trimmed.
pub(crate) fn trim_threshold() -> usize {
    TRIM_THRESHOLD.load(Relaxed)
}
/// Whether the thresholds were set by hand.
pub(crate) fn trim_is_fixed() -> bool {
    FIXED.load(Relaxed)
}
/// Whether the trim threshold itself was.
pub(crate) fn trim_is_by_hand() -> bool {
    TRIM_BY_HAND.load(Relaxed)
}
/// Bytes asked for beyond need when a heap grows, and kept when top is trimmed.
pub(crate) fn top_pad() -> usize {
    TOP_PAD.load(Relaxed)
}
/// Bytes of top that stay of a program that does not use them: what was set by hand, at least the pad.
pub(crate) fn kept_of_top() -> usize {
    if trim_is_fixed() {
        trim_threshold().max(top_pad())
    } else {
        top_pad()
    }
}
/// Most mapped chunks at a time.
pub(crate) fn mmap_max() -> usize {
    MMAP_MAX.load(Relaxed)
}
/// The byte of `M_PERTURB`, 0 when off.
pub(crate) fn perturb() -> u8 {
    PERTURB.load(Relaxed) as u8
}
/// Most arenas asked for, 0 for as many as there are CPUs.
pub(crate) fn arena_max() -> usize {
    ARENA_MAX.load(Relaxed)
}
/// Largest chunk that waits in a fastbin, bytes, by the request it serves (`M_MXFAST`).
pub(crate) fn max_fast() -> usize {
    MAX_FAST.load(Relaxed)
}
/// How long memory lies free before it goes back, milliseconds.
pub(crate) fn purge_delay() -> usize {
    PURGE_DELAY.load(Relaxed)
}
/// Whether a thread of Cairn's own is to give memory back.
pub(crate) fn background() -> bool {
    BACKGROUND.load(Relaxed) != 0
}
/// Length from which a heap grows by huge pages, bytes.
pub(crate) fn huge_from() -> usize {
    HUGE_FROM.load(Relaxed)
}
/// Most entries of one class in a thread cache.
pub(crate) fn cache_count() -> usize {
    CACHE_COUNT.load(Relaxed)
}
/// The level of check mode that the process began with, 0 for off.
pub(crate) fn check() -> u8 {
    CHECK.load(Relaxed) as u8
}
/// What freed memory is filled with in check mode: `M_PERTURB`'s byte, else `CAIRN_FREE_FILL`'s.
pub(crate) fn free_fill() -> u8 {
    match perturb() {
        0 => FREE_FILL.load(Relaxed) as u8,
        byte => byte,
    }
}
/// Sizes below this may differ from the one asked for when an object is freed with its size, as
/// long as they are the same chunk's. In check mode it is 0, and each is compared exactly.
pub(crate) fn loose_sizes() -> usize {
    if check() == 0 { MAX_CHUNK + 1 } else { 0 }
}

/// A mapped chunk of `size` bytes was freed: such sizes are transient, so from now on they come
/// from the heap (glibc's dynamic threshold).
pub(crate) fn saw_mapped_free(size: usize) {
    if !FIXED.load(Relaxed) && size > mmap_threshold() && size <= MMAP_THRESHOLD_MAX {
        MMAP_THRESHOLD.store(size, Relaxed);
        TRIM_THRESHOLD.store(2 * size, Relaxed);
    }
}
