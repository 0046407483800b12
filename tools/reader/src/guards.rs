//! What is kept beside objects: the pool of guarded ones (`CAIRN_GUARD`), with both stacks of each, and
//! the stacks that check mode keeps. Together they answer what an address is, or was, and who asked
//! for it and freed it.

use crate::find::Instance;
use crate::samples::{Frame, Module, module};
use crate::target::{Target, long, quad};
use cairn::layout::places::{guards as place, samples, stacks, trace};

/// A stack, and whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Return addresses, innermost first; their modules are places in [`Guards::modules`].
    pub frames: Vec<Frame>,
    /// The kernel's number of the thread.
    pub thread: u32,
    /// When it was, on the kernel's monotonic clock, milliseconds; 0 where that is not kept.
    pub when: u64,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The program's.
    InUse,
    /// It was freed.
    Freed,
}

/// An object of which it is known who asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its first byte.
    pub at: u64,
    /// Bytes that were asked for.
    pub size: u64,
    /// What it is.
    pub state: State,
    /// Who asked for it.
    pub allocated: Trace,
    /// Who freed it, if it was.
    pub freed: Option<Trace>,
}

impl Object {
    /// Whether an address is one of its bytes. An object of 0 bytes has its first.
    pub fn has(&self, at: u64) -> bool {
        at.wrapping_sub(self.at) < self.size.max(1)
    }

    /// How far an address is from it, bytes; 0 for one of its own.
    fn distance(&self, at: u64) -> u64 {
        if at < self.at {
            self.at - at
        } else {
            at.saturating_sub(self.at.saturating_add(self.size))
        }
    }
}

/// What an access to an address of the pool, or a free of it, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It lies in an object in use.
    Inside,
    /// So many bytes behind the last one of an object in use.
    Overflow(u64),
    /// So many bytes before the first one of an object in use.
    Underflow(u64),
    /// The object was freed.
    AfterFree,
}

impl Kind {
    fn of(at: u64, object: &Object) -> Self {
        match object.state {
            State::Freed => Self::AfterFree,
            State::InUse if object.has(at) => Self::Inside,
            State::InUse if at < object.at => Self::Underflow(object.at - at),
            State::InUse => Self::Overflow(at - (object.at + object.size) + 1),
        }
    }
}

/// The pool, and what check mode keeps.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    /// Mean bytes between two guarded objects; 0 if none is guarded.
    pub interval: u64,
    /// First byte of the pool, 0 if there is none.
    pub pool: u64,
    /// Bytes of the pool.
    pub pool_bytes: u64,
    /// Bytes from one slot to the next.
    pub stride: u64,
    /// Objects that were guarded.
    pub taken: u64,
    /// Objects for which there was no slot.
    pub missed: u64,
    /// The last object of each slot that had one, with the number of the slot.
    pub slots: Vec<(usize, Object)>,
    /// Modules of frames.
    pub modules: Vec<Module>,
    /// What check mode knows of objects.
    pub checked: Vec<Object>,
    /// Stacks that check mode had no room for.
    pub dropped: u64,
}

/// The pool of guarded objects, from its first byte to one past its last, if there is one.
pub(crate) fn pool(target: &dyn Target, instance: &Instance) -> Option<(u64, u64)> {
    let head = target.bytes(instance.heads.guards, place::BYTES)?;
    let from = quad(&head, place::POOL);
    let to = from.checked_add(quad(&head, place::POOL_BYTES))?;
    (from != 0 && from < to).then_some((from, to))
}

/// As many bytes as there are.
fn all(target: &dyn Target, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let n = target.read(at, &mut bytes);
    bytes.truncate(n);
    bytes
}

fn frames(bytes: &[u8], modules: usize) -> Vec<Frame> {
    let frame = |bytes: &[u8]| {
        let word = quad(bytes, 0);
        let module = usize::try_from(word >> 48)
            .ok()
            .and_then(|n| n.checked_sub(1));
        Frame {
            pc: word & ((1 << 48) - 1),
            module: module.filter(|m| *m < modules),
        }
    };
    bytes.chunks_exact(8).map(frame).collect()
}

