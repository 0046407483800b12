//! Size classes: which bin of the thread cache holds what.
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

use super::sizes::{ALIGN, CACHE_LIMIT, HEADER, MIN_CHUNK, RUN_LIMIT, round_up};

/// log2 of a bin's bytes in the thread cache.
pub const BIN_SHIFT: u32 = 5;
/// The bin of what is no class's: always empty and full at once. (Bin 0 is not: requests of 0 bytes
/// lead there.)
pub const NONE: usize = CLASSES << BIN_SHIFT;
/// Bytes of a cache's bins and strip, or a little more.
pub const BINS_ROOM: usize = (CLASSES + 2) << BIN_SHIFT;
/// Where the exact classes end, bytes: the wide ones double from here.
pub const FINE_LIMIT: usize = 1024;
/// Largest chunk of an exact class, bytes.
pub const EXACT_CHUNK: usize = FINE_LIMIT + ALIGN;
/// Largest request that such a chunk holds.
pub const EXACT_LIMIT: usize = usable(EXACT_CHUNK);
/// Run classes.
pub const RUNS: usize = RUN_LIMIT / ALIGN;
/// First chunk class.
pub const FIRST_CHUNK: usize = RUNS + 1;
/// First class above the exact ones.
pub const FIRST_WIDE: usize = FIRST_CHUNK + (FINE_LIMIT + ALIGN - MIN_CHUNK) / ALIGN + 1;
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

/// Bytes of the first doubling's steps.
pub const WIDE_STEP: usize = FINE_LIMIT / STEPS;

const _: () = assert!(CLASSES == 177 && NONE < 1 << 16);
const _: () = assert!(
    RUNS < 0x40,
    "a state is a class, and bits for what was freed or is a sample"
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
pub const fn steps_of(class: usize) -> usize {
    (SIZE[class] as usize - ALIGN) / WIDE_STEP
}

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

/// Whether a class is a run's.
#[inline(always)]
pub const fn is_run(class: usize) -> bool {
    class < FIRST_CHUNK
}

/// Payload bytes of a chunk: all but its header, the next one's `prev_size` included.
pub const fn usable(chunk: usize) -> usize {
    chunk - HEADER
}
