//! What a valgrind tool with an allocator of its own leaves to Cairn.
//!
//! memcheck, helgrind and the like replace the exported functions that they
//! know, by their addresses, and the program's pointers are the tool's. What a
//! version does not know is still Cairn's: valgrind 3.19 has no `reallocarray`,
//! `pvalloc` of this library, C23's sized frees, nor C++'s aligned deletes with
//! a size. So these call what is replaced. Under valgrind alone an exported
//! function calls another, by its address in this library: whoever put a
//! `malloc` of his own in front is not asked.
//!
//! Nobody asks at the start. These functions ask when they are called first,
//! and a sized free only for what no cache took.

use core::arch::asm;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

use core_cairn::c;
use libc::{ENOMEM, c_void};

/// What every object is a multiple of.
const ALIGN: usize = 16;

/// Who serves the functions that a tool may replace.
static SERVED: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const BY_CAIRN: u8 = 1;
const BY_VALGRIND: u8 = 2;

/// Whether a tool of valgrind's serves this library's `malloc`.
#[inline(always)]
pub(crate) fn serves() -> bool {
    SERVED.load(Relaxed) != BY_CAIRN && ask()
}

/// As [`serves`], where Cairn was not known to.
#[cold]
#[inline(never)]
fn ask() -> bool {
    if SERVED.load(Relaxed) == UNKNOWN {
        SERVED.store(look(), Relaxed);
    }
    SERVED.load(Relaxed) == BY_VALGRIND
}

/// Not every tool replaces `malloc`: callgrind does not.
fn look() -> u8 {
    if !is_running() {
        return BY_CAIRN;
    }
    // SAFETY: `malloc` and `free` of this library or of the tool.
    unsafe {
        let p = own_malloc()(1);
        if p.is_null() {
            return UNKNOWN;
        }
        let by = if c::is_own(p) { BY_CAIRN } else { BY_VALGRIND };
        own_free()(p);
        by
    }
}

/// Valgrind's client request "running on valgrind", from its manual: rotations
/// that add up to none and a move of a register to itself, for which its
/// translator does what the words say.
fn is_running() -> bool {
    const RUNNING_ON_VALGRIND: usize = 0x1001;
    let words: [usize; 6] = [RUNNING_ON_VALGRIND, 0, 0, 0, 0, 0];
    let mut depth: usize = 0;
    cfg_if::cfg_if! {
        if #[cfg(target_arch = "x86_64")] {
            // SAFETY: without valgrind nothing changes but the flags; with it, `rdx`.
            unsafe {
                asm!(
                    "rol rdi, 3",
                    "rol rdi, 13",
                    "rol rdi, 61",
                    "rol rdi, 51",
                    "xchg rbx, rbx",
                    in("rax") &raw const words,
                    inout("rdx") depth,
                    options(nostack),
                );
            }
        } else {
            // SAFETY: without valgrind nothing changes; with it, `x3`.
            unsafe {
                asm!(
                    "ror x12, x12, #3",
                    "ror x12, x12, #13",
                    "ror x12, x12, #51",
                    "ror x12, x12, #61",
                    "orr x10, x10, x10",
                    in("x4") &raw const words,
                    inout("x3") depth,
                    options(nostack),
                );
            }
        }
    }
    depth != 0
}

