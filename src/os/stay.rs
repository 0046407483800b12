//! The object that Cairn is a part of, and that it is never unloaded.
//!
//! Threads hold a destructor that points into it and the process holds handlers of `fork`; the
//! memory may outlive whoever allocated it. `libcairn.so` is linked to stay (`-z nodelete`), and
//! nobody unloads an executable. But a library that somebody else links, with Cairn as its
//! allocator, is a plug-in like any other, and a dependency cannot tell its linker. So the loader
//! is asked, in a constructor: there it expects to be asked, since the lock that it then takes is
//! this thread's already. A request may come before the constructor; an unloading cannot.
//!
//! A plug-in that is opened again is then the same object as before, and costs nothing anew.

use super::{errno, optional, set_errno};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr;

/// `.dynamic`'s end, the kind of entry that holds flags, and those of an object that stays:
/// linked with `-z nodelete`, or an executable.
const END: usize = 0;
const FLAGS_1: usize = 0x6fff_fffb;
const NODELETE: usize = 0x8;
const PIE: usize = 0x0800_0000;

cfg_if::cfg_if! {
    if #[cfg(target_arch = "x86_64")] {
        /// The object's first and last address, and where its dynamic section is, or 0.
        #[inline(never)]
        fn bounds() -> (usize, usize, usize) {
            let (from, to, dynamic): (usize, usize, usize);
            // SAFETY: forms two addresses and reads one entry of the global offset table.
            unsafe {
                core::arch::asm!(
                    ".hidden __ehdr_start",
                    ".hidden _end",
                    ".weak _DYNAMIC",
                    ".hidden _DYNAMIC",
                    "lea {f}, [rip + __ehdr_start]",
                    "lea {t}, [rip + _end]",
                    "mov {d}, qword ptr [rip + _DYNAMIC@GOTPCREL]",
                    f = out(reg) from, t = out(reg) to, d = out(reg) dynamic,
                    options(pure, readonly, nostack, preserves_flags),
                );
            }
            (from, to, dynamic)
        }
    } else if #[cfg(target_arch = "aarch64")] {
        /// The object's first and last address, and where its dynamic section is, or 0.
        #[inline(never)]
        fn bounds() -> (usize, usize, usize) {
            let (from, to, dynamic): (usize, usize, usize);
            // SAFETY: forms two addresses and reads one entry of the global offset table.
            unsafe {
                core::arch::asm!(
                    ".hidden __ehdr_start",
                    ".hidden _end",
                    ".weak _DYNAMIC",
                    ".hidden _DYNAMIC",
                    "adrp {f}, __ehdr_start",
                    "add {f}, {f}, :lo12:__ehdr_start",
                    "adrp {t}, _end",
                    "add {t}, {t}, :lo12:_end",
                    "adrp {d}, :got:_DYNAMIC",
                    "ldr {d}, [{d}, :got_lo12:_DYNAMIC]",
                    f = out(reg) from, t = out(reg) to, d = out(reg) dynamic,
                    options(pure, readonly, nostack, preserves_flags),
                );
            }
            (from, to, dynamic)
        }
    }
}

/// What the linker noted of the object.
fn flags(dynamic: usize) -> usize {
    let mut entry: *const [usize; 2] = ptr::with_exposed_provenance(dynamic);
    if entry.is_null() {
        return 0;
    }
    loop {
        // SAFETY: pairs of a kind and a value, up to the one that says that it is the last.
        let [kind, value] = unsafe { entry.read() };
        match kind {
            END => return 0,
            FLAGS_1 => return value,
            // SAFETY: this was not the last.
            _ => entry = unsafe { entry.add(1) },
        }
    }
}

/// The constructor. `sync::tls` names it, beside the word that no use of Cairn does without: an
/// object that nothing refers to is not linked.
pub(crate) extern "C" fn stay() {
    let (from, to, dynamic) = bounds();
    if flags(dynamic) & (NODELETE | PIE) != 0 || cfg!(not(target_env = "gnu")) {
        return; // other libcs unload nothing
    }
    // SAFETY: getauxval has no precondition.
    let program = unsafe { libc::getauxval(libc::AT_PHDR) } as usize;
    if (from..to).contains(&program) {
        return; // an executable without the flag: an old linker's, or one at a fixed address
    }
    let libc = optional::table();
    let (Some(dladdr), Some(dlopen)) = (libc.dladdr, libc.dlopen) else {
        return; // nobody here can close anything
    };
    let errno = errno();
    let mut object = MaybeUninit::<libc::Dl_info>::zeroed();
    // By its own name the loader finds it without a look at any file.
    let how = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
    // SAFETY: an address of this object and a place for the answer; a name that is the loader's
    // own. Nothing is loaded, and no lock of Cairn's is held.
    unsafe {
        let here: *const c_void = ptr::with_exposed_provenance(from);
        if dladdr(here, object.as_mut_ptr()) != 0 {
            dlopen((*object.as_ptr()).dli_fname, how);
        }
    }
    set_errno(errno);
}
