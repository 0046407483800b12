//! What a signal does: the kernel's calls, since a program's own `sigaction` may stand in front of
//! libc's.

use core::ffi::{c_int, c_void};
use core::ptr;
use libc::c_long;

/// The kernel's own form of what a signal does.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Action {
    pub handler: usize,
    pub flags: u64,
    /// Where a handler returns to; not for each architecture, but with a place in each.
    restorer: usize,
    mask: u64,
}

impl Action {
    /// What a signal does by itself.
    const DEFAULT: Self = Self {
        handler: libc::SIG_DFL,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
}

/// Bytes of the kernel's set of signals.
const SET: c_long = 8;

#[cfg(all(target_arch = "x86_64", not(miri)))]
core::arch::global_asm!(
    ".pushsection .text.cairn_restore,\"ax\",@progbits",
    concat!(".globl ", versioned!("cairn_restore_")),
    concat!(".hidden ", versioned!("cairn_restore_")),
    concat!(".type ", versioned!("cairn_restore_"), ", @function"),
    concat!(versioned!("cairn_restore_"), ":"),
    "mov eax, 15",
    "syscall",
    ".popsection",
);

cfg_if::cfg_if! {
    if #[cfg(all(target_arch = "x86_64", not(miri)))] {
        unsafe extern "C" {
            #[link_name = versioned!("cairn_restore_")]
            fn restore();
        }

        /// Where the handler returns to, and the flag that says so.
        fn restorer() -> (usize, u64) {
            ((restore as *const ()).expose_provenance(), 0x0400_0000)
        }
    } else {
        /// The kernel has a place of its own.
        fn restorer() -> (usize, u64) {
            (0, 0)
        }
    }
}

/// Calls `handler` on a signal that does nothing particular yet; false if somebody has it.
pub(crate) fn on_signal(signal: c_int, handler: extern "C" fn(c_int)) -> bool {
    let mut before = Action {
        handler: libc::SIG_IGN,
        ..Action::DEFAULT
    };
    let none: *const Action = ptr::null();
    let (signal, size) = (c_long::from(signal), SET);
    // SAFETY: asks alone; a place for the answer.
    let got = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, none, &raw mut before, size) };
    if got != 0 || before.handler != libc::SIG_DFL {
        return false;
    }
    let (restorer, flag) = restorer();
    let action = Action {
        handler: (handler as *const ()).expose_provenance(),
        flags: (libc::SA_RESTART | libc::SA_ONSTACK) as u64 | flag,
        restorer,
        mask: 0,
    };
    set(signal, &action)
}

/// What a fault calls.
pub(crate) type OnFault = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Calls a handler on a signal of the kernel's, whoever has it: the one that `choose` names, which is
/// told what the signal does now. Nothing is done where one that `is_ours` is in front already, or the
/// one that is is to be called once.
///
/// Not by two threads at a time. What the program sets meanwhile comes out as it goes, and is behind.
pub(crate) fn on_fault(
    signal: c_int,
    is_ours: impl Fn(usize) -> bool,
    choose: impl Fn(&Action) -> OnFault,
) {
    let signal = c_long::from(signal);
    let Some(mut before) = change(signal, ptr::null()) else {
        return;
    };
    for _ in 0..TURNS {
        let once = before.flags & libc::SA_RESETHAND as u64 != 0;
        if is_ours(before.handler) || once {
            return;
        }
        let handler = choose(&before);
        let (restorer, flag) = restorer();
        let flags = match before.handler {
            libc::SIG_DFL | libc::SIG_IGN => libc::SA_ONSTACK as u64,
            // The stack and the mask that the program wants its own to have.
            _ => before.flags,
        };
        let action = Action {
            handler: (handler as *const ()).expose_provenance(),
            flags: flags | libc::SA_SIGINFO as u64 | flag,
            restorer,
            mask: before.mask,
        };
        match change(signal, &raw const action) {
            Some(went) if went.handler != before.handler || went.flags != before.flags => {
                before = went;
            }
            _ => return,
        }
    }
}

/// How often a handler may come in between.
const TURNS: usize = 8;

/// What a signal does, or did before it does this.
fn change(signal: c_long, to: *const Action) -> Option<Action> {
    let mut before = Action::DEFAULT;
    // SAFETY: the kernel's structure, or none; a place for the answer.
    let got = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, to, &raw mut before, SET) };
    (got == 0).then_some(before)
}

/// The handler that a signal calls.
pub(crate) fn handler_of(signal: c_int) -> Option<usize> {
    change(c_long::from(signal), ptr::null()).map(|now| now.handler)
}

/// The signal does what it does by itself.
pub(crate) fn by_default(signal: c_int) {
    set(c_long::from(signal), &Action::DEFAULT);
}

fn set(signal: c_long, action: &Action) -> bool {
    let (action, nowhere): (*const Action, *mut Action) = (action, ptr::null_mut());
    // SAFETY: the kernel's structure; the handler lives as long as the library, which is never
    // unloaded, and does what may be done in one.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action, nowhere, SET) == 0 }
}
