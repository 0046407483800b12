// Both mimallocs have the same functions.
use core::ffi::{c_int, c_void};

// The crate brings the static library; its Rust items are not used.
extern crate libmimalloc_sys;

include!("forward.rs");

panics_abort!();

forward! {
    malloc(n: usize) -> *mut c_void = mi_malloc(n);
    free(p: *mut c_void) = mi_free(p);
    calloc(count: usize, n: usize) -> *mut c_void = mi_calloc(count, n);
    realloc(p: *mut c_void, n: usize) -> *mut c_void = mi_realloc(p, n);
    reallocarray(p: *mut c_void, count: usize, n: usize) -> *mut c_void = mi_reallocarray(p, count, n);
    memalign(align: usize, n: usize) -> *mut c_void = mi_memalign(align, n);
    aligned_alloc(align: usize, n: usize) -> *mut c_void = mi_aligned_alloc(align, n);
    posix_memalign(out: *mut *mut c_void, align: usize, n: usize) -> c_int = mi_posix_memalign(out, align, n);
    valloc(n: usize) -> *mut c_void = mi_valloc(n);
    pvalloc(n: usize) -> *mut c_void = mi_pvalloc(n);
    malloc_usable_size(p: *mut c_void) -> usize = mi_usable_size(p);

    // operator new, new[], and their nothrow and aligned forms.
    _Znwm(n: usize) -> *mut c_void = mi_new(n);
    _Znam(n: usize) -> *mut c_void = mi_new(n);
    _ZnwmRKSt9nothrow_t(n: usize, p: *mut c_void) -> *mut c_void = mi_new_nothrow(n);
    _ZnamRKSt9nothrow_t(n: usize, p: *mut c_void) -> *mut c_void = mi_new_nothrow(n);
    _ZnwmSt11align_val_t(n: usize, align: usize) -> *mut c_void = mi_new_aligned(n, align);
    _ZnamSt11align_val_t(n: usize, align: usize) -> *mut c_void = mi_new_aligned(n, align);
    _ZnwmSt11align_val_tRKSt9nothrow_t(n: usize, align: usize, p: *mut c_void) -> *mut c_void
        = mi_new_aligned_nothrow(n, align);
    _ZnamSt11align_val_tRKSt9nothrow_t(n: usize, align: usize, p: *mut c_void) -> *mut c_void
        = mi_new_aligned_nothrow(n, align);

    // operator delete, delete[], and their nothrow, sized and aligned forms.
    _ZdlPv(p: *mut c_void) = mi_free(p);
    _ZdaPv(p: *mut c_void) = mi_free(p);
    _ZdlPvRKSt9nothrow_t(p: *mut c_void, n: usize) = mi_free(p);
    _ZdaPvRKSt9nothrow_t(p: *mut c_void, n: usize) = mi_free(p);
    _ZdlPvm(p: *mut c_void, n: usize) = mi_free_size(p, n);
    _ZdaPvm(p: *mut c_void, n: usize) = mi_free_size(p, n);
    _ZdlPvSt11align_val_t(p: *mut c_void, align: usize) = mi_free_aligned(p, align);
    _ZdaPvSt11align_val_t(p: *mut c_void, align: usize) = mi_free_aligned(p, align);
    _ZdlPvSt11align_val_tRKSt9nothrow_t(p: *mut c_void, align: usize, n: usize) = mi_free_aligned(p, align);
    _ZdaPvSt11align_val_tRKSt9nothrow_t(p: *mut c_void, align: usize, n: usize) = mi_free_aligned(p, align);
    _ZdlPvmSt11align_val_t(p: *mut c_void, n: usize, align: usize) = mi_free_size_aligned(p, n, align);
    _ZdaPvmSt11align_val_t(p: *mut c_void, n: usize, align: usize) = mi_free_size_aligned(p, n, align);
}
