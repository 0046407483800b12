//! Through a heap in address order: chunk by chunk, and in slots object by object.
//!
//! A header that makes no sense ends the way through the chunks, since its size does not lead to the
//! next one. It goes on at the next slot, which begins with its region whatever lies in front, or at
//! top; what is between is [`What::Unread`].

use crate::tables::{Arena, Heap, Stretch};
use crate::target::{Target, Window, long, quad};
pub use crate::visit::{All, Piece, Slot, Visit, WHATS, What};
use cairn::layout::class::RUNS;
use cairn::layout::head::{Head, Kind};
use cairn::layout::places::record;
use cairn::layout::sizes::{ALIGN, GRANULES, MIN_CHUNK, REGION};
use cairn::layout::table;
use std::collections::HashSet;

const REGION_BYTES: u64 = REGION as u64;
/// Bytes of the header in front of a payload.
const HEADER: u64 = 8;
/// Regions without a record, side by side, behind which a heap is given up.
const LOST: u64 = 4096;

/// A region's word, and its map.
struct Region {
    word: u64,
    map: [u8; record::MAP_BYTES],
}

impl Region {
    fn is_slot(&self) -> bool {
        self.word > table::CHUNKS as u64
    }
    fn has(&self, granule: usize) -> bool {
        let byte = self.map.get(granule / 8).copied();
        byte.unwrap_or(0) >> (granule % 8) & 1 != 0
    }
}

/// A way through the heaps.
pub struct Walk<'a> {
    heap: &'a Heap,
    /// Windows on the heap, the states, the records, their maps and the region table.
    memory: Window<'a>,
    states: Window<'a>,
    records: Window<'a>,
    maps: Window<'a>,
    leaves: [Window<'a>; 2],
    resting: HashSet<u64>,
    quarantine: HashSet<u64>,
    target: &'a dyn Target,
    pieces: Vec<Piece>,
    /// What made no sense.
    pub torn: u64,
}

impl<'a> Walk<'a> {
    /// A way through the heaps of an instance.
    pub fn new(target: &'a dyn Target, heap: &'a Heap) -> Self {
        let window = || Window::new(target);
        Self {
            heap,
            memory: window(),
            states: window(),
            records: window(),
            maps: window(),
            leaves: [window(), window()],
            resting: heap.resting(target),
            quarantine: heap.quarantine.iter().map(|held| held.0).collect(),
            target,
            pieces: Vec::new(),
            torn: 0,
        }
    }

    /// Goes through all of them.
    pub fn run(&mut self, visit: &mut dyn Visit) {
        for arena in &self.heap.arenas {
            // Oldest first is mostly lowest first.
            for (i, stretch) in arena.heaps.iter().enumerate().rev() {
                visit.begin(arena, stretch);
                self.stretch(arena, stretch, i == 0, visit);
                visit.end(stretch);
            }
        }
    }

    /// The region an address lies in, if its record is this heap's.
    fn region(&self, p: u64, stretch: &Stretch) -> Option<Region> {
        let d = &self.heap.instance.descriptor;
        let root = d.statics + u64::from(d.table.offset);
        let none = root + (table::ROOTS * 8) as u64;
        let index = p >> table::ROOT_SHIFT;
        if index >= table::ROOTS as u64 {
            return None;
        }
        let distance = self.target.word(root + index * 8)?;
        let leaf = none.wrapping_add(distance);
        let entry = table::entry(usize::try_from(p).ok()?);
        let word = self.leaves[0].word(leaf.wrapping_add(entry as u64 * 8))?;
        let (group, inside) = (entry / table::GROUP, entry % table::GROUP);
        let group = (table::WORDS_BYTES + group * table::GROUP_BYTES) as u64;
        let records = self.leaves[1].word(leaf.wrapping_add(group))?;
        let place = records.wrapping_add((inside * record::BYTES) as u64);
        let base = p & !(REGION_BYTES - 1);
        let map = self.records.with(place, record::BYTES, |bytes| {
            let good =
                quad(bytes, record::BASE) == base && quad(bytes, record::HEAP) == stretch.place;
            good.then(|| quad(bytes, record::MAP))
        })??;
        let map = self
            .maps
            .with(map, record::MAP_BYTES, |bytes| bytes.try_into().ok())??;
        (word != 0).then_some(Region { word, map })
    }

    fn stretch(&mut self, arena: &Arena, stretch: &Stretch, newest: bool, visit: &mut dyn Visit) {
        let (base, end) = (stretch.base, stretch.end);
        let top = if newest { arena.top } else { 0 };
        visit.chunk(&Piece::new(base, base + HEADER, What::Overhead));
        let mut p = base + ALIGN as u64;
        let mut known: Option<(u64, Region)> = None;
        loop {
            if p >= end {
                // A fence's payload would be the next region's.
                let from = (p - HEADER).min(end);
                if from < end {
                    visit.chunk(&Piece::new(from, end, What::Overhead));
                }
                return;
            }
            if p == top {
                return self.show_top(arena, p, end, visit);
            }
            let number = p / REGION_BYTES;
            if known.as_ref().is_none_or(|k| k.0 != number) {
                known = self.region(p, stretch).map(|r| (number, r));
            }
            let next = match &known {
                Some((_, region)) => self.step(region, p, end),
                None => Err(()),
            };
            match next {
                Ok(Step::Chunk(piece)) => {
                    visit.chunk(&piece);
                    p = piece.to + HEADER;
                }
                Ok(Step::Slot) => {
                    if let Some((_, region)) = &known {
                        let mut pieces = std::mem::take(&mut self.pieces);
                        pieces.clear();
                        self.torn += self.slot(region, p, &mut pieces);
                        let states = region.word.wrapping_add(p / ALIGN as u64);
                        visit.slot(Slot { base: p, states }, &pieces);
                        self.pieces = pieces;
                    }
                    p += REGION_BYTES;
                }
                Ok(Step::Fence) => {
                    return visit.chunk(&Piece::new(p - HEADER, end, What::Overhead));
                }
                Ok(Step::Top) if newest => {
                    // It moved since the arena was read.
                    self.torn += 1;
                    return self.show_top(arena, p, end, visit);
                }
                _ => {
                    self.torn += 1;
                    let to = self.resume(p, top, stretch);
                    visit.chunk(&Piece::new(p - HEADER, to, What::Unread));
                    if to >= end {
                        return;
                    }
                    p = to + HEADER;
                    known = None;
                }
            }
        }
    }

