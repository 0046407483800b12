//! A running process: its memory, what is mapped, and what is resident.

use crate::maps::{self, Map};
use crate::pagemap::{self, Flags};
use crate::target::{Error, HUGE, RESIDENT, SWAPPED, Target, ZERO, printable};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A running process.
pub struct Process {
    /// Its number.
    pub pid: i32,
    maps: Vec<Map>,
    page: u64,
    /// `/proc/PID/pagemap`, if we may read it.
    pagemap: Option<File>,
    /// Whether the kernel tells more than that file says.
    scans: Cell<bool>,
    /// Of mappings, by their first byte, whether they have pages of zeros.
    zeros: RefCell<HashMap<u64, bool>>,
}

/// A number of bytes or a place as the kernel wants it.
fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

impl Process {
    /// Looks at a process.
    ///
    /// # Errors
    /// There is none of that number, or the kernel does not let us look at it.
    pub fn open(pid: i32) -> Result<Self, Error> {
        Self::open_by(pid, "smaps")
    }

    /// The same without what is resident of each mapping, which the kernel counts page by page.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_lightly(pid: i32) -> Result<Self, Error> {
        Self::open_by(pid, "maps")
    }

    fn open_by(pid: i32, file: &str) -> Result<Self, Error> {
        if pid <= 0 {
            return Err(Error::Missing(format!("{pid} is no number of a process")));
        }
        // SAFETY: no precondition.
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
        let mut process = Self {
            pid,
            maps: Vec::new(),
            page,
            pagemap: None,
            scans: Cell::new(true),
            zeros: RefCell::default(),
        };
        if !process.path("stat").exists() {
            return Err(Error::Missing(format!("there is no process {pid}")));
        }
        process.pagemap = File::open(process.path("pagemap")).ok();
        process.look_at(file)?;
        let first = process
            .maps
            .iter()
            .find(|m| m.readable && !m.name.starts_with("[v"));
        let Some(first) = first.map(|m| m.from) else {
            return Err(Error::Other(format!(
                "process {pid} has no memory of its own: it is a kernel thread, or has ended"
            )));
        };
        let mut byte = [0];
        match process.read_once(first, &mut byte) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                Err(process.refused("read its memory"))
            }
            _ => Ok(process),
        }
    }

    /// Where the kernel says something about it.
    pub fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }

    /// Looks anew at what is mapped and resident.
    ///
    /// # Errors
    /// The kernel does not let us.
    pub fn look(&mut self) -> Result<(), Error> {
        self.look_at("smaps")
    }

    fn look_at(&mut self, file: &str) -> Result<(), Error> {
        let text = match fs::read(self.path(file)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(self.refused(&format!("read /proc/PID/{file}")));
            }
            Err(_) => {
                let pid = self.pid;
                return Err(Error::Missing(format!("process {pid} has ended")));
            }
        };
        self.maps = maps::parse(&String::from_utf8_lossy(&text));
        self.zeros.borrow_mut().clear();
        Ok(())
    }

    /// Why we may not do something, and what would grant it.
    pub fn refused(&self, what: &str) -> Error {
        let pid = self.pid;
        let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
        let yama = match scope.trim() {
            "" | "0" => "",
            _ => " (kernel.yama.ptrace_scope allows parents alone)",
        };
        Error::Refused(format!(
            "not allowed to {what} of process {pid}{yama}: run as its user or as root, or with the \
             capability CAP_SYS_PTRACE"
        ))
    }

    /// What `/proc/PID/smaps_rollup` says is resident, bytes.
    pub fn rss(&self) -> Option<u64> {
        let text = fs::read_to_string(self.path("smaps_rollup")).ok()?;
        let mut figures = text.lines().filter_map(maps::figure);
        figures.find(|f| f.0 == "Rss").map(|f| f.1)
    }

    /// The name of its program.
    pub fn command(&self) -> String {
        let name = fs::read_to_string(self.path("comm")).unwrap_or_default();
        printable(name.trim())
    }

    /// Its threads.
    pub fn threads(&self) -> Vec<i32> {
        let Ok(entries) = fs::read_dir(self.path("task")) else {
            return Vec::new();
        };
        let number = |entry: io::Result<fs::DirEntry>| -> Option<i32> {
            entry.ok()?.file_name().to_str()?.parse().ok()
        };
        entries.filter_map(number).collect()
    }

    fn read_once(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let local = libc::iovec {
            iov_base: into.as_mut_ptr().cast(),
            iov_len: into.len(),
        };
        let remote = libc::iovec {
            iov_base: std::ptr::without_provenance_mut(size(at)),
            iov_len: into.len(),
        };
        // SAFETY: one vector each; ours is the slice, and the other process's is only read.
        let n = unsafe {
            libc::process_vm_readv(self.pid, &raw const local, 1, &raw const remote, 1, 0)
        };
        usize::try_from(n).map_err(|_| io::Error::last_os_error())
    }

    /// Writes bytes into its memory.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let local = libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        let remote = libc::iovec {
            iov_base: std::ptr::without_provenance_mut(size(at)),
            iov_len: bytes.len(),
        };
        // SAFETY: one vector each; ours is only read.
        let n = unsafe {
            libc::process_vm_writev(self.pid, &raw const local, 1, &raw const remote, 1, 0)
        };
        match usize::try_from(n) {
            Ok(n) if n == bytes.len() => Ok(()),
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }

    /// The kernel's list of what is resident, with huge pages and the page of zeros told apart
    /// (since 6.7).
    fn scan(&self, from: u64, to: u64, pages: &mut [u8]) -> Option<()> {
        const PAGEMAP_SCAN: u64 = 0xc060_6610;
        const PRESENT: u64 = 1 << 3;
        const SWAP: u64 = 1 << 4;
        const ZEROS: u64 = 1 << 5;
        const IN_HUGE: u64 = 1 << 6;
        let file = self.pagemap.as_ref()?;
        let mut found = [[0_u64; 3]; 1024];
        let mut at = from;
        while at < to {
            let mut argument = [0_u64; 12];
            argument[0] = 96;
            argument[2] = at;
            argument[3] = to;
            argument[5] = found.as_mut_ptr().expose_provenance() as u64;
            argument[6] = found.len() as u64;
            argument[10] = PRESENT | SWAP;
            argument[11] = PRESENT | SWAP | ZEROS | IN_HUGE;
            // SAFETY: the argument is the kernel's structure of 96 bytes; it writes that, and at
            // most so many regions into the vector it names.
            let n =
                unsafe { libc::ioctl(file.as_raw_fd(), PAGEMAP_SCAN as _, argument.as_mut_ptr()) };
            let n = usize::try_from(n).ok()?;
            for [first, last, is] in found.get(..n)? {
                let flags = if is & PRESENT != 0 { RESIDENT } else { 0 }
                    | if is & SWAP != 0 { SWAPPED } else { 0 }
                    | if is & ZEROS != 0 { ZERO } else { 0 }
                    | if is & IN_HUGE != 0 { HUGE } else { 0 };
                let (first, last) = ((*first).max(from), (*last).min(to));
                let place = |at: u64| size(at.saturating_sub(from) / self.page);
                pages.get_mut(place(first)..place(last))?.fill(flags);
            }
            let end = argument[4];
            if end <= at {
                return None;
            }
            at = end;
        }
        Some(())
    }
}

