//! A core file: memory as it was, what was mapped, and what the file has of it.

use crate::maps::Map;
use crate::registers::Registers;
use crate::target::{Error, RESIDENT, Target, long, printable, quad};
use object::elf::{
    FileHeader64, NT_FILE, NT_PRPSINFO, NT_PRSTATUS, NT_SIGINFO, PF_R, PF_W, PT_LOAD, PT_NOTE,
};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};
use std::fs::File;
use std::io::BufReader;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A piece of memory that the file has.
#[derive(Clone, Copy, Debug)]
struct Segment {
    from: u64,
    /// One past the last byte that the file has.
    held: u64,
    /// Where in the file.
    at: u64,
}

/// A core file.
pub struct Core {
    file: File,
    segments: Vec<Segment>,
    maps: Vec<Map>,
    /// The name of its program.
    pub command: String,
    /// Its threads, the one that ended it first.
    pub threads: Vec<Registers>,
    /// The signal that ended it and, where the kernel had one, the address that it was about.
    pub signal: Option<(i32, u64)>,
    /// Whether the file has holes, which stand for pages that held nothing.
    has_holes: bool,
}

/// The page of what made the file: both architectures' smallest.
const PAGE: u64 = 4096;

impl Core {
    /// Whether a file is a core file, by its first bytes.
    pub fn is_core(path: &Path) -> bool {
        let mut bytes = [0; 20];
        let read = File::open(path).and_then(|file| file.read_exact_at(&mut bytes, 0));
        read.is_ok() && bytes.starts_with(b"\x7fELF") && bytes[16] == 4
    }

