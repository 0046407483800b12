//! The handler of SIGSEGV (`CAIRN_GUARD_REPORT`): an access that a guard stopped is told, and then goes
//! the way that it would have gone.
//!
//! It stands in front of the program's own, also of one that was set later: each time that an object is
//! guarded the signal is looked at.

use super::told;
use crate::os::signals::{self, Action, OnFault, Takeover};
use crate::{guards, os};
use core::ffi::{c_int, c_void};
use core::mem::transmute;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Handlers that may be in front, each with one of the program's behind. A program that asks what was
/// there before its own, and sets that again, gets back what was behind it then.
const FRONTS: usize = 8;
static HANDLERS: [OnFault; FRONTS] = [
    front::<0>, front::<1>, front::<2>, front::<3>, front::<4>, front::<5>, front::<6>, front::<7>,
];
/// What is behind each, and the bit [`FULL`] if it takes all that the kernel says; or one of the two
/// numbers that are no handler.
static BEHIND: [AtomicUsize; FRONTS] = [const { AtomicUsize::new(libc::SIG_DFL) }; FRONTS];
const FULL: usize = 1 << 63;
/// How many were in front.
static USED: AtomicUsize = AtomicUsize::new(0);
/// Whether the signal is to be listened to.
static WANTED: AtomicBool = AtomicBool::new(false);
/// Whether somebody is writing: of two threads that fault together one waits, but not for ever.
static BUSY: AtomicBool = AtomicBool::new(false);
/// How often it looks, and nanoseconds between.
const LOOKS: usize = 1000;
const NAP: i64 = 1_000_000;
/// What the kernel leaves 0 in what it says of a fault: here it says, by a bit each, which of the
/// handlers passed it on already, since a handler behind may call one of them again.
const PASSED: c_int = 0x4361_6900;
const BY: c_int = (1 << FRONTS) - 1;
/// Counts the times that something is changed, twice each: odd meanwhile.
static TURN: AtomicUsize = AtomicUsize::new(0);
/// The turn in which each was last put in front of what the signal did no more; 0 for none. That is seen,
/// and another comes in its place, but a fault may have been delivered in between.
static MISTAKEN: [AtomicUsize; FRONTS] = [const { AtomicUsize::new(0) }; FRONTS];
/// How long the end of a turn is waited for each time, nanoseconds.
const TURN_NAP: i64 = 100_000;

/// Takes the signal over, from now on.
pub(super) fn begin() {
    WANTED.store(true, Relaxed);
    listen();
}

/// Takes the signal over, if somebody else did meanwhile.
pub(super) fn listen() {
    // Who is interrupted in there goes on with what there is.
    if WANTED.load(Relaxed) && !guards::LOCK.is_mine() {
        let _alone = guards::LOCK.acquire();
        signals::on_fault(libc::SIGSEGV, &Fronts);
        let turn = TURN.load(Relaxed);
        TURN.store(turn.next_multiple_of(2), Release);
    }
}

/// The handlers of [`HANDLERS`].
struct Fronts;

impl Takeover for Fronts {
    fn is_own(&self, handler: usize) -> bool {
        which(handler).is_some()
    }

    /// The handler that was in front of that before, or else one that nobody knows yet, as long as there
    /// is one.
    fn front_of(&self, before: &Action) -> OnFault {
        TURN.store(TURN.load(Relaxed) | 1, Relaxed);
        let behind = behind_of(before);
        let used = USED.load(Relaxed);
        let known = BEHIND.iter().take(used.min(FRONTS));
        let i = known
            .map(|b| b.load(Relaxed))
            .position(|b| b == behind)
            .unwrap_or_else(|| {
                USED.store(used.wrapping_add(1), Relaxed);
                used % FRONTS
            });
        if let Some(place) = BEHIND.get(i) {
            place.store(behind, Release);
        }
        HANDLERS.get(i).copied().unwrap_or(front::<0>)
    }

    fn was_mistaken(&self, handler: usize) {
        if let Some(turn) = which(handler).and_then(|i| MISTAKEN.get(i)) {
            turn.store(TURN.load(Relaxed), Relaxed);
        }
    }
}

fn which(handler: usize) -> Option<usize> {
    let address = |front: &OnFault| (*front as *const ()).expose_provenance();
    HANDLERS.iter().position(|front| address(front) == handler)
}

/// An action, as it is kept behind a handler.
fn behind_of(action: &Action) -> usize {
    action.handler | if action.is_full() { FULL } else { 0 }
}

