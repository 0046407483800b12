//! What a report holds: what is mapped, the note and the words it leads to, the tables as far as they
//! were touched, what is resident of everything that is Cairn's, and of the chunks their size words.

use super::file::{Out, Rooms, Scratch};
use super::heads;
use crate::layout::head::{Head, Kind};
use crate::layout::places::{arena, heap, mapping, registry};
use crate::layout::report::{
    ALONE, COMMAND, HEADS, MAPS, OF_FILE, PACK, PACK_BITS, PACKED, PAGES, PRESENT, SWAPPED, WRITER,
};
use crate::layout::sizes::{ALIGN, HEADER, MAX_ARENAS, MIN_CHUNK, REGION, round_up};
use crate::layout::table;
use crate::mapped::registry::REGISTRY;
use crate::os::files::{self, File};
use crate::statics::{STATICS, Statics};
use crate::{named, os, region, side};
use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::Ordering::Acquire;

/// Pages of which the residency is asked, at most: a program may map far more than it uses.
const ASKED: usize = 16 << 20;
/// Heaps of an arena and mappings of side memory that are followed, at most.
const LINKS: usize = 1 << 20;
/// Program headers that are looked at.
const HEADERS: usize = 64;

/// What all parts need.
struct Report<'a> {
    out: Out<'a>,
    rooms: Scratch<'a>,
    memory: File,
    pages: Option<File>,
    /// Pages that may still be asked for.
    asked: usize,
    /// The report's own buffers, which nobody wants to read.
    own: (usize, usize),
}

/// Writes a report that begins with these words.
pub(super) fn write(rooms: &mut Rooms, words: &[u64; 6]) {
    let Some(memory) = File::open(c"/proc/self/mem") else {
        return;
    };
    let at = ptr::from_mut(rooms).expose_provenance();
    let Some((out, rooms)) = Out::begin(rooms) else {
        return;
    };
    let mut report = Report {
        out,
        rooms,
        memory,
        pages: File::open(c"/proc/self/pagemap"),
        asked: ASKED,
        own: (at, at + size_of::<Rooms>()),
    };
    let mut bytes = [0; 48];
    for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    report.out.record(WRITER, 0, &bytes);
    report.text(c"/proc/self/comm", COMMAND);
    report.text(c"/proc/self/smaps", MAPS);
    report.object();
    let statics = (&raw const STATICS).expose_provenance();
    report.span(statics, statics + size_of::<Statics>(), true);
    report.side();
    report.mapped();
    report.arenas();
    report.out.end();
}

