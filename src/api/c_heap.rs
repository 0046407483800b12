//! C's forms of [`super::Heap`].

use super::{Heap, HeapError, HeapStats};
use crate::fatal;
use crate::named::Named;
use crate::os;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::{self, ManuallyDrop};
use core::ptr::{self, NonNull};
use libc::{EAGAIN, EINVAL, ENOMEM};

/// `struct cairn_heap`, of which C knows nothing.
pub enum CHeap {}

/// The version of [`CHeapStats`]: it rises when a field changes its meaning, not when one is added.
const STATS_VERSION: u32 = 1;

/// `struct cairn_heap_stats`.
#[repr(C)]
pub struct CHeapStats {
    version: u32,
    size: u32,
    stats: HeapStats,
}

/// The heap that C means; the process ends where it is none any more.
///
/// # Safety
/// `heap` came from [`cairn_heap_new`].
unsafe fn meant(heap: *mut CHeap) -> ManuallyDrop<Heap> {
    // SAFETY: the caller's; what a heap is made of stays when it ends.
    let found = unsafe { heap.cast::<Named>().as_ref() };
    match found.filter(|heap| heap.is_live()) {
        Some(heap) => Heap::of_c(heap),
        None => fatal::die(
            "cairn_heap: not a heap, or one that was destroyed",
            heap.addr(),
        ),
    }
}

/// `p`, with `errno` set where it is null.
fn or_errno(p: *mut u8) -> *mut c_void {
    if p.is_null() {
        os::set_errno(ENOMEM);
    }
    p.cast()
}

/// `cairn_heap_new`: [`Heap::new`], 0 for no limit; null with `errno` where there is none.
///
/// # Safety
/// `name` is null or a C string.
pub unsafe fn cairn_heap_new(name: *const c_char, limit: usize) -> *mut CHeap {
    let name = if name.is_null() {
        ""
    } else {
        // SAFETY: the caller's.
        unsafe { CStr::from_ptr(name) }.to_str().unwrap_or_default()
    };
    match Heap::new(name, Some(limit).filter(|limit| *limit != 0)) {
        Ok(heap) => ptr::from_ref(heap.into_c()).cast_mut().cast(),
        Err(error) => {
            os::set_errno(match error {
                HeapError::Name => EINVAL,
                HeapError::TooMany => EAGAIN,
                HeapError::NoMemory => ENOMEM,
            });
            ptr::null_mut()
        }
    }
}

/// `cairn_heap_alloc`: [`Heap::allocate`], as `malloc` has it.
///
/// # Safety
/// `heap` came from [`cairn_heap_new`].
pub unsafe fn cairn_heap_alloc(heap: *mut CHeap, n: usize) -> *mut c_void {
    // SAFETY: the caller's.
    or_errno(unsafe { meant(heap) }.get(n, 1, false))
}

/// `cairn_heap_calloc`: [`Heap::allocate_zeroed`], as `calloc` has it.
///
/// # Safety
/// As for [`cairn_heap_alloc`].
pub unsafe fn cairn_heap_calloc(heap: *mut CHeap, count: usize, n: usize) -> *mut c_void {
    // SAFETY: the caller's.
    let heap = unsafe { meant(heap) };
    or_errno(match count.checked_mul(n) {
        Some(n) => heap.get(n, 1, true),
        None => ptr::null_mut(),
    })
}

/// `cairn_heap_aligned_alloc`: [`Heap::allocate`], as `aligned_alloc` has it.
///
/// # Safety
/// As for [`cairn_heap_alloc`].
pub unsafe fn cairn_heap_aligned_alloc(heap: *mut CHeap, align: usize, n: usize) -> *mut c_void {
    // SAFETY: the caller's.
    let heap = unsafe { meant(heap) };
    if !align.is_power_of_two() {
        os::set_errno(EINVAL);
        return ptr::null_mut();
    }
    or_errno(heap.get(n, align, false))
}

/// `cairn_heap_realloc`: [`Heap::reallocate`], as `realloc` has it.
///
/// # Safety
/// As for [`cairn_heap_alloc`], and `p` is null or a live object.
pub unsafe fn cairn_heap_realloc(heap: *mut CHeap, p: *mut c_void, n: usize) -> *mut c_void {
    // SAFETY: the caller's.
    let heap = unsafe { meant(heap) };
    let p: *mut u8 = p.cast();
    if p.is_null() {
        return or_errno(heap.get(n, 1, false));
    }
    heap.check_owner(p);
    if n == 0 {
        crate::routes::release(p);
        return ptr::null_mut();
    }
    or_errno(crate::routes::realloc::by_route(p, 1, n))
}

/// `cairn_heap_free`: [`Heap::deallocate`], as `free` has it. Keeps `errno`.
///
/// # Safety
/// As for [`cairn_heap_alloc`], and `p` is null or a live object.
pub unsafe fn cairn_heap_free(heap: *mut CHeap, p: *mut c_void) {
    // SAFETY: the caller's.
    let heap = unsafe { meant(heap) };
    let p = NonNull::new(p.cast::<u8>());
    if let Some(p) = p {
        let errno = os::errno();
        heap.check_owner(p.as_ptr());
        os::set_errno(errno);
        crate::routes::release(p.as_ptr());
    }
}

/// `cairn_heap_destroy`: the end of a [`Heap`]. Null is fine.
///
/// # Safety
/// `heap` is null or came from [`cairn_heap_new`], and nobody uses it or anything in it any more.
pub unsafe fn cairn_heap_destroy(heap: *mut CHeap) {
    if !heap.is_null() {
        // SAFETY: the caller's.
        drop(ManuallyDrop::into_inner(unsafe { meant(heap) }));
    }
}

/// `cairn_heap_stats`: [`Heap::stats`] into a structure of so many bytes as its field `size` says,
/// which then says how many were written. 0, or `EINVAL` where there is no room for a figure.
///
/// # Safety
/// As for [`cairn_heap_alloc`]; `out` is null, or leads to its field `size` and to so many bytes.
pub unsafe fn cairn_heap_stats(heap: *mut CHeap, out: *mut CHeapStats) -> c_int {
    // SAFETY: the caller's.
    let heap = unsafe { meant(heap) };
    if out.is_null() {
        return EINVAL;
    }
    // SAFETY: the caller's.
    let room = unsafe { (*out).size } as usize;
    let len = room.min(size_of::<CHeapStats>());
    if len <= mem::offset_of!(CHeapStats, stats) {
        return EINVAL;
    }
    let all = CHeapStats {
        version: STATS_VERSION,
        size: len as u32,
        stats: heap.stats(),
    };
    // SAFETY: the caller's; no more than there is here and there.
    unsafe { ptr::copy_nonoverlapping((&raw const all).cast::<u8>(), out.cast(), len) };
    0
}
