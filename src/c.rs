//! The C interface without its symbols: C's rules about `errno`, overflow and null, and nothing
//! else. The cdylib exports these functions one by one; none of them calls an exported symbol.

pub use crate::api::c::*;
pub use crate::api::c_heap::*;
use crate::config::{ALIGN, MAX_REQUEST};
use crate::routes::{self, alloc, check, realloc as resizing, start, trim};
use crate::{cache, fatal, os, stats};
use core::ptr;
use libc::{EINVAL, ENOMEM, FILE, c_int, c_void};

#[cold]
fn fail(errno: c_int) -> *mut c_void {
    os::set_errno(errno);
    ptr::null_mut()
}

/// Runs `f` and keeps `errno` unless it failed, in which case it is `ENOMEM`.
#[inline(always)]
fn or_enomem(p: *mut u8) -> *mut c_void {
    if p.is_null() { fail(ENOMEM) } else { p.cast() }
}

/// Sets everything up; the library's constructor calls it, the first allocation does too.
pub fn init() {
    cfg_if::cfg_if! {
        if #[cfg(test)] {
            // Two tests that begin at once: the other one is not to fork while this one begins.
            static ONCE: std::sync::Once = std::sync::Once::new();
            ONCE.call_once(start::constructed);
        } else {
            start::constructed();
        }
    }
}

/// Check mode's last look, and the `CAIRN_VERBOSE` line; the library's destructor calls it.
pub fn at_exit() {
    check::at_exit();
    if start::verbose() {
        stats::print_verbose();
    }
}

/// `malloc`: `n` bytes aligned to 16; null and `ENOMEM` when there are none.
///
/// # Safety
/// As C's.
#[inline(always)]
pub unsafe fn malloc(n: usize) -> *mut c_void {
    cache::take_or(n, malloc_slow, malloc_large).cast()
}

#[inline(never)]
fn malloc_large(n: usize) -> *mut u8 {
    cache::large::take_or(n, malloc_slowest)
}

#[cold]
#[inline(never)]
fn malloc_slowest(n: usize) -> *mut u8 {
    or_enomem(alloc::slowest(n)).cast()
}

#[inline(never)]
fn malloc_slow(n: usize) -> *mut u8 {
    cache::cut_or(n, malloc_slower, malloc_counted)
}

#[inline(never)]
fn malloc_slower(n: usize) -> *mut u8 {
    cache::take_as_chunk_or(n, malloc_counted)
}

#[cold]
#[inline(never)]
fn malloc_counted(n: usize) -> *mut u8 {
    alloc::counted_or(n, malloc_slower_yet)
}

#[cold]
#[inline(never)]
fn malloc_slower_yet(n: usize) -> *mut u8 {
    or_enomem(alloc::slower(n)).cast()
}

/// `malloc` that leaves `errno` alone, for C++'s `operator new`.
///
/// # Safety
/// As C's.
#[inline(always)]
pub unsafe fn malloc_or_null(n: usize) -> *mut c_void {
    routes::allocate(n).cast()
}

/// `memalign` that leaves `errno` alone, for C++'s aligned `operator new`.
///
/// # Safety
/// `align` is a power of two.
pub unsafe fn memalign_or_null(align: usize, n: usize) -> *mut c_void {
    routes::aligned(align, n).cast()
}

/// `free`.
///
/// # Safety
/// As C's; a pointer that is not Cairn's ends the process.
#[inline(always)]
pub unsafe fn free(p: *mut c_void) {
    routes::release(p.cast());
}

/// `calloc`; memory known to be zero is not cleared.
///
/// # Safety
/// As C's.
pub unsafe fn calloc(count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        Some(n) => or_enomem(alloc::zeroed(n)),
        None => fail(ENOMEM),
    }
}

