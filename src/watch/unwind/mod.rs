//! Where a thread is: the return addresses on its stack, taken in the process itself.
//!
//! By the unwind tables (`.eh_frame`) that every object of a distribution has, since most code there
//! keeps no frame pointers. `_dl_find_object` of glibc finds an object's tables without the loader's
//! lock; code without tables (a JIT's) is stepped over by the frame pointer, where that leads on.
//! Nothing here takes a lock or memory. A word of the stack is read only on a page that the kernel has
//! just called readable, and every step leads up the stack, so a damaged one yields a wrong or a short
//! list and no fault.

mod cursor;
mod find;
pub(crate) mod known;
mod program;
mod rows;

pub(crate) use find::Object;

use crate::knobs::FRAMES_LIMIT;
use crate::os::guards;
use core::ptr;
use rows::{Row, Rule};

/// Registers of DWARF that are followed: those of x86-64 with the return address, those of aarch64.
const REGISTERS: usize = if cfg!(target_arch = "x86_64") { 17 } else { 32 };
/// The stack pointer among them, the frame pointer, and where the return address stands.
const SP: usize = if cfg!(target_arch = "x86_64") { 7 } else { 31 };
const FP: usize = if cfg!(target_arch = "x86_64") { 6 } else { 29 };
const RETURN: usize = if cfg!(target_arch = "x86_64") { 16 } else { 30 };
/// Addresses beyond this are no program's.
const TOP: usize = 1 << 47;

/// Most return addresses of one stack; what called those is left out.
pub(crate) const FRAMES: usize = FRAMES_LIMIT;

/// How a stack is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    /// By the unwind tables.
    Tables,
    /// By frame pointers, once Cairn's own frames are left.
    Pointers,
}

/// The pages of a stack that the kernel called readable last.
struct Reader {
    page: usize,
}

impl Reader {
    /// The word at an address, if it can be read.
    #[inline]
    fn word(&mut self, at: usize) -> Option<usize> {
        if !at.is_multiple_of(8) || !(4096..TOP).contains(&at) {
            return None;
        }
        let page = at & !4095;
        if page != self.page {
            if !guards::is_readable(page) {
                return None;
            }
            self.page = page;
        }
        // SAFETY: readable, as the kernel has just said, and a thread's own stack stays so.
        Some(unsafe { ptr::with_exposed_provenance::<usize>(at).read_volatile() })
    }
}

/// What a frame's registers hold; those that are not followed hold 0.
type Registers = [usize; REGISTERS];

/// The registers here, and an address in this function's caller's code.
#[inline(always)]
fn here() -> (usize, Registers) {
    let mut all = [0_usize; REGISTERS];
    let at = all.as_mut_ptr();
    let pc: usize;
    cfg_if::cfg_if! {
        if #[cfg(miri)] {
            let _ = at;
            pc = 0;
        } else if #[cfg(target_arch = "x86_64")] {
            // SAFETY: writes seven words of `all`.
            unsafe {
                core::arch::asm!(
                    "mov qword ptr [{at} + 24], rbx",
                    "mov qword ptr [{at} + 48], rbp",
                    "mov qword ptr [{at} + 56], rsp",
                    "mov qword ptr [{at} + 96], r12",
                    "mov qword ptr [{at} + 104], r13",
                    "mov qword ptr [{at} + 112], r14",
                    "mov qword ptr [{at} + 120], r15",
                    "lea {pc}, [rip]",
                    at = in(reg) at, pc = out(reg) pc, options(nostack, preserves_flags)
                );
            }
        } else {
            // SAFETY: writes thirteen words of `all`.
            unsafe {
                core::arch::asm!(
                    "stp x19, x20, [{at}, 152]",
                    "stp x21, x22, [{at}, 168]",
                    "stp x23, x24, [{at}, 184]",
                    "stp x25, x26, [{at}, 200]",
                    "stp x27, x28, [{at}, 216]",
                    "stp x29, x30, [{at}, 232]",
                    "mov {pc}, sp",
                    "str {pc}, [{at}, 248]",
                    "adr {pc}, .",
                    at = in(reg) at, pc = out(reg) pc, options(nostack, preserves_flags)
                );
            }
        }
    }
    (pc, all)
}

