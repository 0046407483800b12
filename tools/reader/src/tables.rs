//! The heap's tables: arenas and their heaps, mapped chunks, side memory, knobs.

use crate::caches::{self, Cache};
use crate::find::Instance;
use crate::guards;
use crate::mapped::{self, MappedChunk};
use crate::settings;
pub use crate::settings::Settings;
use crate::target::{Target, long, quad};
use cairn::layout::counters;
pub use cairn::layout::counters::Counters;
use cairn::layout::places::{arena, heap, mapping, named, stack};
use cairn::layout::sizes::{MAX_ARENAS, MAX_NAMED, REGION};
use std::collections::HashSet;

/// Most heaps of an arena that are followed.
const HEAPS: usize = 1 << 16;
/// Most mappings of side memory that are followed.
const MAPPINGS: usize = 1 << 20;

/// A heap: whole regions that one arena owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where it is described.
    pub place: u64,
    /// First byte.
    pub base: u64,
    /// One past the last byte in use.
    pub end: u64,
    /// One past the last byte that it may ever use; 0 for a piece of the break.
    pub limit: u64,
    /// It is a piece of the break.
    pub is_break: bool,
    /// From here on some of it was asked for in huge pages; 0 if none was.
    pub huge: u64,
}

/// An arena, with its own sums.
#[derive(Clone, Debug, Default)]
pub struct Arena {
    /// Where it lies.
    pub place: u64,
    /// Its number.
    pub index: u64,
    /// Threads that refill from it.
    pub threads: u64,
    /// Payload of top; 0 before the first heap.
    pub top: u64,
    /// Where what was never used begins.
    pub fresh: u64,
    /// Heaps, newest first.
    pub heaps: Vec<Stretch>,
    /// Bytes got from the system.
    pub system: u64,
    /// The most they ever were.
    pub system_peak: u64,
    /// Pages that are wholly free and were not given back.
    pub idle: u64,
    /// Bytes of slots that no object and no strip has.
    pub slots_free: u64,
    /// Slots, and those of them without objects.
    pub slots: (u64, u64),
    /// Bytes of freed objects that rest.
    pub resting: u64,
    /// Bytes of chunks that wait in fastbins.
    pub waiting: u64,
    /// Bytes of chunks in bins.
    pub binned: u64,
    /// Of a heap of the program's own.
    pub own: Option<Own>,
}

/// What a heap of the program's own has beyond any other arena.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Its name.
    pub name: String,
    /// Bytes that it may have, 0 for any number.
    pub limit: u64,
    /// Its chunks that have a mapping of their own, and their bytes.
    pub mapped: (u64, u64),
}

impl Arena {
    /// What its slow paths have done so far.
    pub fn counters(&self, target: &dyn Target) -> Counters {
        let mut bytes = [0; counters::BYTES];
        target.read(self.place.wrapping_add(counters::OFFSET as u64), &mut bytes);
        Counters::read(&bytes)
    }

    /// Bytes of top.
    pub fn top_bytes(&self) -> u64 {
        match self.heaps.first() {
            Some(heap) if self.top != 0 => heap.end.saturating_sub(self.top),
            _ => 0,
        }
    }
}

/// One Cairn of a process.
pub struct Heap {
    /// Which one.
    pub instance: Instance,
    /// Arenas, the main one first.
    pub arenas: Vec<Arena>,
    /// Caches, newest first; then what they hold, by payload.
    pub caches: Vec<Cache>,
    /// Who holds a freed object or chunk: the cache's place in `caches`.
    pub held: caches::Held,
    /// Chunks that have a mapping of their own.
    pub mapped: Vec<MappedChunk>,
    /// Their number, their bytes, and the most of each there ever were.
    pub mapped_totals: [u64; 4],
    /// Payloads and bytes of what check mode's quarantine holds, mappings not.
    pub quarantine: Vec<(u64, u64)>,
    /// Mappings of side memory.
    pub side: Vec<(u64, u64)>,
    /// The pool of guarded objects, if there is one.
    pub pool: Option<(u64, u64)>,
    /// The knobs in force.
    pub settings: Settings,
    /// Records, links and sizes that made no sense and were dropped.
    pub torn: u64,
}

