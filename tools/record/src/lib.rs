//! `libcairn_record.so`: forwards each allocation call to whatever serves the process, and writes
//! down its kind, sizes, addresses, thread and time. No contents.
//!
//! | file | holds |
//! | --- | --- |
//! | `clock.rs` | the processor's clock |
//! | `next.rs` | who serves, and memory for the calls of whoever looks for it |
//! | `files.rs` | the files of a process, and when nothing is written any more |
//! | `word.rs` | one thread-local word |
//! | `stream.rs` | a thread's ring |
//! | `users.rs` | who used an address last, and what has to be stamped |
//! | `large.rs` | how much of large objects is resident |
//! | `calls.rs`, `cxx.rs` | the symbols of C, and of C++ |
//!
//! A call takes no lock, no system call and no memory: each thread writes a ring of its own, which
//! the command drains (`wire::spool`). A thread waits only where its ring is full. A ring is taken
//! over from a thread that is gone when a new one comes; nothing happens at a thread's end.
//!
//! The symbols of C++ stand here because a library that serves may have its own, which would not
//! call `malloc`. They are made of `malloc` and `free`, and go to the next library's where memory
//! is short, since only that one can throw.
#![cfg_attr(panic = "abort", no_std)]

#[cfg(target_env = "gnu")]
mod calls;
#[cfg(target_env = "gnu")]
mod clock;
#[cfg(target_env = "gnu")]
mod cxx;
#[cfg(target_env = "gnu")]
mod files;
#[cfg(target_env = "gnu")]
mod large;
#[cfg(target_env = "gnu")]
mod next;
#[cfg(target_env = "gnu")]
mod stream;
#[cfg(target_env = "gnu")]
mod users;
#[cfg(target_env = "gnu")]
mod word;

/// The program goes on as it would; there is nothing to say it with.
#[cfg(panic = "abort")]
#[panic_handler]
fn on_panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort takes no arguments.
    unsafe { libc::abort() }
}

/// Without link-time optimisation the tables of `core`'s functions still name this one.
#[cfg(all(panic = "abort", debug_assertions))]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