/// The registers that a signal handler's context holds, and where the program was.
///
/// # Safety
/// As of [`walk_interrupted`].
unsafe fn interrupted(context: *const libc::ucontext_t) -> (usize, Registers) {
    let mut all = [0_usize; REGISTERS];
    cfg_if::cfg_if! {
        if #[cfg(target_arch = "x86_64")] {
            // DWARF's order of the registers, by the kernel's names.
            const ORDER: [i32; 16] = [
                libc::REG_RAX, libc::REG_RDX, libc::REG_RCX, libc::REG_RBX,
                libc::REG_RSI, libc::REG_RDI, libc::REG_RBP, libc::REG_RSP,
                libc::REG_R8, libc::REG_R9, libc::REG_R10, libc::REG_R11,
                libc::REG_R12, libc::REG_R13, libc::REG_R14, libc::REG_R15,
            ];
            // SAFETY: the caller's.
            let kernels = unsafe { &(*context).uc_mcontext.gregs };
            let get = |r: i32| kernels.get(r as usize).map_or(0, |value| *value as usize);
            for (to, from) in all.iter_mut().zip(ORDER) {
                *to = get(from);
            }
            (get(libc::REG_RIP), all)
        } else {
            // SAFETY: the caller's.
            let kernels = unsafe { &(*context).uc_mcontext };
            for (to, from) in all.iter_mut().zip(kernels.regs) {
                *to = from as usize;
            }
            all[SP] = kernels.sp as usize;
            (kernels.pc as usize, all)
        }
    }
}

/// What is shown the addresses of a walk, until it says false.
pub(crate) type See<'a> = &'a mut dyn FnMut(usize, Option<&Object>) -> bool;

/// Shows the return addresses of this thread, innermost first, each with the object that it lies in,
/// until `see` says false.
#[inline(never)]
pub(crate) fn walk(how: How, see: See<'_>) {
    let (pc, registers) = here();
    walk_from(how, pc, registers, see);
}

/// As [`walk`], of the place that a signal handler interrupted, that place first.
///
/// # Safety
/// The context that the kernel gave the handler.
pub(crate) unsafe fn walk_interrupted(how: How, context: *const libc::ucontext_t, see: See<'_>) {
    // SAFETY: the caller's.
    let (pc, registers) = unsafe { interrupted(context) };
    if see(pc, Object::of(pc).as_ref()) {
        walk_from(how, pc, registers, see);
    }
}

fn walk_from(how: How, mut pc: usize, mut registers: Registers, see: See<'_>) {
    let mut reader = Reader { page: 0 };
    let mut own = None;
    let mut object = Object::of(pc);
    // A call that never returns may be the last instruction of its function.
    let mut at = pc;
    loop {
        let start = object.as_ref().map(|o| o.start);
        own = own.or(start);
        let by_table = how == How::Tables || start == own;
        let was = registers[SP];
        let object_there = object.as_ref().filter(|_| by_table);
        let fast = object_there.and_then(|o| known::step(o, at, &mut registers, &mut reader));
        let (caller, is_call) = match fast {
            Some(Some(caller)) => (caller, true),
            Some(None) => return,
            None => {
                let next = match object_there {
                    Some(o) => by_tables(o, at, &registers, &mut reader),
                    None => by_pointer(&registers, &mut reader),
                };
                let Some((caller, before, is_call)) = next else {
                    return;
                };
                registers = before;
                (caller, is_call)
            }
        };
        // Up, or it is no stack: only a leaf's caller has the same stack pointer.
        if !(4096..TOP).contains(&caller) || registers[SP] < was {
            return;
        }
        pc = caller;
        at = pc.wrapping_sub(usize::from(is_call));
        object = Object::of(at);
        if !see(pc, object.as_ref()) {
            return;
        }
    }
}

