//! Check mode (`MALLOC_CHECK_`): what it writes around objects, and where freed ones wait.
//!
//! The routes are in `heap::checked`; here is what they stand on. `docs/check-mode.md` says what
//! a user gets for which level. Trailers and guard pages are there from the first level on.

pub mod canary;
pub mod newest;
pub mod quarantine;

/// From this level on freed memory is filled and waits in the quarantine.
pub const FREED: u8 = 2;
/// From this level on slow ways look at the newest objects, `malloc_trim` and the exit at all.
pub const WALK: u8 = 3;
