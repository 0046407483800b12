//! The registers of a thread that a stack is unwound from.

use crate::target::{long, quad};

/// Where a thread stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// Its number.
    pub tid: i32,
    /// The next instruction.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The frame pointer, or what else is in that register.
    pub fp: u64,
    /// Where the innermost function returns to, on machines that keep it in a register.
    pub link: u64,
}

/// Where the kernel's note of a thread has its number, and its registers.
const TID: usize = 32;
const GENERAL: usize = 112;

impl Registers {
    /// Reads them of a note of a core file (`struct elf_prstatus`); `None` if these are too few bytes.
    pub(crate) fn of_note(note: &[u8]) -> Option<Self> {
        let general = note.get(GENERAL..)?;
        let registers = Self::of(general)?;
        Some(Self {
            tid: long(note, TID).cast_signed(),
            ..registers
        })
    }

    /// Reads them as the kernel has them (`struct user_regs_struct`).
    #[cfg(target_arch = "x86_64")]
    pub fn of(general: &[u8]) -> Option<Self> {
        let word = |i: usize| quad(general, i * 8);
        (general.len() >= 27 * 8).then(|| Self {
            tid: 0,
            pc: word(16),
            sp: word(19),
            fp: word(4),
            link: 0,
        })
    }

    /// Reads them as the kernel has them (`struct user_pt_regs`).
    #[cfg(target_arch = "aarch64")]
    pub fn of(general: &[u8]) -> Option<Self> {
        let word = |i: usize| quad(general, i * 8);
        (general.len() >= 34 * 8).then(|| Self {
            tid: 0,
            pc: word(32),
            sp: word(31),
            fp: word(29),
            link: word(30),
        })
    }
}
