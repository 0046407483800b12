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

    /// Whether its handler takes all that the kernel says.
    pub(crate) const fn is_full(&self) -> bool {
        self.flags & libc::SA_SIGINFO as u64 != 0
    }

    /// Whether it is the same; who returns from it does not matter.
    fn is(&self, other: &Self) -> bool {
        (self.handler, self.flags, self.mask) == (other.handler, other.flags, other.mask)
    }

    /// This handler in front of it, with the stack and the mask that the program wants its own to have.
    fn with_front(&self, front: OnFault) -> Self {
        let (restorer, flag) = restorer();
        let flags = match self.handler {
            libc::SIG_DFL | libc::SIG_IGN => libc::SA_ONSTACK as u64,
            _ => self.flags,
        };
        Self {
            handler: (front as *const ()).expose_provenance(),
            flags: flags | libc::SA_SIGINFO as u64 | flag,
            restorer,
            mask: self.mask,
        }
    }
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
    if action_of(signal).is_none_or(|now| now.handler != libc::SIG_DFL) {
        return false;
    }
    let (restorer, flag) = restorer();
    let action = Action {
        handler: (handler as *const ()).expose_provenance(),
        flags: (libc::SA_RESTART | libc::SA_ONSTACK) as u64 | flag,
        restorer,
        mask: 0,
    };
    change(c_long::from(signal), &raw const action).is_some()
}

/// What a fault calls.
pub(crate) type OnFault = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Who takes a signal over.
pub(crate) trait Takeover {
    /// Whether a handler is one of its own.
    fn is_own(&self, handler: usize) -> bool;
    /// The handler that is to be called in front of what the signal does now.
    fn front_of(&self, before: &Action) -> OnFault;
    /// A handler was put in front of what the signal did no more; another one comes in its place.
    fn was_mistaken(&self, handler: usize);
}

/// Calls a handler on a signal of the kernel's, whoever has it. Nothing is done where one of its own is
/// there already, or the one that is is to be called once.
///
/// Not by two threads at a time. What the program sets meanwhile comes out as it goes, and is behind, or
/// goes back as it was.
pub(crate) fn on_fault(signal: c_int, by: &impl Takeover) {
    let signal = c_long::from(signal);
    let Some(mut there) = change(signal, ptr::null()) else {
        return;
    };
    let mut put: Option<Action> = None;
    for _ in 0..TURNS {
        let once = there.flags & libc::SA_RESETHAND as u64 != 0;
        let action = if !by.is_own(there.handler) && !once {
            there.with_front(by.front_of(&there))
        } else if put.is_some() {
            there
        } else {
            return;
        };
        let Some(went) = change(signal, &raw const action) else {
            return;
        };
        if went.is(&put.unwrap_or(there)) {
            return;
        }
        by.was_mistaken(action.handler);
        (put, there) = (Some(action), went);
    }
}

/// How often a handler may come in between.
const TURNS: usize = 8;

/// What a signal does, or did before it does this.
fn change(signal: c_long, to: *const Action) -> Option<Action> {
    let mut before = Action::DEFAULT;
    // SAFETY: the kernel's structure, or none; a place for the answer. A handler of Cairn's lives as long
    // as the library, which is never unloaded, and does what may be done in one.
    let got = unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, to, &raw mut before, SET) };
    (got == 0).then_some(before)
}

/// What a signal does.
pub(crate) fn action_of(signal: c_int) -> Option<Action> {
    change(c_long::from(signal), ptr::null())
}

/// The signal does what it does by itself.
pub(crate) fn by_default(signal: c_int) {
    change(c_long::from(signal), &Action::DEFAULT);
}
