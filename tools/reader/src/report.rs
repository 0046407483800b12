//! A report that a process wrote of itself: another form of its memory. What of it is Cairn's can be
//! read: the tables as they were, and of heaps the size words of chunks alone.
//!
//! The file is not believed any more than memory is: its records are bounded by its length, and what
//! makes no sense is left out.

use crate::maps::{self, Map};
use crate::pagemap::{self, Flags};
use crate::target::{Error, Target, long, printable, quad};
use cairn::layout::head::{Head, Kind};
use cairn::layout::report::{
    ASKED, BYTES, COMMAND, END, HEAD, HEADS, LAYOUT, MAGIC, MAPS, PACK, PACK_BITS, PACKED, PAGES,
    PAYLOAD, WRITER,
};
use cairn::layout::sizes::{HEADER, MIN_CHUNK, REGION};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

/// Pages of which the residency is remembered, at most.
const PAGES_AT_MOST: u64 = 1 << 24;
/// Bytes of a file at most: what a process writes is less.
const FILE_AT_MOST: u64 = 1 << 30;

/// Why it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// On a signal.
    pub asked: bool,
    /// Bytes in use, as the process counted them.
    pub used: u64,
    /// The mark; 0 if it was asked for.
    pub mark: u64,
    /// The limit; 0 if there was none.
    pub limit: u64,
}

/// A report.
#[derive(Default)]
pub struct Report {
    /// The number that the process had.
    pub pid: i32,
    /// The name of its program.
    pub command: String,
    /// Why it was written.
    pub why: Why,
    /// All of it is there: nothing was left out, and nobody killed the writer.
    pub whole: bool,
    page: u64,
    maps: Vec<Map>,
    /// What lies where, by its first byte.
    bytes: BTreeMap<u64, Vec<u8>>,
    /// What is known of pages, by the first one.
    pages: BTreeMap<u64, Vec<u8>>,
    /// Size words of chunks, by where each lies.
    heads: Vec<(u64, u32)>,
}

impl Report {
    /// Whether a file is a report, by its first bytes.
    pub fn is_report(path: &Path) -> bool {
        let mut bytes = [0; 8];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
        read.is_ok() && bytes == MAGIC.to_le_bytes()
    }