/// `realloc`, as glibc: `(null, n)` allocates, `(p, 0)` frees.
///
/// # Safety
/// As C's; a pointer that is not Cairn's ends the process.
pub unsafe fn realloc(p: *mut c_void, n: usize) -> *mut c_void {
    if p.is_null() {
        return or_enomem(routes::allocate(n));
    }
    if n == 0 {
        routes::release(p.cast());
        return ptr::null_mut();
    }
    resizing::resize_or(p.cast(), n, || fail(ENOMEM).cast()).cast()
}

/// `reallocarray`; the old object stays whole when the product overflows.
///
/// # Safety
/// As [`realloc`].
pub unsafe fn reallocarray(p: *mut c_void, count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: the caller's.
        Some(n) => unsafe { realloc(p, n) },
        None => fail(ENOMEM),
    }
}

/// `memalign`: an alignment that is no power of two is rounded up to one.
///
/// # Safety
/// As C's.
pub unsafe fn memalign(align: usize, n: usize) -> *mut c_void {
    // 0 is no power of two, and the slower way finds that.
    if align & align.wrapping_sub(1) == 0 {
        return alloc::aligned_or(align, n, memalign_at_length).cast();
    }
    memalign_at_length(align, n).cast()
}

/// [`memalign`], from the start.
#[cold]
#[inline(never)]
fn memalign_at_length(align: usize, n: usize) -> *mut u8 {
    match align.checked_next_power_of_two() {
        Some(align) => or_enomem(alloc::aligned_slowly(align, n)).cast(),
        None => fail(EINVAL).cast(),
    }
}

/// `aligned_alloc`, as C17: an alignment that is no power of two is `EINVAL`.
///
/// # Safety
/// As C's.
pub unsafe fn aligned_alloc(align: usize, n: usize) -> *mut c_void {
    if align & align.wrapping_sub(1) == 0 {
        return alloc::aligned_or(align, n, aligned_alloc_at_length).cast();
    }
    fail(EINVAL)
}

/// [`aligned_alloc`], from the start.
#[cold]
#[inline(never)]
fn aligned_alloc_at_length(align: usize, n: usize) -> *mut u8 {
    if align == 0 {
        return fail(EINVAL).cast();
    }
    or_enomem(alloc::aligned_slowly(align, n)).cast()
}

/// `posix_memalign`: returns its error and on failure leaves `*out` alone. `errno` is as glibc
/// leaves it, which POSIX permits: `ENOMEM` when there is no memory, else untouched.
///
/// # Safety
/// As POSIX's: `out` is writable.
pub unsafe fn posix_memalign(out: *mut *mut c_void, align: usize, n: usize) -> c_int {
    if !align.is_power_of_two() || !align.is_multiple_of(size_of::<usize>()) {
        return EINVAL;
    }
    let p = alloc::aligned_or(align, n, aligned_keeping_errno);
    if p.is_null() {
        os::set_errno(ENOMEM);
        return ENOMEM;
    }
    // SAFETY: the caller's.
    unsafe { *out = p.cast() };
    0
}

/// Aligned memory, with `errno` as it was.
#[cold]
#[inline(never)]
fn aligned_keeping_errno(align: usize, n: usize) -> *mut u8 {
    let errno = os::errno();
    let p = alloc::aligned_slowly(align, n);
    os::set_errno(errno);
    p
}

/// `valloc`: aligned to a page.
///
/// # Safety
/// As C's.
pub unsafe fn valloc(n: usize) -> *mut c_void {
    start::ensure();
    or_enomem(routes::aligned(os::page(), n))
}

/// `pvalloc`: whole pages.
///
/// # Safety
/// As C's.
pub unsafe fn pvalloc(n: usize) -> *mut c_void {
    start::ensure();
    match n.checked_next_multiple_of(os::page()) {
        Some(n) => or_enomem(routes::aligned(os::page(), n.max(os::page()))),
        None => fail(ENOMEM),
    }
}

/// `malloc_usable_size`: every byte of it may be written; null has 0.
///
/// # Safety
/// As glibc's; a pointer that is not Cairn's ends the process.
pub unsafe fn malloc_usable_size(p: *mut c_void) -> usize {
    match routes::usable(p.addr()) {
        Ok(n) => n,
        // Last, so that only null pays for the question.
        Err(_) if p.is_null() => 0,
        Err(_) => fatal::die("malloc_usable_size(): invalid pointer", p.addr()),
    }
}