impl Target for Process {
    fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            let rest = into.get_mut(done..).unwrap_or_default();
            match self.read_once(at.wrapping_add(done as u64), rest) {
                Ok(n) if n != 0 => done += n,
                _ => break,
            }
        }
        done
    }

    fn read_gently(&self, at: u64, into: &mut [u8]) -> usize {
        let from = at & !(self.page - 1);
        let Some(to) = at.checked_add(into.len() as u64) else {
            return 0;
        };
        let Some(pages) = self.residency(from, to.next_multiple_of(self.page)) else {
            return self.read(at, into);
        };
        let mut i = 0;
        while let Some(flags) = pages.get(i) {
            let is_there = |flags: &u8| flags & (RESIDENT | SWAPPED) != 0;
            let rest = pages.get(i..).unwrap_or_default();
            let run = rest
                .iter()
                .take_while(|f| is_there(f) == is_there(flags))
                .count();
            let first = (from + i as u64 * self.page).max(at);
            let last = (from + (i + run) as u64 * self.page).min(to);
            let place = size(first - at)..size(last - at);
            let part = into.get_mut(place.clone()).unwrap_or_default();
            if !is_there(flags) {
                part.fill(0);
            } else if self.read(first, part) != part.len() {
                return place.start;
            }
            i += run;
        }
        into.len()
    }

    fn maps(&self) -> &[Map] {
        &self.maps
    }

    fn page(&self) -> u64 {
        self.page
    }

    fn residency(&self, from: u64, to: u64) -> Option<Vec<u8>> {
        let count = size(to.checked_sub(from)? / self.page);
        let mut pages = vec![0; count];
        if self.scans.get() && count != 0 {
            if self.scan(from, to, &mut pages).is_some() {
                return Some(pages);
            }
            self.scans.set(false);
            pages.fill(0);
        }
        if self.read_pagemap(from, &mut pages).is_none() {
            return self.by_mapping(from, pages);
        }
        self.tell_zeros(from, &mut pages);
        Some(pages)
    }
}

