//! What the system and the heap's tables say of a program at a stop.

use crate::look::{self, bytes, number};
use crate::map;
use anyhow::{Context, Result};
use cairn_reader::maps::Map;
use cairn_reader::process::Process;
use cairn_reader::tables::Heap;
use cairn_reader::target::{RESIDENT, ZERO};
use cairn_reader::walk::{Piece, Slot, Visit, Walk, What};
use cairn_reader::{Target, target};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Signs of a line of pages.
const WIDTH: usize = 64;

/// A process with its mappings.
///
/// # Errors
/// It cannot be looked at.
pub(super) fn process(pid: i32) -> Result<Process> {
    Ok(Process::open(pid)?)
}

/// The mapping that an address lies in, and its line.
///
/// # Errors
/// There is none.
pub(super) fn mapping(pid: i32, at: u64) -> Result<(Map, String)> {
    let process = process(pid)?;
    let map = process
        .map_of(at)
        .context("nothing is mapped there")?
        .clone();
    let sign = |is: bool, sign| if is { sign } else { '-' };
    let name = match map.name.rsplit('/').next().unwrap_or_default() {
        "" => "anonymous",
        name => name,
    };
    let line = format!(
        "  system: {:#x}  {}{}{}  {}, resident {}, {name}",
        map.from,
        sign(map.readable, 'r'),
        sign(map.writable, 'w'),
        if map.shared { 's' } else { 'p' },
        bytes(map.to - map.from),
        bytes(map.rss)
    );
    Ok((map, line))
}

/// Where the break's mapping ends.
///
/// # Errors
/// There is none.
pub(super) fn heap_mapping(pid: i32) -> Result<Map> {
    let process = process(pid)?;
    let found = process.maps().iter().find(|m| m.name == "[heap]").cloned();
    found.context("the system shows no [heap]")
}

/// Pages, a sign each.
pub(super) struct Pages(Vec<char>);

impl Pages {
    /// # Errors
    /// The system does not say.
    pub(super) fn of(pid: i32, from: u64, count: u64) -> Result<Self> {
        let process = process(pid)?;
        let page = process.page();
        let from = from & !(page - 1);
        let flags = process.residency(from, from + count * page);
        let flags = flags.context("the system does not say which pages are there")?;
        let file = File::open(process.path("pagemap"))?;
        let mut words = vec![0; flags.len() * 8];
        file.read_exact_at(&mut words, from / page * 8)?;
        let words = words.chunks_exact(8).map(|word| target::quad(word, 0));
        let sign = |(flags, word): (&u8, u64)| match *flags {
            flags if flags & RESIDENT == 0 => '.',
            flags if flags & ZERO != 0 => '0',
            // Bit 56: nobody else has it mapped.
            _ if word >> 56 & 1 != 0 => '#',
            _ => '=',
        };
        Ok(Self(flags.iter().zip(words).map(sign).collect()))
    }

    /// How many have a sign.
    pub(super) fn count(&self, sign: char) -> u64 {
        self.0.iter().filter(|c| **c == sign).count() as u64
    }

    pub(super) fn text(&self) -> String {
        self.0.iter().collect()
    }

    /// A picture: several pages a sign where they are many, and then what most are.
    pub(super) fn picture(&self, name: &str) -> String {
        let unit = self.0.len().div_ceil(WIDTH);
        let most = |part: &[char]| {
            let count = |sign: &char| part.iter().filter(|c| *c == sign).count();
            ['#', '=', '0', '.']
                .into_iter()
                .max_by_key(count)
                .unwrap_or('.')
        };
        let signs: String = self.0.chunks(unit).map(most).collect();
        let each = match unit {
            1 => "a page each".to_owned(),
            n => format!("{n} pages each"),
        };
        format!("  {name}, {each}:\n  [{signs}]")
    }
}

/// A piece of the heap with its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) piece: Piece,
    /// Whether it is a chunk, with a header.
    pub(super) is_chunk: bool,
    /// The size word, and the word in front of the header.
    pub(super) word: u64,
    pub(super) foot: u64,
}

impl Seen {
    pub(super) fn line(&self, name: &str) -> String {
        let is = match self.piece.what {
            What::Live => "in use",
            What::Cached => "in a thread's cache",
            What::Waiting => "waits in a fastbin",
            What::FreeChunk => "free, in a bin",
            What::FreeSlot => "free",
            What::Top | What::Fresh => "top",
            _ => "the heap's own",
        };
        let from = self.piece.from;
        let size = number(self.piece.bytes());
        if !self.is_chunk {
            return format!("  cairn: {name:<2}{from:#x} {size:>7} B  {is}");
        }
        let before = match self.word & 1 {
            0 => format!("; foot before it {}", number(self.foot)),
            _ => String::new(),
        };
        let word = self.word & 0xffff_ffff;
        format!("  cairn: {name:<2}{from:#x} {size:>7} B  header {word:#x}: {is}{before}")
    }
}

struct Find<'a> {
    target: &'a dyn Target,
    at: u64,
    found: Option<Seen>,
}

impl Find<'_> {
    fn see(&mut self, piece: &Piece, is_chunk: bool) {
        if piece.from <= self.at && self.at < piece.to {
            let word = |at| self.target.word(at).unwrap_or(0);
            self.found = Some(Seen {
                piece: *piece,
                is_chunk,
                word: word(piece.from),
                foot: word(piece.from.wrapping_sub(8)),
            });
        }
    }
}

impl Visit for Find<'_> {
    fn chunk(&mut self, piece: &Piece) {
        self.see(piece, true);
    }
    fn slot(&mut self, _: Slot, pieces: &[Piece]) {
        pieces.iter().for_each(|piece| self.see(piece, false));
    }
}

/// What an address is to the heap.
#[derive(Clone, Copy, Debug)]
pub(super) enum Home {
    /// Part of an arena's heap; whether that is the break.
    Heap(Seen, bool),
    /// A mapping of its own.
    Mapped(u64, u64),
    /// Not the heap's.
    Nowhere,
}

/// Looks an address up in the heap's tables, with the line of `cairn map` that shows it.
///
/// # Errors
/// The program cannot be looked at.
pub(super) fn home(pid: i32, at: u64) -> Result<(Home, Option<String>)> {
    let (_, found) = look::look(&pid.to_string(), false, |scene| {
        let mut home = Home::Nowhere;
        let picture = map::strip(scene, at);
        for heap in scene.heaps {
            if let Some(m) = heap.mapped.iter().find(|m| m.from <= at && at < m.to) {
                home = Home::Mapped(m.from, m.to);
            } else if let Some(seen) = find(scene.target, heap, at) {
                let stretches = || heap.arenas.iter().flat_map(|a| &a.heaps);
                let of = stretches().find(|h| h.base <= at && at < h.end);
                home = Home::Heap(seen, of.is_some_and(|h| h.is_break));
            }
        }
        (home, picture)
    })?;
    Ok(found)
}

fn find(target: &dyn Target, heap: &Heap, at: u64) -> Option<Seen> {
    let found = None;
    let mut find = Find { target, at, found };
    Walk::new(target, heap).run(&mut find);
    find.found
}

/// The pieces at several payloads, in one look.
///
/// # Errors
/// The program cannot be looked at.
pub(super) fn pieces(pid: i32, payloads: &[u64]) -> Result<Vec<Option<Seen>>> {
    let (_, found) = look::look(&pid.to_string(), false, |scene| {
        let one = |at: &u64| {
            scene
                .heaps
                .iter()
                .find_map(|heap| find(scene.target, heap, *at))
        };
        payloads.iter().map(one).collect()
    })?;
    Ok(found)
}