impl Guards {
    /// Reads them.
    pub fn read(target: &dyn Target, instance: &Instance) -> Self {
        let mut guards = Self::default();
        if let Some(head) = target.bytes(instance.heads.stacks, stacks::BYTES) {
            guards.read_modules(target, &head);
            guards.dropped = quad(&head, stacks::DROPPED);
            guards.read_checked(target, &head);
        }
        let Some(head) = target.bytes(instance.heads.guards, place::BYTES) else {
            return guards;
        };
        guards.interval = quad(&head, place::INTERVAL);
        guards.pool = quad(&head, place::POOL);
        guards.pool_bytes = quad(&head, place::POOL_BYTES);
        guards.stride = quad(&head, place::STRIDE);
        guards.taken = quad(&head, place::TAKEN);
        guards.missed = quad(&head, place::MISSED);
        let at = quad(&head, place::AT);
        if at != 0 {
            let slots = all(target, at, place::SLOTS * place::SLOT);
            let slots = slots.chunks_exact(place::SLOT).enumerate();
            guards.slots = slots
                .filter_map(|(i, bytes)| Some((i, guards.slot(bytes)?)))
                .collect();
        }
        guards
    }

    fn read_modules(&mut self, target: &dyn Target, head: &[u8]) {
        let at = quad(head, stacks::MODULES_AT);
        let count = usize::try_from(quad(head, stacks::MODULES)).unwrap_or(usize::MAX);
        if at != 0 {
            let len = count.min(samples::MOST_MODULES) * samples::MODULE;
            let bytes = all(target, at, len);
            self.modules = bytes.chunks_exact(samples::MODULE).map(module).collect();
        }
    }

    fn trace(&self, bytes: &[u8]) -> Trace {
        let count = (long(bytes, trace::COUNT) as usize).min(trace::FRAMES);
        let end = trace::FRAMES_AT + count * 8;
        Trace {
            frames: frames(
                bytes.get(trace::FRAMES_AT..end).unwrap_or_default(),
                self.modules.len(),
            ),
            thread: long(bytes, trace::THREAD),
            when: quad(bytes, trace::WHEN),
        }
    }

    fn slot(&self, bytes: &[u8]) -> Option<Object> {
        let state = match long(bytes, place::STATE) {
            place::IN_USE => State::InUse,
            place::FREED => State::Freed,
            _ => return None,
        };
        let (taken, freed) = bytes.get(place::TRACES..)?.split_at_checked(trace::BYTES)?;
        Some(Object {
            at: quad(bytes, place::PAYLOAD),
            size: quad(bytes, place::SIZE),
            state,
            allocated: self.trace(taken),
            freed: (state == State::Freed).then(|| self.trace(freed)),
        })
    }

    fn read_checked(&mut self, target: &dyn Target, head: &[u8]) {
        let at = quad(head, stacks::AT);
        if at == 0 {
            return;
        }
        let used = usize::try_from(quad(head, stacks::USED)).unwrap_or(usize::MAX);
        let kept = all(target, at, used.min(stacks::MOST_STACKS));
        let objects = all(
            target,
            at.wrapping_add(stacks::OBJECTS_AT as u64),
            stacks::END - stacks::OBJECTS_AT,
        );
        let stack = |number: u32, thread: u32| -> Option<Trace> {
            let from = (number as usize).checked_sub(1)?.checked_mul(8)?;
            let head = kept.get(from..from + stacks::STACK)?;
            let len = (long(head, 12) as usize).checked_mul(8)?;
            let from = from + stacks::STACK;
            Some(Trace {
                frames: frames(kept.get(from..from.checked_add(len)?)?, self.modules.len()),
                thread,
                when: 0,
            })
        };
        let object = |bytes: &[u8]| {
            let at = quad(bytes, 0);
            let freed = long(bytes, 24);
            (at != 0).then(|| Object {
                at,
                size: quad(bytes, 8),
                state: if freed == 0 {
                    State::InUse
                } else {
                    State::Freed
                },
                allocated: stack(long(bytes, 16), long(bytes, 20)).unwrap_or_default(),
                freed: (freed != 0).then(|| stack(freed, long(bytes, 28)).unwrap_or_default()),
            })
        };
        self.checked = objects
            .chunks_exact(stacks::OBJECT)
            .filter_map(object)
            .collect();
    }