/// C23's `free_sized`: a size that cannot be this object's ends the process.
///
/// # Safety
/// As C's.
pub unsafe fn free_sized(p: *mut c_void, n: usize) {
    routes::release_sized(p.cast(), n, ALIGN);
}

/// The quick half of [`free_sized`]: whether the thread's cache took it.
///
/// # Safety
/// As [`free_sized`]; if it says no, nothing has happened.
#[inline(always)]
pub unsafe fn free_sized_quickly(p: *mut c_void, n: usize) -> bool {
    routes::release_sized_quickly(p.cast(), n)
}

/// The other half of [`free_aligned_sized`], for what the cache did not take.
///
/// # Safety
/// As [`free_aligned_sized`].
pub unsafe fn free_sized_at_length(p: *mut c_void, align: usize, n: usize) {
    routes::release_sized_at_length(p.cast(), n, align);
}

/// C23's `free_aligned_sized`.
///
/// # Safety
/// As C's.
pub unsafe fn free_aligned_sized(p: *mut c_void, align: usize, n: usize) {
    routes::release_sized(p.cast(), n, align);
}

/// C++'s sized delete, aligned or not: the size is a hint, which check mode alone compares.
///
/// # Safety
/// As C++'s, but for size and alignment.
#[inline(always)]
pub unsafe fn delete_sized(p: *mut c_void, align: usize, n: usize) {
    routes::release_hinted(p.cast(), n, align);
}

/// Whether `p` is a live object of this Cairn.
pub fn is_own(p: *mut c_void) -> bool {
    routes::usable(p.addr()).is_ok()
}

/// `mallopt`: 1 when the value was taken or the parameter is unknown, 0 when it is out of range.
///
/// # Safety
/// As glibc's.
pub unsafe fn mallopt(parameter: c_int, value: c_int) -> c_int {
    start::set_option(parameter, value)
}

/// `malloc_trim`: everything free goes back, `pad` bytes of each top excepted; 1 if any did.
///
/// # Safety
/// As glibc's.
pub unsafe fn malloc_trim(pad: usize) -> c_int {
    start::ensure();
    c_int::from(trim::trim(pad.min(MAX_REQUEST)))
}

/// `mallinfo2`, fields as glibc's.
///
/// # Safety
/// As glibc's.
#[cfg(target_env = "gnu")]
pub unsafe fn mallinfo2() -> libc::mallinfo2 {
    start::ensure();
    stats::mallinfo2()
}

/// `mallinfo`: as [`mallinfo2`], each field cut to an `int`.
///
/// # Safety
/// As glibc's.
#[cfg(target_env = "gnu")]
pub unsafe fn mallinfo() -> libc::mallinfo {
    start::ensure();
    let m = stats::mallinfo2();
    libc::mallinfo {
        arena: m.arena as c_int,
        ordblks: m.ordblks as c_int,
        smblks: m.smblks as c_int,
        hblks: m.hblks as c_int,
        hblkhd: m.hblkhd as c_int,
        usmblks: m.usmblks as c_int,
        fsmblks: m.fsmblks as c_int,
        uordblks: m.uordblks as c_int,
        fordblks: m.fordblks as c_int,
        keepcost: m.keepcost as c_int,
    }
}

/// `malloc_stats`: figures on stderr.
///
/// # Safety
/// As glibc's.
pub unsafe fn malloc_stats() {
    start::ensure();
    stats::print_stats();
}

/// `malloc_info`: glibc's XML into a stream; `options` other than 0 return `EINVAL`.
///
/// # Safety
/// `stream` is an open stream.
pub unsafe fn malloc_info(options: c_int, stream: *mut FILE) -> c_int {
    if options != 0 {
        return EINVAL;
    }
    start::ensure();
    // SAFETY: the caller's.
    unsafe { stats::write_info(stream) };
    0
}
