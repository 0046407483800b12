//! From the recorder's streams to calls in order.
//!
//! A free is stamped before its call and an allocation after it, so of all uses of an address the
//! stamps say which came first, in whatever threads. Where a coarse clock gives two threads one
//! stamp, what the address allows decides.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::io::Read;

use anyhow::Result;
use wire::spool::{ELSEWHERE, KIND_BITS, Kind, RECORD, SIZE_BITS};

use crate::event::{Birth, Call, Event};
use crate::file::End;

/// A hash of addresses, which differ in their middle.
#[derive(Default)]
pub struct Addresses(u64);

impl Hasher for Addresses {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}

type Map<V> = HashMap<u64, V, BuildHasherDefault<Addresses>>;

/// A record of a stream.
#[derive(Clone, Copy, Debug)]
struct Record {
    kind: Kind,
    clock: u64,
    word: u64,
}

/// A stream with the thread that writes it now, and what is known of its next call.
struct Stream<R> {
    from: R,
    clock: u64,
    thread: u32,
    size: Option<u64>,
    power: u8,
    share: Option<u8>,
    /// The object that a `realloc` is about.
    of: Option<(u64, Option<Object>)>,
    next: Option<Record>,
}

#[derive(Clone, Copy, Debug)]
struct Object {
    birth: Birth,
    size: u64,
}

impl<R: Read> Stream<R> {
    fn of(from: R) -> Self {
        let mut stream = Self {
            from,
            clock: 0,
            thread: 0,
            size: None,
            power: 0,
            share: None,
            of: None,
            next: None,
        };
        stream.advance();
        stream
    }

    /// Reads one more record; a stream that breaks off has ended.
    fn advance(&mut self) {
        let mut bytes = [0; RECORD];
        self.next = None;
        while self.from.read_exact(&mut bytes).is_ok() {
            let word = u64::from_le_bytes(bytes);
            let Some(kind) = Kind::of((word as u8) & KIND_MASK) else {
                return;
            };
            let word = word >> KIND_BITS;
            if kind == Kind::Clock {
                // Two reads of the clock in one thread may change places by some cycles.
                self.clock = self.clock.max(word);
                continue;
            }
            self.next = Some(Record {
                kind,
                clock: self.clock,
                word,
            });
            return;
        }
    }
}

/// The kind in the lowest byte.
const KIND_MASK: u8 = (1 << KIND_BITS) - 1;

/// All streams of a process, as one.
pub struct Merge<R> {
    streams: Vec<Stream<R>>,
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    live: Map<Object>,
    births: Vec<u64>,
    start: u64,
    shift: u32,
    bytes: u64,
    end: End,
}

impl<R: Read> Merge<R> {
    /// Of streams that began when the clock stood at `start`; a tick is 2 to the power of `shift` of
    /// the clock's.
    pub fn new(streams: impl IntoIterator<Item = R>, start: u64, shift: u32) -> Self {
        let streams: Vec<_> = streams.into_iter().map(Stream::of).collect();
        let mut heads = BinaryHeap::new();
        for (at, stream) in streams.iter().enumerate() {
            if let Some(next) = stream.next {
                heads.push(Reverse((next.clock, at)));
            }
        }
        Self {
            streams,
            heads,
            live: Map::default(),
            births: Vec::new(),
            start,
            shift,
            bytes: 0,
            end: End::default(),
        }
    }

    /// Gives all calls in order, and then what there was.
    ///
    /// # Errors
    /// Those of `give`.
    pub fn run(mut self, mut give: impl FnMut(&Event) -> Result<()>) -> Result<End> {
        while let Some(Reverse((clock, at))) = self.heads.pop() {
            let Some(record) = self.streams.get(at).and_then(|stream| stream.next) else {
                continue;
            };
            if self.has_to_wait(record, clock) {
                // The other goes first, and is at an end before this one.
                let Some(Reverse((_, other))) = self.heads.pop() else {
                    continue;
                };
                self.heads.push(Reverse((clock, at)));
                self.step(other, &mut give)?;
                continue;
            }
            self.step(at, &mut give)?;
        }
        self.end.threads = u32::try_from(self.births.len())?;
        Ok(self.end)
    }

