//! Size classes: which bin of the thread cache serves a request, and what it holds.
//!
//! ```text
//! class   0          none: too large, or not exactly the size of a class
//!         1 ..= 32   runs: objects of 16, 32, … 512 bytes, so many granules
//!        33 ..= 96   chunks of 32, 48, … 1,040 bytes (requests up to 1,032)
//!        97 ..= 176  chunks in 16 steps a doubling up to 32 KiB of request
//! ```
//!
//! Classes are named on the fast path by the byte offset of their bin in the thread cache. Up to
//! 1,032 bytes it comes out of the size by arithmetic, above out of a table with an entry per 64
//! bytes.

use crate::config::{ALIGN, CACHE_LIMIT, HEADER, MIN_CHUNK, RUN_LIMIT, chunk_size, round_up};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// log2 of a bin's bytes in the thread cache.
pub const BIN_SHIFT: u32 = 5;
/// The bin of what is no class's: always empty and full at once. (Bin 0 is not: requests of 0 bytes
/// lead there.)
pub const NONE: usize = CLASSES << BIN_SHIFT;
/// Bytes of a cache's bins and strip, or a little more.
pub const BINS_ROOM: usize = (CLASSES + 2) << BIN_SHIFT;
/// Where the exact classes end, bytes: the wide ones double from here.
const FINE_LIMIT: usize = 1024;
/// Largest chunk of an exact class, bytes.
pub const EXACT_CHUNK: usize = FINE_LIMIT + ALIGN;
/// Largest request that such a chunk holds.
pub const EXACT_LIMIT: usize = usable(EXACT_CHUNK);
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
/// Granules between one bin and the next, as a shift: what a size has to be moved by to become
/// an offset.
const SIZE_SHIFT: u32 = BIN_SHIFT - ALIGN.ilog2();
/// Byte offset of the bin that a chunk of 0 bytes would have.
const CHUNK_BINS: usize = (FIRST_CHUNK << BIN_SHIFT) - (MIN_CHUNK << SIZE_SHIFT);

/// The largest alignment that sizes are rounded to, bytes.
const MOST_ROUNDED: usize = 4096;
const WIDE_STEP: usize = FINE_LIMIT / STEPS;