impl Heap {
    /// Reads the tables of one instance.
    pub fn read(target: &dyn Target, instance: Instance) -> Self {
        let d = &instance.descriptor;
        let at = |piece: cairn::layout::descriptor::Piece| d.statics + u64::from(piece.offset);
        let mut torn = 0;
        let mut places = vec![at(d.main)];
        for i in 0..MAX_ARENAS as u64 {
            match target.word(at(d.others) + i * 8) {
                Some(place) if place != 0 => places.push(place),
                _ => break,
            }
        }
        let mut arenas: Vec<Arena> = Vec::new();
        for place in places {
            match read_arena(target, place, &mut torn) {
                Some(arena) if arenas.iter().all(|a| a.place != place) => arenas.push(arena),
                _ => torn += 1,
            }
        }
        read_own(target, &instance, &mut arenas, &mut torn);
        drop_overlaps(&mut arenas, &mut torn);
        let side = side(target, &instance, &mut torn);
        let pool = guards::pool(target, &instance);
        let (mapped, mapped_totals) = mapped::read(target, instance.heads.registry, &mut torn);
        for arena in &mut arenas {
            let number = (arena.index + 1).wrapping_sub(MAX_ARENAS as u64);
            if let Some(own) = &mut arena.own {
                let its = mapped.iter().filter(|m| u64::from(m.owner) == number);
                own.mapped = its.fold((0, 0), |(n, bytes), m| (n + 1, bytes + (m.to - m.from)));
            }
        }
        let (caches, held) = caches::read(target, &instance, &mut torn);
        let quarantine = mapped::quarantined(target, instance.heads.quarantine);
        Self {
            settings: settings::read(target, &instance),
            arenas,
            caches,
            held,
            mapped,
            mapped_totals,
            quarantine,
            side,
            pool,
            torn,
            instance,
        }
    }

    /// Whether anything was ever allocated from it.
    pub fn is_used(&self) -> bool {
        self.arenas.iter().any(|a| a.top != 0) || self.mapped_totals[2] != 0
    }

    /// Where the statics lie.
    pub fn statics(&self) -> (u64, u64) {
        let d = &self.instance.descriptor;
        let from = d.statics;
        (
            from,
            from + u64::from(d.span.offset) + u64::from(d.span.bytes),
        )
    }

    /// Addresses of objects that rest, of all arenas.
    pub fn resting(&self, target: &dyn Target) -> HashSet<u64> {
        let mut all = HashSet::new();
        for arena in &self.arenas {
            for class in 0..=cairn::layout::class::RUNS {
                let place = arena.place + (arena::RESTING_STACKS + class * stack::BYTES) as u64;
                let Some(bytes) = target.bytes(place, stack::BYTES) else {
                    continue;
                };
                let (base, len) = (quad(&bytes, stack::BASE), long(&bytes, stack::LEN));
                // A stack is 64 KiB at most.
                let objects = target.bytes(base, (len as usize).min(8 << 10) * 8);
                let objects = objects.unwrap_or_default();
                all.extend(objects.chunks_exact(8).map(|word| quad(word, 0)));
            }
        }
        all
    }
}

/// The heaps of the program's own, in the order they were made.
fn read_own(target: &dyn Target, instance: &Instance, arenas: &mut Vec<Arena>, torn: &mut u64) {
    for place in own_places(target, instance) {
        let Some(bytes) = target.bytes(place, named::ARENA) else {
            *torn += 1;
            return;
        };
        if quad(&bytes, named::LIVE) != 1 {
            continue;
        }
        let len = (quad(&bytes, named::NAME_LEN) as usize).min(named::NAME_MOST);
        let name = bytes.get(named::NAME..named::NAME + len);
        let own = Own {
            name: String::from_utf8_lossy(name.unwrap_or_default()).into_owned(),
            limit: quad(&bytes, named::LIMIT),
            mapped: (0, 0),
        };
        match read_arena(target, place.wrapping_add(named::ARENA as u64), torn) {
            Some(arena) => arenas.push(Arena {
                own: Some(own),
                ..arena
            }),
            None => *torn += 1,
        }
    }
}

