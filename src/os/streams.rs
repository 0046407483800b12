//! The lock of libc's list of streams, as far as `fork` takes it.
//!
//! glibc's `fork` takes it behind all handlers, and with it waits for a thread that flushes all
//! streams. That thread may be waiting for memory: who holds Cairn's locks at `fork` has to hold
//! this one first. It is recursive, so libc then takes it a second time.

use super::optional;
use core::ffi::c_char;

/// Whether `fork` is about to take the lock, and to make it free in the child: not while the
/// process has one thread. The child would then keep what was taken here.
fn fork_will_take(single_threaded: *const c_char) -> bool {
    if single_threaded.is_null() {
        return has_made_threads();
    }
    // SAFETY: libc's variable. It is written once, as the second thread is made.
    unsafe { single_threaded.read_volatile() == 0 }
}

cfg_if::cfg_if! {
    if #[cfg(all(target_arch = "x86_64", target_env = "gnu"))] {
        /// As glibc before 2.32 knows it: by a word of the thread's control block, whose place its
        /// ABI had fixed.
        fn has_made_threads() -> bool {
            let made: u32;
            // SAFETY: reads this thread's control block.
            unsafe {
                core::arch::asm!(
                    "mov {:e}, dword ptr fs:[0x18]",
                    out(reg) made,
                    options(nostack, preserves_flags, readonly)
                );
            }
            made != 0
        }
    } else {
        /// Elsewhere that word's place is nobody's promise; `docs/limits.md` says what follows.
        fn has_made_threads() -> bool {
            false
        }
    }
}

/// Takes the lock if `fork` will; whether it did.
pub(crate) fn take() -> bool {
    let libc = optional::table();
    // Both or neither: what is taken must be given back.
    let (Some(lock), Some(_)) = (libc.list_lock, libc.list_unlock) else {
        return false;
    };
    let takes = fork_will_take(libc.single_threaded);
    if takes {
        // SAFETY: libc's, without a precondition.
        unsafe { lock() };
    }
    takes
}

/// Gives back in the parent what [`take`] took. In the child libc has made the lock free.
///
/// # Safety
/// This thread took it, in this process.
pub(crate) unsafe fn give() {
    if let Some(unlock) = optional::table().list_unlock {
        // SAFETY: the caller's.
        unsafe { unlock() };
    }
}
