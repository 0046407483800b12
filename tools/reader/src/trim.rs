//! What `malloc_trim(0)` would give back: the pages that are wholly free once everything that waits
//! was merged.
//!
//! A free chunk keeps the pages of its header, links and foot. A slot without objects becomes a
//! chunk; of any other the pages go that no object has a part of.

use crate::pages::Resident;
use crate::target::Target;
use crate::walk::{Piece, Slot, Visit, What};
use cairn::layout::sizes::REGION;

/// Bytes from a chunk's beginning, header included, that links may take.
const HEAD: u64 = 8 + 32;
/// Bytes at its end that the foot takes.
const FOOT: u64 = 8;
/// Bytes of the states of a slot.
const STATES: u64 = 4096;

/// Free chunks side by side.
#[derive(Clone, Default)]
struct Run {
    from: u64,
    to: u64,
    /// Those of them that were slots a moment ago.
    slots: Vec<Slot>,
}

/// What goes if some of the caches are empty.
pub struct Trim<'a> {
    resident: Resident<'a>,
    /// Of each cache, whether it is emptied at once.
    flushed: Vec<bool>,
    /// First with those, then with all caches emptied.
    runs: [Run; 2],
    gives: [u64; 2],
}

impl<'a> Trim<'a> {
    /// Nothing seen yet. Of each cache `flushed` says whether the call empties it.
    pub fn new(target: &'a dyn Target, flushed: Vec<bool>) -> Self {
        Self {
            resident: Resident::new(target),
            flushed,
            runs: Default::default(),
            gives: [0; 2],
        }
    }

    /// Bytes that go at once.
    pub fn at_once(&self) -> u64 {
        self.gives[0]
    }

    /// Bytes that go once all threads have emptied their caches too.
    pub fn with_all_caches(&self) -> u64 {
        self.gives[1]
    }

    fn is_free(&self, piece: &Piece, which: usize) -> bool {
        match piece.what {
            What::Live | What::Overhead | What::Unread => false,
            What::Cached => {
                let flushed = piece.cache.and_then(|i| self.flushed.get(i as usize));
                which == 1 || flushed == Some(&true)
            }
            _ => true,
        }
    }

    fn extend(&mut self, which: usize, from: u64, to: u64) {
        if let Some(run) = self.runs.get_mut(which) {
            if run.to != from {
                run.from = from;
                run.slots.clear();
            }
            run.to = to;
        }
    }

    /// The chunks of a run become one.
    fn close(&mut self, which: usize, is_top: bool) {
        let Some(run) = self.runs.get_mut(which).map(std::mem::take) else {
            return;
        };
        let page = self.resident.page();
        let (head, foot) = if is_top { (8, 0) } else { (HEAD, FOOT) };
        let from = (run.from + head).next_multiple_of(page);
        let to = run.to.saturating_sub(foot) & !(page - 1);
        if let Some(gives) = self.gives.get_mut(which)
            && from < to
        {
            *gives += self.resident.bytes(from, to);
            // Where all of a region goes, the states of its slot do too.
            let whole = |s: &&Slot| from <= s.base && s.base + REGION as u64 <= to;
            for slot in run.slots.iter().filter(whole) {
                *gives += self.resident.bytes(slot.states, slot.states + STATES);
            }
        }
    }

    /// The pages of a slot that no object has a part of.
    fn open_pages(&mut self, which: usize, pieces: &[Piece]) {
        let page = self.resident.page();
        let mut run = Run::default();
        let mut all = 0;
        let end = Piece {
            from: 0,
            to: 0,
            what: What::Overhead,
            cache: None,
        };
        for piece in pieces.iter().chain([&end]) {
            if self.is_free(piece, which) {
                if run.to != piece.from {
                    run.from = piece.from;
                }
                run.to = piece.to;
                continue;
            }
            let (from, to) = (run.from.next_multiple_of(page), run.to & !(page - 1));
            if from < to {
                all += self.resident.bytes(from, to);
            }
            run = Run::default();
        }
        if let Some(gives) = self.gives.get_mut(which) {
            *gives += all;
        }
    }
}

impl Visit for Trim<'_> {
    fn chunk(&mut self, piece: &Piece) {
        for which in 0..2 {
            if self.is_free(piece, which) {
                self.extend(which, piece.from, piece.to);
            } else {
                self.close(which, false);
            }
        }
    }

    fn slot(&mut self, slot: Slot, pieces: &[Piece]) {
        let inside = pieces.get(1..pieces.len().saturating_sub(1));
        let inside = inside.unwrap_or_default();
        for which in 0..2 {
            if inside.iter().all(|piece| self.is_free(piece, which)) {
                let region = REGION as u64;
                self.extend(which, slot.base - 8, slot.base + region - 8);
                if let Some(run) = self.runs.get_mut(which) {
                    run.slots.push(slot);
                }
            } else {
                self.close(which, false);
                self.open_pages(which, inside);
            }
        }
    }

    fn end(&mut self, heap: &crate::tables::Stretch) {
        for which in 0..2 {
            let to_end = self.runs.get(which).is_some_and(|run| run.to == heap.end);
            self.close(which, to_end);
        }
    }
}
