//! The `cairn_*` symbols, which `cairn.h` explains: functions that only Cairn has.
//!
//! They alone carry a version. A version is the linker's to give, by a list that names it
//! (`library.ld`); but rustc brings a list of its own with every symbol that it exports, which has no
//! versions and goes first. So rustc knows nothing of these names: each is a jump in assembly to a
//! function that is not exported.

use crate::valgrind;
use core::arch::global_asm;
use core_cairn::c;
use libc::{c_char, c_int, c_void};

#[cfg(target_arch = "x86_64")]
macro_rules! jump {
    () => {
        "jmp {function}"
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! jump {
    () => {
        "b {function}"
    };
}

/// Exports a function under its name.
macro_rules! symbol {
    ($name:ident = $function:path: $kind:ty) => {
        // What C calls has the arguments that `cairn.h` gives it.
        const _: $kind = $function;
        global_asm!(
            concat!(".pushsection .text.", stringify!($name), ",\"ax\",@progbits"),
            concat!(".globl ", stringify!($name)),
            concat!(".type ", stringify!($name), ", @function"),
            concat!(stringify!($name), ":"),
            jump!(),
            concat!(".size ", stringify!($name), ", . - ", stringify!($name)),
            ".popsection",
            function = sym $function,
        );
    };
}

symbol! { cairn_version = version: extern "C" fn() -> *const c_char }
symbol! { cairn_stats = stats: unsafe extern "C" fn(*mut c::CStats) -> c_int }
symbol! { cairn_background = background: extern "C" fn(c_int) -> c_int }
symbol! { cairn_limit = limit: extern "C" fn(usize, c_int) -> usize }
symbol! { cairn_trim = trim: extern "C" fn() -> c_int }
symbol! { cairn_flush = flush: extern "C" fn() }
symbol! { cairn_idle = idle: extern "C" fn() -> c_int }
symbol! { cairn_start_profile = start_profile: extern "C" fn(usize) }
symbol! { cairn_stop_profile = stop_profile: extern "C" fn() }
symbol! { cairn_profile_interval = profile_interval: extern "C" fn() -> usize }
symbol! { cairn_usable_size = usable_size: unsafe extern "C" fn(*const c_void) -> usize }
symbol! { cairn_walk_objects = walk_objects: unsafe extern "C" fn(Option<c::Visit>, *mut c_void) -> c_int }

symbol! { cairn_heap_new = heap_new: unsafe extern "C" fn(*const c_char, usize) -> *mut c::CHeap }
symbol! { cairn_heap_alloc = heap_alloc: unsafe extern "C" fn(*mut c::CHeap, usize) -> *mut c_void }
symbol! { cairn_heap_calloc = heap_calloc: unsafe extern "C" fn(*mut c::CHeap, usize, usize) -> *mut c_void }
symbol! { cairn_heap_aligned_alloc = heap_aligned_alloc: unsafe extern "C" fn(*mut c::CHeap, usize, usize) -> *mut c_void }
symbol! { cairn_heap_realloc = heap_realloc: unsafe extern "C" fn(*mut c::CHeap, *mut c_void, usize) -> *mut c_void }
symbol! { cairn_heap_free = heap_free: unsafe extern "C" fn(*mut c::CHeap, *mut c_void) }
symbol! { cairn_heap_destroy = heap_destroy: unsafe extern "C" fn(*mut c::CHeap) }
symbol! { cairn_heap_stats = heap_stats: unsafe extern "C" fn(*mut c::CHeap, *mut c::CHeapStats) -> c_int }

extern "C" fn version() -> *const c_char {
    c::cairn_version()
}

unsafe extern "C" fn stats(out: *mut c::CStats) -> c_int {
    // SAFETY: the caller's.
    unsafe { c::cairn_stats(out) }
}

extern "C" fn background(on: c_int) -> c_int {
    c::cairn_background(on)
}

extern "C" fn limit(bytes: usize, hard: c_int) -> usize {
    c::cairn_limit(bytes, hard)
}

extern "C" fn trim() -> c_int {
    c::cairn_trim()
}

extern "C" fn flush() {
    c::cairn_flush();
}

extern "C" fn idle() -> c_int {
    c::cairn_idle()
}

extern "C" fn start_profile(interval: usize) {
    c::cairn_start_profile(interval);
}

extern "C" fn stop_profile() {
    c::cairn_stop_profile();
}

extern "C" fn profile_interval() -> usize {
    c::cairn_profile_interval()
}

/// 0 of what is a valgrind tool's.
unsafe extern "C" fn usable_size(p: *const c_void) -> usize {
    if valgrind::serves() {
        return 0;
    }
    // SAFETY: the caller's.
    unsafe { c::cairn_usable_size(p) }
}

unsafe extern "C" fn walk_objects(see: Option<c::Visit>, context: *mut c_void) -> c_int {
    // SAFETY: the caller's.
    unsafe { c::cairn_walk_objects(see, context) }
}

unsafe extern "C" fn heap_new(name: *const c_char, limit: usize) -> *mut c::CHeap {
    // SAFETY: the caller's.
    unsafe { c::cairn_heap_new(name, limit) }
}

unsafe extern "C" fn heap_alloc(heap: *mut c::CHeap, n: usize) -> *mut c_void {
    // SAFETY: the caller's.
    unsafe { c::cairn_heap_alloc(heap, n) }
}

unsafe extern "C" fn heap_calloc(heap: *mut c::CHeap, count: usize, n: usize) -> *mut c_void {
    // SAFETY: the caller's.
    unsafe { c::cairn_heap_calloc(heap, count, n) }
}

unsafe extern "C" fn heap_aligned_alloc(
    heap: *mut c::CHeap,
    align: usize,
    n: usize,
) -> *mut c_void {
    // SAFETY: the caller's.
    unsafe { c::cairn_heap_aligned_alloc(heap, align, n) }
}

unsafe extern "C" fn heap_realloc(heap: *mut c::CHeap, p: *mut c_void, n: usize) -> *mut c_void {
    // SAFETY: the caller's.
    unsafe { c::cairn_heap_realloc(heap, p, n) }
}

unsafe extern "C" fn heap_free(heap: *mut c::CHeap, p: *mut c_void) {
    // SAFETY: the caller's.
    unsafe { c::cairn_heap_free(heap, p) }
}

unsafe extern "C" fn heap_destroy(heap: *mut c::CHeap) {
    // SAFETY: the caller's.
    unsafe { c::cairn_heap_destroy(heap) }
}

unsafe extern "C" fn heap_stats(heap: *mut c::CHeap, out: *mut c::CHeapStats) -> c_int {
    // SAFETY: the caller's.
    unsafe { c::cairn_heap_stats(heap, out) }
}
