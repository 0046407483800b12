//! The heaps page by page: what lies on each, and whether it is resident.

use crate::target::{RESIDENT, Target, ZERO};
use crate::walk::{Piece, Slot, Visit, WHATS, What};

/// Bytes whose residency is asked for at once.
const AHEAD: u64 = 64 << 20;

/// Which pages are resident, asked for in long stretches.
pub struct Resident<'a> {
    target: &'a dyn Target,
    from: u64,
    flags: Vec<u8>,
    page: u64,
    /// Whether that could be known so far.
    pub known: bool,
}

impl<'a> Resident<'a> {
    /// Nothing asked for yet.
    pub fn new(target: &'a dyn Target) -> Self {
        Self {
            target,
            from: 0,
            flags: Vec::new(),
            page: target.page(),
            known: true,
        }
    }

    /// Bytes of a page.
    pub fn page(&self) -> u64 {
        self.page
    }

    /// What is known of the page that an address lies in.
    pub fn flags(&mut self, at: u64) -> u8 {
        let index = |from: u64| usize::try_from(at.checked_sub(from)? / self.page).ok();
        if let Some(flags) = index(self.from).and_then(|i| self.flags.get(i)) {
            return *flags;
        }
        let from = at & !(self.page - 1);
        let Some(map) = self.target.map_of(at) else {
            return 0;
        };
        let to = map.to.min(from.saturating_add(AHEAD));
        match self.target.residency(from, to) {
            Some(flags) => (self.from, self.flags) = (from, flags),
            None => {
                self.known = false;
                return RESIDENT;
            }
        }
        self.flags.first().copied().unwrap_or(0)
    }

    /// Whether a page counts as resident memory of the process.
    pub fn counts(&mut self, at: u64) -> bool {
        let flags = self.flags(at);
        flags & RESIDENT != 0 && flags & ZERO == 0
    }

    /// Resident bytes of `[from, to)`, whole pages.
    pub fn bytes(&mut self, from: u64, to: u64) -> u64 {
        let mut all = 0;
        let mut at = from;
        while at < to {
            if self.counts(at) {
                all += self.page;
            }
            at += self.page;
        }
        all
    }
}

/// One page of a heap.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its first byte.
    pub at: u64,
    /// Bytes of it that each kind has.
    pub bytes: [u64; WHATS],
    /// The objects and chunks in use that have a part of it: first byte, and one past the last.
    pub live: Vec<(u64, u64)>,
    /// What is known of it.
    pub flags: u8,
}

impl Page {
    /// Whether it counts as resident memory.
    pub fn counts(&self) -> bool {
        self.flags & RESIDENT != 0 && self.flags & ZERO == 0
    }
    /// Bytes of one kind.
    pub fn of(&self, what: What) -> u64 {
        self.bytes.get(what as usize).copied().unwrap_or(0)
    }
    /// Bytes that are free, or freed.
    pub fn free(&self) -> u64 {
        let kinds = [
            What::Cached,
            What::Quarantined,
            What::Waiting,
            What::FreeChunk,
            What::FreeSlot,
            What::Top,
            What::Fresh,
        ];
        kinds.into_iter().map(|what| self.of(what)).sum()
    }
}

/// Shows pages to `see`, and each part of a piece that lies on one page to `part`.
pub struct Pages<'a, S, P> {
    resident: Resident<'a>,
    page: Page,
    see: S,
    part: P,
}

impl<'a, S: FnMut(&Page), P: FnMut(&Piece, u64, bool)> Pages<'a, S, P> {
    /// Shows the pages of `target`.
    pub fn new(target: &'a dyn Target, see: S, part: P) -> Self {
        Self {
            resident: Resident::new(target),
            page: Page::default(),
            see,
            part,
        }
    }

    /// Whether residency was known.
    pub fn is_known(&self) -> bool {
        self.resident.known
    }

    fn add(&mut self, piece: &Piece) {
        let bytes = self.resident.page();
        let mut at = piece.from;
        while at < piece.to {
            let page = at & !(bytes - 1);
            if page != self.page.at {
                self.close();
                self.page.at = page;
                self.page.flags = self.resident.flags(page);
            }
            let end = piece.to.min(page + bytes);
            if let Some(sum) = self.page.bytes.get_mut(piece.what as usize) {
                *sum += end - at;
            }
            if piece.what == What::Live {
                self.page.live.push((piece.from, piece.to));
            }
            let counts = self.page.counts();
            (self.part)(piece, end - at, counts);
            at = end;
        }
    }

    fn close(&mut self) {
        if self.page.at != 0 {
            (self.see)(&self.page);
        }
        self.page.at = 0;
        self.page.bytes = [0; WHATS];
        self.page.live.clear();
    }
}

impl<S: FnMut(&Page), P: FnMut(&Piece, u64, bool)> Visit for Pages<'_, S, P> {
    fn chunk(&mut self, piece: &Piece) {
        self.add(piece);
    }
    fn slot(&mut self, _: Slot, pieces: &[Piece]) {
        for piece in pieces {
            self.add(piece);
        }
    }
    fn end(&mut self, _: &crate::tables::Stretch) {
        self.close();
    }
}
