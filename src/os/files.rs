//! Files and a signal, for whoever reads the kernel's files or writes a report: raw calls, no memory.

use super::{errno, set_errno};
use core::ffi::CStr;
use core::ptr;
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

/// The number of this process.
pub(crate) fn process() -> usize {
    // SAFETY: no precondition.
    unsafe { libc::syscall(libc::SYS_getpid) as usize }
}

/// The kernel's own form of what a signal does.
#[repr(C)]
struct Action {
    handler: usize,
    flags: u64,
    /// Where a handler returns to; not for each architecture, but with a place in each.
    restorer: usize,
    mask: u64,
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
core::arch::global_asm!(
    ".pushsection .text.cairn_restore,\"ax\",@progbits",
    concat!(".globl ", versioned!("cairn_restore_")),
    concat!(".hidden ", versioned!("cairn_restore_")),
    concat!(".type ", versioned!("cairn_restore_"), ", @function"),
    concat!(versioned!("cairn_restore_"), ":"),
    "mov eax, 15",
    "syscall",
    ".popsection",
);

cfg_if::cfg_if! {
    if #[cfg(all(target_arch = "x86_64", not(miri)))] {
        unsafe extern "C" {
            #[link_name = versioned!("cairn_restore_")]
            fn restore();
        }

        /// Where the handler returns to, and the flag that says so.
        fn restorer() -> (usize, u64) {
            ((restore as *const ()).expose_provenance(), 0x0400_0000)
        }
    } else {
        /// The kernel has a place of its own.
        fn restorer() -> (usize, u64) {
            (0, 0)
        }
    }
}

/// Calls `handler` on a signal that does nothing particular yet; false if somebody has it.
///
/// By the kernel's call: a program's own `sigaction` may stand in front of libc's.
pub(crate) fn on_signal(signal: c_int, handler: extern "C" fn(c_int)) -> bool {
    let size: c_long = 8;
    let mut before = Action {
        handler: 1,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
    let none: *const Action = ptr::null();
    let signal = c_long::from(signal);
    // SAFETY: asks alone; a place for the answer.
    let got = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, none, &raw mut before, size) };
    if got != 0 || before.handler != libc::SIG_DFL {
        return false;
    }
    let (restorer, flag) = restorer();
    let action = Action {
        handler: (handler as *const ()).expose_provenance(),
        flags: (libc::SA_RESTART | libc::SA_ONSTACK) as u64 | flag,
        restorer,
        mask: 0,
    };
    let nowhere: *mut Action = ptr::null_mut();
    // SAFETY: the kernel's structure; the handler lives as long as the library, which is never
    // unloaded, and does what may be done in one.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            &raw const action,
            nowhere,
            size,
        ) == 0
    }
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
    let pages = super::cgroup::decimal(words.nth(1)?)?;
    pages.checked_mul(super::page())
}