const _: () = assert!(CLASSES == 177 && NONE < 1 << 16);
const _: () = assert!(
    RUNS < 0x80,
    "a state is a class, and a bit for what was freed"
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

/// The bin offset of the wide class that serves a request, by 64 bytes, rounded up.
static WIDE: [u16; CACHE_LIMIT / WIDE_STEP + 1] = {
    let mut t = [0; CACHE_LIMIT / WIDE_STEP + 1];
    let mut c = FIRST_WIDE;
    let mut i = FINE_LIMIT / WIDE_STEP;
    while c < CLASSES {
        while i <= steps_of(c) {
            t[i] = (c << BIN_SHIFT) as u16;
            i += 1;
        }
        c += 1;
    }
    t
};

/// The bin offset of the wide class of chunks of exactly so many times 64 bytes and 16; [`NONE`] if
/// there is none.
static WIDE_CHUNK: [u16; CACHE_LIMIT / WIDE_STEP + 1] = {
    let mut t = [NONE as u16; CACHE_LIMIT / WIDE_STEP + 1];
    let mut c = FIRST_WIDE;
    while c < CLASSES {
        t[steps_of(c)] = (c << BIN_SHIFT) as u16;
        c += 1;
    }
    t
};

/// Of a wide class: its chunks are this many times 64 bytes, and 16.
const fn steps_of(class: usize) -> usize {
    (SIZE[class] as usize - ALIGN) / WIDE_STEP
}

static RUN_MAX: AtomicUsize = AtomicUsize::new(0);
static CACHE_MAX: AtomicUsize = AtomicUsize::new(0);

/// The bin offset of a request up to [`RUN_LIMIT`], if runs serve it; 0 for 0 bytes.
#[inline(always)]
pub fn run_bin(n: usize) -> usize {
    round_up(n, ALIGN) << SIZE_SHIFT
}

/// The bin offset of a chunk up to [`EXACT_CHUNK`] bytes.
#[inline(always)]
pub fn exact_bin(size: usize) -> usize {
    (size << SIZE_SHIFT) + CHUNK_BINS
}

/// The bin offset of a request above [`EXACT_LIMIT`].
#[inline(always)]
pub fn wide_bin(n: usize) -> usize {
    if n > CACHE_LIMIT {
        return NONE;
    }
    // SAFETY: within the table by the comparison.
    usize::from(*unsafe { WIDE.get_unchecked((n - 1) / WIDE_STEP + 1) })
}

/// The bin offset of a chunk above [`EXACT_CHUNK`] bytes: [`NONE`] where its size is between those of
/// classes, `None` where it is above them all or odd.
///
/// Rotating what must be 0 to the top makes one comparison of two.
#[inline(always)]
pub fn wide_chunk_bin(size: usize) -> Option<usize> {
    WIDE_CHUNK
        .get((size - ALIGN).rotate_right(WIDE_STEP.ilog2()))
        .map(|&offset| usize::from(offset))
}

/// Whether a thread's cache may hold this class, which is so if some request up to the limit is
/// of it: the bin stays empty and full at once if not.
pub fn may_cache(class: usize) -> bool {
    let least = match class {
        0 => return false,
        _ if is_run(class) => size_of(class),
        _ => size_of(class) - ALIGN,
    };
    least <= CACHE_MAX.load(Relaxed)
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

/// The bin offset of a request at a multiple of `align`.
pub fn aligned_bin(n: usize, align: usize) -> usize {
    if n > CACHE_LIMIT {
        return NONE;
    }
    match of_chunk(aligned_chunk_for(n, align)) {
        0 => NONE,
        class => class << BIN_SHIFT,
    }
}

/// The smallest chunk class that holds a request of `n` bytes; 0 if none does.
fn covering(n: usize) -> usize {
    if n <= EXACT_LIMIT {
        return exact_bin(chunk_size(n)) >> BIN_SHIFT;
    }
    wide_bin(n) >> BIN_SHIFT
}

/// The class whose chunks are exactly `size` bytes, a multiple of 16; 0 if there is none.
#[inline(always)]
pub fn of_chunk(size: usize) -> usize {
    if size <= EXACT_CHUNK {
        return if size < MIN_CHUNK {
            0
        } else {
            exact_bin(size) >> BIN_SHIFT
        };
    }
    match wide_chunk_bin(size) {
        None | Some(NONE) => 0,
        Some(offset) => offset >> BIN_SHIFT,
    }
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

/// The chunk size for a request at a multiple of `align`.
///
/// Up to a page it is a multiple of `align` too. What is cut off behind such a chunk begins at one
/// again, so no rests are left between two of them; and a chunk at a page's beginning is of no
/// class, so no cache keeps it for a request that could lie anywhere.
pub fn aligned_chunk_for(n: usize, align: usize) -> usize {
    if n > CACHE_LIMIT || align > MOST_ROUNDED {
        return chunk_for(n);
    }
    let rounded = round_up(n + HEADER, align).max(MIN_CHUNK);
    if rounded > EXACT_CHUNK && align <= EXACT_CHUNK {
        return chunk_for(n);
    }
    rounded
}

/// Whether a class is a run's.
#[inline(always)]
pub const fn is_run(class: usize) -> bool {
    class < FIRST_CHUNK
}

/// Whether a request is served from runs.
#[inline]
pub fn is_for_run(n: usize) -> bool {
    n.max(1) <= RUN_MAX.load(Relaxed)
}

/// Whether a request, not of 0 bytes, is served from runs: one comparison.
#[inline]
pub fn may_cut(n: usize) -> bool {
    n.wrapping_sub(1) < RUN_MAX.load(Relaxed)
}

/// Sets the limits: runs up to `run_max`, caches up to `cache_max` bytes of request.
pub fn configure(run_max: usize, cache_max: usize) {
    RUN_MAX.store(run_max.min(RUN_LIMIT) / ALIGN * ALIGN, Relaxed);
    CACHE_MAX.store(cache_max, Relaxed);
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
        for run_max in [0, 64, 128, 512] {
            configure(run_max, CACHE_LIMIT);
            for n in 0..=CACHE_LIMIT {
                let class = of_request(n);
                let bin = if n.max(1) <= run_max {
                    run_bin(n.max(1))
                } else if n <= EXACT_LIMIT {
                    exact_bin(chunk_size(n))
                } else {
                    wide_bin(n)
                };
                assert_eq!(bin, class << BIN_SHIFT, "request {n}");
                assert!(may_cache(class));
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
            assert_eq!(wide_bin(CACHE_LIMIT + 1), NONE);
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
