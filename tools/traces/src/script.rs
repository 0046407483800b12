//! What the replayer shall do, from a trace: slots in the place of objects, steps thread by thread.

use std::collections::HashMap;
use std::fs::File;
use std::hash::BuildHasherDefault;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use wire::script::{ALIGNMENT, Act, HIGH, Header, LOW, MAGIC, Step, Thread};

use crate::event::{Birth, Call, Event};
use crate::file::Reader;
use crate::merge::Addresses;

/// All of an object.
const WHOLE: u32 = 255;

/// An object that lives, its slot, and the step that made it.
#[derive(Clone, Copy)]
struct Object {
    slot: u32,
    turn: u16,
    step: usize,
}

#[derive(Default)]
struct Line {
    steps: Vec<Step>,
    /// Slots of objects that this thread freed, with their next turns: it may use them again.
    spare: Vec<(u32, u16)>,
    births: u64,
    first: u64,
    last: u64,
}

/// Steps of all threads.
#[derive(Default)]
struct Maker {
    lines: Vec<Line>,
    objects: HashMap<(u32, u64), Object, BuildHasherDefault<Addresses>>,
    slots: u32,
    largest: u64,
    tick: f64,
}

/// What a script has in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made {
    /// Calls.
    pub steps: u64,
    /// Threads.
    pub threads: usize,
}

/// Writes the script of a trace.
///
/// Where the recorder saw how much of a large object was resident, as much is touched; of all
/// others everything, but nothing of a large `calloc`.
///
/// # Errors
/// The trace is damaged, or the script cannot be written.
pub fn write<R: Read>(trace: &mut Reader<R>, to: &Path) -> Result<Made> {
    let mut maker = Maker {
        tick: trace.start.tick * 1e9,
        ..Maker::default()
    };
    while let Some(event) = trace.next_call()? {
        maker.add(&event)?;
    }
    maker
        .write(to)
        .with_context(|| format!("cannot write {}; TMPDIR names another place", to.display()))
}

impl Maker {
    fn line(&mut self, thread: u32) -> Result<&mut Line> {
        let at = usize::try_from(thread)?;
        if at >= self.lines.len() {
            self.lines.resize_with(at + 1, Line::default);
        }
        self.lines.get_mut(at).context("a thread")
    }

    fn add(&mut self, event: &Event) -> Result<()> {
        let of = match event.call {
            Call::Free(of) | Call::Realloc { of, .. } | Call::Rest(of) => Some(of),
            Call::Failed => return Ok(()),
            _ => None,
        };
        if let (Some(of), Some(share)) = (of, event.share) {
            self.touch(of, share);
        }
        if matches!(event.call, Call::Rest(_)) {
            return Ok(());
        }
        let old = of.and_then(|of| self.objects.remove(&of.into()));
        let (act, place) = match event.call {
            Call::Malloc => (Act::Malloc as u64, None),
            Call::Calloc => (Act::Calloc as u64, None),
            Call::Aligned(power) => {
                let power = u64::from(power) << (ALIGNMENT - HIGH);
                (Act::Aligned as u64 | power, None)
            }
            // Of an object that is not in the trace.
            Call::Free(_) | Call::Realloc { .. } if old.is_none() => return Ok(()),
            Call::Free(_) => (Act::Free as u64, old),
            _ => (Act::Realloc as u64, old),
        };
        let nanos = (event.time as f64 * self.tick) as u64;
        let slots = self.slots;
        let line = self.line(event.thread)?;
        let (slot, turn) = match place {
            Some(object) => (object.slot, object.turn),
            None => line.spare.pop().unwrap_or((slots, 0)),
        };
        let is_new = place.is_none() && slot == slots;
        if line.steps.is_empty() {
            line.first = nanos;
            line.last = 0;
        }
        let is_calloc = matches!(event.call, Call::Calloc);
        let touch = if is_calloc && event.size >= wire::spool::LARGE as u64 {
            0
        } else {
            WHOLE
        };
        line.steps.push(Step {
            time: nanos.saturating_sub(line.last) & LOW | act << HIGH,
            size: event.size & LOW | u64::from(turn) << HIGH,
            slot,
            touch,
        });
        line.last = nanos;
        let step = line.steps.len() - 1;
        if matches!(event.call, Call::Free(_)) {
            line.spare.push((slot, turn.wrapping_add(1)));
        }
        if event.is_birth() {
            let turn = match event.call {
                Call::Realloc { .. } => turn.wrapping_add(1),
                _ => turn,
            };
            let born = (event.thread, line.births);
            line.births += 1;
            self.objects.insert(born, Object { slot, turn, step });
        }
        if is_new {
            self.slots = slots.checked_add(1).context("too many objects at once")?;
        }
        self.largest = self.largest.max(event.size);
        Ok(())
    }

    /// So much of an object was touched, though its step did not yet know.
    fn touch(&mut self, of: Birth, share: u8) {
        if let Some(object) = self.objects.get(&of.into())
            && let Some(line) = self.lines.get_mut(of.thread as usize)
            && let Some(step) = line.steps.get_mut(object.step)
        {
            step.touch = u32::from(share);
        }
    }

    fn write(self, to: &Path) -> Result<Made> {
        let lines: Vec<&Line> = self
            .lines
            .iter()
            .filter(|line| !line.steps.is_empty())
            .collect();
        let mut ends: Vec<u64> = lines.iter().map(|line| line.last).collect();
        ends.sort_unstable();
        let mut file = BufWriter::new(File::create(to)?);
        let header = Header {
            magic: MAGIC,
            threads: lines.len() as u64,
            slots: u64::from(self.slots),
            largest: self.largest,
        };
        let Header {
            magic,
            threads,
            slots,
            largest,
        } = header;
        words(&mut file, [magic, threads, slots, largest])?;
        let mut offset = (size_of::<Header>() + lines.len() * size_of::<Thread>()) as u64;
        let mut made = Made {
            steps: 0,
            threads: lines.len(),
        };
        for line in &lines {
            let steps = line.steps.len() as u64;
            let before = |time: u64| ends.partition_point(|end| *end < time) as u64;
            words(
                &mut file,
                [offset, steps, before(line.first), before(line.last)],
            )?;
            offset += steps * size_of::<Step>() as u64;
            made.steps += steps;
        }
        for step in lines.iter().flat_map(|line| &line.steps) {
            let last = u64::from(step.slot) | u64::from(step.touch) << 32;
            words(&mut file, [step.time, step.size, last])?;
        }
        file.flush()?;
        Ok(made)
    }
}

fn words<const N: usize>(to: &mut impl Write, words: [u64; N]) -> Result<()> {
    for word in words {
        to.write_all(&word.to_le_bytes())?;
    }
    Ok(())
}