    /// Opens one.
    ///
    /// # Errors
    /// It cannot be read, or is no core file of a 64-bit process.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let file = File::open(path).map_err(|error| {
            let text = format!("{shown}: {error}");
            match error.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    Error::Refused(format!("{text}: run as a user who may read it"))
                }
                _ => Error::Missing(text),
            }
        })?;
        let damaged = |what: &str| Error::Damaged(format!("{shown}: {what}"));
        if !Self::is_core(path) {
            return Err(damaged("this is no core file"));
        }
        let clone = file.try_clone().map_err(|e| damaged(&e.to_string()))?;
        let cache = ReadCache::new(BufReader::new(clone));
        let bad = |e: object::Error| damaged(&e.to_string());
        if FileKind::parse(&cache).map_err(bad)? != FileKind::Elf64 {
            return Err(damaged("this is no core file of a 64-bit process"));
        }
        let header = FileHeader64::<Endianness>::parse(&cache).map_err(bad)?;
        let endian = header.endian().map_err(bad)?;
        let mut core = Self {
            file,
            segments: Vec::new(),
            maps: Vec::new(),
            command: String::new(),
            threads: Vec::new(),
            signal: None,
            has_holes: false,
        };
        let mut named = Vec::new();
        for p in header.program_headers(endian, &cache).map_err(bad)? {
            let (from, at) = (p.p_vaddr(endian), p.p_offset(endian));
            let (held, all) = (p.p_filesz(endian), p.p_memsz(endian));
            match p.p_type(endian) {
                PT_LOAD => {
                    let end = |n: u64| from.checked_add(n);
                    let (Some(held), Some(to)) = (end(held), end(all)) else {
                        continue;
                    };
                    core.segments.push(Segment { from, held, at });
                    core.maps.push(Map {
                        from,
                        to,
                        readable: p.p_flags(endian).0 & PF_R.0 != 0,
                        writable: p.p_flags(endian).0 & PF_W.0 != 0,
                        ..Map::default()
                    });
                }
                PT_NOTE => {
                    let Ok(Some(mut notes)) = p.notes(endian, &cache) else {
                        continue;
                    };
                    while let Ok(Some(note)) = notes.next() {
                        match note.n_type(endian) {
                            NT_FILE => named = files(note.desc()),
                            NT_PRPSINFO => core.command = command(note.desc()),
                            NT_PRSTATUS => core.threads.extend(Registers::of_note(note.desc())),
                            NT_SIGINFO if core.signal.is_none() => {
                                let number = long(note.desc(), 0).cast_signed();
                                core.signal = Some((number, quad(note.desc(), 16)));
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        core.segments.sort_by_key(|s| s.from);
        core.maps.sort_by_key(|m| m.from);
        for map in &mut core.maps {
            if let Some(named) = named.iter().find(|n| n.from <= map.from && map.from < n.to) {
                map.name.clone_from(&named.name);
                map.inode = 1;
                map.offset = named.offset.saturating_add(map.from - named.from);
            }
        }
        core.has_holes = core.segments.iter().any(|s| core.hole_in(*s));
        Ok(core)
    }

    /// Where data or a hole begins, at or behind a place of the file.
    fn seek(&self, at: u64, what: i32) -> Option<u64> {
        let at = libc::off_t::try_from(at).ok()?;
        // SAFETY: moves the file's position alone, which nothing here relies on.
        let found = unsafe { libc::lseek(self.file.as_raw_fd(), at, what) };
        u64::try_from(found).ok()
    }

    fn hole_in(&self, s: Segment) -> bool {
        let end = s.at.saturating_add(s.held - s.from);
        s.held > s.from
            && self
                .seek(s.at, libc::SEEK_HOLE)
                .is_some_and(|hole| hole < end)
    }
}

/// The files that were mapped, by the kernel's note.
fn files(note: &[u8]) -> Vec<Map> {
    let word = |i: usize| quad(note, i * 8);
    let count = usize::try_from(word(0)).unwrap_or(0).min(note.len() / 24);
    let names = note.get(16 + count * 24..).unwrap_or_default();
    let mut names = names.split(|byte| *byte == 0);
    (0..count)
        .map(|i| Map {
            from: word(2 + i * 3),
            to: word(3 + i * 3),
            offset: word(4 + i * 3).saturating_mul(word(1)),
            name: printable(&String::from_utf8_lossy(names.next().unwrap_or_default())),
            ..Map::default()
        })
        .collect()
}

/// The program's name, by the kernel's note: 16 bytes behind what else it says.
fn command(note: &[u8]) -> String {
    let name = note.get(40..56).unwrap_or_default();
    let end = name.iter().position(|byte| *byte == 0);
    let name = name.get(..end.unwrap_or(name.len()));
    printable(&String::from_utf8_lossy(name.unwrap_or_default()))
}

impl Target for Core {
    fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            let here = at.wrapping_add(done as u64);
            let i = self.segments.partition_point(|s| s.held <= here);
            let Some(s) = self.segments.get(i).filter(|s| s.from <= here) else {
                break;
            };
            let room = usize::try_from(s.held - here).unwrap_or(usize::MAX);
            let end = into.len().min(done.saturating_add(room));
            let Some(part) = into.get_mut(done..end) else {
                break;
            };
            let place = s.at.saturating_add(here - s.from);
            match self.file.read_at(part, place) {
                Ok(n) if n != 0 => done += n,
                _ => break,
            }
        }
        done
    }

    fn maps(&self) -> &[Map] {
        &self.maps
    }

    fn page(&self) -> u64 {
        PAGE
    }

    fn residency(&self, from: u64, to: u64) -> Option<Vec<u8>> {
        if !self.has_holes {
            return None;
        }
        let count = usize::try_from(to.checked_sub(from)? / PAGE).ok()?;
        let mut pages = vec![0; count];
        let first = self.segments.partition_point(|s| s.held <= from);
        for s in self
            .segments
            .get(first..)?
            .iter()
            .take_while(|s| s.from < to)
        {
            let (begin, end) = (s.from.max(from), s.held.min(to));
            let place = |at: u64| s.at + (at - s.from);
            let mut at = begin;
            while at < end {
                let Some(data) = self.seek(place(at), libc::SEEK_DATA) else {
                    break;
                };
                let hole = self.seek(data, libc::SEEK_HOLE).unwrap_or(data);
                let address = |place: u64| s.from.saturating_add(place - s.at);
                let (data, hole) = (address(data).min(end), address(hole).min(end));
                let index = |at: u64| usize::try_from((at - from) / PAGE).unwrap_or(count);
                let last = index(hole.next_multiple_of(PAGE)).min(count);
                pages.get_mut(index(data).min(last)..last)?.fill(RESIDENT);
                if hole <= at {
                    break;
                }
                at = hole;
            }
        }
        Some(pages)
    }
}
