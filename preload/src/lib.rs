//! `libcairn.so`: the symbols under which C and C++ programs find Cairn.
//!
//! | file | holds |
//! | --- | --- |
//! | `c.rs` | malloc's family, control, statistics, glibc's aliases |
//! | `own.rs` | the `cairn_*` functions, which alone carry a version |
//! | `cxx/` | what the C++ operators need that can be written in Rust |
//! | `cxx/x86_64.rs`, `cxx/aarch64.rs` | the 8 `new` and 12 `delete`, in assembly |
//! | `lib.rs` | start, exit, and what a panic would do |
//!
//! No policy lives here: every symbol forwards to `cairn::c`. No symbol calls
//! another one that is exported, so a program that puts its own `malloc` in
//! front changes `malloc` and nothing else.
//!
//! The symbols have a crate of their own because a Rust program that depends
//! on `cairn-malloc` keeps the C library's `malloc`, and a Cargo feature could
//! be switched on for it by anybody else in its dependency graph.
//!
//! The package in `static` is the same source as an archive, `libcairn.a`, for
//! programs that link Cairn in.
//!
//! `no_std` holds wherever panics abort, as both profiles of the workspace
//! have it. `cargo test` always unwinds, and links the standard library and
//! its panic handler to a `libcairn.so` that nobody loads.
#![cfg_attr(panic = "abort", no_std)]

// musl has no such interface: its programs expect no `mallinfo`, and its loader refuses a library
// with static TLS that comes after the start.
#[cfg(not(any(target_env = "gnu", doc)))]
compile_error!(
    "libcairn.so replaces glibc's malloc and is made for *-linux-gnu targets only; \
     a Rust program for another C library can have cairn-malloc as its #[global_allocator]"
);

#[cfg(target_env = "gnu")]
mod c;
#[cfg(target_env = "gnu")]
mod cxx;
#[cfg(target_env = "gnu")]
mod own;
#[cfg(target_env = "gnu")]
mod valgrind;

/// No panic is reachable; the tests assert that none is linked. If one were,
/// the process ends here, without formatting and without allocating.
#[cfg(panic = "abort")]
#[panic_handler]
fn on_panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort takes no arguments and touches no memory of ours.
    unsafe { libc::abort() }
}

/// Without link-time optimisation the tables of `core`'s functions still name this one. Nothing
/// unwinds through them.
#[cfg(all(panic = "abort", debug_assertions))]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// The loader calls this before `main`. Requests may come earlier, from the
/// constructors of other libraries; those set Cairn up by themselves.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = at_start;

/// The loader calls this after the handlers of `atexit`. Other libraries may
/// still allocate afterwards.
#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;

// What libc's `pthread_atfork` calls the library that asks; the compiler's start files, which are
// left out (`build.rs`), would define it. It only has to be an address inside; weak, since a test's
// executable has the start files.
core::arch::global_asm!(
    ".pushsection .rodata, \"a\"",
    ".weak __dso_handle",
    ".hidden __dso_handle",
    "__dso_handle: .quad 0",
    ".popsection",
);

extern "C" fn at_start() {
    core_cairn::c::init();
}

extern "C" fn at_exit() {
    core_cairn::c::at_exit();
}
