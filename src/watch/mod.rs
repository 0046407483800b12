//! What watches a program: check mode (`MALLOC_CHECK_`), its trailers behind objects, the quarantine
//! where freed ones wait, and mappings between guard pages; the fill of `M_PERTURB`; and the report that
//! a process writes before it is killed; samples; and guarded objects, with what is said of who touched
//! them.
//!
//! The routes of a process without it ask one word whether to come here. `docs/check-mode.md` says
//! what a user gets for which level. Trailers and guard pages are there from the first level on.

pub(crate) mod asked;
pub(crate) mod canary;
pub(crate) mod checked;
pub(crate) mod draw;
pub(crate) mod guard;
pub(crate) mod guarded;
pub(crate) mod looks;
pub(crate) mod newest;
mod probes;
pub(crate) mod quarantine;
pub(crate) mod report;
pub(crate) mod resize;
pub(crate) mod samples;
pub(crate) mod stacks;
pub(crate) mod unwind;

use crate::settings;

/// From this level on freed memory is filled and waits in the quarantine.
pub(crate) const FILL_LEVEL: u8 = 2;
/// From this level on slow ways look at the newest objects, `malloc_trim` and the exit at all.
pub(crate) const WALK_LEVEL: u8 = 3;

/// glibc's `M_PERTURB`: new memory is filled with the byte's complement, freed memory with it.
pub(crate) fn perturb(p: *mut u8, n: usize, byte: u8) {
    if settings::perturb() != 0 && !p.is_null() {
        // SAFETY: `n` bytes that the caller owns.
        unsafe { p.write_bytes(byte, n) };
    }
}