/// Where the heaps of the program's own are described, those that ended among them.
pub(crate) fn own_places(target: &dyn Target, instance: &Instance) -> Vec<u64> {
    let mut all = Vec::new();
    let mut next = target.word(instance.heads.named).unwrap_or(0);
    while next != 0 && all.len() < MAX_NAMED && !all.contains(&next) {
        all.push(next);
        next = target.word(next + named::NEXT as u64).unwrap_or(0);
    }
    all
}

fn read_arena(target: &dyn Target, place: u64, torn: &mut u64) -> Option<Arena> {
    let bytes = target.bytes(place, arena::BYTES)?;
    let word = |at| quad(&bytes, at);
    let mut all = Arena {
        place,
        index: word(arena::INDEX),
        threads: word(arena::THREADS),
        top: word(arena::TOP_AT),
        fresh: word(arena::TOP_FRESH),
        heaps: Vec::new(),
        system: word(arena::SYSTEM),
        system_peak: word(arena::SYSTEM_PEAK),
        idle: word(arena::IDLE),
        slots_free: word(arena::SLOTS_FREE),
        slots: (word(arena::SLOTS_ALL), word(arena::SLOTS_EMPTY)),
        resting: word(arena::RESTING),
        waiting: word(arena::WAITING),
        binned: word(arena::BINNED),
        own: None,
    };
    let mut next = word(arena::TOP_HEAP);
    while next != 0 && all.heaps.len() < HEAPS {
        let known = all.heaps.iter().any(|h| h.place == next);
        let found = (!known)
            .then(|| read_stretch(target, next, place))
            .flatten();
        let Some((stretch, older)) = found else {
            *torn += 1;
            break;
        };
        // The program may have unmapped it, or have grown it a moment ago.
        if target.is_mapped(stretch.base, stretch.end) {
            all.heaps.push(stretch);
        } else {
            *torn += 1;
        }
        next = older;
    }
    Some(all)
}

fn read_stretch(target: &dyn Target, place: u64, of: u64) -> Option<(Stretch, u64)> {
    let bytes = target.bytes(place, heap::BYTES)?;
    let word = |at| quad(&bytes, at);
    let stretch = Stretch {
        place,
        base: word(heap::BASE),
        end: word(heap::END),
        limit: word(heap::LIMIT),
        is_break: word(heap::LIMIT) == 0,
        huge: word(heap::HUGE),
    };
    let whole = |at: u64| at.is_multiple_of(REGION as u64);
    let good = word(heap::ARENA) == of
        && whole(stretch.base)
        && whole(stretch.end)
        && stretch.base < stretch.end;
    good.then(|| (stretch, word(heap::OLDER)))
}

/// Heaps that lie in one another are nobody's.
fn drop_overlaps(arenas: &mut [Arena], torn: &mut u64) {
    let mut all: Vec<Stretch> = arenas.iter().flat_map(|a| a.heaps.clone()).collect();
    all.sort_by_key(|h| (h.base, h.end));
    let mut end = 0;
    let mut bad = HashSet::new();
    for heap in all {
        if heap.base < end {
            bad.insert(heap.place);
            *torn += 1;
        } else {
            end = heap.end;
        }
    }
    for arena in arenas {
        arena.heaps.retain(|h| !bad.contains(&h.place));
    }
}

/// The mappings of side memory, by rising address.
fn side(target: &dyn Target, instance: &Instance, torn: &mut u64) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    let mut seen = HashSet::new();
    let mut next = target.word(instance.heads.mappings).unwrap_or(0);
    while next != 0 && all.len() < MAPPINGS {
        let bytes = target.bytes(next, mapping::BYTES);
        let Some(bytes) = bytes.filter(|_| seen.insert(next)) else {
            *torn += 1;
            break;
        };
        let (from, len) = (quad(&bytes, 8), quad(&bytes, 16));
        match from.checked_add(len) {
            Some(to) if target.is_mapped(from, to) => all.push((from, to)),
            _ => *torn += 1,
        }
        next = quad(&bytes, 0);
    }
    all.sort_unstable();
    let mut end = 0;
    all.retain(|&(from, to)| {
        let good = from >= end;
        end = end.max(to);
        *torn += u64::from(!good);
        good
    });
    all
}
