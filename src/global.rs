//! `#[global_allocator]`.

use crate::api::Options;
use crate::cache;
use crate::config::ALIGN;
use crate::routes::{self, alloc, realloc};
use core::alloc::{GlobalAlloc, Layout};

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
/// The program's C code keeps the C library's `malloc`; the macro `c_symbols!` (feature
/// `c-symbols`) serves that too, and so does the shared library when it is preloaded. A `Layout` that does not fit what was
/// allocated ends the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cairn;

impl Cairn {
    /// Cairn with settings of the program's own.
    ///
    /// They are the process's, which has one heap: of several such statics the first that serves a
    /// request counts. [`Options`] has what may be set, and what goes before it.
    ///
    /// ```
    /// #[global_allocator]
    /// static HEAP: cairn::CairnWith = cairn::Cairn::with(cairn::Options::new().arena_max(1));
    ///
    /// assert_eq!(cairn::stats().arenas, 1);
    /// ```
    #[must_use]
    pub const fn with(options: Options) -> CairnWith {
        CairnWith { options }
    }
}

/// [`Cairn`] with settings, by [`Cairn::with`].
///
/// ```
/// static HEAP: cairn::CairnWith = cairn::Cairn::with(cairn::Options::new());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CairnWith {
    options: Options,
}

// SAFETY: as for `Cairn`, which serves it.
unsafe impl GlobalAlloc for CairnWith {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Before the start no thread has a cache, so that the fast path need not ask.
        if layout.align() <= ALIGN {
            let p = cache::take(layout.size(), cache::no_object);
            if !p.is_null() {
                return p;
            }
        }
        self.options.begin();
        // SAFETY: the caller's.
        unsafe { Cairn.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { Cairn.dealloc(p, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.options.begin();
        // SAFETY: the caller's.
        unsafe { Cairn.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, n: usize) -> *mut u8 {
        // SAFETY: the caller's; what is resized came from here, so the start was.
        unsafe { Cairn.realloc(p, layout, n) }
    }
}

// SAFETY: every live object is handed out once, holds its layout, and nothing here unwinds.
unsafe impl GlobalAlloc for Cairn {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= ALIGN {
            routes::allocate(layout.size())
        } else {
            routes::aligned(layout.align(), layout.size())
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
        let p = routes::aligned(layout.align(), layout.size());
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
