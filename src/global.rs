//! `#[global_allocator]`.

use crate::config::ALIGN;
use crate::routes::{self, alloc, realloc, start};
use core::alloc::{GlobalAlloc, Layout};

/// Whether a thread of Cairn's own gives memory back where the program has stopped calling, from now
/// on; whether that was so before. `CAIRN_BACKGROUND=1` says the same from the start.
///
/// A process with one thread has none until a second one comes, nor has a static program, or one
/// in check mode.
pub fn background(on: bool) -> bool {
    start::set_background(on)
}

/// Cairn as a Rust program's allocator.
///
/// ```
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// let v: Vec<u64> = (0..1000).collect();
/// assert_eq!(v.len(), 1000);
/// ```
///
/// The program's C code keeps the C library's `malloc`; preload the shared library to replace
/// that too. A `Layout` that does not fit what was allocated ends the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cairn;

// SAFETY: every live object is handed out once, holds its layout, and nothing here unwinds.
unsafe impl GlobalAlloc for Cairn {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ALIGN {
            routes::allocate(layout.size())
        } else {
            alloc::aligned(layout.align(), layout.size())
        }
    }

    #[inline]
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        routes::release_sized(p, layout.size(), layout.align());
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ALIGN {
            return alloc::zeroed(layout.size());
        }
        let p = alloc::aligned(layout.align(), layout.size());
        if !p.is_null() {
            // SAFETY: just allocated for this layout.
            unsafe { p.write_bytes(0, layout.size()) };
        }
        p
    }

    #[inline]
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, n: usize) -> *mut u8 {
        realloc::resize_claimed(p, layout.size(), layout.align(), n)
    }
}
