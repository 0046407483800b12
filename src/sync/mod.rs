//! Locks that know their owner, and the one thread-local word.

mod lock;
pub(crate) mod tls;

#[cfg(feature = "stats")]
pub(crate) use lock::taken as locks_taken;
pub(crate) use lock::{Guard, Lock};