    /// Opens one.
    ///
    /// # Errors
    /// It cannot be read, is none, or is of another layout.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let damaged = |what: &str| Error::Damaged(format!("{shown}: {what}"));
        let length = fs::metadata(path).map_or(0, |of| of.len());
        if length > FILE_AT_MOST {
            return Err(damaged("this is longer than any report: it is none"));
        }
        let bytes = fs::read(path).map_err(|error| damaged(&error.to_string()))?;
        Self::parse(&bytes).map_err(|what| damaged(&what))
    }

    /// What the bytes of a file say.
    ///
    /// # Errors
    /// They are no report, or one of another layout.
    pub fn parse(file: &[u8]) -> Result<Self, String> {
        if quad(file, 0) != MAGIC || file.len() < 16 {
            return Err("this is no report".to_owned());
        }
        if quad(file, 8) != LAYOUT {
            return Err(format!(
                "the report has layout {}, this command reads layout {LAYOUT}: use the command of \
                 the release that wrote it",
                quad(file, 8)
            ));
        }
        let mut report = Self {
            page: 4096,
            ..Self::default()
        };
        let mut text = Vec::new();
        let mut rest = file.get(16..).unwrap_or_default();
        let mut left = PAGES_AT_MOST;
        while rest.len() >= HEAD {
            let (kind, at) = (quad(rest, 0), quad(rest, 8));
            let len = usize::try_from(quad(rest, 16)).unwrap_or(usize::MAX);
            if len > PAYLOAD {
                break;
            }
            let Some(payload) = rest.get(HEAD..HEAD + len) else {
                break;
            };
            rest = rest
                .get(HEAD + len.next_multiple_of(8)..)
                .unwrap_or_default();
            match kind {
                MAPS => text.extend_from_slice(payload),
                COMMAND => {
                    report.command = printable(String::from_utf8_lossy(payload).trim());
                }
                END => report.whole = quad(payload, 0) == 0,
                _ => report.add(kind, at, payload, &mut left),
            }
        }
        // A piece at the end may be half a line; the last mapping is then without its figures.
        report.maps = maps::parse(&String::from_utf8_lossy(&text));
        report.maps.retain(|map| map.from < map.to);
        report.maps.sort_by_key(|map| map.from);
        let mut end = 0;
        report.maps.retain(|map| {
            let good = map.from >= end;
            end = end.max(map.to);
            good
        });
        report.heads.sort_unstable_by_key(|head| head.0);
        report.heads.dedup_by_key(|head| head.0);
        report.tell_zeros();
        Ok(report)
    }

    fn add(&mut self, kind: u64, at: u64, payload: &[u8], left: &mut u64) {
        match kind {
            WRITER => {
                self.pid = i32::try_from(quad(payload, 0)).unwrap_or(0);
                let page = quad(payload, 8);
                if page.is_power_of_two() && (4096..=1 << 16).contains(&page) {
                    self.page = page;
                }
                self.why = Why {
                    asked: quad(payload, 16) == ASKED,
                    used: quad(payload, 24),
                    mark: quad(payload, 32),
                    limit: quad(payload, 40),
                };
            }
            BYTES if at.checked_add(payload.len() as u64).is_some() => {
                self.bytes.insert(at, payload.to_vec());
            }
            PACKED if at.checked_add(PACK as u64).is_some() => {
                self.bytes.insert(at, unpack(payload));
            }
            PAGES if at.is_multiple_of(self.page) => {
                let mut pages = Vec::new();
                for run in payload.chunks_exact(8) {
                    let count = u64::from(long(run, 4));
                    if count > *left {
                        break;
                    }
                    *left -= count;
                    let flags = pagemap::of_report(long(run, 0));
                    pages.resize(pages.len() + usize::try_from(count).unwrap_or(0), flags);
                }
                let bytes = (pages.len() as u64).checked_mul(self.page);
                if bytes.and_then(|bytes| at.checked_add(bytes)).is_some() {
                    self.pages.insert(at, pages);
                }
            }
            HEADS => self.add_heads(at, payload),
            _ => {}
        }
    }

    fn add_heads(&mut self, first: u64, payload: &[u8]) {
        let mut p = first;
        for word in payload.chunks_exact(4) {
            let word = long(word, 0);
            let Some(at) = p.checked_sub(HEADER as u64) else {
                return;
            };
            self.heads.push((at, word));
            let head = Head::of(word);
            let size = match head.is(Kind::Run) {
                true => REGION as u64,
                false => head.size() as u64,
            };
            if size < MIN_CHUNK as u64 {
                return;
            }
            let Some(next) = p.checked_add(size) else {
                return;
            };
            p = next;
        }
    }

    /// Of the mappings that have more pages than count as resident some are pages of zeros.
    fn tell_zeros(&mut self) {
        let mut all: Vec<(u64, Vec<u8>)> = std::mem::take(&mut self.pages).into_iter().collect();
        for map in &self.maps {
            let end = |(at, pages): &(u64, Vec<u8>)| at + pages.len() as u64 * self.page;
            let first = all.partition_point(|span| end(span) <= map.from);
            let last = first
                + all
                    .get(first..)
                    .unwrap_or_default()
                    .partition_point(|s| s.0 < map.to);
            let spans = all.get_mut(first..last).unwrap_or_default();
            let mut parts: Vec<&mut [u8]> = Vec::new();
            for (at, pages) in spans {
                let place = |address: u64| {
                    let index = address.saturating_sub(*at) / self.page;
                    usize::try_from(index).unwrap_or(0).min(pages.len())
                };
                let range = place(map.from)..place(map.to);
                parts.push(pages.get_mut(range).unwrap_or_default());
            }
            let flags = Flags {
                map,
                page: self.page,
            };
            let there: u64 = parts.iter().map(|part| flags.there(part)).sum();
            let has_zeros = there * self.page > map.rss;
            for part in parts {
                flags.settle(part, has_zeros);
            }
        }
        self.pages = all.into_iter().collect();
    }

    /// What is resident of it, by its mappings' sums.
    pub fn rss(&self) -> u64 {
        self.maps
            .iter()
            .fold(0, |all, map| all.saturating_add(map.rss))
    }

    /// Copies what is held of `[at, at + into.len())`; whether all of it is known, zeros included.
    fn fill(&self, at: u64, into: &mut [u8]) -> usize {
        into.fill(0);
        let end = at.saturating_add(into.len() as u64);
        let mut known = at;
        // A span may begin far in front: those of 64 KiB at most that reach here, and the pages.
        for (from, pages) in self.pages.range(..end).rev() {
            let to = from + pages.len() as u64 * self.page;
            if to <= at {
                break;
            }
            if *from <= at {
                known = known.max(to);
            }
        }
        for (from, pages) in self.pages.range(at..end) {
            if *from > known {
                break;
            }
            known = known.max(from + pages.len() as u64 * self.page);
        }
        let before = at.saturating_sub(PAYLOAD as u64);
        for (from, bytes) in self.bytes.range(before..end) {
            let to = from + bytes.len() as u64;
            if to <= at {
                continue;
            }
            let (first, last) = ((*from).max(at), to.min(end));
            let place = |of: u64, base: u64| usize::try_from(of - base).unwrap_or(usize::MAX);
            let source = bytes.get(place(first, *from)..place(last, *from));
            let target = into.get_mut(place(first, at)..place(last, at));
            if let (Some(source), Some(target)) = (source, target) {
                target.copy_from_slice(source);
            }
            if *from <= known {
                known = known.max(to);
            }
        }
        let first = self.heads.partition_point(|head| head.0 + 4 <= at);
        for (place, word) in self.heads.get(first..).unwrap_or_default() {
            if *place >= end {
                break;
            }
            for (i, byte) in word.to_le_bytes().into_iter().enumerate() {
                let index = (place + i as u64).checked_sub(at);
                let index = index.and_then(|index| usize::try_from(index).ok());
                if let Some(to) = index.and_then(|index| into.get_mut(index)) {
                    *to = byte;
                }
            }
        }
        usize::try_from(known.min(end) - at).unwrap_or(0)
    }
}

