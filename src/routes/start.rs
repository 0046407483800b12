//! The start: before the first allocation, whenever and wherever that comes.
//!
//! The first call may come from the loader, from another library's constructor or from `main`.
//! No thread has a cache until then, so it takes the slow way, and that begins here.

use crate::knobs::Knobs;
use crate::layout::places::samples as samples_place;
use crate::statics::{self, STATICS};
use crate::watch::unwind::How;
use crate::watch::{checked, guard, report, samples};
use crate::{arenas, background, cache, chunk, class, limit, os, relief, settings, side};
use core::cell::UnsafeCell;
use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;
use core::sync::atomic::{
    AtomicU8,
    Ordering::{Acquire, Relaxed, Release},
};

unsafe extern "C" {
    static environ: *const *const c_char;
}

struct Shared(UnsafeCell<MaybeUninit<Knobs>>);
// SAFETY: reached only with `settings::LOCK` held.
unsafe impl Sync for Shared {}

/// All zero before the start. (No static of Cairn's begins with anything else: what does is a
/// page of the library's file that each process copies, and a mapping.)
static KNOBS: Shared = Shared(UnsafeCell::new(MaybeUninit::zeroed()));
/// What the start has come to: one load says both whether it was, and which way slow operations go.
/// A tool turns it from outside ([`crate::layout::places::samples`]).
pub(crate) static STAGE: AtomicU8 = AtomicU8::new(NOT_YET);
const NOT_YET: u8 = 0;
const PLAIN: u8 = samples_place::PLAIN;
const CHECKED: u8 = 2;
const SAMPLED: u8 = samples_place::SAMPLED;

/// Which way the slow paths of this process go, from its start to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Route {
    /// Caches and runs.
    Plain,
    /// Check mode: trailers, guards, the quarantine (`watch`).
    Checked,
    /// Caches and runs, and each request is counted; or once was.
    Sampled,
}

/// Sets everything up, once; cheap afterwards.
#[inline]
pub(crate) fn ensure() {
    if STAGE.load(Acquire) == NOT_YET {
        begin();
    }
}

/// Whether everything is set up and nothing is watched: all that a fast way asks. Who is told no asks
/// [`route`].
#[inline(always)]
pub(crate) fn is_plain() -> bool {
    STAGE.load(Acquire) == PLAIN
}

/// Whether the process is sampled, or once was.
#[inline(always)]
pub(crate) fn is_sampled() -> bool {
    STAGE.load(Acquire) == SAMPLED
}

/// As [`ensure`], at the same cost while check mode is off; which way it is.
#[inline]
pub(crate) fn route() -> Route {
    if STAGE.load(Acquire) == PLAIN {
        Route::Plain
    } else {
        route_at_last()
    }
}

#[cold]
#[inline(never)]
fn route_at_last() -> Route {
    ensure();
    match STAGE.load(Acquire) {
        CHECKED => Route::Checked,
        SAMPLED => Route::Sampled,
        _ => Route::Plain,
    }
}

/// As [`ensure`], for a program that brings its own settings; `environment`: may change them.
#[inline]
pub(crate) fn ensure_with(own: &Knobs, environment: bool) {
    if STAGE.load(Acquire) == NOT_YET {
        begin_with(own, environment);
    }
}

/// From now on the process is sampled, or may be again: there is no way back, since samples stay.
pub(crate) fn sample() {
    let _ = STAGE.compare_exchange(PLAIN, SAMPLED, Release, Relaxed);
}

/// As [`ensure`], where most likely it was not.
#[cold]
#[inline(never)]
pub(crate) fn begin() {
    begin_with(&Knobs::DEFAULT, true);
}