impl Process {
    /// From now on residency is told by `/proc/PID/pagemap` alone, as on kernels before 6.7.
    pub fn without_scan(&self) {
        self.scans.set(false);
    }

    fn read_pagemap(&self, from: u64, pages: &mut [u8]) -> Option<()> {
        let file = self.pagemap.as_ref()?;
        let mut buffer = [0; 8 << 10];
        for (i, part) in pages.chunks_mut(buffer.len() / 8).enumerate() {
            let bytes = buffer.get_mut(..part.len() * 8)?;
            let place = (from / self.page + (i * 1024) as u64) * 8;
            file.read_exact_at(bytes, place).ok()?;
            for (flags, word) in part.iter_mut().zip(bytes.chunks_exact(8)) {
                *flags = pagemap::of_word(crate::target::quad(word, 0));
            }
        }
        Some(())
    }

    /// Where that file cannot be read: mappings of which all is resident, or nothing. Of others the
    /// kernel says how much, but not which pages.
    fn by_mapping(&self, from: u64, mut pages: Vec<u8>) -> Option<Vec<u8>> {
        for (i, flags) in pages.iter_mut().enumerate() {
            let map = self.map_of(from + i as u64 * self.page)?;
            *flags = match map.rss {
                0 => 0,
                rss if rss >= map.to - map.from => RESIDENT,
                _ => return None,
            };
        }
        Some(pages)
    }

    /// That file does not tell the page of zeros from pages that a fork shares. Of a mapping that has
    /// more pages than the kernel counts as resident they are zeros.
    fn tell_zeros(&self, from: u64, pages: &mut [u8]) {
        let mut i = 0;
        while i < pages.len() {
            let at = from + i as u64 * self.page;
            let Some(map) = self.map_of(at) else {
                return;
            };
            let end = size((map.to - from) / self.page).min(pages.len());
            let part = pages.get_mut(i..end).unwrap_or_default();
            let has_zeros = Flags::may_have_zeros(part) && self.has_zeros(map);
            let page = self.page;
            Flags { map, page }.settle(part, has_zeros);
            i = end.max(i + 1);
        }
    }

    /// Whether more of a mapping is there than the kernel counts as resident.
    fn has_zeros(&self, map: &Map) -> bool {
        let known = self.zeros.borrow().get(&map.from).copied();
        known.unwrap_or_else(|| {
            let mut all = vec![0; size((map.to - map.from) / self.page)];
            let read = self.read_pagemap(map.from, &mut all);
            let page = self.page;
            let more = read.is_some() && Flags { map, page }.has_zeros(&all);
            self.zeros.borrow_mut().insert(map.from, more);
            more
        })
    }
}
