//! The symbols of C. An allocation is stamped after it was made, a free before: so of two uses of
//! an address, in whatever threads, the stamps say which came first.

use core::ptr::{copy_nonoverlapping, null_mut};

use libc::{c_int, c_void};
use wire::spool::{Kind, LARGE, number, object};

use crate::next::{
    self, ALIGNED_ALLOC, Aligned, CALLOC, Calloc, FREE, Free, MALLOC, MEMALIGN, Malloc,
    POSIX_MEMALIGN, PVALLOC, PosixMemalign, REALLOC, Realloc, VALLOC,
};
use crate::{clock, large, stream};

/// Writes down an allocation that was just made.
#[inline(always)]
fn made(kind: Kind, pointer: *mut c_void, size: usize, alignment: usize) {
    let Some(stream) = stream::current() else {
        return;
    };
    stream.order(pointer.addr());
    if pointer.is_null() {
        stream.put(number(Kind::Failed, size as u64));
    } else {
        if alignment != 0 {
            stream.put(number(Kind::Align, alignment as u64));
        }
        if size >= LARGE {
            large::add(pointer.addr(), size);
        }
        stream.object(kind, pointer.addr(), size);
    }
    stream.publish();
}

#[unsafe(no_mangle)]
unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    let Some(next) = MALLOC.get::<Malloc>() else {
        return next::early(size);
    };
    // SAFETY: the caller's call.
    let pointer = unsafe { next(size) };
    made(Kind::Malloc, pointer, size, 0);
    pointer
}

#[unsafe(no_mangle)]
unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let Some(next) = CALLOC.get::<Calloc>() else {
        return next::early(count.saturating_mul(size));
    };
    // SAFETY: the caller's call.
    let pointer = unsafe { next(count, size) };
    made(Kind::Calloc, pointer, count.saturating_mul(size), 0);
    pointer
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn free(pointer: *mut c_void) {
    if pointer.is_null() || next::early_rest(pointer).is_some() {
        return;
    }
    if let Some(stream) = stream::current() {
        stream.order(pointer.addr());
        large::remove(stream, pointer.addr());
        stream.put(object(Kind::Free, pointer.addr() as u64, 0));
        stream.publish();
    }
    if let Some(next) = FREE.get::<Free>() {
        // SAFETY: the caller's call.
        unsafe { next(pointer) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(pointer: *mut c_void, size: usize) -> *mut c_void {
    let rest = next::early_rest(pointer);
    let Some(next) = REALLOC.get::<Realloc>().filter(|_| rest.is_none()) else {
        // SAFETY: the caller's call.
        let new = unsafe { malloc(size) };
        if let (Some(rest), false) = (rest, new.is_null()) {
            // SAFETY: up to the buffer's end there are as many bytes, and the new one has its size.
            unsafe { copy_nonoverlapping(pointer.cast::<u8>(), new.cast(), size.min(rest)) };
        }
        return new;
    };
    if pointer.is_null() {
        // SAFETY: the caller's call.
        let new = unsafe { next(pointer, size) };
        made(Kind::Malloc, new, size, 0);
        return new;
    }
    let mut before = None;
    if let Some(stream) = stream::current() {
        // Afterwards its memory may be another's.
        before = stream.needs_clock(pointer.addr()).then(clock::now);
        large::remove(stream, pointer.addr());
    }
    // SAFETY: the caller's call.
    let new = unsafe { next(pointer, size) };
    if let Some(stream) = stream::current() {
        if let Some(before) = before {
            stream.clock(before);
        }
        stream.put(object(Kind::From, pointer.addr() as u64, 0));
        stream.order(new.addr());
        if !new.is_null() && size >= LARGE {
            large::add(new.addr(), size);
        }
        stream.object(Kind::To, new.addr(), size);
        stream.publish();
    }
    new
}

#[unsafe(no_mangle)]
unsafe extern "C" fn reallocarray(pointer: *mut c_void, count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: the caller's call.
        Some(whole) => unsafe { realloc(pointer, whole) },
        None => {
            stream::set_errno(libc::ENOMEM);
            null_mut()
        }
    }
}

#[inline(always)]
fn aligned(next: &next::Next, alignment: usize, size: usize) -> *mut c_void {
    let Some(next) = next.get::<Aligned>() else {
        return null_mut();
    };
    // SAFETY: the caller's call.
    let pointer = unsafe { next(alignment, size) };
    made(Kind::Aligned, pointer, size, alignment);
    pointer
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    aligned(&MEMALIGN, alignment, size)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    aligned(&ALIGNED_ALLOC, alignment, size)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(to: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    let Some(next) = POSIX_MEMALIGN.get::<PosixMemalign>() else {
        return libc::ENOMEM;
    };
    // SAFETY: the caller's call.
    let error = unsafe { next(to, alignment, size) };
    if error == 0 {
        // SAFETY: it was written.
        made(Kind::Aligned, unsafe { *to }, size, alignment);
    }
    error
}

#[inline(always)]
fn paged(next: &next::Next, size: usize) -> *mut c_void {
    let Some(next) = next.get::<Malloc>() else {
        return null_mut();
    };
    // SAFETY: the caller's call.
    let pointer = unsafe { next(size) };
    // SAFETY: it returns a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    made(Kind::Aligned, pointer, size, page.cast_unsigned() as usize);
    pointer
}

#[unsafe(no_mangle)]
unsafe extern "C" fn valloc(size: usize) -> *mut c_void {
    paged(&VALLOC, size)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pvalloc(size: usize) -> *mut c_void {
    paged(&PVALLOC, size)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cfree(pointer: *mut c_void) {
    // SAFETY: the caller's call.
    unsafe { free(pointer) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free_sized(pointer: *mut c_void, _: usize) {
    // SAFETY: the caller's call.
    unsafe { free(pointer) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free_aligned_sized(pointer: *mut c_void, _: usize, _: usize) {
    // SAFETY: the caller's call.
    unsafe { free(pointer) };
}

/// What `new` gets, or null.
pub(crate) extern "C" fn new(size: usize) -> *mut c_void {
    // SAFETY: a call like any other.
    unsafe { malloc(size.max(1)) }
}

/// What `new` with an alignment gets, or null.
pub(crate) extern "C" fn new_aligned(size: usize, alignment: usize) -> *mut c_void {
    let mut pointer = null_mut();
    let alignment = alignment.max(size_of::<usize>());
    // SAFETY: a call like any other.
    unsafe { posix_memalign(&raw mut pointer, alignment, size.max(1)) };
    pointer
}
