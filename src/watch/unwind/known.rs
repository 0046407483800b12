//! Rows that were read before: check mode reads a stack with each request, and most samples have frames
//! that others had. A table in side memory of a fixed length, by address. An entry that another thread
//! writes meanwhile is none.

use super::find::Object;
use super::rows::{Row, Rule};
use super::{REGISTERS, RETURN, Reader, Registers, SP, TOP};
use crate::side;
use core::ptr;
use core::sync::atomic::{
    AtomicU32, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// Entries, a power of two.
const ENTRIES: usize = 1 << 12;
/// Most registers of a row that are saved, or lost.
const SAVED: usize = 15;
/// The place of a register that is lost.
const LOST: i16 = i16::MIN;

/// A row of the common kind, and of which address. Zeros are of none.
#[repr(C)]
struct Entry {
    /// Odd while somebody writes.
    turn: AtomicUsize,
    pc: AtomicUsize,
    /// The object's first byte, its tables and its name: another one may lie there later.
    object: [AtomicUsize; 3],
    /// The canonical frame address: so far from a register.
    offset: AtomicUsize,
    cfa: AtomicU32,
    /// How many registers are not what they were: of each its number, and in the lower half where it
    /// is saved, from that address.
    count: AtomicU32,
    saved: [AtomicU32; SAVED],
}

/// The table; 0 while there is none.
static TABLE: AtomicUsize = AtomicUsize::new(0);

/// Makes the table.
pub(crate) fn begin() {
    let table = side::take(ENTRIES * size_of::<Entry>());
    TABLE.store(table.unwrap_or(0), Release);
}

#[inline]
fn entry(pc: usize) -> Option<&'static Entry> {
    let at = TABLE.load(Acquire);
    let i = pc.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & (ENTRIES - 1);
    // SAFETY: side memory for so many, zeros first, which stays (I11).
    (at != 0).then(|| unsafe { &*ptr::with_exposed_provenance::<Entry>(at).add(i) })
}

fn key(object: &Object) -> [usize; 3] {
    [object.start, object.tables, object.name]
}

/// A step by a row that is known, if it is: then the registers are the caller's, and what is answered is
/// its address, if there is one.
#[inline]
pub(super) fn step(
    object: &Object,
    pc: usize,
    registers: &mut Registers,
    reader: &mut Reader,
) -> Option<Option<usize>> {
    let entry = entry(pc)?;
    let turn = entry.turn.load(Acquire);
    let same = entry.object.each_ref().map(|word| word.load(Relaxed)) == key(object);
    if entry.pc.load(Relaxed) != pc || !same || !turn.is_multiple_of(2) {
        return None;
    }
    let mut before = *registers;
    let caller = entry.caller(&mut before, reader);
    fence(Acquire);
    if entry.turn.load(Relaxed) != turn {
        return None;
    }
    *registers = before;
    Some(caller)
}

impl Entry {
    #[inline]
    fn caller(&self, registers: &mut Registers, reader: &mut Reader) -> Option<usize> {
        let from = *registers.get(self.cfa.load(Relaxed) as usize)?;
        let cfa = from.wrapping_add(self.offset.load(Relaxed));
        let (sp, returns) = (registers[SP], registers[RETURN]);
        for saved in self.saved.iter().take(self.count.load(Relaxed) as usize) {
            let saved = saved.load(Relaxed);
            let value = match saved as i16 {
                LOST => 0,
                offset => reader.word(cfa.wrapping_add_signed(offset.into()))?,
            };
            *registers.get_mut((saved >> 16) as usize)? = value;
        }
        registers[SP] = cfa;
        let caller = registers[RETURN] & (TOP - 1);
        (cfa != sp || caller != returns).then_some(caller)
    }
}

/// The registers of a row of the common kind that are not what they were, and how many.
fn saved(row: &Row) -> Option<([u32; SAVED], u32)> {
    let (mut all, mut count) = ([0; SAVED], 0_u32);
    for (register, rule) in (0_u32..).zip(&row.rules) {
        let place = match *rule {
            Rule::Same => continue,
            Rule::Undefined => LOST,
            Rule::Offset(offset) => i16::try_from(offset).ok().filter(|o| *o != LOST)?,
            _ => return None,
        };
        *all.get_mut(count as usize)? = register << 16 | u32::from(place.cast_unsigned());
        count += 1;
    }
    Some((all, count))
}

/// Keeps the row of an address, if it is of the common kind.
pub(super) fn keep(object: &Object, pc: usize, row: &Row) {
    // The stack pointer of the caller is the frame's address itself, but for odd code.
    let plain = !row.signal && matches!(row.rules[SP], Rule::Same);
    let (Some(entry), Rule::Register(cfa, offset), true) = (entry(pc), row.cfa, plain) else {
        return;
    };
    let Some((saved, count)) = saved(row).filter(|_| cfa < REGISTERS) else {
        return;
    };
    let turn = entry.turn.load(Relaxed) & !1;
    let taken = entry
        .turn
        .compare_exchange(turn, turn | 1, Acquire, Relaxed);
    if taken.is_err() {
        return;
    }
    fence(Release);
    entry.pc.store(pc, Relaxed);
    for (to, from) in entry.object.iter().zip(key(object)) {
        to.store(from, Relaxed);
    }
    entry.offset.store(offset.cast_unsigned(), Relaxed);
    entry.cfa.store(cfa as u32, Relaxed);
    entry.count.store(count, Relaxed);
    for (to, from) in entry.saved.iter().zip(saved) {
        to.store(from, Relaxed);
    }
    entry.turn.store(turn.wrapping_add(2), Release);
}
