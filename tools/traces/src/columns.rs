//! A block of calls as bytes: a column for each property, since like stands by like.

use anyhow::{Context, Result, bail};

use crate::event::{Birth, Call, Event};

/// Calls in a block.
pub(crate) const CALLS: usize = 1 << 17;
const COLUMNS: usize = 7;

const OPS: usize = 0;
const TIMES: usize = 1;
const SIZES: usize = 2;
const BIRTHS: usize = 3;
const THREADS: usize = 4;
const ALIGNMENTS: usize = 5;
const SHARES: usize = 6;

/// Bits of an op beside its kind.
const KIND: u8 = 0x0f;
const OTHER_THREAD: u8 = 0x10;
const OTHERS_BIRTH: u8 = 0x20;
const HAS_SHARE: u8 = 0x40;

/// What both sides know from the calls before.
#[derive(Default)]
pub(crate) struct Before {
    time: u64,
    thread: u32,
    /// How many objects each thread has allocated.
    births: Vec<u64>,
}

impl Before {
    fn births(&mut self, thread: u32) -> Result<&mut u64> {
        let at = usize::try_from(thread)?;
        if at >= self.births.len() {
            if at > 1 << 24 {
                bail!("thread {thread}");
            }
            self.births.resize(at + 1, 0);
        }
        self.births.get_mut(at).context("a thread")
    }
}

#[derive(Default)]
pub(crate) struct Writer {
    before: Before,
    columns: [Vec<u8>; COLUMNS],
    pub(crate) count: usize,
}

fn number(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push((value as u8) | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

impl Writer {
    pub(crate) fn add(&mut self, event: &Event) -> Result<()> {
        let [ops, times, sizes, births, threads, alignments, shares] = &mut self.columns;
        let (kind, of) = match event.call {
            Call::Malloc => (0, None),
            Call::Calloc => (1, None),
            Call::Aligned(power) => {
                alignments.push(power);
                (2, None)
            }
            Call::Free(of) => (3, Some(of)),
            Call::Realloc { of, moved: false } => (4, Some(of)),
            Call::Realloc { of, moved: true } => (5, Some(of)),
            Call::Failed => (6, None),
            Call::Rest(of) => (7, Some(of)),
        };
        let mut op = kind;
        number(times, event.time.saturating_sub(self.before.time));
        self.before.time = self.before.time.max(event.time);
        if event.thread != self.before.thread {
            op |= OTHER_THREAD;
            number(threads, u64::from(event.thread));
            self.before.thread = event.thread;
        }
        if let Some(of) = of {
            if of.thread != event.thread {
                op |= OTHERS_BIRTH;
                number(threads, u64::from(of.thread));
            }
            let born = *self.before.births(of.thread)?;
            number(births, born.saturating_sub(of.number + 1));
        }
        if !matches!(event.call, Call::Free(_) | Call::Rest(_)) {
            number(sizes, event.size);
        }
        if event.is_birth() {
            *self.before.births(event.thread)? += 1;
        }
        if let Some(share) = event.share {
            op |= HAS_SHARE;
            shares.push(share);
        }
        ops.push(op);
        self.count += 1;
        Ok(())
    }

    /// The block, and the next is empty.
    pub(crate) fn take(&mut self) -> Result<Vec<u8>> {
        let mut block = Vec::new();
        for column in &self.columns {
            block.extend(u32::try_from(column.len())?.to_le_bytes());
        }
        for column in &mut self.columns {
            block.append(column);
        }
        self.count = 0;
        Ok(block)
    }
}

/// The calls of a block, one after another.
pub(crate) struct Reader {
    block: Vec<u8>,
    /// Where each column goes on, and ends.
    at: [(usize, usize); COLUMNS],
}

impl Reader {
    pub(crate) fn of(block: Vec<u8>) -> Result<Self> {
        let mut at = [(0, 0); COLUMNS];
        let mut end = 4 * COLUMNS;
        for (place, length) in at.iter_mut().zip(block.chunks_exact(4)) {
            let length = u32::from_le_bytes(length.try_into()?) as usize;
            *place = (end, end + length);
            end += length;
        }
        if end != block.len() {
            bail!("a block of {} bytes that should have {end}", block.len());
        }
        Ok(Self { block, at })
    }

    fn byte(&mut self, column: usize) -> Option<u8> {
        let (at, end) = self.at.get_mut(column)?;
        let byte = self.block.get(*at).filter(|_| *at < *end)?;
        *at += 1;
        Some(*byte)
    }

    fn number(&mut self, column: usize) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(column).context("a block that is cut short")?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        bail!("a number of more than 64 bits");
    }

    fn thread(&mut self) -> Result<u32> {
        Ok(u32::try_from(self.number(THREADS)?)?)
    }

    /// The next call; `None` at the end.
    pub(crate) fn next(&mut self, before: &mut Before) -> Result<Option<Event>> {
        let Some(op) = self.byte(OPS) else {
            return Ok(None);
        };
        before.time += self.number(TIMES)?;
        if op & OTHER_THREAD != 0 {
            before.thread = self.thread()?;
        }
        let thread = before.thread;
        let kind = op & KIND;
        let mut of = Birth::default();
        if matches!(kind, 3 | 4 | 5 | 7) {
            of.thread = if op & OTHERS_BIRTH != 0 {
                self.thread()?
            } else {
                thread
            };
            let back = self.number(BIRTHS)?;
            let born = *before.births(of.thread)?;
            of.number = born
                .checked_sub(back)
                .and_then(|at| at.checked_sub(1))
                .context("an object before the first")?;
        }
        let call = match kind {
            0 => Call::Malloc,
            1 => Call::Calloc,
            2 => Call::Aligned(self.byte(ALIGNMENTS).context("no alignment")?),
            3 => Call::Free(of),
            4 | 5 => Call::Realloc {
                of,
                moved: kind == 5,
            },
            6 => Call::Failed,
            7 => Call::Rest(of),
            other => bail!("a call of kind {other}"),
        };
        let size = if matches!(kind, 3 | 7) {
            0
        } else {
            self.number(SIZES)?
        };
        let share = if op & HAS_SHARE != 0 {
            Some(self.byte(SHARES).context("no share")?)
        } else {
            None
        };
        let event = Event {
            time: before.time,
            thread,
            call,
            size,
            share,
        };
        if event.is_birth() {
            *before.births(thread)? += 1;
        }
        Ok(Some(event))
    }
}
