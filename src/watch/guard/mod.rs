//! Guarded samples (`CAIRN_GUARD`): who of the requests gets an object of the pool is the routes' to
//! say; here its stacks are taken, and what is wrong with it is told.

mod fault;
#[cfg(any(test, target_arch = "aarch64"))]
mod syndrome;
mod told;

use super::{perturb, samples, stacks};
use crate::guards::{self, Given};
use crate::knobs::Knobs;
use crate::vet::{Why, refuse};
use crate::{fatal, os, settings};
use core::ptr;

/// Takes the knobs over, once, at the start.
pub(crate) fn begin(knobs: &Knobs) {
    guards::set_interval(knobs.guard);
    if knobs.guard != 0 && knobs.guard_report && !cfg!(miri) {
        fatal::set_postscript(told::postscript);
        fault::begin();
    }
}

/// A guarded object of `n` bytes at a multiple of `align`; null where there is none. Keeps `errno`.
pub(crate) fn allocate(n: usize, align: usize) -> *mut u8 {
    let errno = os::errno();
    fault::listen();
    let trace = stacks::trace(samples::how());
    let p =
        guards::take(n, align, &trace).map_or(ptr::null_mut(), ptr::with_exposed_provenance_mut);
    os::set_errno(errno);
    perturb(p, n, !settings::perturb());
    p
}

/// Takes a guarded object back; the process ends where somebody wrote beside it, or it is none.
#[cold]
pub(crate) fn free(p: usize) {
    let trace = stacks::trace(samples::how());
    match guards::give(p, &trace) {
        Given::Back | Given::Never => {}
        // Of two threads that free the same object, one comes second.
        Given::NoObject => refuse(Why::Freed, p),
        Given::Damaged(at) if at < p => {
            fatal::die("memory clobbered before allocated block", p);
        }
        Given::Damaged(_) => fatal::die("memory clobbered past end of allocated block", p),
    }
}
