//! What Cairn uses of libc where it is there: not every libc has these, nor every version.
//!
//! Each is a weak reference, 0 where nothing defines it, and names no version of a symbol: the
//! number differs by architecture. They lie in a table that the loader fills, since a reference in
//! code would be asked for wherever it is copied to; and by `.weakref`, which leaves another
//! reference to the same name, the program's own, as strong as it is. Each costs every process a
//! quarter of a microsecond, which is what the loader needs to look a symbol up.

use core::arch::global_asm;
use core::ffi::{c_char, c_int, c_void};

macro_rules! name {
    () => {
        concat!(
            "cairn_of_libc_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH")
        )
    };
}

global_asm!(
    ".weakref cairn_list_lock, _IO_list_lock",
    ".weakref cairn_list_unlock, _IO_list_unlock",
    ".weakref cairn_single_threaded, __libc_single_threaded",
    ".weakref cairn_dladdr, dladdr",
    ".weakref cairn_dlopen, dlopen",
    ".weakref cairn_dlsym, dlsym",
    ".pushsection .data.rel.ro,\"aw\",@progbits",
    ".p2align 3",
    concat!(".globl ", name!()),
    concat!(".hidden ", name!()),
    concat!(".type ", name!(), ", @object"),
    concat!(".size ", name!(), ", 48"),
    concat!(name!(), ":"),
    ".quad cairn_list_lock",
    ".quad cairn_list_unlock",
    ".quad cairn_single_threaded",
    ".quad cairn_dladdr",
    ".quad cairn_dlopen",
    ".quad cairn_dlsym",
    ".popsection",
);

/// The table, as the assembly above has it.
#[repr(C)]
pub(super) struct Optional {
    /// Takes the lock of the list of all streams, which one thread may take several times.
    pub list_lock: Option<unsafe extern "C" fn()>,
    /// Gives it back once.
    pub list_unlock: Option<unsafe extern "C" fn()>,
    /// Not 0 as long as no second thread was made (glibc 2.32).
    pub single_threaded: *const c_char,
    /// Which object an address belongs to.
    pub dladdr: Option<unsafe extern "C" fn(*const c_void, *mut libc::Dl_info) -> c_int>,
    /// Opens an object.
    pub dlopen: Option<unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void>,
    /// Finds a function by its name.
    pub dlsym: Option<unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void>,
}
const _: () = assert!(size_of::<Optional>() == 48);

// SAFETY: never written once the loader is done.
unsafe impl Sync for Optional {}

unsafe extern "C" {
    #[link_name = name!()]
    static TABLE: Optional;
}

/// The table.
pub(super) fn table() -> &'static Optional {
    // SAFETY: six words, each 0 or the address of what its field says; libc's are of these types.
    unsafe { &TABLE }
}
