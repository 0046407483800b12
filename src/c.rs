//! stub, replaced by the core
#![allow(missing_docs, clippy::missing_safety_doc)]
use libc::{c_int, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};
static mut BUF: [u128; 1 << 20] = [0; 1 << 20];
static O: AtomicUsize = AtomicUsize::new(0);
pub unsafe fn malloc(n: usize) -> *mut c_void {
    if n > 1 << 24 { return core::ptr::null_mut(); }
    let o = O.fetch_add((n + 31) / 16, Ordering::Relaxed);
    // SAFETY: stub
    unsafe { (&raw mut BUF).cast::<u128>().add(o).cast() }
}
pub unsafe fn free(_p: *mut c_void) {}
pub unsafe fn mallopt(_a: c_int, _b: c_int) -> c_int { 1 }
