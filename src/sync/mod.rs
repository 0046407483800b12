//! Locks that know their owner, and the one thread-local word.

mod lock;
pub(crate) mod tls;

pub(crate) use lock::{Guard, Lock};
#[cfg(feature = "stats")]
pub(crate) use lock::{taken as locks_taken, waited_for as locks_waited_for};
