//! Locks that know their owner, and the one thread-local word.

mod lock;
pub mod tls;

#[cfg(feature = "stats")]
pub use lock::taken as locks_taken;
pub use lock::{Guard, Lock};
