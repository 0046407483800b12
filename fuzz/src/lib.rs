//! Cairn under inputs that nobody thought of.
//!
//! Three targets, as functions, so that `cargo fuzz` and `cargo test` run the same: sequences of
//! every call, sequences with misuse in them, and environments. Each input gets a heap that was
//! never used (`fresh`), in a system that this program plays (`system`), on one thread that can
//! pass for several (`threads`). `docs/testing.md` says how to run them and how far they went.

mod environment;
pub mod fresh;
mod misuse;
mod operations;
pub mod scene;
pub mod source;
pub mod system;
pub mod threads;

pub use environment::environment;
pub use misuse::misuse;
pub use operations::operations;

/// Operations of all runs so far; the figure behind "operations each".
pub static OPERATIONS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
