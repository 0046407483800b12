//! The frame that the kernel lays for a signal handler: the unwind tables describe it in a way that
//! [`framehop`] does not follow, so what was interrupted is read from where the kernel put it.

use cairn_reader::Target;
use cairn_reader::registers::Registers;

/// What a handler returns to, which asks the kernel to go on: `mov $15, %rax; syscall`.
#[cfg(target_arch = "x86_64")]
const RETURN: [u8; 9] = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
/// The same: `mov x8, #139; svc #0`.
#[cfg(target_arch = "aarch64")]
const RETURN: [u8; 8] = [0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4];

/// Where the kernel keeps a register of what it interrupted, bytes above the stack pointer: from a
/// `struct ucontext`, `uc_mcontext.gregs`, which begins with r8.
#[cfg(target_arch = "x86_64")]
mod kept {
    pub(super) const PC: u64 = 168;
    pub(super) const SP: u64 = 160;
    pub(super) const FP: u64 = 120;
    pub(super) const LINK: Option<u64> = None;
}
/// The same: behind a `siginfo_t`, a `struct ucontext`, whose `uc_mcontext` has the address of a fault
/// and x0 first.
#[cfg(target_arch = "aarch64")]
mod kept {
    const X0: u64 = 128 + 176 + 8;
    pub(super) const FP: u64 = X0 + 29 * 8;
    pub(super) const LINK: Option<u64> = Some(X0 + 30 * 8);
    pub(super) const SP: u64 = X0 + 31 * 8;
    pub(super) const PC: u64 = X0 + 32 * 8;
}

/// Bytes of code that tell it.
pub(crate) const CODE: usize = RETURN.len();

/// Whether a signal handler returns to this code.
pub(crate) fn is_return(code: &[u8]) -> bool {
    code.starts_with(&RETURN)
}

/// Where the thread stood that a signal handler interrupted, which returns with the stack pointer at
/// `sp`; `None` if that is not there to be read.
pub(crate) fn interrupted(target: &dyn Target, sp: u64) -> Option<Registers> {
    let of = |offset: u64| target.word(sp.wrapping_add(offset));
    Some(Registers {
        tid: 0,
        pc: of(kept::PC)?,
        sp: of(kept::SP)?,
        fp: of(kept::FP)?,
        link: kept::LINK.map_or(Some(0), of)?,
    })
}
