//! DWARF expressions, as far as unwind tables hold them: of frames that align their stack, of the
//! linker's stubs, and of a signal's frame.

use super::cursor::Cursor;
use super::{Reader, Registers};

/// The bytes of an expression, in its object.
pub(super) type Expression = Cursor;

/// Values that an expression may have at a time.
const VALUES: usize = 8;

/// What an expression says, which begins with `first` where the table's rule has one.
pub(super) fn evaluate(
    mut e: Expression,
    registers: &Registers,
    first: Option<usize>,
    reader: &mut Reader,
) -> Option<usize> {
    let mut values = Values {
        all: [0; VALUES],
        count: 0,
    };
    if let Some(first) = first {
        values.push(first)?;
    }
    while e.at < e.end {
        let code = e.byte()?;
        let value = match code {
            // Small numbers.
            0x30..=0x4f => usize::from(code - 0x30),
            // A register's value and an offset.
            0x70..=0x8f => {
                let register = registers.get(usize::from(code - 0x70))?;
                register.wrapping_add_signed(e.signed()?)
            }
            0x06 => {
                let at = values.pop()?;
                reader.word(at)?
            }
            0x08 => usize::from(e.byte()?),
            0x0a => usize::from(e.take::<u16>()?),
            0x10 => e.unsigned()?,
            0x11 => e.signed()?.cast_unsigned(),
            0x12 => {
                let top = values.pop()?;
                values.push(top)?;
                top
            }
            0x23 => values.pop()?.wrapping_add(e.unsigned()?),
            0x1a | 0x1c | 0x22 | 0x24 | 0x2a => {
                let (b, a) = (values.pop()?, values.pop()?);
                match code {
                    0x1a => a & b,
                    0x1c => a.wrapping_sub(b),
                    0x22 => a.wrapping_add(b),
                    0x24 => a.checked_shl(u32::try_from(b).ok()?).unwrap_or(0),
                    _ => usize::from(a.cast_signed() >= b.cast_signed()),
                }
            }
            _ => return None,
        };
        values.push(value)?;
    }
    values.pop()
}

struct Values {
    all: [usize; VALUES],
    count: usize,
}

impl Values {
    fn push(&mut self, value: usize) -> Option<()> {
        *self.all.get_mut(self.count)? = value;
        self.count += 1;
        Some(())
    }

    fn pop(&mut self) -> Option<usize> {
        self.count = self.count.checked_sub(1)?;
        self.all.get(self.count).copied()
    }
}
