//! Bytes of the tables, as rows and expressions read them.

use core::ptr;

/// Bytes of an object, read one after the other and never beyond its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    pub at: usize,
    pub end: usize,
}

impl Cursor {
    /// The next value.
    pub(super) fn take<T: Copy>(&mut self) -> Option<T> {
        let next = self.at.checked_add(size_of::<T>())?;
        if next > self.end {
            return None;
        }
        // SAFETY: inside an object whose code is on this thread's stack, in what its loader mapped
        // for its tables.
        let value = unsafe { ptr::with_exposed_provenance::<T>(self.at).read_unaligned() };
        self.at = next;
        Some(value)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take()
    }

    /// An unsigned number in groups of seven bits.
    pub(super) fn unsigned(&mut self) -> Option<usize> {
        let (mut value, mut shift) = (0_usize, 0);
        loop {
            let byte = self.byte()?;
            if shift < usize::BITS {
                value |= usize::from(byte & 0x7f) << shift;
            }
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    /// A signed one.
    pub(super) fn signed(&mut self) -> Option<isize> {
        let (mut value, mut shift) = (0_isize, 0);
        loop {
            let byte = self.byte()?;
            if shift < usize::BITS {
                value |= isize::from(byte & 0x7f) << shift;
            }
            shift += 7;
            if byte & 0x80 == 0 {
                let negative = byte & 0x40 != 0 && shift < usize::BITS;
                return Some(if negative { value | -1 << shift } else { value });
            }
        }
    }

    /// So many bytes from here on, which are passed over.
    pub(super) fn part(&mut self, len: usize) -> Option<Self> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.end)?;
        let part = Self { at: self.at, end };
        self.at = end;
        Some(part)
    }

    /// An address as `encoding` has it; the forms that compilers write for code.
    pub(super) fn address(&mut self, encoding: u8) -> Option<usize> {
        let from = self.at;
        let value = match encoding & 0x0f {
            0x00 | 0x04 | 0x0c => self.take::<u64>()? as usize,
            0x03 => self.take::<u32>()? as usize,
            0x0b => self.take::<i32>()? as isize as usize,
            _ => return None,
        };
        match encoding & 0xf0 {
            0x00 => Some(value),
            0x10 => Some(value.wrapping_add(from)),
            _ => None,
        }
    }
}
