//! What lies on a page: by the heap's tables, as they were read last.

use cairn_reader::Target;
use cairn_reader::tables::Heap;
use cairn_reader::walk::{Piece, Slot, Visit, Walk, What};
use std::collections::BTreeMap;

/// What a page is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    /// A slot of small objects.
    Slots,
    /// Chunks, in use or free.
    Chunks,
    /// Top.
    Top,
    /// A chunk that has a mapping of its own.
    Mapped,
    /// Cairn's own.
    Tables,
    /// A heap or a mapped chunk that was gone when the tables were read last.
    Gone,
    /// Not the heap's.
    Other,
}

/// How many there are.
pub(super) const KINDS: [Kind; 7] = [
    Kind::Slots,
    Kind::Chunks,
    Kind::Top,
    Kind::Mapped,
    Kind::Tables,
    Kind::Gone,
    Kind::Other,
];

/// Stretches that overlap each other and are looked through at most.
const OVERLAPS: usize = 64;

/// Where a process's heap lies, and lay.
#[derive(Clone, Default)]
pub(super) struct Places {
    /// Every stretch that was ever seen, by its first byte: its end, and what it was.
    seen: BTreeMap<u64, (u64, Kind)>,
    /// What the last walk found, by rising address.
    walked: Vec<(u64, u64, Kind)>,
    /// Stretches that were asked for in huge pages.
    huge: Vec<(u64, u64)>,
}

impl Places {
    /// Takes in where the heaps and tables lie now.
    pub(super) fn look(&mut self, heaps: &[Heap], page: u64) {
        self.huge.clear();
        for heap in heaps {
            for arena in &heap.arenas {
                for stretch in &arena.heaps {
                    // What was the heap's, and is not any more, was never beyond these.
                    let most = if stretch.is_break {
                        stretch.base.saturating_add(arena.system_peak)
                    } else {
                        stretch.limit
                    };
                    self.add(stretch.base, most.max(stretch.end), Kind::Gone);
                    if stretch.huge != 0 {
                        self.huge.push((stretch.huge, stretch.end));
                    }
                }
            }
            for chunk in &heap.mapped {
                self.add(chunk.from, chunk.to, Kind::Mapped);
            }
            let (from, to) = heap.statics();
            self.add(from & !(page - 1), to.next_multiple_of(page), Kind::Tables);
            if let Some((from, to)) = heap.pool {
                self.add(from, to, Kind::Mapped);
            }
            for (from, to) in &heap.side {
                self.add(*from, *to, Kind::Tables);
            }
        }
    }

    fn add(&mut self, from: u64, to: u64, kind: Kind) {
        let held = self.seen.entry(from).or_insert((to, kind));
        *held = (held.0.max(to), kind);
    }

    /// Takes in what lies where in them; `look` comes before.
    pub(super) fn walk(&mut self, target: &dyn Target, heaps: &[Heap]) {
        let mut runs = Runs::default();
        for heap in heaps {
            Walk::new(target, heap).run(&mut runs);
        }
        runs.0.sort_unstable_by_key(|r| r.0);
        self.walked = runs.0;
    }

    /// Takes over what another process's last walk found, if nobody walked here: a child that ended has
    /// its parent's heap.
    pub(super) fn inherit(&mut self, parent: &Self) {
        if self.walked.is_empty() {
            self.walked.clone_from(&parent.walked);
        }
    }

    /// What is on a page of so many bytes.
    pub(super) fn kind(&self, at: u64, page: u64) -> Kind {
        let first = self.walked.partition_point(|w| w.1 <= at);
        match self.walked.get(first) {
            Some((from, _, kind)) if *from < at + page => *kind,
            _ => self.seen_at(at).unwrap_or(Kind::Other),
        }
    }

    fn seen_at(&self, at: u64) -> Option<Kind> {
        let mut before = self.seen.range(..=at).rev().take(OVERLAPS);
        before.find(|(_, held)| at < held.0).map(|(_, held)| held.1)
    }

    /// Whether a page was ever seen to be the heap's.
    pub(super) fn holds(&self, at: u64) -> bool {
        self.seen_at(at).is_some()
    }

    /// Whether it may be part of a huge page by the heap's own will.
    pub(super) fn may_be_huge(&self, at: u64) -> bool {
        self.huge
            .iter()
            .any(|(from, to)| (*from..*to).contains(&at))
    }

    /// The stretches, for a look at what is resident in them.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (u64, u64)> {
        self.seen.iter().map(|(from, held)| (*from, held.0))
    }
}

/// Pieces of one kind that follow on each other, as one.
#[derive(Default)]
struct Runs(Vec<(u64, u64, Kind)>);

impl Runs {
    fn add(&mut self, from: u64, to: u64, kind: Kind) {
        match self.0.last_mut() {
            Some(last) if last.1 == from && last.2 == kind => last.1 = to,
            _ => self.0.push((from, to, kind)),
        }
    }
}

impl Visit for Runs {
    fn chunk(&mut self, piece: &Piece) {
        let kind = match piece.what {
            What::Top | What::Fresh => Kind::Top,
            _ => Kind::Chunks,
        };
        self.add(piece.from, piece.to, kind);
    }
    fn slot(&mut self, slot: Slot, pieces: &[Piece]) {
        if let Some(last) = pieces.last() {
            self.add(slot.base, last.to, Kind::Slots);
        }
    }
}
