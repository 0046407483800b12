//! Size classes: which one serves a request, and the limits in force. What each holds is
//! `layout`'s.

pub(crate) use crate::layout::class::{
    BIN_SHIFT, BINS_ROOM, CLASSES, EXACT_CHUNK, EXACT_LIMIT, FIRST_CHUNK, NONE, RUNS, exact_bin,
    is_run, of_chunk, run_bin, size_of, usable, wide_chunk_bin,
};

use crate::config::{ALIGN, CACHE_LIMIT, HEADER, MIN_CHUNK, RUN_LIMIT, chunk_size, round_up};
use crate::layout::class::{FINE_LIMIT, FIRST_WIDE, WIDE_STEP, steps_of};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The largest alignment that sizes are rounded to, bytes.
const MOST_ROUNDED: usize = 4096;

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

pub(crate) static RUN_MAX: AtomicUsize = AtomicUsize::new(0);
pub(crate) static CACHE_MAX: AtomicUsize = AtomicUsize::new(0);

/// The bin offset of a request above [`EXACT_LIMIT`], 0 for none.
#[inline(always)]
pub(crate) fn wide_bin(n: usize) -> usize {
    if n > CACHE_LIMIT {
        return NONE;
    }
    // SAFETY: within the table by the comparison.
    usize::from(*unsafe { WIDE.get_unchecked((n - 1) / WIDE_STEP + 1) })
}

/// Whether a thread's cache may hold this class, which is so if some request up to the limit is
/// of it: the bin stays empty and full at once if not.
pub(crate) fn may_cache(class: usize) -> bool {
    let least = match class {
        0 => return false,
        _ if is_run(class) => size_of(class),
        _ => size_of(class) - ALIGN,
    };
    least <= CACHE_MAX.load(Relaxed)
}

/// The class of a request, whether or not a cache may serve it; 0 for none.
pub(crate) fn of_request(n: usize) -> usize {
    if is_for_run(n) {
        return n.div_ceil(ALIGN).max(1);
    }
    if n > CACHE_LIMIT { 0 } else { covering(n) }
}

/// The chunk class for a request that a run would serve.
pub(crate) fn as_chunk(n: usize) -> usize {
    covering(n)
}

/// The bin offset of a request at a multiple of `align`.
#[inline(always)]
pub(crate) fn aligned_bin(n: usize, align: usize) -> usize {
    if n > CACHE_LIMIT {
        return NONE;
    }
    match of_chunk(aligned_chunk_for(n, align)) {
        0 => NONE,
        class => class << BIN_SHIFT,
    }
}

/// As [`aligned_bin`], where the size of the class is the request's, rounded up to `align`: then
/// no table is asked. None elsewhere.
#[inline(always)]
pub(crate) fn exact_aligned_bin(n: usize, align: usize) -> Option<usize> {
    // Below, a chunk has the alignment anyway. Above, the size is no such class's.
    if align < MIN_CHUNK || n > EXACT_LIMIT {
        return None;
    }
    let size = round_up(n + HEADER, align);
    (size <= EXACT_CHUNK).then(|| exact_bin(size))
}

/// The smallest chunk class that holds a request of `n` bytes; 0 if none does.
fn covering(n: usize) -> usize {
    if n <= EXACT_LIMIT {
        return exact_bin(chunk_size(n)) >> BIN_SHIFT;
    }
    wide_bin(n) >> BIN_SHIFT
}

/// The chunk size for a request that is to be a chunk: its class's, or the exact one above.
#[inline]
pub(crate) fn chunk_for(n: usize) -> usize {
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
pub(crate) fn aligned_chunk_for(n: usize, align: usize) -> usize {
    if n > CACHE_LIMIT || align > MOST_ROUNDED {
        return chunk_for(n);
    }
    let rounded = round_up(n + HEADER, align).max(MIN_CHUNK);
    if rounded > EXACT_CHUNK && align <= EXACT_CHUNK {
        return chunk_for(n);
    }
    rounded
}

/// Whether a request is served from runs.
#[inline]
pub(crate) fn is_for_run(n: usize) -> bool {
    n.max(1) <= RUN_MAX.load(Relaxed)
}

/// Whether a request, not of 0 bytes, is served from runs: one comparison.
#[inline]
pub(crate) fn may_cut(n: usize) -> bool {
    n.wrapping_sub(1) < RUN_MAX.load(Relaxed)
}

/// Sets the limits: runs up to `run_max`, caches up to `cache_max` bytes of request.
pub(crate) fn configure(run_max: usize, cache_max: usize) {
    RUN_MAX.store(run_max.min(RUN_LIMIT) / ALIGN * ALIGN, Relaxed);
    CACHE_MAX.store(cache_max, Relaxed);
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
    fn an_aligned_request_has_one_class_with_and_without_the_table() {
        let mut found = 0;
        for align in (0..20).map(|i| 1 << i) {
            for n in (0..=CACHE_LIMIT).chain([usize::MAX - 8, usize::MAX]) {
                if let Some(bin) = exact_aligned_bin(n, align) {
                    assert_eq!(bin, aligned_bin(n, align), "{n} bytes at {align}");
                    found += 1;
                }
            }
        }
        assert!(found > 5000, "{found} of them");
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
