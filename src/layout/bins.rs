//! Bins of free chunks: which one holds a size.
//!
//! ```text
//! bin      2 ..= 64      chunks of exactly 16 × bin bytes
//!         65 ..= 240     [2^k, 2^(k+1)) in eighths, from 1,040 bytes to 4 GiB
//! ```

/// The first bin of more than one size.
pub const LARGE: usize = 65;
/// All bins; the first two stay empty, since no chunk is that small.
pub const BINS: usize = LARGE + 22 * 8;
/// Largest size of the exact bins, bytes.
const EXACT: usize = 1024;

/// The bin of a free chunk of `size` bytes.
pub fn index(size: usize) -> usize {
    if size <= EXACT {
        return size / 16;
    }
    let log = size.ilog2() as usize;
    (LARGE + (log - 10) * 8 + (size >> (log - 3) & 7)).min(BINS - 1)
}