/// The turn that was going on, which is over now; or else the last. Nobody waits for ever.
fn settled() -> usize {
    let turn = TURN.load(Acquire);
    if turn.is_multiple_of(2) {
        return turn.wrapping_sub(1);
    }
    let mut left = LOOKS;
    while TURN.load(Acquire) == turn && left != 0 && !guards::LOCK.is_mine() {
        os::sleep(TURN_NAP);
        left -= 1;
    }
    turn
}

/// What is behind a handler.
fn behind(i: usize) -> usize {
    let known = BEHIND.get(i);
    known.map_or(libc::SIG_DFL, |b| b.load(Acquire))
}

/// Which handler is in front, where the kernel called `called`, and what is behind it. If that was put in
/// by mistake it is what is there by now.
fn in_front(signal: c_int, called: usize) -> (usize, usize) {
    let turn = settled();
    let mistaken = MISTAKEN.get(called).map(|m| m.load(Acquire)) == Some(turn);
    if !mistaken {
        return (called, behind(called));
    }
    match signals::action_of(signal) {
        Some(now) => match which(now.handler) {
            Some(i) => (i, behind(i)),
            None => (called, behind_of(&now)),
        },
        None => (called, behind(called)),
    }
}

/// Whether this is what the kernel says of a signal: a program that keeps what `signal` returned calls it
/// with the signal alone.
fn says(info: *mut libc::siginfo_t, context: *mut c_void, signal: c_int) -> bool {
    let (info_at, context_at) = (info.addr(), context.addr());
    let last = info_at.wrapping_add(size_of::<libc::siginfo_t>() - size_of::<u64>());
    let all = [info_at, last, context_at];
    all.iter().all(|&at| at.is_multiple_of(8) && os::guards::is_readable(at))
        // SAFETY: it can be read.
        && unsafe { (*info).si_signo == signal }
}

extern "C" fn front<const I: usize>(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    on_fault(signal, info, context, I);
}

#[cold]
fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void, called: usize) {
    let errno = os::errno();
    if !says(info, context, signal) {
        os::set_errno(errno);
        // SAFETY: what the caller gave is handed on as it is.
        unsafe { call(signal, info, context, behind(called), true) };
        return;
    }
    // SAFETY: the kernel's structure for this signal.
    let (code, at) = unsafe { ((*info).si_code, (*info).si_addr().expose_provenance()) };
    // SAFETY: as above.
    let mark = unsafe { (*info).si_errno };
    let passed = if mark & !BY == PASSED { mark & BY } else { 0 };
    // What a process sent has no address.
    let sent = code <= 0;
    if !sent && passed == 0 && guards::covers(at) {
        let mut left = LOOKS;
        while BUSY.swap(true, Acquire) && left != 0 {
            os::sleep(NAP);
            left -= 1;
        }
        told::access(at, context.cast());
        BUSY.store(false, Release);
    }
    // Only the kernel calls what was put in by mistake, and nobody is called twice.
    let (by, behind) = match passed {
        0 => in_front(signal, called),
        _ if passed & 1 << called == 0 => (called, behind(called)),
        _ => (called, libc::SIG_DFL),
    };
    os::set_errno(errno);
    // SAFETY: as above.
    unsafe {
        (*info).si_errno = PASSED | passed | 1 << by;
        call(signal, info, context, behind, sent);
        (*info).si_errno = mark;
    }
}

/// Calls the handler behind. Where there is none the access faults again, and the process dies of that as
/// it would have: with the registers of the access in its core file. What a process sent does not come
/// again by itself.
///
/// # Safety
/// What the kernel gave a handler of the signal, or what else the handler behind takes.
unsafe fn call(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
    behind: usize,
    sent: bool,
) {
    let handler = behind & !FULL;
    if handler == libc::SIG_IGN && sent {
        return;
    }
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        signals::by_default(signal);
        if sent {
            // SAFETY: no memory is touched.
            unsafe { libc::syscall(libc::SYS_tkill, os::thread_number(), signal) };
        }
        return;
    }
    let handler: *const () = ptr::with_exposed_provenance(handler);
    // SAFETY: the caller's; a handler of the form that its flag names.
    unsafe {
        if behind & FULL == 0 {
            transmute::<*const (), extern "C" fn(c_int)>(handler)(signal);
        } else {
            transmute::<*const (), OnFault>(handler)(signal, info, context);
        }
    }
}
