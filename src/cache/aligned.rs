//! Aligned requests that a chunk of the thread's cache can serve.

use super::{bin_at, no_object, take_chunk, take_last_chunk};
use crate::class;
use core::ptr;

/// Entries that an aligned request looks at. Of chunks at random places a quarter lies on a cache
/// line's beginning.
const LOOKS: usize = 16;

/// The newest chunk of the class of `n` bytes at a multiple of `align`, if it lies so; what
/// `otherwise` finds if not, and where a class is found by a table.
#[inline(always)]
pub(crate) fn take_newest_aligned(
    align: usize,
    n: usize,
    otherwise: fn(usize, usize) -> *mut u8,
) -> *mut u8 {
    let Some(offset) = class::exact_aligned_bin(n, align) else {
        return otherwise(align, n);
    };
    let bin = bin_at(offset);
    // SAFETY: only this thread uses the bin, and what lies below `top` are entries.
    unsafe {
        let top = (*bin).top();
        if top == (*bin).base.get() || (*top.sub(1)).p & (align - 1) != 0 {
            return otherwise(align, n);
        }
        take_last_chunk(bin, top)
    }
}

/// A chunk for `n` bytes at a multiple of `align`, if one of the newest of its class lies so.
///
/// A program that asks for alignment frees such chunks as well, so there mostly is one.
#[inline(always)]
pub(crate) fn take_aligned(align: usize, n: usize) -> *mut u8 {
    let offset = class::aligned_bin(n, align);
    let bin = bin_at(offset);
    // SAFETY: only this thread uses the bin, and what lies in `[base, top)` are entries.
    unsafe {
        let newest = (*bin).top().wrapping_sub(1);
        let mut entry = newest;
        for _ in 0..(*bin).len().min(LOOKS) {
            if (*entry).p & (align - 1) == 0 {
                newest.swap(entry);
                return take_chunk(bin, n, no_object);
            }
            entry = entry.wrapping_sub(1);
        }
    }
    ptr::null_mut()
}
