//! Locks that know their owner, and the one thread-local word.

mod lock;
pub mod tls;

pub use lock::{Guard, Lock};
