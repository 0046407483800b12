//! One thread-local word, by the initial-exec model: `thread_local!` would call the loader each
//! time, and the library is loaded at the start.

use core::arch::{asm, global_asm};

global_asm!(
    ".pushsection .tbss,\"awT\",@nobits",
    ".p2align 3",
    ".hidden cairn_record_word",
    ".globl cairn_record_word",
    ".type cairn_record_word, @object",
    ".size cairn_record_word, 8",
    "cairn_record_word:",
    ".zero 8",
    ".popsection",
);

/// The word.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn get() -> usize {
    let value: usize;
    // SAFETY: reads this thread's own word; the offset comes from the linker.
    unsafe {
        asm!(
            "mov {v}, qword ptr [rip + cairn_record_word@GOTTPOFF]",
            "mov {v}, qword ptr fs:[{v}]",
            v = out(reg) value,
            options(nostack, preserves_flags, readonly)
        );
    }
    value
}

/// Sets the word.
#[cfg(target_arch = "x86_64")]
pub(crate) fn set(value: usize) {
    // SAFETY: writes this thread's own word.
    unsafe {
        asm!(
            "mov {o}, qword ptr [rip + cairn_record_word@GOTTPOFF]",
            "mov qword ptr fs:[{o}], {v}",
            o = out(reg) _, v = in(reg) value,
            options(nostack, preserves_flags)
        );
    }
}

/// The word.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) fn get() -> usize {
    let value: usize;
    // SAFETY: reads this thread's own word.
    unsafe {
        asm!(
            "adrp {o}, :gottprel:cairn_record_word",
            "ldr {o}, [{o}, :gottprel_lo12:cairn_record_word]",
            "mrs {v}, tpidr_el0",
            "ldr {v}, [{v}, {o}]",
            o = out(reg) _, v = out(reg) value,
            options(nostack, preserves_flags, readonly)
        );
    }
    value
}

/// Sets the word.
#[cfg(target_arch = "aarch64")]
pub(crate) fn set(value: usize) {
    // SAFETY: writes this thread's own word.
    unsafe {
        asm!(
            "adrp {o}, :gottprel:cairn_record_word",
            "ldr {o}, [{o}, :gottprel_lo12:cairn_record_word]",
            "mrs {t}, tpidr_el0",
            "str {v}, [{t}, {o}]",
            o = out(reg) _, t = out(reg) _, v = in(reg) value,
            options(nostack, preserves_flags)
        );
    }
}
