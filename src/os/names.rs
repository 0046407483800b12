//! Names for what is mapped, in the kernel's list of a process's mappings (`/proc/PID/maps`), where
//! the kernel has them (`CONFIG_ANON_VMA_NAME`, from 5.17 on) and the user asks for them.

#[cfg(test)]
use super::scripted;
use super::{errno, set_errno};
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use libc::{c_int, c_long, c_ulong};

/// `prctl`'s option, and what of it, as the kernel's headers have them.
const PR_SET_VMA: c_int = 0x5356_4d41;
const PR_SET_VMA_ANON_NAME: c_ulong = 0;

static WANTED: AtomicBool = AtomicBool::new(false);

/// Whether mappings get names from now on.
pub(crate) fn give(on: bool) {
    WANTED.store(on, Relaxed);
}

/// Names a mapping, if that was asked for. A kernel that knows no names refuses, and nobody misses
/// anything. Keeps `errno`.
pub(super) fn name(at: usize, len: usize, name: &'static CStr) {
    if !WANTED.load(Relaxed) {
        return;
    }
    #[cfg(test)]
    if scripted::names(at, len, name) {
        return;
    }
    let before = errno();
    // SAFETY: the name outlives the call, which changes nothing but what the mapping is called.
    unsafe {
        libc::syscall(
            libc::SYS_prctl,
            c_long::from(PR_SET_VMA),
            PR_SET_VMA_ANON_NAME,
            at,
            len,
            name.as_ptr(),
        )
    };
    set_errno(before);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test reports by panicking")]

    use super::super::{map, page, unmap};
    use super::*;

    /// One test, since whether names are wanted is the process's.
    #[test]
    fn what_is_mapped_has_a_name_only_where_that_was_asked_for() {
        let mapped = || map(page(), true, c"a test's").expect("a page");
        for on in [true, false] {
            give(on);
            let named = scripted::listen();
            let at = mapped();
            assert_eq!(named(), on.then_some((at, page(), c"a test's")));
            // The same from the kernel, which may have no names.
            set_errno(7);
            let other = mapped();
            assert_eq!(errno(), 7);
            give(false);
            // SAFETY: just mapped.
            unsafe { assert!(unmap(at, page()) && unmap(other, page())) };
        }
    }
}
