//! Regions of which every object and chunk is shown.

use super::cells::Fill;
use cairn_reader::Target;
use cairn_reader::tables::Heap;
use cairn_reader::walk::{Piece, Slot, Visit, Walk};

/// Bytes of a region.
const REGION: u64 = 1 << 16;
/// Slots that are chosen of each sort.
const CHOSEN: usize = 2;
/// Pieces of a region that are shown at most.
const PIECES: usize = 4096;

/// A region that is shown.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    base: u64,
    reason: String,
}

impl Wanted {
    /// Whether an address lies in it.
    pub(crate) fn holds(&self, p: u64) -> bool {
        (self.base..self.base + REGION).contains(&p)
    }
}

/// What lies in a region.
#[derive(Clone, Debug)]
pub(crate) struct Detail {
    /// Its first byte.
    pub(crate) base: u64,
    /// Why it is shown.
    pub(crate) reason: String,
    /// What lies in it.
    pub(crate) pieces: Vec<Shown>,
}

/// An object, a chunk, or what is between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// What and where it is.
    pub(crate) piece: Piece,
    /// The thread in whose cache it is.
    pub(crate) thread: Option<i32>,
    /// Its header, if it has one: size word and tag; and the word in front.
    pub(crate) header: Option<(u32, u64)>,
}

/// The regions of the addresses, and of the fullest and the emptiest slots, and of those that least
/// keeps.
pub(crate) fn choose(heap: &Heap, slots: &[Fill], asked: &[u64]) -> Vec<Wanted> {
    let stretches: Vec<_> = heap.arenas.iter().flat_map(|a| &a.heaps).collect();
    let in_heap = |p: u64| stretches.iter().any(|h| h.base <= p && p < h.end);
    let mut all: Vec<Wanted> = Vec::new();
    let mut add = |base: u64, reason: String| {
        if all.iter().all(|w| w.base != base) {
            all.push(Wanted { base, reason });
        }
    };
    for p in asked.iter().filter(|p| in_heap(**p)) {
        add(p & !(REGION - 1), format!("around {p:#x}"));
    }
    let mut sorted = slots.to_vec();
    sorted.sort_by_key(|s| (s.live, s.base));
    for slot in sorted.iter().rev().take(CHOSEN) {
        add(slot.base, "one of the fullest slots".to_owned());
    }
    for slot in sorted.iter().filter(|s| s.live != 0).take(CHOSEN) {
        add(slot.base, "kept by the least that is in use".to_owned());
    }
    let middle = sorted.get(sorted.len() / 2);
    if let Some(slot) = middle {
        add(slot.base, "a slot of middling fill".to_owned());
    }
    // Where there are few slots, a look at the chunks.
    for heap in stretches.iter().take(1) {
        add(heap.base, "the beginning of the newest heap".to_owned());
    }
    all
}

struct Collect<'a> {
    target: &'a dyn Target,
    heap: &'a Heap,
    details: Vec<Detail>,
}

impl Collect<'_> {
    fn add(&mut self, piece: &Piece, is_chunk: bool) {
        for detail in &mut self.details {
            let end = detail.base + REGION;
            if piece.to <= detail.base || piece.from >= end || detail.pieces.len() >= PIECES {
                continue;
            }
            let thread = piece.cache.and_then(|i| self.heap.caches.get(i as usize));
            let header = is_chunk.then(|| {
                let word = self.target.word(piece.from).unwrap_or(0);
                let before = self.target.word(piece.from.wrapping_sub(8)).unwrap_or(0);
                ((word & 0xffff_ffff) as u32, before)
            });
            detail.pieces.push(Shown {
                piece: *piece,
                thread: thread.and_then(|c| c.tid),
                header,
            });
        }
    }
}

impl Visit for Collect<'_> {
    fn chunk(&mut self, piece: &Piece) {
        self.add(piece, true);
    }
    fn slot(&mut self, slot: Slot, pieces: &[Piece]) {
        let near = |d: &Detail| slot.base.abs_diff(d.base) <= REGION;
        if self.details.iter().any(near) {
            for (i, piece) in pieces.iter().enumerate() {
                self.add(piece, i == 0);
            }
        }
    }
}

/// What lies in the chosen regions.
pub(crate) fn gather(target: &dyn Target, heap: &Heap, wanted: Vec<Wanted>) -> Vec<Detail> {
    let empty = |w: Wanted| Detail {
        base: w.base,
        reason: w.reason,
        pieces: Vec::new(),
    };
    let mut collect = Collect {
        target,
        heap,
        details: wanted.into_iter().map(empty).collect(),
    };
    Walk::new(target, heap).run(&mut collect);
    collect.details
}