/// A function of this library at the address that a tool replaces; the names
/// are the linker's (`build.rs`). A program that has the archive linked in has
/// nobody in front of its own, nor has a harness of tests.
macro_rules! own {
    ($function:ident = $name:literal or $symbol:ident, $kind:ty) => {
        #[cfg(any(static_library, test))]
        fn $function() -> $kind {
            unsafe extern "C" {
                fn $symbol();
            }
            // SAFETY: the function of that name has this kind.
            unsafe { core::mem::transmute::<unsafe extern "C" fn(), $kind>($symbol) }
        }

        #[cfg(not(any(static_library, test)))]
        fn $function() -> $kind {
            let own: *mut c_void;
            // SAFETY: forms an address.
            unsafe {
                #[cfg(target_arch = "x86_64")]
                asm!(
                    concat!(".hidden ", $name),
                    concat!("lea {own}, [rip + ", $name, "]"),
                    own = out(reg) own,
                    options(pure, nomem, nostack, preserves_flags),
                );
                #[cfg(target_arch = "aarch64")]
                asm!(
                    concat!(".hidden ", $name),
                    concat!("adrp {own}, ", $name),
                    concat!("add {own}, {own}, :lo12:", $name),
                    own = out(reg) own,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            // SAFETY: the linker has the name stand for that function.
            unsafe { core::mem::transmute::<*mut c_void, $kind>(own) }
        }
    };
}

own! { own_malloc = "cairn_own_malloc" or malloc, unsafe extern "C" fn(usize) -> *mut c_void }
own! { own_free = "cairn_own_free" or free, unsafe extern "C" fn(*mut c_void) }
own! { own_realloc = "cairn_own_realloc" or realloc, unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void }
own! { own_memalign = "cairn_own_memalign" or memalign, unsafe extern "C" fn(usize, usize) -> *mut c_void }

/// `reallocarray`.
///
/// # Safety
/// As C's.
#[inline(always)]
pub(crate) unsafe fn reallocarray(p: *mut c_void, count: usize, size: usize) -> *mut c_void {
    if serves() {
        // SAFETY: the caller's.
        return unsafe { replaced_reallocarray(p, count, size) };
    }
    // SAFETY: the caller's.
    unsafe { c::reallocarray(p, count, size) }
}

#[cold]
#[inline(never)]
unsafe fn replaced_reallocarray(p: *mut c_void, count: usize, size: usize) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: the caller's.
        Some(n) => unsafe { own_realloc()(p, n) },
        // Cairn's own answer to what is too much, which leaves `p` alone.
        // SAFETY: the product overflows.
        None => unsafe { c::reallocarray(p, count, size) },
    }
}

/// `pvalloc`.
///
/// # Safety
/// As C's.
#[inline(always)]
pub(crate) unsafe fn pvalloc(size: usize) -> *mut c_void {
    if serves() {
        return replaced_pvalloc(size);
    }
    // SAFETY: the caller's.
    unsafe { c::pvalloc(size) }
}

#[cold]
#[inline(never)]
fn replaced_pvalloc(size: usize) -> *mut c_void {
    // SAFETY: no memory is involved; every system has a size of pages.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    match size.checked_next_multiple_of(page) {
        // SAFETY: a page is a power of two.
        Some(n) => unsafe { own_memalign()(page, n.max(page)) },
        None => {
            // SAFETY: the thread's own word.
            unsafe { *libc::__errno_location() = ENOMEM };
            core::ptr::null_mut()
        }
    }
}

/// C23's `free_sized`.
///
/// # Safety
/// As C's.
#[inline(always)]
pub(crate) unsafe fn free_sized(p: *mut c_void, size: usize) {
    // SAFETY: the caller's.
    unsafe {
        if !c::free_sized_quickly(p, size) {
            free_sized_at_length(p, ALIGN, size);
        }
    }
}

/// C23's `free_aligned_sized`.
///
/// # Safety
/// As C's.
#[inline(always)]
pub(crate) unsafe fn free_aligned_sized(p: *mut c_void, align: usize, size: usize) {
    // SAFETY: the caller's.
    unsafe {
        if !c::free_sized_quickly(p, size) {
            free_sized_at_length(p, align, size);
        }
    }
}

/// A cache of Cairn's takes no pointer of valgrind's, so that only this half asks.
#[cold]
#[inline(never)]
unsafe fn free_sized_at_length(p: *mut c_void, align: usize, size: usize) {
    // SAFETY: the caller's.
    unsafe {
        if serves() {
            own_free()(p);
        } else {
            c::free_sized_at_length(p, align, size);
        }
    }
}
