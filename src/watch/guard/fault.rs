//! The handler of SIGSEGV (`CAIRN_GUARD_REPORT`): an access that a guard stopped is told, and then goes
//! the way that it would have gone.

use super::told;
use crate::os::signals::{self, Action};
use crate::{guards, os};
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::mem::{MaybeUninit, transmute};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

struct Shared(UnsafeCell<MaybeUninit<Action>>);
// SAFETY: written once, at the start, before anybody else can be here.
unsafe impl Sync for Shared {}

/// What the signal did before. (No static of Cairn's begins with anything but zeros.)
static BEFORE: Shared = Shared(UnsafeCell::new(MaybeUninit::zeroed()));
/// Whether somebody is writing: of two threads that fault together one waits, but not for ever.
static BUSY: AtomicBool = AtomicBool::new(false);
/// How often it looks, and nanoseconds between.
const LOOKS: usize = 1000;
const NAP: i64 = 1_000_000;

/// Takes the signal over.
pub(super) fn listen() {
    if let Some(before) = signals::on_fault(libc::SIGSEGV, on_fault) {
        // SAFETY: nobody else is here yet.
        unsafe { (*BEFORE.0.get()).write(before) };
    }
}

extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let errno = os::errno();
    // SAFETY: the kernel's structure for this signal.
    let (code, at) = unsafe { ((*info).si_code, (*info).si_addr().expose_provenance()) };
    // What a process sent has no address.
    if code > 0 && guards::covers(at) {
        let mut left = LOOKS;
        while BUSY.swap(true, Relaxed) && left != 0 {
            os::sleep(NAP);
            left -= 1;
        }
        told::access(at, context.cast());
        BUSY.store(false, Relaxed);
    }
    os::set_errno(errno);
    pass_on(signal, info, context);
}

/// Calls the handler that was there before. Where there was none, the access faults again, and the
/// process dies of that as it would have: with the registers of the access in its core file.
fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: written at the start, or zeros: the default.
    let before = unsafe { (*BEFORE.0.get()).assume_init_ref() };
    match before.handler {
        libc::SIG_DFL | libc::SIG_IGN => {
            signals::by_default(signal);
            // SAFETY: the kernel's structure. A signal that a process sent does not come again.
            unsafe {
                if (*info).si_code <= 0 {
                    libc::syscall(libc::SYS_tkill, os::thread_number(), signal);
                }
            }
        }
        handler => {
            let handler: *const () = ptr::with_exposed_provenance(handler);
            // SAFETY: a handler of the form that the flag names.
            unsafe {
                if before.flags & libc::SA_SIGINFO as u64 == 0 {
                    transmute::<*const (), extern "C" fn(c_int)>(handler)(signal);
                } else {
                    let handler = transmute::<*const (), signals::OnFault>(handler);
                    handler(signal, info, context);
                }
            }
        }
    }
}
