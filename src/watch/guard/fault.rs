//! The handler of SIGSEGV (`CAIRN_GUARD_REPORT`): an access that a guard stopped is told, and then goes
//! the way that it would have gone.
//!
//! It stands in front of the program's own, also of one that was set later: each time that an object is
//! guarded the signal is looked at.

use super::told;
use crate::os::signals::{self, Action, OnFault};
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
/// Odd while a thread takes the signal over.
static TURN: AtomicUsize = AtomicUsize::new(0);
/// How long one is waited for, nanoseconds, and how often.
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
        let turn = TURN.load(Relaxed) | 1;
        TURN.store(turn, Relaxed);
        signals::on_fault(libc::SIGSEGV, is_front, in_front_of);
        TURN.store(turn.wrapping_add(1), Release);
    }
}

/// Waits until a thread that takes the signal over has done so, but not for ever.
fn settle() {
    let turn = TURN.load(Acquire);
    let mut left = LOOKS;
    while turn & 1 != 0 && TURN.load(Acquire) == turn && left != 0 && !guards::LOCK.is_mine() {
        os::sleep(TURN_NAP);
        left -= 1;
    }
}

fn which(handler: usize) -> Option<usize> {
    let address = |front: &OnFault| (*front as *const ()).expose_provenance();
    HANDLERS.iter().position(|front| address(front) == handler)
}

fn is_front(handler: usize) -> bool {
    which(handler).is_some()
}

/// The handler that is in front by now, where the kernel called `called`. A thread that takes the
/// signal over while the program sets a handler may put one in front of what was there before; it
/// sees that and puts in another, but a fault can come in between.
fn in_front(signal: c_int, called: usize) -> usize {
    settle();
    signals::handler_of(signal)
        .and_then(which)
        .unwrap_or(called)
}

/// The handler that is to be in front of what a signal does now: the one that was before, or else one
/// that nobody knows yet, as long as there is one.
fn in_front_of(before: &Action) -> OnFault {
    let full = before.flags & libc::SA_SIGINFO as u64 != 0;
    let behind = before.handler | if full { FULL } else { 0 };
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
    // SAFETY: the kernel's structure for this signal.
    let (code, at) = unsafe { ((*info).si_code, (*info).si_addr().expose_provenance()) };
    // SAFETY: as above.
    let mark = unsafe { (*info).si_errno };
    let passed = if mark & !BY == PASSED { mark & BY } else { 0 };
    // What a process sent has no address.
    if code > 0 && passed == 0 && guards::covers(at) {
        let mut left = LOOKS;
        while BUSY.swap(true, Acquire) && left != 0 {
            os::sleep(NAP);
            left -= 1;
        }
        told::access(at, context.cast());
        BUSY.store(false, Release);
    }
    let by = if passed == 0 {
        in_front(signal, called)
    } else {
        called
    };
    os::set_errno(errno);
    // SAFETY: as above.
    unsafe { pass_on(signal, info, context, passed, by) };
}

/// Calls the handler behind. Where there is none, or it called this one again, the access faults again, and the process dies of
/// that as it would have: with the registers of the access in its core file.
///
/// # Safety
/// What the kernel gave a handler of the signal.
unsafe fn pass_on(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
    passed: c_int,
    by: usize,
) {
    let behind = BEHIND.get(by).map_or(libc::SIG_DFL, |b| b.load(Acquire));
    let handler = behind & !FULL;
    let again = passed & (1 << by) != 0;
    // SAFETY: the caller's.
    let sent = unsafe { (*info).si_code <= 0 };
    if handler == libc::SIG_IGN && sent {
        return;
    }
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN || again {
        signals::by_default(signal);
        if sent {
            // SAFETY: no memory is touched. What a process sent does not come again by itself.
            unsafe { libc::syscall(libc::SYS_tkill, os::thread_number(), signal) };
        }
        return;
    }
    let handler: *const () = ptr::with_exposed_provenance(handler);
    // SAFETY: the caller's; a handler of the form that its flag names.
    unsafe {
        let before = (*info).si_errno;
        (*info).si_errno = PASSED | passed | 1 << by;
        if behind & FULL == 0 {
            transmute::<*const (), extern "C" fn(c_int)>(handler)(signal);
        } else {
            transmute::<*const (), OnFault>(handler)(signal, info, context);
        }
        (*info).si_errno = before;
    }
}
