//! The thread that gives memory back where the program has stopped calling (`CAIRN_BACKGROUND=1`).
//!
//! ```text
//!            asked for            a slow request of a process      it runs
//!   NONE ---------------> WANTED ------------------------> STARTING ------> RUNNING
//!                          ^  ^    that has two threads       |                |
//!                          |  '---- libc makes none ----------'                |
//!                          '--------- fork's child; nobody else is left -------'
//! ```
//!
//! It is never the default: to the kernel a process with a second thread is another one, and
//! `unshare` of a user namespace fails in it. So a process with one thread never gets it, and where
//! one is left it ends.
//!
//! **Where it is made.** `pthread_create` allocates, so it must not be called with a lock of
//! Cairn's held, and finds `STARTING` when it comes back here. It takes locks of libc's, and a
//! `free` may come from libc while it holds one of them (of the stacks that it keeps). No request
//! does. So it is made at the end of a request that took the slowest way, and not from a signal
//! handler, which may have interrupted libc: one that blocks signals puts it off, some times.
//!
//! The thread has no cache, and asks no arena for anything. It holds an arena's lock for as long as
//! other slow operations do.

mod pace;
mod pressure;

use crate::cache::thread;
use crate::os::threads;
use crate::settings;
use crate::settings::BELL;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
pub(crate) use pressure::remember;

/// What has become of the thread.
static LIFE: AtomicUsize = AtomicUsize::new(NONE);
const NONE: usize = 0;
const WANTED: usize = 1;
const STARTING: usize = 2;
const RUNNING: usize = 3;

/// How often a thread that blocks signals is taken for a signal handler.
const CAUTION: usize = 16;
/// Vain attempts after which nobody tries until the program asks again: libc has no thread to give.
const ATTEMPTS: usize = 64;
/// How often one was put off, or libc made none.
static PUT_OFF: AtomicUsize = AtomicUsize::new(0);

/// Whether nobody but this thread turned the state from one to the other.
fn turns(from: usize, to: usize) -> bool {
    LIFE.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
}

/// Follows the knob, at the start and after it was changed.
pub(crate) fn follow() {
    if settings::background() {
        PUT_OFF.store(0, Relaxed);
        turns(NONE, WANTED);
    } else {
        BELL.ring_after_store();
    }
}

/// What making a thread needs of the loader; where no lock of the program's may be held.
pub(crate) fn prepare() {
    if settings::background() {
        threads::prepare();
    }
}

/// At the end of a request that took the slowest way.
#[inline]
pub(crate) fn attend() {
    if LIFE.load(Relaxed) == WANTED {
        start(true);
    }
}

/// The thread, if it is wanted and the process has another one; by the program's own call.
pub(crate) fn start_now() {
    if LIFE.load(Relaxed) == WANTED {
        start(false);
    }
}

#[cold]
#[inline(never)]
fn start(carefully: bool) {
    if !settings::background() {
        // As in `follow`, should somebody ask for it meanwhile.
        if turns(WANTED, NONE) && settings::background() {
            turns(NONE, WANTED);
        }
        return;
    }
    let threaded = if carefully {
        thread::count() > 1 || threads::has_second()
    } else {
        thread::count() > 1 || threads::count() > 1
    };
    if !threaded || thread::is_bypassed() || !turns(WANTED, STARTING) {
        return;
    }
    let careful = carefully && PUT_OFF.load(Relaxed) < CAUTION;
    if threads::make(pace::run, careful) {
        PUT_OFF.store(0, Relaxed);
    } else {
        let vain = PUT_OFF.fetch_add(1, Relaxed) + 1;
        turns(STARTING, if vain < ATTEMPTS { WANTED } else { NONE });
    }
}

/// In the child of a fork, which has one thread.
pub(crate) fn in_child() {
    if LIFE.load(Relaxed) > WANTED {
        BELL.silence();
        pressure::close();
        LIFE.store(WANTED, Relaxed);
    }
}
