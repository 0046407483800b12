//! The figures that `mallinfo2` and `malloc_info` give of the same moment.

use crate::tables::{Arena, Heap, Own, Stretch};
use crate::target::Target;
use crate::walk::{Piece, Slot, Visit, Walk, What};
use cairn::layout::bins;
use cairn::layout::sizes::HEADER;
use std::collections::BTreeMap;

/// Free chunks of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Smallest size, bytes.
    pub from: u64,
    /// Largest size, bytes.
    pub to: u64,
    /// All sizes together, bytes.
    pub total: u64,
    /// Chunks.
    pub count: u64,
}

/// One arena, as `malloc_info` tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Its number.
    pub index: u64,
    /// Threads that use it.
    pub threads: u64,
    /// Of a heap of the program's own.
    pub own: Option<Own>,
    /// Free chunks by their bins.
    pub rows: Vec<Row>,
    /// Chunks that wait in fastbins, and their bytes.
    pub fast: (u64, u64),
    /// What is free otherwise, top and what caches hold among it, and its bytes.
    pub rest: (u64, u64),
    /// Bytes got from the system, now and at most.
    pub system: (u64, u64),
    /// Bytes of top.
    pub top: u64,
    /// Heaps that are no piece of the break.
    pub heaps: u64,
}

impl Figures {
    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.system
            .0
            .saturating_sub(sum(&[self.fast.1, self.rest.1]))
    }
}

/// What `mallinfo2` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mallinfo {
    /// Bytes of the heaps.
    pub arena: u64,
    /// Free chunks.
    pub ordblks: u64,
    /// Chunks in fastbins.
    pub smblks: u64,
    /// Chunks with a mapping of their own.
    pub hblks: u64,
    /// Their bytes.
    pub hblkhd: u64,
    /// Bytes in fastbins.
    pub fsmblks: u64,
    /// Bytes in use.
    pub uordblks: u64,
    /// Bytes free.
    pub fordblks: u64,
    /// Bytes of the main arena's top.
    pub keepcost: u64,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// By arena.
    pub arenas: Vec<Figures>,
    /// Mapped chunks, their bytes, and the most of each there ever were.
    pub mapped: [u64; 4],
    /// The sums.
    pub mallinfo: Mallinfo,
    /// What made no sense and was dropped.
    pub torn: u64,
}

/// Counts the chunks of each arena that wait or are free.
#[derive(Default)]
struct Chunks {
    arena: u64,
    waiting: BTreeMap<u64, u64>,
    rows: BTreeMap<u64, BTreeMap<usize, Row>>,
}

impl Visit for Chunks {
    fn begin(&mut self, arena: &Arena, _: &Stretch) {
        self.arena = arena.place;
    }
    fn chunk(&mut self, piece: &Piece) {
        if piece.what == What::Waiting {
            *self.waiting.entry(self.arena).or_default() += 1;
        } else if piece.what == What::FreeChunk {
            let size = piece.bytes();
            let bin = bins::index(usize::try_from(size).unwrap_or(0));
            let row = self.rows.entry(self.arena).or_default().entry(bin);
            let row = row.or_default();
            row.from = if row.count == 0 {
                size
            } else {
                row.from.min(size)
            };
            row.to = row.to.max(size);
            row.total += size;
            row.count += 1;
        }
    }
    fn slot(&mut self, _: Slot, _: &[Piece]) {}
}

/// The sum of figures that may be anything.
fn sum(all: &[u64]) -> u64 {
    all.iter().copied().fold(0, u64::saturating_add)
}

impl Stats {
    /// The figures of one instance.
    pub fn of(target: &dyn Target, heap: &Heap) -> Self {
        let mut chunks = Chunks::default();
        let mut walk = Walk::new(target, heap);
        walk.run(&mut chunks);
        let mut all = Self {
            mapped: heap.mapped_totals,
            torn: heap.torn + walk.torn,
            ..Self::default()
        };
        for arena in &heap.arenas {
            let rows = chunks.rows.remove(&arena.place).unwrap_or_default();
            let waiting = chunks.waiting.get(&arena.place).copied().unwrap_or(0);
            all.add(heap, arena, rows.into_values().collect(), waiting);
        }
        let m = &mut all.mallinfo;
        (m.hblks, m.hblkhd) = (all.mapped[0], all.mapped[1]);
        m.uordblks = m.arena.saturating_sub(m.fordblks);
        all
    }

    fn add(&mut self, heap: &Heap, arena: &Arena, rows: Vec<Row>, waiting: u64) {
        let top = arena.top_bytes();
        let (mut count, mut bytes) = (0, 0);
        for cache in heap.caches.iter().filter(|c| c.arena == arena.place) {
            count += cache.count;
            bytes += cache.bytes;
        }
        // Check mode's quarantine counts as the main arena's.
        if arena.index == 0 {
            count += heap.quarantine.len() as u64;
            let held = heap.quarantine.iter().map(|held| held.1);
            bytes = held.fold(bytes, |all, n| sum(&[all, n, HEADER as u64]));
        }
        count += u64::from(top != 0) + rows.iter().map(|row| row.count).sum::<u64>();
        let binned = rows.iter().map(|row| row.total).sum::<u64>();
        bytes = sum(&[bytes, top, arena.slots_free, arena.resting, binned]);
        let m = &mut self.mallinfo;
        m.arena = sum(&[m.arena, arena.system]);
        m.ordblks += count;
        m.smblks += waiting;
        m.fsmblks = sum(&[m.fsmblks, arena.waiting]);
        m.fordblks = sum(&[m.fordblks, bytes, arena.waiting]);
        if arena.index == 0 {
            m.keepcost = top;
        }
        self.arenas.push(Figures {
            index: arena.index,
            threads: arena.threads,
            own: arena.own.clone(),
            rows,
            fast: (waiting, arena.waiting),
            rest: (count, bytes),
            system: (arena.system, arena.system_peak),
            top,
            heaps: arena.heaps.iter().filter(|h| !h.is_break).count() as u64,
        });
    }
}
