//! What an address is: the piece of the heap that it lies in, and what lies beside that.

use crate::mapped::MappedChunk;
use crate::maps::Map;
use crate::tables::{Arena, Heap, Stretch};
use crate::target::Target;
use crate::visit::{Piece, Slot, Visit, What};
use crate::walk::Walk;

/// Bytes of the header in front of a chunk's payload.
const HEADER: u64 = 8;

/// A piece, and where its payload begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The piece.
    pub piece: Piece,
    /// The first byte that its owner has, or had.
    pub payload: u64,
}

impl Part {
    /// Bytes that its owner may use, or might.
    pub fn room(&self) -> u64 {
        self.piece.to.saturating_sub(self.payload)
    }
}

/// Where an address lies.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// In a heap.
    Heap {
        /// The piece that it lies in.
        part: Part,
        /// The one in front of it, and the one behind.
        beside: [Option<Part>; 2],
    },
    /// In a chunk that has a mapping of its own.
    Mapped(MappedChunk),
    /// In Cairn's own tables.
    Tables,
    /// In memory that is mapped and is not Cairn's; the mapping's name, or nothing.
    Elsewhere(String),
    /// Nothing is mapped there.
    Nothing,
}

/// Looks for the piece of an address.
struct Find {
    at: u64,
    last: Option<Part>,
    found: Option<(Part, Option<Part>)>,
    next: Option<Part>,
}

impl Find {
    fn add(&mut self, piece: &Piece, header: u64) {
        let part = Part {
            piece: *piece,
            payload: piece.from + header.min(piece.bytes()),
        };
        if piece.from <= self.at && self.at < piece.to {
            self.found = Some((part, self.last));
        } else if self.found.is_some() && self.next.is_none() {
            self.next = Some(part);
        }
        self.last = Some(part);
    }
}

impl Visit for Find {
    fn begin(&mut self, _: &Arena, _: &Stretch) {
        self.last = None;
    }
    fn chunk(&mut self, piece: &Piece) {
        self.add(piece, HEADER);
    }
    fn slot(&mut self, _: Slot, pieces: &[Piece]) {
        for piece in pieces {
            self.add(piece, 0);
        }
    }
}

impl Place {
    /// Finds an address in all Cairns of a target.
    pub fn of(target: &dyn Target, heaps: &[Heap], at: u64) -> Self {
        for heap in heaps {
            let holds = |s: &&Stretch| s.base <= at && at < s.end;
            if (heap.arenas.iter().flat_map(|a| &a.heaps)).any(|s| holds(&s)) {
                let mut find = Find {
                    at,
                    last: None,
                    found: None,
                    next: None,
                };
                Walk::new(target, heap).run(&mut find);
                if let Some((part, before)) = find.found {
                    let near = |p: &Part| p.piece.from == part.piece.to;
                    return Self::Heap {
                        part,
                        beside: [
                            before.filter(|p| p.piece.to == part.piece.from),
                            find.next.filter(near),
                        ],
                    };
                }
            }
            let page = target.page();
            // The header's page may lie in front of what holds memory.
            let mapped = heap.mapped.iter();
            let mut mapped = mapped.filter(|m| m.from.saturating_sub(page) <= at && at < m.to);
            if let Some(chunk) = mapped.next() {
                return Self::Mapped(*chunk);
            }
            let tables = heap.side.iter().copied().chain([heap.statics()]);
            if tables.into_iter().any(|(from, to)| from <= at && at < to) {
                return Self::Tables;
            }
        }
        match target.map_of(at) {
            Some(map) => Self::Elsewhere(owner(target, map)),
            None => Self::Nothing,
        }
    }
}

/// The name of a mapping, or of the file whose data it continues: a file's last pages of zeros have no
/// name of their own.
fn owner(target: &dyn Target, map: &Map) -> String {
    let before = target.maps().iter().find(|m| m.to == map.from);
    match before {
        Some(before) if map.name.is_empty() && before.name.starts_with('/') => before.name.clone(),
        _ => map.name.clone(),
    }
}

impl What {
    /// What it is, in words that follow "it is".
    pub fn words(self) -> &'static str {
        match self {
            Self::Live => "in use",
            Self::Cached => "freed, in a thread's cache",
            Self::Quarantined => "freed, in check mode's quarantine",
            Self::Waiting => "freed, and not merged yet",
            Self::FreeChunk | Self::FreeSlot => "free",
            Self::Top => "the end of the heap, free",
            Self::Fresh => "the end of the heap, never used",
            Self::Overhead => "the heap's own: a slot's header, or a fence",
            Self::Unread => "not to be read: its header, or one in front of it, makes no sense",
        }
    }
}