    /// Whether an address lies in the pool.
    pub fn covers(&self, at: u64) -> bool {
        at.wrapping_sub(self.pool) < self.pool_bytes
    }

    /// The guarded object that an access to an address of the pool was meant for: of the slot that it
    /// lies in and those beside it the nearest, and of two that are as near the one in use. The number
    /// of its slot, the object, and what the access is to it.
    pub fn meant(&self, at: u64) -> Option<(usize, &Object, Kind)> {
        if !self.covers(at) || self.stride == 0 {
            return None;
        }
        let slot = (at - self.pool) / self.stride;
        let near = self
            .slots
            .iter()
            .filter(|(i, _)| slot.abs_diff(*i as u64) <= 1);
        let (i, object) =
            near.min_by_key(|(_, object)| (object.distance(at), object.state != State::InUse))?;
        Some((*i, object, Kind::of(at, object)))
    }

    /// The first byte beside the object of a slot that somebody wrote to, while it is in use.
    pub fn damaged(target: &dyn Target, instance: &Instance, slot: usize) -> Option<u64> {
        let head = target.bytes(instance.heads.guards, place::BYTES)?;
        let at = quad(&head, place::AT).checked_add((slot * place::SLOT) as u64)?;
        let words = target.bytes(at, place::TRACES)?;
        let (object, size) = (quad(&words, place::PAYLOAD), quad(&words, place::SIZE));
        let (open, len) = (quad(&words, place::OPEN), quad(&words, place::OPEN + 8));
        let bytes = target.bytes(open, usize::try_from(len).ok()?)?;
        let written = |(at, byte): &(u64, u8)| {
            let own = at.wrapping_sub(object) < size;
            let pattern = usize::try_from(*at).map(place::pattern);
            !own && pattern.is_ok_and(|pattern| pattern != *byte)
        };
        let mut all = (open..).zip(bytes);
        all.find(written).map(|(at, _)| at)
    }

    /// The object that check mode knows at an address, or around it; one in use before one that was
    /// freed.
    pub fn checked_at(&self, at: u64) -> Option<&Object> {
        let there = self.checked.iter().filter(|object| object.has(at));
        there.min_by_key(|object| object.state != State::InUse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(at: u64, size: u64, state: State) -> Object {
        Object {
            at,
            size,
            state,
            allocated: Trace::default(),
            freed: None,
        }
    }

    /// Two slots of 16 KiB with a page before each: 0x1000, 0x6000.
    fn pool() -> Guards {
        Guards {
            pool: 0x10_0000,
            pool_bytes: 0xb000,
            stride: 0x5000,
            slots: vec![
                (0, object(0x10_4fd0, 48, State::InUse)),
                (1, object(0x10_6000, 48, State::Freed)),
            ],
            ..Guards::default()
        }
    }

    #[test]
    fn an_address_of_the_pool_is_told_by_the_object_that_is_nearest() {
        let pool = pool();
        let meant = |at| pool.meant(at).map(|(i, _, kind)| (i, kind));
        assert_eq!(meant(0x10_4fd0), Some((0, Kind::Inside)));
        assert_eq!(meant(0x10_5000), Some((0, Kind::Overflow(1))));
        assert_eq!(meant(0x10_4fcf), Some((0, Kind::Underflow(1))));
        assert_eq!(meant(0x10_1000), Some((0, Kind::Underflow(0x3fd0))));
        assert_eq!(meant(0x10_5fff), Some((1, Kind::AfterFree)));
        assert_eq!(meant(0x10_6010), Some((1, Kind::AfterFree)));
        assert_eq!(meant(0x10_b000), None);
        assert_eq!(meant(0xf_ffff), None);
    }
}
