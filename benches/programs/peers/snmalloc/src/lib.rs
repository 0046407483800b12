//! The newest snmalloc under malloc's names.
//!
//! `operator new` gives null where it should throw: no workload gets there.
#![no_std]

use core::ffi::{c_int, c_void};

// The crate brings the static library; its Rust items are not used.
extern crate snmalloc_sys;

include!("../../forward.rs");

panics_abort!();

forward! {
    malloc(n: usize) -> *mut c_void = sn_malloc(n);
    free(p: *mut c_void) = sn_free(p);
    calloc(count: usize, n: usize) -> *mut c_void = sn_calloc(count, n);
    realloc(p: *mut c_void, n: usize) -> *mut c_void = sn_realloc(p, n);
    reallocarray(p: *mut c_void, count: usize, n: usize) -> *mut c_void = sn_reallocarray(p, count, n);
    memalign(align: usize, n: usize) -> *mut c_void = sn_memalign(align, n);
    aligned_alloc(align: usize, n: usize) -> *mut c_void = sn_aligned_alloc(align, n);
    posix_memalign(out: *mut *mut c_void, align: usize, n: usize) -> c_int = sn_posix_memalign(out, align, n);
    valloc(n: usize) -> *mut c_void = sn_valloc(n);
    pvalloc(n: usize) -> *mut c_void = sn_pvalloc(n);
    malloc_usable_size(p: *mut c_void) -> usize = sn_malloc_usable_size(p);

    // operator new, new[], and their nothrow forms.
    _Znwm(n: usize) -> *mut c_void = sn_malloc(n);
    _Znam(n: usize) -> *mut c_void = sn_malloc(n);
    _ZnwmRKSt9nothrow_t(n: usize, p: *mut c_void) -> *mut c_void = sn_malloc(n);
    _ZnamRKSt9nothrow_t(n: usize, p: *mut c_void) -> *mut c_void = sn_malloc(n);

    // operator delete, delete[], and their nothrow, sized and aligned forms.
    _ZdlPv(p: *mut c_void) = sn_free(p);
    _ZdaPv(p: *mut c_void) = sn_free(p);
    _ZdlPvRKSt9nothrow_t(p: *mut c_void, n: usize) = sn_free(p);
    _ZdaPvRKSt9nothrow_t(p: *mut c_void, n: usize) = sn_free(p);
    _ZdlPvm(p: *mut c_void, n: usize) = sn_free(p);
    _ZdaPvm(p: *mut c_void, n: usize) = sn_free(p);
    _ZdlPvSt11align_val_t(p: *mut c_void, align: usize) = sn_free(p);
    _ZdaPvSt11align_val_t(p: *mut c_void, align: usize) = sn_free(p);
    _ZdlPvSt11align_val_tRKSt9nothrow_t(p: *mut c_void, align: usize, n: usize) = sn_free(p);
    _ZdaPvSt11align_val_tRKSt9nothrow_t(p: *mut c_void, align: usize, n: usize) = sn_free(p);
    _ZdlPvmSt11align_val_t(p: *mut c_void, n: usize, align: usize) = sn_free(p);
    _ZdaPvmSt11align_val_t(p: *mut c_void, n: usize, align: usize) = sn_free(p);
}

/// Aligned `operator new` has its arguments the other way round from `memalign`.
macro_rules! aligned_new {
    ($($symbol:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $symbol(n: usize, align: usize) -> *mut c_void {
                unsafe extern "C" {
                    fn sn_memalign(align: usize, n: usize) -> *mut c_void;
                }
                // SAFETY: any size; the compiler passes a power of two.
                unsafe { sn_memalign(align, n) }
            }
        )*
    };
}

aligned_new! {
    _ZnwmSt11align_val_t
    _ZnamSt11align_val_t
    _ZnwmSt11align_val_tRKSt9nothrow_t
    _ZnamSt11align_val_tRKSt9nothrow_t
}

/// What libstdc++ has under this name, less the library: a program that does not use it would
/// else load it for snmalloc's sake, at 1.5 MB.
#[unsafe(no_mangle)]
unsafe extern "C" fn __cxa_thread_atexit(
    end: unsafe extern "C" fn(*mut c_void),
    object: *mut c_void,
    library: *mut c_void,
) -> c_int {
    unsafe extern "C" {
        fn __cxa_thread_atexit_impl(
            end: unsafe extern "C" fn(*mut c_void),
            object: *mut c_void,
            library: *mut c_void,
        ) -> c_int;
    }
    // SAFETY: the caller's.
    unsafe { __cxa_thread_atexit_impl(end, object, library) }
}
