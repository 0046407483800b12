//! The C symbols: each one is a call of its namesake in `cairn::c`, which the
//! link-time optimiser puts in its place.
//!
//! An alias is one more function over the same namesake, never a call of the
//! symbol it stands for: somebody may have put their own in front of that. (The
//! compiler finds the two alike and gives them one address, by which valgrind
//! replaces both.)
//!
//! What valgrind does not replace goes by `valgrind` first: there the pointers
//! are valgrind's.

use crate::valgrind;
use core_cairn::c;
use libc::{FILE, c_int, c_void};

/// Exports every symbol of a line as a forward to the function in its braces.
macro_rules! symbols {
    ($( $($symbol:ident),+: $function:tt )+) => {
        $($( symbol! { $symbol: $function } )+)+
    };
}

macro_rules! symbol {
    ($symbol:ident: { $core:ident($($name:ident: $kind:ty),*) $(-> $result:ty)? }) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol($($name: $kind),*) $(-> $result)? {
            // SAFETY: `cairn::c` asks of its caller what C asks of the
            // symbol's, no more.
            unsafe { c::$core($($name),*) }
        }
    };
    ($symbol:ident: { $core:path, ($($name:ident: $kind:ty),*) $(-> $result:ty)? }) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol($($name: $kind),*) $(-> $result)? {
            // SAFETY: as above; what stands before `cairn::c` asks no more.
            unsafe { $core($($name),*) }
        }
    };
}

symbols! {
    // `malloc(3)`: `NULL` and `ENOMEM` when there is no memory.
    malloc, __libc_malloc: { malloc(size: usize) -> *mut c_void }

    // `free(3)`: `NULL` is fine; `errno` is kept.
    free, cfree, __libc_free, __libc_cfree: { free(p: *mut c_void) }

    // `calloc(3)`: zeroes; `ENOMEM` when `n * size` overflows.
    calloc, __libc_calloc: { calloc(n: usize, size: usize) -> *mut c_void }

    // `realloc(3)`: `(NULL, n)` is `malloc(n)`, `(p, 0)` frees.
    realloc, __libc_realloc: { realloc(p: *mut c_void, size: usize) -> *mut c_void }

    // `reallocarray(3)`: `ENOMEM` when `n * size` overflows; `p` stays whole.
    reallocarray, __libc_reallocarray: { valgrind::reallocarray, (p: *mut c_void, n: usize, size: usize) -> *mut c_void }

    // `memalign(3)`: an alignment that is no power of two is rounded up.
    memalign, __libc_memalign: { memalign(align: usize, size: usize) -> *mut c_void }

    // C17's `aligned_alloc`: `EINVAL` unless `align` is a power of two.
    aligned_alloc: { aligned_alloc(align: usize, size: usize) -> *mut c_void }

    // `posix_memalign(3)`: returns the error; never sets `errno`.
    posix_memalign, __posix_memalign: { posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int }

    // `valloc(3)`: at the start of a page.
    valloc, __libc_valloc: { valloc(size: usize) -> *mut c_void }

    // `pvalloc(3)`: whole pages.
    pvalloc, __libc_pvalloc: { valgrind::pvalloc, (size: usize) -> *mut c_void }

    // `malloc_usable_size(3)`: in bytes; 0 for `NULL`.
    malloc_usable_size: { malloc_usable_size(p: *mut c_void) -> usize }

    // C23's `free_sized`: `size` is what `p` was asked for with.
    free_sized: { valgrind::free_sized, (p: *mut c_void, size: usize) }

    // C23's `free_aligned_sized`: as `free_sized`, for `aligned_alloc`.
    free_aligned_sized: { valgrind::free_aligned_sized, (p: *mut c_void, align: usize, size: usize) }

    // `mallopt(3)`: 0 when the value cannot be used, else 1.
    mallopt, __libc_mallopt: { mallopt(parameter: c_int, value: c_int) -> c_int }

    // Cairn's own: a thread that gives memory back, on (not 0) or off; 1 if it was on.
    cairn_background: { background(on: c_int) -> c_int }

    // `malloc_trim(3)`: 1 when anything went back to the system.
    malloc_trim: { malloc_trim(pad: usize) -> c_int }

    // `mallinfo(3)`: bytes and counts, wrapped to `int`.
    mallinfo, __libc_mallinfo: { mallinfo() -> libc::mallinfo }

    // `mallinfo2(3)`: bytes and counts.
    mallinfo2: { mallinfo2() -> libc::mallinfo2 }

    // `malloc_stats(3)`: a summary on standard error.
    malloc_stats: { malloc_stats() }

    // `malloc_info(3)`: XML on `stream`; `EINVAL` unless `options` is 0.
    malloc_info: { malloc_info(options: c_int, stream: *mut FILE) -> c_int }
}
