//! The C symbols.
#![cfg_attr(panic = "abort", no_std)]
use libc::c_void;

#[cfg(panic = "abort")]
#[panic_handler]
fn on_panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort takes no arguments.
    unsafe { libc::abort() }
}

/// malloc
/// # Safety
/// C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc(n: usize) -> *mut c_void {
    // SAFETY: as C.
    unsafe { core_cairn::c::malloc(n) }
}
