//! A row of an object's unwind tables: how the caller's registers follow from those of an address.
//!
//! The format is DWARF's call frame information as `.eh_frame` holds it (Linux Standard Base, "Exception
//! Frames"; DWARF 5, section 6.4). The sorted table of `.eh_frame_hdr` leads to a function's entry.

use super::cursor::Cursor;
use super::find::Object;
use super::program::Expression;
use super::{REGISTERS, RETURN};

/// Rows that a program may remember at a time; compilers nest them once.
const REMEMBERED: usize = 2;

/// How a register's value follows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// It is what it was.
    Same,
    /// It is lost.
    Undefined,
    /// It is saved so far from the canonical frame address.
    Offset(isize),
    /// It is so far from the canonical frame address.
    Value(isize),
    /// It is another register's, and so much more.
    Register(usize, isize),
    /// It is saved where an expression says.
    Expression(Expression),
}

/// A row.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// The canonical frame address: a register and an offset, or an expression.
    pub cfa: Rule,
    /// Of each register.
    pub rules: [Rule; REGISTERS],
    /// The frame is the kernel's, of a signal: its address was not called from.
    pub signal: bool,
}

/// What the entries of a group of functions have in common.
struct Common {
    code: usize,
    data: isize,
    returns: usize,
    encoding: u8,
    augmented: bool,
    signal: bool,
    program: Cursor,
}

/// An entry's body behind its length.
fn body(at: usize, end: usize) -> Option<Cursor> {
    let mut cursor = Cursor { at, end };
    let len = cursor.take::<u32>()? as usize;
    // 64-bit lengths are in nobody's `.eh_frame`.
    (len != 0 && len < u32::MAX as usize)
        .then(|| cursor.part(len))
        .flatten()
}

fn common(at: usize, end: usize) -> Option<Common> {
    let mut c = body(at, end)?;
    if c.take::<u32>()? != 0 {
        return None;
    }
    let version = c.byte()?;
    let mut letters = [0_u8; 8];
    let mut count = 0;
    loop {
        match c.byte()? {
            0 => break,
            letter => *letters.get_mut(count)? = letter,
        }
        count += 1;
    }
    let (code, data) = (c.unsigned()?, c.signed()?);
    let returns = if version == 1 {
        usize::from(c.byte()?)
    } else {
        c.unsigned()?
    };
    let mut made = Common {
        code,
        data,
        returns,
        encoding: 0,
        augmented: letters[0] == b'z',
        signal: false,
        program: c,
    };
    if made.augmented {
        let len = c.unsigned()?;
        let mut more = c.part(len)?;
        for letter in letters.iter().skip(1) {
            match letter {
                b'R' => made.encoding = more.byte()?,
                b'L' => {
                    more.byte()?;
                }
                b'P' => {
                    let encoding = more.byte()?;
                    more.address(encoding & 0x0f)?;
                }
                b'S' => made.signal = true,
                _ => {}
            }
        }
        made.program = c;
    }
    Some(made)
}

/// The entry of the function that holds `pc`: its address, by the sorted table.
fn entry(object: &Object, pc: usize) -> Option<usize> {
    let mut header = Cursor {
        at: object.tables,
        end: object.end,
    };
    // Version; a pointer of four bytes from here; a count of four; pairs of four, from the table.
    let [version, pointer, count, pairs] = header.take::<[u8; 4]>()?;
    if version != 1 || pointer & 0x0f != 0x0b || count != 0x03 || pairs != 0x3b {
        return None;
    }
    header.take::<u32>()?;
    let count = header.take::<u32>()? as usize;
    let table = header.at;
    let place = |i: usize| -> Option<[i32; 2]> {
        let at = table.checked_add(i.checked_mul(8)?)?;
        Cursor {
            at,
            end: object.end,
        }
        .take()
    };
    let from_table = |offset: i32| object.tables.wrapping_add_signed(offset as isize);
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if from_table(place(middle)?[0]) <= pc {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Some(from_table(place(low.checked_sub(1)?)?[1]))
}

/// The row of an address.
pub(super) fn of(object: &Object, pc: usize) -> Option<Row> {
    if object.tables == 0 {
        return None;
    }
    let at = entry(object, pc)?;
    let mut c = body(at, object.end)?;
    let back = c.take::<u32>()? as usize;
    let common = common(at.wrapping_add(4).wrapping_sub(back), object.end)?;
    let first = c.address(common.encoding)?;
    let len = c.address(common.encoding & 0x0f)?;
    if common.returns != RETURN || pc < first || pc - first >= len {
        return None;
    }
    if common.augmented {
        let len = c.unsigned()?;
        c.part(len)?;
    }
    let mut machine = Machine {
        row: Row {
            cfa: Rule::Undefined,
            rules: [Rule::Same; REGISTERS],
            signal: common.signal,
        },
        first: [Rule::Same; REGISTERS],
        at: 0,
        target: pc - first,
        common: &common,
    };
    machine.run(common.program)?;
    machine.first = machine.row.rules;
    machine.run(c)?;
    Some(machine.row)
}

/// Runs the programs of an entry up to an address.
struct Machine<'a> {
    row: Row,
    /// The rules that hold at the function's beginning.
    first: [Rule; REGISTERS],
    at: usize,
    target: usize,
    common: &'a Common,
}