    /// Whether an allocation is of an address that lives, and another stream has the same stamp.
    fn has_to_wait(&self, record: Record, clock: u64) -> bool {
        let is_birth = matches!(
            record.kind,
            Kind::Malloc | Kind::Calloc | Kind::Aligned | Kind::To
        );
        is_birth
            && self.live.contains_key(&(record.word >> SIZE_BITS))
            && self
                .heads
                .peek()
                .is_some_and(|Reverse((other, _))| *other == clock)
    }

    fn step(&mut self, at: usize, give: &mut impl FnMut(&Event) -> Result<()>) -> Result<()> {
        let Some(stream) = self.streams.get_mut(at) else {
            return Ok(());
        };
        let Some(record) = stream.next else {
            return Ok(());
        };
        stream.advance();
        if let Some(next) = stream.next {
            self.heads.push(Reverse((next.clock, at)));
        }
        if let Some(event) = self.event(at, record) {
            self.end.peak = self.end.peak.max(self.bytes);
            self.end.objects = self.end.objects.max(self.live.len() as u64);
            give(&event)?;
        }
        Ok(())
    }

    /// What a record says, together with those before it.
    fn event(&mut self, at: usize, record: Record) -> Option<Event> {
        let stream = self.streams.get_mut(at)?;
        let address = record.word >> SIZE_BITS;
        let short = record.word & ELSEWHERE;
        let mut size = || match short {
            ELSEWHERE => stream.size.take().unwrap_or(short),
            _ => short,
        };
        let (call, size) = match record.kind {
            Kind::Size => {
                stream.size = Some(record.word);
                return None;
            }
            Kind::Align => {
                stream.power = record.word.max(1).ilog2() as u8;
                return None;
            }
            Kind::Share => {
                stream.share = Some(record.word as u8);
                return None;
            }
            Kind::Clock => return None,
            Kind::Thread => {
                stream.thread = record.word as u32;
                stream.of = None;
                return None;
            }
            Kind::Malloc => (Call::Malloc, size()),
            Kind::Calloc => (Call::Calloc, size()),
            Kind::Aligned => (Call::Aligned(stream.power), size()),
            Kind::Failed => (Call::Failed, record.word),
            Kind::Rest => {
                stream.share = Some(size() as u8);
                let object = self.live.get(&address)?;
                (Call::Rest(object.birth), 0)
            }
            Kind::Free => {
                let Some(object) = self.live.remove(&address) else {
                    self.end.strays += 1;
                    stream.share = None;
                    return None;
                };
                self.bytes -= object.size;
                (Call::Free(object.birth), 0)
            }
            Kind::From => {
                let object = self.live.remove(&address);
                self.bytes -= object.map_or(0, |object| object.size);
                stream.of = Some((address, object));
                return None;
            }
            Kind::To => {
                let size = size();
                let (old, object) = stream.of.take()?;
                match (object, address, size) {
                    (Some(object), 0, 0) => (Call::Free(object.birth), 0),
                    (None, 0, 0) => {
                        self.end.strays += 1;
                        return None;
                    }
                    (_, 0, _) => {
                        // It is still there.
                        if let Some(object) = object {
                            self.bytes += object.size;
                            self.live.insert(old, object);
                        }
                        (Call::Failed, size)
                    }
                    (Some(object), ..) => {
                        let of = object.birth;
                        let moved = old != address;
                        (Call::Realloc { of, moved }, size)
                    }
                    (None, ..) => {
                        self.end.strays += 1;
                        (Call::Malloc, size)
                    }
                }
            }
        };
        let event = Event {
            time: record.clock.saturating_sub(self.start) >> self.shift,
            thread: stream.thread,
            call,
            size,
            share: stream.share.take(),
        };
        let thread = stream.thread as usize;
        if thread >= self.births.len() {
            self.births.resize(thread + 1, 0);
        }
        if event.is_birth()
            && let Some(number) = self.births.get_mut(thread)
        {
            let birth = Birth {
                thread: event.thread,
                number: *number,
            };
            *number += 1;
            self.bytes += size;
            // What was there is gone, though nobody said so.
            if let Some(lost) = self.live.insert(address, Object { birth, size }) {
                self.bytes -= lost.size;
            }
        }
        Some(event)
    }
}