/// The caller's address and registers, by the tables of the object that an address lies in; by the
/// frame pointer where they say nothing of it.
#[inline(never)]
fn by_tables(
    object: &Object,
    at: usize,
    registers: &Registers,
    reader: &mut Reader,
) -> Option<(usize, Registers, bool)> {
    let Some(row) = rows::of(object, at) else {
        return by_pointer(registers, reader);
    };
    known::keep(object, at, &row);
    step(registers, &row, reader)
}

/// The caller's address and registers, by a row of the tables; and whether it stands behind a call.
fn step(registers: &Registers, row: &Row, reader: &mut Reader) -> Option<(usize, Registers, bool)> {
    let cfa = match row.cfa {
        Rule::Register(r, offset) => registers.get(r)?.wrapping_add_signed(offset),
        Rule::Expression(e) => program::evaluate(e, registers, None, reader)?,
        _ => return None,
    };
    let mut before = *registers;
    for (value, rule) in before.iter_mut().zip(&row.rules) {
        match *rule {
            Rule::Same => {}
            Rule::Undefined => *value = 0,
            Rule::Offset(offset) => *value = reader.word(cfa.wrapping_add_signed(offset))?,
            Rule::Value(offset) => *value = cfa.wrapping_add_signed(offset),
            Rule::Register(r, _) => *value = *registers.get(r)?,
            Rule::Expression(e) => {
                let at = program::evaluate(e, registers, Some(cfa), reader)?;
                *value = reader.word(at)?;
            }
        }
    }
    if !matches!(row.rules[SP], Rule::Expression(_) | Rule::Offset(_)) {
        before[SP] = cfa;
    }
    // Where pointers are signed (aarch64) the upper bits are the signature.
    let caller = before[RETURN] & (TOP - 1);
    let moved = cfa != registers[SP] || caller != registers[RETURN];
    moved.then_some((caller, before, !row.signal))
}

/// The same by the frame pointer: it leads to the caller's, with the return address behind.
fn by_pointer(registers: &Registers, reader: &mut Reader) -> Option<(usize, Registers, bool)> {
    let fp = registers[FP];
    if fp < registers[SP] {
        return None;
    }
    let mut before = *registers;
    before[FP] = reader.word(fp)?;
    before[RETURN] = reader.word(fp.wrapping_add(8))?;
    before[SP] = fp.wrapping_add(16);
    let caller = before[RETURN] & (TOP - 1);
    // A return address has code before it; what a register happened to hold mostly leads to none.
    Object::of(caller.wrapping_sub(1))?;
    Some((caller, before, true))
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn frames(how: How) -> Vec<usize> {
        let mut all = Vec::with_capacity(FRAMES);
        walk(how, &mut |pc, _| {
            all.push(pc);
            all.len() < FRAMES
        });
        all
    }

    #[inline(never)]
    fn deep(n: usize, f: &mut dyn FnMut()) -> usize {
        if n == 0 {
            f();
            return 0;
        }
        core::hint::black_box(deep(n - 1, f) + 1)
    }

    /// The test itself has tables, and what it stands in has a name.
    #[test]
    fn an_objects_tables_have_a_row_for_its_code() {
        let (pc, registers) = here();
        let object = Object::of(pc);
        if Object::of(registers[SP]).is_some() || object.is_none() {
            unreachable!("{pc:#x}: {object:x?}");
        }
        let row = object.and_then(|o| rows::of(&o, pc));
        assert!(row.is_some(), "{pc:#x}: {object:x?}");
    }

    /// As many more frames as there are calls more.
    #[test]
    fn each_call_is_a_frame() {
        let count = |n| {
            let mut found = 0;
            deep(n, &mut || found = frames(How::Tables).len());
            found
        };
        let base = count(0);
        assert!(base > 5, "{base} frames of a test's thread");
        assert_eq!(count(20), base + 20);
    }

    #[test]
    fn a_page_that_nobody_may_read_is_told() {
        let word = 7_usize;
        assert!(guards::is_readable((&raw const word).expose_provenance()));
        assert!(!guards::is_readable(4096));
        let mut reader = Reader { page: 0 };
        assert_eq!(reader.word((&raw const word).expose_provenance()), Some(7));
        assert_eq!(reader.word(8192), None);
    }
}