impl Machine<'_> {
    fn set(&mut self, register: usize, rule: Rule) {
        // Those that are not followed (of vectors) have no place.
        if let Some(place) = self.row.rules.get_mut(register) {
            *place = rule;
        }
    }

    fn restore(&mut self, register: usize) {
        if let Some(rule) = self.first.get(register).copied() {
            self.set(register, rule);
        }
    }

    fn scaled(&self, n: isize) -> Rule {
        Rule::Offset(n.wrapping_mul(self.common.data))
    }

    fn expression(c: &mut Cursor) -> Option<Expression> {
        let len = c.unsigned()?;
        c.part(len)
    }

    fn run(&mut self, mut c: Cursor) -> Option<()> {
        let mut kept = [(Rule::Undefined, [Rule::Same; REGISTERS]); REMEMBERED];
        let mut depth = 0;
        while c.at < c.end {
            let code = c.byte()?;
            let low = usize::from(code & 0x3f);
            let advance = match (code >> 6, code) {
                (1, _) => low,
                (_, 0x02) => usize::from(c.byte()?),
                (_, 0x03) => usize::from(c.take::<u16>()?),
                (_, 0x04) => c.take::<u32>()? as usize,
                _ => 0,
            };
            match (code >> 6, code) {
                (1, _) | (0, 0x02..=0x04) => {
                    self.at = self
                        .at
                        .checked_add(advance.checked_mul(self.common.code)?)?;
                    if self.at > self.target {
                        return Some(());
                    }
                }
                (2, _) => {
                    let n = c.unsigned()?.cast_signed();
                    self.set(low, self.scaled(n));
                }
                (3, _) => self.restore(low),
                (_, 0x0a) => {
                    *kept.get_mut(depth)? = (self.row.cfa, self.row.rules);
                    depth += 1;
                }
                (_, 0x0b) => {
                    depth = depth.checked_sub(1)?;
                    (self.row.cfa, self.row.rules) = *kept.get(depth)?;
                }
                _ => self.other(code, &mut c)?,
            }
        }
        Some(())
    }

    fn other(&mut self, code: u8, c: &mut Cursor) -> Option<()> {
        match code {
            // Nothing; aarch64: the return address is signed from here on, or no more.
            0x00 | 0x2d => {}
            // Bytes of arguments on the stack: the caller's affair.
            0x2e => {
                c.unsigned()?;
            }
            0x0c | 0x12 => {
                let register = c.unsigned()?;
                let offset = self.distance(code == 0x12, c)?;
                self.row.cfa = Rule::Register(register, offset);
            }
            0x0d => {
                let register = c.unsigned()?;
                let Rule::Register(_, offset) = self.row.cfa else {
                    return None;
                };
                self.row.cfa = Rule::Register(register, offset);
            }
            0x0e | 0x13 => {
                let offset = self.distance(code == 0x13, c)?;
                let Rule::Register(register, _) = self.row.cfa else {
                    return None;
                };
                self.row.cfa = Rule::Register(register, offset);
            }
            0x0f => self.row.cfa = Rule::Expression(Self::expression(c)?),
            _ => {
                let register = c.unsigned()?;
                let rule = match code {
                    0x05 => self.scaled(c.unsigned()?.cast_signed()),
                    0x06 => {
                        self.restore(register);
                        return Some(());
                    }
                    0x07 => Rule::Undefined,
                    0x08 => Rule::Same,
                    0x09 => Rule::Register(c.unsigned()?, 0),
                    0x10 => Rule::Expression(Self::expression(c)?),
                    0x11 => self.scaled(c.signed()?),
                    0x14 => Rule::Value(self.distance(false, c)?.wrapping_mul(self.common.data)),
                    0x15 => Rule::Value(self.distance(true, c)?),
                    _ => return None,
                };
                self.set(register, rule);
            }
        }
        Some(())
    }

    /// A distance from the canonical frame address; signed ones are scaled.
    fn distance(&self, signed: bool, c: &mut Cursor) -> Option<isize> {
        if signed {
            Some(c.signed()?.wrapping_mul(self.common.data))
        } else {
            Some(c.unsigned()?.cast_signed())
        }
    }
}