    fn show_top(&self, arena: &Arena, p: u64, end: u64, visit: &mut dyn Visit) {
        let page = self.target.page();
        let fresh = arena.fresh.clamp(p, end).next_multiple_of(page).min(end);
        visit.chunk(&Piece::new(p - HEADER, fresh, What::Top));
        if fresh < end {
            visit.chunk(&Piece::new(fresh, end, What::Fresh));
        }
    }

    /// Where the next header lies that is surely one: of a slot, or of top.
    fn resume(&self, p: u64, top: u64, stretch: &Stretch) -> u64 {
        let first = (p + 1).next_multiple_of(REGION_BYTES);
        let mut at = first;
        let mut lost = 0;
        while at < stretch.end && lost < LOST {
            if p < top && top <= at {
                return top - HEADER;
            }
            match self.region(at, stretch) {
                Some(region) if region.is_slot() => return at - HEADER,
                Some(_) => lost = 0,
                None => lost += 1,
            }
            at += REGION_BYTES;
        }
        if p < top && top < stretch.end {
            return top - HEADER;
        }
        stretch.end
    }

    fn step(&self, region: &Region, p: u64, end: u64) -> Result<Step, ()> {
        let word = self.memory.with(p - HEADER, 4, |bytes| long(bytes, 0));
        let head = Head::of(word.ok_or(())?);
        let size = head.size() as u64;
        if head.is(Kind::Fence) && end - p <= ALIGN as u64 {
            return Ok(Step::Fence);
        }
        if head.is(Kind::Top) {
            return Ok(Step::Top);
        }
        let from = p - HEADER;
        let fits = size >= MIN_CHUNK as u64 && from.checked_add(size).is_some_and(|to| to <= end);
        if !fits {
            return Err(());
        }
        if head.is(Kind::Run) {
            let good = region.is_slot() && p.is_multiple_of(REGION_BYTES) && size == REGION_BYTES;
            return if good { Ok(Step::Slot) } else { Err(()) };
        }
        if region.is_slot() {
            return Err(());
        }
        let to = from + size;
        if head.is(Kind::Free) {
            return Ok(Step::Chunk(Piece::new(from, to, What::FreeChunk)));
        }
        if !head.is(Kind::Plain) {
            return Err(());
        }
        let granule = usize::try_from(p % REGION_BYTES).unwrap_or(0) / ALIGN;
        let mut piece = Piece::new(from, to, What::Live);
        if region.has(granule) {
            piece.what = What::Waiting;
        } else if let Some(cache) = self.heap.held.get(&p) {
            piece.what = What::Cached;
            piece.cache = Some(*cache);
        } else if self.quarantine.contains(&p) {
            piece.what = What::Quarantined;
        }
        Ok(Step::Chunk(piece))
    }

    /// The pieces of a slot; how many made no sense.
    fn slot(&self, region: &Region, base: u64, into: &mut Vec<Piece>) -> u64 {
        const WHOLE: usize = GRANULES - 1;
        let at = |granule: usize| base + (granule * ALIGN) as u64;
        into.push(Piece::new(base - HEADER, base, What::Overhead));
        let place = region.word.wrapping_add(base / ALIGN as u64);
        let mut torn = 0;
        let read = self.states.with(place, GRANULES, |states| {
            let mut i = 0;
            while i < WHOLE {
                let state = states.get(i).copied().unwrap_or(0);
                let class = usize::from(table::class_of(state));
                let first = i;
                if region.has(i) {
                    while i < WHOLE && region.has(i) {
                        i += 1;
                    }
                    into.push(Piece::new(at(first), at(i), What::FreeSlot));
                } else if state == 0 {
                    // Ahead in a strip.
                    while i < WHOLE && !region.has(i) && states.get(i) == Some(&0) {
                        i += 1;
                    }
                    let mut piece = Piece::new(at(first), at(i), What::Cached);
                    piece.cache = self.heap.held.get(&at(first)).copied();
                    into.push(piece);
                } else if class > RUNS || i + class > WHOLE || class == 0 {
                    torn += 1;
                    i += 1;
                    into.push(Piece::new(at(first), at(i), What::Unread));
                } else {
                    i += class;
                    into.push(self.object(at(first), at(i), state));
                }
            }
        });
        if read.is_none() {
            torn += 1;
            into.push(Piece::new(base, at(WHOLE), What::Unread));
        }
        let end = base + REGION_BYTES - HEADER;
        into.push(Piece::new(at(WHOLE), end, What::Overhead));
        torn
    }

    fn object(&self, from: u64, to: u64, state: u8) -> Piece {
        let mut piece = Piece::new(from, to, What::Live);
        if self.quarantine.contains(&from) {
            piece.what = What::Quarantined;
        } else if !table::is_used(state) {
            piece.what = What::Cached;
            piece.cache = self.heap.held.get(&from).copied();
            if piece.cache.is_none() && self.resting.contains(&from) {
                piece.what = What::Waiting;
            }
        }
        piece
    }
}

/// What a header leads to.
enum Step {
    Chunk(Piece),
    Slot,
    Fence,
    Top,
}