impl Report<'_> {
    fn peek(&self, at: usize, to: &mut [u8]) -> bool {
        self.memory.read_at(to, at) == to.len()
    }

    fn word(&self, at: usize) -> usize {
        let mut bytes = [0; 8];
        if self.peek(at, &mut bytes) {
            usize::from_le_bytes(bytes)
        } else {
            0
        }
    }

    /// A file of the kernel's, piece by piece.
    fn text(&mut self, path: &CStr, kind: u64) {
        let Some(file) = File::open(path) else {
            return;
        };
        loop {
            let got = file.read(self.rooms.scratch);
            if got == 0 {
                return;
            }
            let piece = self.rooms.scratch.get(..got).unwrap_or(&[]);
            self.out.record(kind, 0, piece);
        }
    }

    /// The beginning of the object that Cairn is in, its notes, and the words to which they lead.
    fn object(&mut self) {
        let base = files::object();
        let mut header = [0; 64];
        if !self.peek(base, &mut header) {
            return;
        }
        let word = |bytes: &[u8], at: usize| -> usize {
            let word = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
            usize::from_le_bytes(word.unwrap_or([0; 8]))
        };
        self.out.bytes(&self.memory, base, 4096, self.rooms.scratch);
        let place = base.wrapping_add(word(&header, 32));
        let count = usize::from(header.get(56).copied().unwrap_or(0));
        let mut bias = None;
        for i in 0..count.min(HEADERS) {
            let mut one = [0; 56];
            if !self.peek(place + i * 56, &mut one) {
                return;
            }
            let kind = one.first().copied().unwrap_or(0);
            // The lowest of the loaded segments stands first.
            if kind == 1 && bias.is_none() {
                bias = Some(base.wrapping_sub(word(&one, 16) & !(os::page() - 1)));
            }
        }
        for i in 0..count.min(HEADERS) {
            let mut one = [0; 56];
            if self.peek(place + i * 56, &mut one) && one.first() == Some(&4) {
                let at = bias.unwrap_or(base).wrapping_add(word(&one, 16));
                let len = word(&one, 40).min(8192);
                self.out.bytes(&self.memory, at, len, self.rooms.scratch);
            }
        }
        for at in heads::all() {
            self.out
                .bytes(&self.memory, at, heads::WORDS, self.rooms.scratch);
        }
    }

    /// What is known of the pages of `[from, to)`, and if so asked what they hold.
    fn span(&mut self, from: usize, to: usize, with_bytes: bool) {
        let page = os::page();
        let (mut at, to) = (from & !(page - 1), round_up(to, page));
        while at < to {
            let count = ((to - at) / page).min(8192 / 8);
            if self.asked < count {
                return self.out.leave_out();
            }
            self.asked -= count;
            let asked = self.rooms.scratch.get_mut(..count * 8).unwrap_or(&mut []);
            let got = match &self.pages {
                Some(pages) => pages.read_at(asked, at / page * 8) / 8,
                None => 0,
            };
            self.runs(at, count, got);
            if with_bytes {
                for i in 0..count {
                    let flags = flags_of(self.rooms.scratch, i);
                    // Where nobody says which are there, all are read.
                    if i >= got || flags & (PRESENT | SWAPPED) != 0 {
                        self.pack(at + i * page, page);
                    }
                }
            }
            at += count * page;
        }
    }

    /// Writes the runs of pages that `scratch` tells of, whose first `got` are known.
    fn runs(&mut self, at: usize, count: usize, got: usize) {
        let mut len = 0;
        let mut run: Option<(u32, u32)> = None;
        for i in 0..=count {
            let flags = match i {
                i if i == count => None,
                i if i < got => Some(flags_of(self.rooms.scratch, i)),
                // Not known: as a page that is there.
                _ => Some(PRESENT),
            };
            match (&mut run, flags) {
                (Some((of, pages)), Some(flags)) if *of == flags => *pages += 1,
                (before, flags) => {
                    if let Some((of, pages)) = before {
                        let to = self.rooms.payload.get_mut(len..len + 8).unwrap_or(&mut []);
                        let word = u64::from(*of) | u64::from(*pages) << 32;
                        for (to, from) in to.iter_mut().zip(word.to_le_bytes()) {
                            *to = from;
                        }
                        len += 8;
                    }
                    *before = flags.map(|flags| (flags, 1));
                }
            }
        }
        self.out
            .record(PAGES, at, self.rooms.payload.get(..len).unwrap_or(&[]));
    }

    /// Writes what a page holds, unless that is zeros alone.
    fn pack(&mut self, at: usize, len: usize) {
        let mut at = at;
        let end = at + len;
        while at < end {
            let is_own = self.own.0 <= at && at < self.own.1;
            if !is_own && self.memory.read_at(self.rooms.page, at) == PACK {
                let (bits, bytes) = self.rooms.payload.split_at_mut(PACK_BITS);
                bits.fill(0);
                let mut places = bytes.iter_mut();
                let mut n = 0;
                for (bit, eight) in bits.iter_mut().zip(self.rooms.page.chunks_exact(8)) {
                    if eight == [0; 8] {
                        continue;
                    }
                    for (i, byte) in eight.iter().enumerate() {
                        if *byte != 0
                            && let Some(place) = places.next()
                        {
                            *bit |= 1 << i;
                            *place = *byte;
                            n += 1;
                        }
                    }
                }
                if n != 0 {
                    let packed = self.rooms.payload.get(..PACK_BITS + n).unwrap_or(&[]);
                    self.out.record(PACKED, at, packed);
                }
            }
            at += PACK;
        }
    }

    /// The mappings of side memory.
    fn side(&mut self) {
        let mut next = side::MAPPINGS.load(Acquire);
        for _ in 0..LINKS {
            let mut one = [0; mapping::BYTES];
            if next == 0 || !self.peek(next, &mut one) {
                return;
            }
            let [older, at, len] = words(&one);
            self.span(at, at.saturating_add(len), true);
            next = older;
        }
    }

    /// Chunks that have a mapping of their own: what is resident of them.
    fn mapped(&mut self) {
        let at = (&raw const REGISTRY).expose_provenance();
        let (table, places) = (
            self.word(at + registry::TABLE),
            self.word(at + registry::PLACES),
        );
        for i in 0..places {
            let mut one = [0; 24];
            if !self.peek(table + i * registry::PLACE, &mut one) {
                return;
            }
            let [payload, base, len] = words(&one);
            if payload != 0 {
                self.span(base, base.saturating_add(len), false);
            }
        }
    }

    /// Arenas and their heaps.
    fn arenas(&mut self) {
        let others = STATICS.others.at();
        let mut place = STATICS.main.at();
        for i in 0..=MAX_ARENAS {
            self.heaps(place);
            place = self.word(others + i * size_of::<usize>());
            if place == 0 || i + 1 == MAX_ARENAS {
                break;
            }
        }
        named::all_of_programs().for_each(|own| self.heaps(ptr::from_ref(own).addr()));
    }

    /// The heaps of the arena at `place`.
    fn heaps(&mut self, place: usize) {
        let top = self.word(place + arena::TOP_AT);
        let mut next = self.word(place + arena::TOP_HEAP);
        for _ in 0..LINKS {
            let mut one = [0; heap::BYTES];
            if next == 0 || !self.peek(next, &mut one) {
                return;
            }
            let [_, base, end, _, _, _, older] = words(&one);
            self.span(base, end, false);
            self.chunks(base, end, top);
            next = older;
        }
    }

    /// The size words of a heap's chunks.
    fn chunks(&mut self, base: usize, end: usize, top: usize) {
        let mut p = base + ALIGN;
        let mut held = usize::MAX;
        let (mut first, mut len) = (p, 0);
        while p < end {
            let at = p - HEADER;
            let page = at & !(PACK - 1);
            if page != held {
                if self.memory.read_at(self.rooms.page, page) != PACK {
                    break;
                }
                held = page;
            }
            let word = self.rooms.page.get(at - page..at - page + 4);
            let word = u32::from_le_bytes(word.and_then(|w| w.try_into().ok()).unwrap_or([0; 4]));
            let to = self.rooms.payload.get_mut(len..len + 4).unwrap_or(&mut []);
            for (to, from) in to.iter_mut().zip(word.to_le_bytes()) {
                *to = from;
            }
            len += 4;
            let head = Head::of(word);
            let size = head.size();
            let ends = p == top || head.is(Kind::Top) || head.is(Kind::Fence);
            let is_torn = size < MIN_CHUNK || size > end - at;
            if ends || is_torn || len == self.rooms.payload.len() {
                let payload = self.rooms.payload.get(..len).unwrap_or(&[]);
                self.out.record(HEADS, first, payload);
                len = 0;
            }
            if ends {
                return;
            }
            p = if is_torn {
                self.next_slot(p, end)
            } else {
                p + size
            };
            if len == 0 {
                first = p;
            }
        }
        if len != 0 {
            let payload = self.rooms.payload.get(..len).unwrap_or(&[]);
            self.out.record(HEADS, first, payload);
        }
    }

    /// Where the next slot begins, or the end: behind a chunk that changes just now.
    fn next_slot(&self, p: usize, end: usize) -> usize {
        let mut at = round_up(p + 1, REGION);
        while at < end && !table::is_slot(region::word(at)) {
            at += REGION;
        }
        at
    }
}

/// What the kernel's word of a page says.
fn flags_of(words: &[u8], i: usize) -> u32 {
    let word = words.get(i * 8..i * 8 + 8).and_then(|b| b.try_into().ok());
    let word = u64::from_le_bytes(word.unwrap_or([0; 8]));
    let flag = |bit: u32, flag: u32| if word >> bit & 1 != 0 { flag } else { 0 };
    flag(63, PRESENT) | flag(62, SWAPPED) | flag(61, OF_FILE) | flag(56, ALONE)
}

/// The words of a structure that was read.
fn words<const N: usize>(bytes: &[u8]) -> [usize; N] {
    let mut all = [0; N];
    for (word, bytes) in all.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = usize::from_le_bytes(bytes.try_into().unwrap_or([0; 8]));
    }
    all
}
