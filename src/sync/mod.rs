//! Locks that know their owner, a bell, and the one thread-local word.

mod bell;
mod lock;
pub(crate) mod tls;

pub(crate) use bell::Bell;
pub(crate) use lock::{Guard, Lock};
#[cfg(feature = "stats")]
pub(crate) use lock::{taken as locks_taken, waited, waited_for as locks_waited_for};