/// What 4096 packed bytes were.
fn unpack(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; PACK];
    let (bits, packed) = payload.split_at(PACK_BITS.min(payload.len()));
    let mut packed = packed.iter();
    for (i, to) in bytes.iter_mut().enumerate() {
        if bits.get(i / 8).copied().unwrap_or(0) >> (i % 8) & 1 != 0 {
            *to = packed.next().copied().unwrap_or(0);
        }
    }
    bytes
}

impl Target for Report {
    fn read(&self, at: u64, into: &mut [u8]) -> usize {
        if into.is_empty() || self.map_of(at).is_none() {
            return 0;
        }
        self.fill(at, into)
    }

    fn maps(&self) -> &[Map] {
        &self.maps
    }

    fn page(&self) -> u64 {
        self.page
    }

    fn residency(&self, from: u64, to: u64) -> Option<Vec<u8>> {
        if self.pages.is_empty() {
            return None;
        }
        let count = usize::try_from(to.checked_sub(from)? / self.page).ok()?;
        let mut all = vec![0; count];
        let first = self.pages.range(..from).next_back();
        let spans = first.into_iter().chain(self.pages.range(from..to));
        for (at, pages) in spans {
            for (i, flags) in pages.iter().enumerate() {
                let place = (at + i as u64 * self.page).checked_sub(from);
                let place = place.and_then(|place| usize::try_from(place / self.page).ok());
                if let Some(to) = place.and_then(|place| all.get_mut(place)) {
                    *to = *flags;
                }
            }
        }
        Some(all)
    }
}
