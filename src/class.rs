//! Size classes: which bin of the thread cache serves a request, and what it holds.
//!
//! ```text
//! class   0          none: too large, or not exactly the size of a class
//!         1 ..= 8    runs: objects of 16, 32, … 128 bytes
//!         9 ..= 72   chunks of 32, 48, … 1,040 bytes (requests up to 1,032)
//!        73 ..= 152  chunks in 16 steps a doubling up to 32 KiB of request
//! ```
//!
//! Classes are named on the fast path by the byte offset of their bin in the thread cache. Two
//! small tables give it: one entry per 8 bytes of request up to 1 KiB, one per 64 bytes above.

use crate::config::{ALIGN, CACHE_LIMIT, HEADER, MIN_CHUNK, RUN_LIMIT, chunk_size};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

/// log2 of a bin's bytes in the thread cache.
pub const BIN_SHIFT: u32 = 5;
/// Largest request of the fine table, bytes.
pub const FINE_LIMIT: usize = 1024;
/// Run classes.
pub const RUNS: usize = RUN_LIMIT / ALIGN;
/// First chunk class.
pub const FIRST_CHUNK: usize = RUNS + 1;
/// First class above the exact ones.
const FIRST_WIDE: usize = FIRST_CHUNK + (FINE_LIMIT + ALIGN - MIN_CHUNK) / ALIGN + 1;
/// Steps a doubling above the exact classes; a sixteenth bounds the slack at 6 %.
const STEPS: usize = 16;
const DOUBLINGS: usize = (CACHE_LIMIT / FINE_LIMIT).ilog2() as usize;
/// All classes, the "none" class included.
pub const CLASSES: usize = FIRST_WIDE + STEPS * DOUBLINGS;
/// Byte offset of the last bin that holds objects of runs.
pub const LAST_RUN_BIN: usize = RUNS << BIN_SHIFT;

const FINE_STEP: usize = 8;
const WIDE_STEP: usize = FINE_LIMIT / STEPS;

const _: () = assert!(CLASSES == 153);
const _: () = assert!(
    LAST_RUN_BIN < 4096,
    "a run's bin offset shares a word with a page address"
);

/// Bytes of each class: an object of a run, or a chunk with its header.
pub static SIZE: [u32; CLASSES] = {
    let mut t = [0; CLASSES];
    let mut c = 1;
    while c < CLASSES {
        t[c] = if c < FIRST_CHUNK {
            c * ALIGN
        } else if c < FIRST_WIDE {
            MIN_CHUNK + (c - FIRST_CHUNK) * ALIGN
        } else {
            let i = c - FIRST_WIDE;
            let step = WIDE_STEP << (i / STEPS);
            (FINE_LIMIT << (i / STEPS)) + step * (i % STEPS + 1) + ALIGN
        } as u32;
        c += 1;
    }
    t
};

/// Chunk class by size: exact ones by 16 bytes, wide ones by 64.
static EXACT: [u8; (FINE_LIMIT + ALIGN) / ALIGN + 1] = {
    let mut t = [0; (FINE_LIMIT + ALIGN) / ALIGN + 1];
    let mut c = FIRST_CHUNK;
    while c < FIRST_WIDE {
        t[SIZE[c] as usize / ALIGN] = c as u8;
        c += 1;
    }
    t
};
static WIDE: [u8; CACHE_LIMIT / WIDE_STEP + 1] = {
    let mut t = [0; CACHE_LIMIT / WIDE_STEP + 1];
    let mut c = FIRST_WIDE;
    let mut i = FINE_LIMIT / WIDE_STEP;
    while c < CLASSES {
        while i <= (SIZE[c] as usize - ALIGN) / WIDE_STEP {
            t[i] = c as u8;
            i += 1;
        }
        c += 1;
    }
    t
};

/// Bin offsets by request; 0 until [`configure`] ran, which sends everything the slow way.
pub static FINE_BIN: [AtomicU32; FINE_LIMIT / FINE_STEP + 1] =
    [const { AtomicU32::new(0) }; FINE_LIMIT / FINE_STEP + 1];
/// See [`FINE_BIN`].
pub static WIDE_BIN: [AtomicU32; CACHE_LIMIT / WIDE_STEP + 1] =
    [const { AtomicU32::new(0) }; CACHE_LIMIT / WIDE_STEP + 1];
static RUN_MAX: AtomicUsize = AtomicUsize::new(0);

/// The bin offset of a request up to [`FINE_LIMIT`], 0 for none.
#[inline(always)]
pub fn fine_bin(n: usize) -> usize {
    debug_assert!(n <= FINE_LIMIT);
    // SAFETY: within the table by the caller's comparison.
    unsafe { FINE_BIN.get_unchecked(n.div_ceil(FINE_STEP)) }.load(Relaxed) as usize
}

