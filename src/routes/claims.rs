//! What a caller says of an object's size and alignment, against what lies there.

use crate::config::ALIGN;
use crate::vet::{self, Found, refuse};
use crate::watch::checked;
use crate::{arena::surplus, class, fatal, mapped, os, settings};

/// Ends the process when an object of `n` bytes at this alignment cannot be what is at `p`.
pub(crate) fn check_size(p: usize, n: usize, align: usize) {
    match vet::look(p) {
        Found::Bad(why) => refuse(why, p),
        what if fits(what, align, n) => {}
        _ => misfit(p, n),
    }
}

/// What does not fit by its class may still be what was asked for; all else ends the process.
#[cold]
#[inline(never)]
fn misfit(p: usize, n: usize) {
    match vet::look(p) {
        Found::Mapped(have) if n <= have && mapped::is_loose(p) => {}
        _ if checked::is_exactly(p, n) => {}
        _ => wrong_size(p),
    }
}

/// The last words for an object that is not of the size its caller named.
#[cold]
pub(crate) fn wrong_size(p: usize) -> ! {
    fatal::die("free(): sized deallocation with a wrong size", p)
}

/// Whether an object of this size and alignment could have been put here. In check mode it says
/// no to all: `watch::checked::is_exactly` knows better.
pub(crate) fn fits(what: Found, align: usize, n: usize) -> bool {
    let over = align > ALIGN;
    match what {
        // Runs serve no alignment above theirs.
        Found::Object(class) => !over && class::of_request(n) == class,
        Found::Chunk(c, size) => {
            // Exact, rounded to its class, or with a rest that was too small to split.
            let holds = |chunk: usize| {
                chunk == size || (chunk + ALIGN == size && surplus::is_noted(c, size))
            };
            // Only of a size that can be one is the chunk asked for.
            n < settings::loose_sizes()
                && holds(if over {
                    class::aligned_chunk_for(n, align)
                } else {
                    class::chunk_for(n)
                })
        }
        // Whole pages; where the kernel left more than those, the registry says so.
        Found::Mapped(have) => n <= have && have - n < os::page() && settings::check() == 0,
        // Nobody else's size is beside it; where it lies may suit more than was asked for.
        Found::Guarded(have) => n == have,
        Found::Bad(_) => false,
    }
}