#[cold]
#[inline(never)]
fn begin_with(own: &Knobs, environment: bool) {
    // C promises that `errno` is 0 when `main` begins; what is asked here may well be refused.
    let errno = os::errno();
    {
        let _held = settings::LOCK.acquire();
        if STAGE.load(Acquire) != NOT_YET {
            return;
        }
        // SAFETY: whole pages, zero, and side memory's alone from here on.
        unsafe { side::lend(STATICS.span.0.at(), statics::SPAN) };
        let mut secret = [0; 2];
        os::secret(&mut secret);
        // SAFETY: the lock is held, and no chunk exists.
        unsafe { chunk::set_key(secret) };
        arenas::set_quota(os::quota());
        // SAFETY: getauxval has no precondition; `environ` is libc's, and nobody changes the
        // environment while the first allocation is under way.
        let knobs = unsafe {
            let secure = !cfg!(miri) && libc::getauxval(libc::AT_SECURE) != 0;
            own.under_environment(environ, secure || !environment)
        };
        // SAFETY: the lock is held.
        unsafe { (*KNOBS.0.get()).write(knobs) };
        if knobs.check != 0 {
            checked::begin(&knobs);
        }
        limit::begin(&knobs);
        put_in_force(&knobs);
        report::begin(&knobs);
        cache::thread::init();
        if knobs.background {
            // SAFETY: as above; a privileged process has no such knob from its environment.
            unsafe { background::remember(environ) };
        }
        let stage = match (knobs.check, knobs.profile || knobs.guard != 0) {
            (0, false) => PLAIN,
            (0, true) => SAMPLED,
            _ => CHECKED,
        };
        if stage == SAMPLED {
            if knobs.profile {
                samples::set_interval(knobs.profile_interval);
            }
            guard::begin(&knobs);
        }
        if knobs.profile_pointers {
            samples::set_how(How::Pointers);
        }
        STAGE.store(stage, Release);
    }
    // The break's first mapping, while there is sure to be room for one.
    arenas::main().lock().open_first();
    // What a first request would be told by way of two pages of nothing: there is no cache yet.
    // (In check mode there never is one.)
    if STAGE.load(Acquire) != CHECKED {
        cache::thread::current();
    }
    // Registering may allocate, and may: everything above is in place.
    super::fork::register();
    // Where Cairn is the process's malloc, the loader itself may be who asks; see `prepare`.
    if !os::serves_malloc() {
        background::prepare();
    }
    os::set_errno(errno);
}

fn put_in_force(k: &Knobs) {
    settings::apply(k);
    class::configure(k.run_max, k.tcache_max);
    // Without a cache there is nothing for the fast path to find.
    if k.perturb != 0 || k.tcache_count == 0 || k.tcache_max == 0 {
        cache::thread::bypass();
    } else {
        cache::thread::restore();
    }
    // In check mode there are no caches, and what is freed waits in a quarantine.
    if k.check == 0 {
        background::follow();
    }
}

/// The constructor of the library that is preloaded: the loader is done with it.
pub(crate) fn constructed() {
    begin();
    background::prepare();
}

/// `mallopt`: changes one knob of the running process.
pub(crate) fn set_option(parameter: c_int, value: c_int) -> c_int {
    ensure();
    let answer = change(|knobs| knobs.set_option(parameter, value));
    follow_background();
    answer
}

/// After the program said whether it wants a thread of Cairn's own.
fn follow_background() {
    if settings::background() {
        // SAFETY: getauxval has no precondition. The environment is read as `getenv` reads it.
        unsafe {
            if cfg!(miri) || libc::getauxval(libc::AT_SECURE) == 0 {
                background::remember(environ);
            }
        }
    }
    background::prepare();
    background::start_now();
}

/// Changes the knobs of the running process.
fn change(how: impl FnOnce(&mut Knobs) -> c_int) -> c_int {
    let _held = settings::LOCK.acquire();
    // SAFETY: the lock is held, and the start has written them.
    let knobs = unsafe { (*KNOBS.0.get()).assume_init_mut() };
    let before = *knobs;
    let answer = how(knobs);
    // Thresholds that use has moved stay where they are unless this call sets them.
    if knobs.mmap_threshold == before.mmap_threshold && !knobs.mmap_threshold_fixed {
        knobs.mmap_threshold = settings::mmap_threshold();
        knobs.trim_threshold = settings::trim_threshold();
    }
    if *knobs != before {
        put_in_force(knobs);
    }
    answer
}

/// Whether a thread of Cairn's own gives memory back from now on; whether that was so.
pub(crate) fn set_background(on: bool) -> bool {
    ensure();
    let before = change(|knobs| c_int::from(core::mem::replace(&mut knobs.background, on)));
    follow_background();
    before != 0
}

/// Sets what the heap may hold from now on, bytes, 0 for any number; what it was. In check mode nobody
/// asks.
pub(crate) fn set_limit(bytes: usize, hard: bool) -> usize {
    ensure();
    if STAGE.load(Acquire) == CHECKED {
        return 0;
    }
    let _held = settings::LOCK.acquire();
    let before = limit::bytes();
    relief::set_limit(bytes, hard);
    before
}

/// Whether the process asked for the line at its exit.
pub(crate) fn verbose() -> bool {
    let _held = settings::LOCK.acquire();
    // SAFETY: the lock is held; zeros are knobs too, numbers and what is false.
    unsafe { (*KNOBS.0.get()).assume_init_ref() }.verbose
}
