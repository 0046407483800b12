//! What a program did, in figures.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io::Read;

use anyhow::Result;
use serde::Serialize;

use crate::event::{Birth, Call, Event};
use crate::file::{End, Reader, Start};
use crate::merge::Addresses;

/// Points of a curve: at least half as many, where there are enough calls.
const POINTS: usize = 512;

/// A class of a histogram: all from `from` up to twice that.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Class {
    /// Its lower end.
    pub from: u64,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A stretch of the run, and the most that lived in it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Point {
    /// Seconds since the start, at its end.
    pub time: f64,
    /// Bytes.
    pub bytes: u64,
    /// Objects.
    pub objects: u64,
}

/// What a thread did.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Thread {
    /// Its number.
    pub thread: u32,
    /// Its calls.
    pub calls: u64,
    /// Objects that it allocated.
    pub births: u64,
    /// Objects of its own that it freed.
    pub frees_own: u64,
    /// Objects of others that it freed.
    pub frees_others: u64,
    /// Seconds of its first and last call.
    pub from: f64,
    /// The last.
    pub to: f64,
}

/// Who frees whose memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Pair {
    /// The one that allocated.
    pub owner: u32,
    /// The one that freed.
    pub by: u32,
    /// How often.
    pub objects: u64,
}

/// What `realloc` did.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Reallocs {
    /// Calls that succeeded.
    pub calls: u64,
    /// Of those, the ones that moved the object.
    pub moved: u64,
    /// Bytes that had to be copied then.
    pub copied: u64,
    /// Calls that asked for more.
    pub grown: u64,
    /// Calls that asked for less.
    pub shrunk: u64,
    /// The most calls by which one object came to its last size.
    pub longest: u64,
}

/// All figures.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Shape {
    /// What the trace is of.
    pub start: Start,
    /// What it says of itself; none if it is cut short.
    pub end: Option<End>,
    /// Seconds from the first call to the last.
    pub seconds: f64,
    /// `malloc`, `new`.
    pub mallocs: u64,
    /// `calloc`.
    pub callocs: u64,
    /// Allocations with an alignment.
    pub aligned: u64,
    /// `free`, `delete`.
    pub frees: u64,
    /// Allocations that failed.
    pub failed: u64,
    /// Bytes that were asked for.
    pub bytes: u64,
    /// Of them, those that were to be zeroed.
    pub zeroed: u64,
    /// Sizes that were asked for, by powers of two.
    pub sizes: Vec<Class>,
    /// How long objects lived, by powers of two of microseconds.
    pub lifetimes: Vec<Class>,
    /// Objects that were never freed.
    pub left: Class,
    /// Live memory over time.
    pub curve: Vec<Point>,
    /// The most bytes at once.
    pub peak: Point,
    /// Threads, in the order of their first calls.
    pub threads: Vec<Thread>,
    /// Who frees the memory of others, the most frequent first.
    pub pairs: Vec<Pair>,
    /// `realloc`.
    pub reallocs: Reallocs,
    /// Of large objects that were looked at: how many, and their bytes and those resident.
    pub large: Large,
}

/// Large objects, which may be used in part.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Large {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of them, those that were resident when they were freed, or at the end.
    pub resident: u64,
}

#[derive(Clone, Copy)]
struct Live {
    size: u64,
    time: u64,
    chain: u64,
}

#[derive(Default)]
struct Walk {
    live: HashMap<(u32, u64), Live, BuildHasherDefault<Addresses>>,
    pairs: HashMap<(u32, u32), u64>,
    bytes: u64,
    /// Calls in a point, and in the one that is being made.
    stride: usize,
    calls: usize,
    point: Point,
}

/// Reads a trace to its end.
///
/// # Errors
/// It is damaged.
pub fn of<R: Read>(reader: &mut Reader<R>) -> Result<Shape> {
    let mut shape = Shape {
        start: reader.start.clone(),
        ..Shape::default()
    };
    let mut walk = Walk {
        stride: 1,
        ..Walk::default()
    };
    let (mut first, mut last) = (None, 0);
    while let Some(event) = reader.next_call()? {
        let first = *first.get_or_insert(event.time);
        last = event.time - first;
        shape.add(&mut walk, &event, last);
    }
    if walk.calls > 0 {
        shape.curve.push(walk.point);
    }
    let tick = shape.start.tick;
    shape.seconds = last as f64 * tick;
    for live in walk.live.values() {
        shape.left.objects += 1;
        shape.left.bytes += live.size;
    }
    let pairs = walk.pairs.into_iter();
    shape.pairs = pairs
        .map(|((owner, by), objects)| Pair { owner, by, objects })
        .collect();
    shape
        .pairs
        .sort_by_key(|pair| (std::cmp::Reverse(pair.objects), pair.owner, pair.by));
    shape.end = reader.end.clone();
    Ok(shape)
}

