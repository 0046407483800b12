//! Pages that nobody may touch, without a mapping for each where the kernel has such (Linux 6.13).

use super::{advise, errno, protect, purge};

/// The kernel's advice, as its headers have it.
const MADV_GUARD_INSTALL: i32 = 102;
const MADV_GUARD_REMOVE: i32 = 103;

/// Whether the kernel can read a word there. It looks at the set of signals before it finds that
/// there is no such change of a mask, and says which of the two was wrong. Changes `errno`.
pub(crate) fn is_readable(at: usize) -> bool {
    const NO_SUCH_CHANGE: usize = !0;
    if cfg!(miri) {
        return false;
    }
    // SAFETY: nothing is changed whatever the answer is.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            NO_SUCH_CHANGE,
            at,
            0_usize,
            size_of::<u64>(),
        )
    };
    answer == -1 && errno() == libc::EINVAL
}

/// Takes pages' memory and every access to them away, with no change of the mapping; false where the
/// kernel has no such advice, or the pages are locked.
///
/// # Safety
/// `[at, at + len)` is whole pages of Cairn's memory, readable and writable by their mapping, whose
/// contents nothing needs.
pub(crate) unsafe fn install(at: usize, len: usize) -> bool {
    // SAFETY: the caller's.
    !cfg!(miri) && unsafe { advise(at, len, MADV_GUARD_INSTALL) }
}

/// Undoes [`install`]: the pages are zero, and can be touched.
///
/// # Safety
/// `[at, at + len)` is whole pages of Cairn's memory.
pub(crate) unsafe fn remove(at: usize, len: usize) -> bool {
    // SAFETY: the caller's.
    unsafe { advise(at, len, MADV_GUARD_REMOVE) }
}

/// Takes every access to pages away, by their mapping, and their memory, if the kernel will.
///
/// # Safety
/// `[at, at + len)` is whole pages of Cairn's memory whose contents nothing needs.
pub(crate) unsafe fn shut(at: usize, len: usize) -> bool {
    // SAFETY: the caller's.
    unsafe {
        let shut = protect(at, len, libc::PROT_NONE);
        purge(at, len) && shut
    }
}
