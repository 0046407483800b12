//! Frees that the fast path could not do: a full bin, a size without a class, a mapped chunk, a
//! thread without a cache, and every pointer that should not have come ([`super::plain::free`]).

use super::claims::check_size;
use super::plain::free::{give_back, plainly};
use super::sampled;
use super::start::{self, Route};
use crate::watch::checked;
use crate::{cache, os};

/// As [`super::release`], from the start. Keeps `errno`.
#[cold]
#[inline(never)]
pub(crate) fn slow(p: usize) {
    if p != 0 && !cache::large::put(p) {
        slower(p);
    }
}

/// As [`slow`], for a vetted chunk above the classes ([`cache::large::put_vetted`]).
#[inline(never)]
pub(crate) fn large(p: usize, covered: u32, tag: u32) {
    if !cache::large::put_vetted(p, covered, tag) {
        slower(p);
    }
}

/// A pointer that no cache takes as it is.
#[cold]
#[inline(never)]
fn slower(p: usize) {
    if start::is_plain() {
        return give_back(p);
    }
    by_route(p);
}

#[cold]
#[inline(never)]
fn by_route(p: usize) {
    if start::is_sampled() {
        return sampled::free(p);
    }
    match start::route() {
        Route::Plain => plainly(p),
        Route::Checked => checked::free(p),
        Route::Sampled => sampled::free(p),
    }
}

/// As [`slow`], for memory that the caller says to be `n` bytes at a multiple of `align`. Keeps
/// `errno`.
#[cold]
#[inline(never)]
pub(crate) fn sized(p: usize, n: usize, align: usize) {
    if p != 0 {
        // The look may wait for a lock, and may end the process by what the knobs say.
        let errno = os::errno();
        start::route();
        check_size(p, n, align);
        os::set_errno(errno);
        slow(p);
    }
}

/// As [`slow`], for memory that C++ says to be `n` bytes at a multiple of `align`. Programs get it
/// wrong and work on every other malloc, so only check mode looks. Keeps `errno`.
#[cold]
#[inline(never)]
pub(crate) fn hinted(p: usize, n: usize, align: usize) {
    if start::route() == Route::Checked {
        sized(p, n, align);
    } else {
        slow(p);
    }
}
