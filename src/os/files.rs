//! Files, for whoever reads the kernel's files or writes a report: raw calls, no memory.

use super::{errno, set_errno};
use core::ffi::CStr;
use libc::{c_int, c_long};

/// An open file.
pub(crate) struct File(c_long);

impl File {
    fn open_by(path: *const libc::c_char, flags: c_int) -> Option<Self> {
        let (at, flags) = (c_long::from(libc::AT_FDCWD), c_long::from(flags));
        let mode = c_long::from(0o600);
        // SAFETY: the path is a C string of the caller's.
        let fd = unsafe { libc::syscall(libc::SYS_openat, at, path, flags, mode) };
        (fd >= 0).then(|| Self(fd))
    }

    /// Opens a file to be read.
    pub(crate) fn open(path: &CStr) -> Option<Self> {
        Self::open_by(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC)
    }

    /// Makes a file, for its owner alone, and never one that is there, nor what a link leads to.
    /// An error is the kernel's number.
    pub(crate) fn make(path: &CStr) -> Result<Self, c_int> {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
        Self::open_by(path.as_ptr(), flags).ok_or_else(errno)
    }

    /// Reads where the last read ended: bytes that were read, 0 at the end and on an error.
    pub(crate) fn read(&self, to: &mut [u8]) -> usize {
        // SAFETY: the buffer has the size it is said to have.
        let got = unsafe { libc::syscall(libc::SYS_read, self.0, to.as_mut_ptr(), to.len()) };
        usize::try_from(got).unwrap_or(0)
    }

    /// Reads from a place on.
    pub(crate) fn read_at(&self, to: &mut [u8], at: usize) -> usize {
        let (p, len) = (to.as_mut_ptr(), to.len());
        // SAFETY: as in `read`.
        let got = unsafe { libc::syscall(libc::SYS_pread64, self.0, p, len, at) };
        usize::try_from(got).unwrap_or(0)
    }

    /// Writes all of it; whether that was done.
    pub(crate) fn write(&self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            // SAFETY: the slice is what it says.
            let put = unsafe { libc::syscall(libc::SYS_write, self.0, rest.as_ptr(), rest.len()) };
            match usize::try_from(put).ok().and_then(|put| rest.get(put..)) {
                Some(behind) if put != 0 => rest = behind,
                _ if put < 0 && errno() == libc::EINTR => {}
                _ => return false,
            }
        }
        true
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: ours, and used no more.
        unsafe { libc::syscall(libc::SYS_close, self.0) };
    }
}

/// Where a link leads to: how many bytes of it were written.
pub(crate) fn link(path: &CStr, to: &mut [u8]) -> usize {
    let at = c_long::from(libc::AT_FDCWD);
    let (path, out, len) = (path.as_ptr(), to.as_mut_ptr(), to.len());
    // SAFETY: a path, and room for so many bytes.
    let got = unsafe { libc::syscall(libc::SYS_readlinkat, at, path, out, len) };
    usize::try_from(got).unwrap_or(0)
}

/// The longest that a file may become which this process writes, bytes (`RLIMIT_FSIZE`).
pub(crate) fn longest() -> usize {
    let mut limits = [u64::MAX; 2];
    let (none, to) = (core::ptr::null::<u64>(), limits.as_mut_ptr());
    let which = c_long::from(FILE_SIZE);
    // SAFETY: asks, and the kernel writes the two limits.
    unsafe { libc::syscall(libc::SYS_prlimit64, 0_usize, which, none, to) };
    usize::try_from(limits[0]).unwrap_or(usize::MAX)
}

/// The kernel's number of that limit.
const FILE_SIZE: c_int = 1;

/// The number of this process.
pub(crate) fn process() -> usize {
    // SAFETY: no precondition.
    unsafe { libc::syscall(libc::SYS_getpid) as usize }
}

/// Runs `f`, and keeps `errno`.
pub(crate) fn quietly(f: impl FnOnce()) {
    let before = errno();
    f();
    set_errno(before);
}

cfg_if::cfg_if! {
    if #[cfg(miri)] {
        /// Where the ELF object that Cairn is in begins.
        pub(crate) fn object() -> usize {
            0
        }
    } else if #[cfg(target_arch = "x86_64")] {
        /// Where the ELF object that Cairn is in begins.
        pub(crate) fn object() -> usize {
            let at: usize;
            // SAFETY: forms an address.
            unsafe {
                core::arch::asm!(
                    ".hidden __ehdr_start",
                    "lea {a}, [rip + __ehdr_start]",
                    a = out(reg) at,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            at
        }
    } else {
        /// Where the ELF object that Cairn is in begins.
        pub(crate) fn object() -> usize {
            let at: usize;
            // SAFETY: forms an address.
            unsafe {
                core::arch::asm!(
                    ".hidden __ehdr_start",
                    "adrp {a}, __ehdr_start",
                    "add {a}, {a}, :lo12:__ehdr_start",
                    a = out(reg) at,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            at
        }
    }
}

/// Bytes of the process that are resident, as the kernel counts them.
pub(crate) fn resident() -> Option<usize> {
    let mut text = [0; 128];
    let got = File::open(c"/proc/self/statm")?.read(&mut text);
    let mut words = text.get(..got)?.split(u8::is_ascii_whitespace);
    let pages = decimal(words.nth(1)?)?;
    pages.checked_mul(super::page())
}

/// A number in digits alone.
pub(super) fn decimal(digits: &[u8]) -> Option<usize> {
    (!digits.is_empty()).then_some(())?;
    digits.iter().try_fold(0usize, |n, d| {
        let digit = char::from(*d).to_digit(10)?;
        n.checked_mul(10)?.checked_add(digit as usize)
    })
}
