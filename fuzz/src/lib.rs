//! Cairn under inputs that nobody thought of.
//!
//! Four targets, as functions, so that `cargo fuzz` and `cargo test` run the same: sequences of
//! every call, sequences with misuse in them, environments, and for the reader outside reports that
//! somebody damaged. Each input of the first three gets a heap that was never used (`fresh`), in a system that this program plays (`system`), on one thread that can
//! pass for several (`threads`). `docs/testing.md` says how to run them and how far they went.

mod environment;
pub mod fresh;
mod misuse;
mod operations;
mod program;
pub mod scene;
mod snapshot;
pub mod source;
pub mod system;
pub mod threads;

pub use environment::environment;
pub use misuse::misuse;
pub use operations::operations;
pub use snapshot::snapshot;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static RUNS: AtomicU64 = AtomicU64::new(0);
static OPERATIONS: AtomicU64 = AtomicU64::new(0);

/// Takes note of a run of this many operations.
fn count(operations: usize) {
    RUNS.fetch_add(1, Relaxed);
    OPERATIONS.fetch_add(operations as u64, Relaxed);
}

/// Runs since the last call, and their operations each.
pub fn counted() -> (u64, f64) {
    let (runs, all) = (RUNS.swap(0, Relaxed), OPERATIONS.swap(0, Relaxed));
    (runs, all as f64 / runs.max(1) as f64)
}

/// Has a fuzzer's process say at its end how much it ran, and why it panicked if it did so while
/// Cairn was running, whose words are kept from the screen.
pub fn tell() {
    extern "C" fn at_exit() {
        let (runs, each) = counted();
        eprintln!("{runs} executions, {each:.1} operations each");
    }
    // SAFETY: a function without preconditions.
    unsafe { libc::atexit(at_exit) };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        system::set_inside(false);
        hook(info);
    }));
}