/// Adds to the class of a value, classes from 0 on without a gap.
fn count(classes: &mut Vec<Class>, value: u64, bytes: u64) {
    let at = value.checked_ilog2().map_or(0, |power| power as usize + 1);
    while classes.len() <= at {
        let from = match classes.len() {
            0 => 0,
            power => 1 << (power - 1),
        };
        classes.push(Class {
            from,
            ..Class::default()
        });
    }
    if let Some(class) = classes.get_mut(at) {
        class.objects += 1;
        class.bytes += bytes;
    }
}

impl Shape {
    /// All calls.
    pub fn calls(&self) -> u64 {
        self.mallocs + self.callocs + self.aligned + self.frees + self.failed + self.reallocs.calls
    }

    fn thread(&mut self, number: u32, time: f64) -> &mut Thread {
        let at = match self.threads.iter().position(|it| it.thread == number) {
            Some(at) => at,
            None => {
                self.threads.push(Thread {
                    thread: number,
                    from: time,
                    ..Thread::default()
                });
                self.threads.len() - 1
            }
        };
        // It was found or just made.
        #[expect(clippy::indexing_slicing, reason = "the place is there")]
        &mut self.threads[at]
    }

    fn add(&mut self, walk: &mut Walk, event: &Event, time: u64) {
        let seconds = time as f64 * self.start.tick;
        if let (Some(share), Some(of)) = (event.share, looked_at(event)) {
            // Before it is gone.
            let size = walk.live.get(&of.into()).map_or(0, |it| it.size);
            self.large.objects += 1;
            self.large.bytes += size;
            self.large.resident += size * u64::from(share) / 255;
        }
        if !matches!(event.call, Call::Rest(_)) {
            let thread = self.thread(event.thread, seconds);
            thread.calls += 1;
            thread.to = seconds;
            let number = thread.births;
            if event.is_birth() {
                thread.births += 1;
            }
            if let Some(of) = event.ends() {
                if of.thread == event.thread {
                    thread.frees_own += 1;
                } else {
                    thread.frees_others += 1;
                    *walk.pairs.entry((of.thread, event.thread)).or_default() += 1;
                }
            }
            self.call(walk, event, time, number);
        }
        self.curve(walk, seconds);
    }

    fn call(&mut self, walk: &mut Walk, event: &Event, time: u64, number: u64) {
        match event.call {
            Call::Malloc => self.mallocs += 1,
            Call::Calloc => {
                self.callocs += 1;
                self.zeroed += event.size;
            }
            Call::Aligned(_) => self.aligned += 1,
            Call::Free(_) => self.frees += 1,
            Call::Failed => self.failed += 1,
            Call::Realloc { .. } | Call::Rest(_) => {}
        }
        let mut chain = 0;
        if let Some(of) = event.ends()
            && let Some(old) = walk.live.remove(&(of.thread, of.number))
        {
            walk.bytes -= old.size;
            let micros = (time - old.time) as f64 * self.start.tick * 1e6;
            if let Call::Realloc { moved, .. } = event.call {
                chain = old.chain + 1;
                self.reallocs.calls += 1;
                self.reallocs.grown += u64::from(event.size > old.size);
                self.reallocs.shrunk += u64::from(event.size < old.size);
                self.reallocs.longest = self.reallocs.longest.max(chain);
                if moved {
                    self.reallocs.moved += 1;
                    self.reallocs.copied += old.size.min(event.size);
                }
            } else {
                count(&mut self.lifetimes, micros as u64, old.size);
            }
        }
        if event.is_birth() {
            self.bytes += event.size;
            count(&mut self.sizes, event.size, event.size);
            walk.bytes += event.size;
            let live = Live {
                size: event.size,
                time,
                chain,
            };
            walk.live.insert((event.thread, number), live);
        }
    }

    fn curve(&mut self, walk: &mut Walk, seconds: f64) {
        let objects = walk.live.len() as u64;
        if walk.bytes > self.peak.bytes {
            self.peak = Point {
                time: seconds,
                bytes: walk.bytes,
                objects,
            };
        }
        walk.point.time = seconds;
        if walk.bytes >= walk.point.bytes {
            walk.point.bytes = walk.bytes;
            walk.point.objects = objects;
        }
        walk.calls += 1;
        if walk.calls < walk.stride {
            return;
        }
        self.curve.push(walk.point);
        walk.calls = 0;
        walk.point = Point::default();
        if self.curve.len() == POINTS {
            let two = |pair: &[Point]| {
                let most = pair.iter().max_by_key(|point| point.bytes).copied();
                Point {
                    time: pair.last().map_or(0.0, |point| point.time),
                    ..most.unwrap_or_default()
                }
            };
            self.curve = self.curve.chunks(2).map(two).collect();
            walk.stride *= 2;
        }
    }
}

/// The object of which an event may have a share.
fn looked_at(event: &Event) -> Option<Birth> {
    match event.call {
        Call::Free(of) | Call::Realloc { of, .. } | Call::Rest(of) => Some(of),
        _ => None,
    }
}

impl From<Birth> for (u32, u64) {
    fn from(birth: Birth) -> Self {
        (birth.thread, birth.number)
    }
}