/// The bin offset of any request, 0 for none.
#[inline]
pub fn bin(n: usize) -> usize {
    if n <= FINE_LIMIT {
        return fine_bin(n);
    }
    if n > CACHE_LIMIT {
        return 0;
    }
    WIDE_BIN
        .get(n.div_ceil(WIDE_STEP))
        .map_or(0, |bin| bin.load(Relaxed) as usize)
}

/// The class of a request, whether or not a cache may serve it; 0 for none.
pub fn of_request(n: usize) -> usize {
    if is_for_run(n) {
        return n.div_ceil(ALIGN).max(1);
    }
    if n > CACHE_LIMIT { 0 } else { covering(n) }
}

/// The chunk class for a request that a run would serve.
pub fn as_chunk(n: usize) -> usize {
    covering(n)
}

/// The smallest chunk class that holds a request of `n` bytes; 0 if none does.
fn covering(n: usize) -> usize {
    let class = if n <= FINE_LIMIT {
        EXACT.get(chunk_size(n) / ALIGN)
    } else {
        WIDE.get(n.div_ceil(WIDE_STEP))
    };
    usize::from(class.copied().unwrap_or(0))
}

/// The class whose chunks are exactly `size` bytes, a multiple of 16; 0 if there is none.
#[inline(always)]
pub fn of_chunk(size: usize) -> usize {
    if size <= FINE_LIMIT + ALIGN {
        // SAFETY: within the table by the comparison.
        return usize::from(*unsafe { EXACT.get_unchecked(size / ALIGN) });
    }
    let class = WIDE
        .get((size - ALIGN) / WIDE_STEP)
        .copied()
        .map_or(0, usize::from);
    if size_of(class) == size { class } else { 0 }
}

/// Bytes of a class.
#[inline(always)]
pub fn size_of(class: usize) -> usize {
    SIZE.get(class).map_or(0, |&s| s as usize)
}

/// The chunk size for a request that is to be a chunk: its class's, or the exact one above.
pub fn chunk_for(n: usize) -> usize {
    let class = if n <= CACHE_LIMIT { covering(n) } else { 0 };
    if class == 0 {
        chunk_size(n)
    } else {
        size_of(class)
    }
}

/// Whether a class is a run's.
#[inline(always)]
pub const fn is_run(class: usize) -> bool {
    class < FIRST_CHUNK
}

/// Whether a request is served from runs.
pub fn is_for_run(n: usize) -> bool {
    n.max(1) <= RUN_MAX.load(Relaxed)
}

/// Fills the request tables: runs up to `run_max`, cached chunks up to `cache_max` bytes of
/// request. `cache_max` 0 turns the fast path off: every request takes the slow one.
pub fn configure(run_max: usize, cache_max: usize) {
    RUN_MAX.store(run_max.min(RUN_LIMIT) / FINE_STEP * FINE_STEP, Relaxed);
    let offset = |n: usize| {
        if n > cache_max {
            0
        } else {
            (of_request(n) << BIN_SHIFT) as u32
        }
    };
    for (i, bin) in FINE_BIN.iter().enumerate() {
        bin.store(offset(i * FINE_STEP), Relaxed);
    }
    for (i, bin) in WIDE_BIN.iter().enumerate() {
        bin.store(offset(i * WIDE_STEP), Relaxed);
    }
}

/// Payload bytes of a chunk: all but its header, the next one's `prev_size` included.
pub const fn usable(chunk: usize) -> usize {
    chunk - HEADER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_gets_a_class_that_holds_it_and_wastes_little() {
        for run_max in [0, 64, 128] {
            configure(run_max, CACHE_LIMIT);
            for n in 0..=CACHE_LIMIT {
                let class = of_request(n);
                assert_eq!(bin(n), class << BIN_SHIFT, "request {n}");
                let held = if is_run(class) {
                    size_of(class)
                } else {
                    usable(size_of(class))
                };
                assert!(held >= n, "request {n} in {held}");
                assert!(held <= n + n / 15 + 24, "request {n} wastes {held}");
                if !is_run(class) {
                    assert_eq!(of_chunk(size_of(class)), class);
                }
            }
            assert_eq!(bin(CACHE_LIMIT + 1), 0);
        }
    }

    #[test]
    fn a_chunk_between_two_classes_has_none() {
        let mut classes = 0;
        for size in (32..40_000).step_by(16) {
            let class = of_chunk(size);
            assert!(class == 0 || size_of(class) == size);
            classes += usize::from(class != 0);
        }
        assert_eq!(classes, CLASSES - FIRST_CHUNK);
    }
}
