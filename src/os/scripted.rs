//! A system that refuses on order, for tests: the n-th memory call from now on fails, or all of
//! them do. The script is per thread, so that tests side by side do not disturb each other.

use core::cell::Cell;
use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes that this process has mapped, the break left out.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
    static ONWARD: Cell<bool> = const { Cell::new(false) };
    static ALWAYS: Cell<bool> = const { Cell::new(false) };
    static REFUSED: Cell<u64> = const { Cell::new(0) };
    static LENT: Cell<bool> = const { Cell::new(false) };
    static SLEEPLESS: Cell<bool> = const { Cell::new(false) };
    static LISTENS: Cell<bool> = const { Cell::new(false) };
    static NAMED: Cell<Option<(usize, usize, &'static CStr)>> = const { Cell::new(None) };
}

/// From now on this kernel gives names; what it says is the last one that this thread asked for.
pub(crate) fn listen() -> impl Fn() -> Option<(usize, usize, &'static CStr)> {
    LISTENS.set(true);
    NAMED.set(None);
    || {
        LISTENS.set(false);
        NAMED.get()
    }
}

/// Told before a mapping gets a name; whether that is enough.
pub(crate) fn names(at: usize, len: usize, name: &'static CStr) -> bool {
    if LISTENS.get() {
        NAMED.set(Some((at, len, name)));
    }
    LISTENS.get()
}

/// This thread can neither sleep on a word nor wake who does, as where a sandbox refuses `futex`.
pub(crate) fn let_nobody_sleep() {
    SLEEPLESS.set(true);
}

/// Asked before a thread sleeps, or wakes one.
pub(crate) fn lets_nobody_sleep() -> bool {
    SLEEPLESS.get()
}

/// This thread's main arena uses the break from now on, as where Cairn is the process's malloc.
pub(crate) fn lend_break() {
    LENT.set(true);
}

/// Asked before the break is moved.
pub(crate) fn break_is_lent() -> bool {
    LENT.get()
}

/// Refuses the call that comes after `n` more have passed.
pub(crate) fn refuse_after(n: u64) {
    LEFT.set(Some(n));
    ONWARD.set(false);
    REFUSED.set(0);
}

/// Refuses the call that comes after `n` more have passed, and all that come after it.
pub(crate) fn refuse_from(n: u64) {
    refuse_after(n);
    ONWARD.set(true);
}

/// Refuses every call from now on, or lets all pass again.
pub(crate) fn refuse_all(on: bool) {
    ALWAYS.set(on);
    LEFT.set(None);
}

/// How many calls were refused since the last order.
pub(crate) fn refused() -> u64 {
    REFUSED.get()
}

/// Told by each primitive that maps or unmaps.
pub(crate) fn count(now: usize, before: usize) {
    MAPPED.fetch_add(now.wrapping_sub(before), Relaxed);
}

/// Bytes that Cairn has mapped in this process, the break left out.
pub(crate) fn mapped() -> usize {
    MAPPED.load(Relaxed)
}

/// Asked by each primitive.
pub(crate) fn refuses() -> bool {
    let now = ALWAYS.get()
        || match LEFT.get() {
            Some(0) => {
                LEFT.set(None);
                ALWAYS.set(ONWARD.get());
                true
            }
            Some(n) => {
                LEFT.set(Some(n - 1));
                false
            }
            None => false,
        };
    if now {
        REFUSED.set(REFUSED.get() + 1);
    }
    now
}

/// Whether something is so in a process of its own, where no other test's threads are.
pub(crate) fn holds_in_child(what: fn() -> bool) -> bool {
    in_child(what) == Ok(true)
}

/// What `body` returned in a forked process, or the status with which that ended: a panic would end its
/// thread alone, and the process well, and a panic whose message waits for a lock that another thread
/// had would not end.
pub(crate) fn in_child(body: impl FnOnce() -> bool) -> Result<bool, libc::c_int> {
    // SAFETY: the child calls only Cairn, which is ready for a fork at any time.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: ends a process that hangs.
        unsafe { libc::alarm(60) };
        let code = catch_unwind(AssertUnwindSafe(body)).map_or(101, i32::from);
        // SAFETY: leaves without the harness's farewell, which is its parent's.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: waits for the child just made.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    match libc::WEXITSTATUS(status) {
        code @ (0 | 1) if waited == pid && libc::WIFEXITED(status) => Ok(code == 1),
        _ => Err(status),
    }
}
