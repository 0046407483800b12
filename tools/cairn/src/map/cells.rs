//! The heap cell by cell: a page each, or several where it is long.

use cairn_reader::pages::{Page, Pages, Resident};
use cairn_reader::tables::{Arena, Heap, Stretch};
use cairn_reader::target::{HUGE, SWAPPED};
use cairn_reader::walk::{Piece, Slot, Visit, Walk, What};
use cairn_reader::{Target, walk};
use std::cell::RefCell;

/// What lies on a page, in 255ths of it, and what is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Resident.
    pub(crate) resident: u8,
    /// In use.
    pub(crate) live: u8,
    /// Freed, in a cache or waiting.
    pub(crate) held: u8,
    /// Free, or top that was used.
    pub(crate) free: u8,
    /// What else it is: see [`TABLE`] and its like.
    pub(crate) more: u8,
}

/// Cairn's own.
pub(crate) const TABLE: u8 = 1;
/// It could not be read.
pub(crate) const UNREAD: u8 = 2;
/// A huge page.
pub(crate) const IN_HUGE: u8 = 16;
/// In swap.
pub(crate) const IN_SWAP: u8 = 32;

/// What is drawn side by side: a heap, or something with a mapping of its own.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// What it is.
    pub(crate) name: String,
    /// Its first byte.
    pub(crate) base: u64,
    /// A cell a page.
    pub(crate) cells: Vec<Cell>,
}

/// What is in use of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fill {
    /// Its first byte.
    pub(crate) base: u64,
    /// Bytes in use.
    pub(crate) live: u64,
}

fn part(bytes: u64, page: u64) -> u8 {
    u8::try_from((bytes * 255 / page.max(1)).min(255)).unwrap_or(255)
}

fn flags(flags: u8) -> u8 {
    let huge = if flags & HUGE != 0 { IN_HUGE } else { 0 };
    let swap = if flags & SWAPPED != 0 { IN_SWAP } else { 0 };
    huge | swap
}

fn cell(seen: &Page, page: u64) -> Cell {
    let of = |kinds: &[What]| part(kinds.iter().map(|k| seen.of(*k)).sum(), page);
    let unread = seen.of(What::Unread) * 2 > page;
    Cell {
        resident: if seen.counts() { 255 } else { 0 },
        live: of(&[What::Live]),
        held: of(&[What::Cached, What::Quarantined, What::Waiting]),
        free: of(&[What::FreeChunk, What::FreeSlot, What::Top]),
        more: flags(seen.flags) | if unread { UNREAD } else { 0 },
    }
}

/// Notes how full each slot is.
#[derive(Default)]
struct Fills(Vec<Fill>);

impl Visit for Fills {
    fn chunk(&mut self, _: &Piece) {}
    fn slot(&mut self, slot: Slot, pieces: &[Piece]) {
        let live = pieces.iter().filter(|p| p.what == What::Live);
        self.0.push(Fill {
            base: slot.base,
            live: live.map(Piece::bytes).sum(),
        });
    }
}

/// Opens a section for each heap.
struct Heaps<'a> {
    sections: &'a RefCell<Vec<Section>>,
    name: &'a str,
    page: u64,
}

impl Visit for Heaps<'_> {
    fn begin(&mut self, arena: &Arena, heap: &Stretch) {
        let kind = if heap.is_break { "the break" } else { "heap" };
        let own = arena.own.as_ref();
        let own = own.map_or(String::new(), |own| format!(" (\"{}\")", own.name));
        let count = usize::try_from((heap.end - heap.base) / self.page).unwrap_or(0);
        self.sections.borrow_mut().push(Section {
            name: format!("{}arena {}{own}, {kind}", self.name, arena.index),
            base: heap.base,
            cells: vec![Cell::default(); count],
        });
    }
    fn chunk(&mut self, _: &Piece) {}
    fn slot(&mut self, _: Slot, _: &[Piece]) {}
}

/// The sections of an instance, and how full its slots are.
pub(crate) fn gather(target: &dyn Target, heap: &Heap, name: &str) -> (Vec<Section>, Vec<Fill>) {
    let page = target.page();
    let sections = RefCell::new(Vec::new());
    let mut heaps = Heaps {
        sections: &sections,
        name,
        page,
    };
    let see = |seen: &Page| {
        let mut sections = sections.borrow_mut();
        let Some(section) = sections.last_mut() else {
            return;
        };
        let place = usize::try_from(seen.at.saturating_sub(section.base) / page).ok();
        if let Some(place) = place.and_then(|i| section.cells.get_mut(i)) {
            *place = cell(seen, page);
        }
    };
    let mut pages = Pages::new(target, see, |_: &Piece, _, _| {});
    let mut fills = Fills::default();
    let mut all = walk::All(vec![&mut heaps, &mut pages, &mut fills]);
    Walk::new(target, heap).run(&mut all);
    drop(pages);
    let mut sections = sections.into_inner();
    sections.sort_by_key(|s| s.base);
    let mut resident = Resident::new(target);
    let mut whole = |name: String, from: u64, to: u64, of: Cell| {
        let mut cells = Vec::new();
        let mut at = from & !(page - 1);
        while at < to {
            let mut cell = of;
            cell.resident = if resident.counts(at) { 255 } else { 0 };
            cell.more |= flags(resident.flags(at));
            cells.push(cell);
            at += page;
        }
        Section {
            name,
            base: from & !(page - 1),
            cells,
        }
    };
    let live = Cell {
        live: 255,
        ..Cell::default()
    };
    for m in &heap.mapped {
        let of = if m.stuck { Cell::default() } else { live };
        sections.push(whole(format!("{name}mapped chunk"), m.from, m.to, of));
    }
    let table = Cell {
        more: TABLE,
        ..Cell::default()
    };
    let (from, to) = heap.statics();
    sections.push(whole(format!("{name}static tables"), from, to, table));
    if let Some((from, to)) = heap.pool {
        sections.push(whole(format!("{name}guarded objects"), from, to, live));
    }
    for (from, to) in &heap.side {
        sections.push(whole(format!("{name}tables"), *from, *to, table));
    }
    (sections, fills.0)
}

/// Several cells as one.
pub(crate) fn merged(cells: &[Cell]) -> Cell {
    let mean = |of: fn(&Cell) -> u8| {
        let sum: usize = cells.iter().map(|c| usize::from(of(c))).sum();
        u8::try_from(sum / cells.len().max(1)).unwrap_or(255)
    };
    Cell {
        resident: mean(|c| c.resident),
        live: mean(|c| c.live),
        held: mean(|c| c.held),
        free: mean(|c| c.free),
        more: cells.iter().fold(0, |all, c| all | c.more),
    }
}
