//! The heap's own sums, without a look at a single chunk: cheap enough for every second.

use crate::find;
use crate::process::Process;
use crate::tables::{Arena, Counters, Heap, Own};
use crate::target::Error;
use std::fs;

/// One arena.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfArena {
    /// Which of the process's Cairns it belongs to, from 0 on.
    pub library: usize,
    /// Its number there, which it keeps.
    pub index: u64,
    /// Threads that refill from it.
    pub threads: u64,
    /// Of a heap of the program's own.
    pub own: Option<Own>,
    /// Bytes got from the system.
    pub system: u64,
    /// Bytes in use.
    pub live: u64,
    /// Bytes of free chunks.
    pub binned: u64,
    /// Bytes free in slots.
    pub slots: u64,
    /// Bytes of top.
    pub top: u64,
    /// Bytes in fastbins or at rest.
    pub waiting: u64,
    /// Bytes in caches that refill from it.
    pub cached: u64,
    /// What its slow paths have done so far.
    pub slow: Counters,
}

/// A process, all its Cairns together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Its number.
    pub pid: i32,
    /// The name of its program.
    pub command: String,
    /// What is resident of it, bytes.
    pub resident: u64,
    /// By arena.
    pub arenas: Vec<OfArena>,
    /// Chunks that have a mapping of their own.
    pub mapped_chunks: u64,
    /// Their bytes.
    pub mapped: u64,
    /// Bytes of side memory, touched or not.
    pub tables: u64,
    /// Thread caches.
    pub caches: u64,
    /// Page faults so far: minor, major.
    pub faults: (u64, u64),
    /// What made no sense and was dropped.
    pub torn: u64,
}

impl Summary {
    /// Reads a process while it runs.
    ///
    /// # Errors
    /// There is none, we may not look at it, or it does not run on Cairn.
    pub fn read(pid: i32) -> Result<Self, Error> {
        let process = Process::open_lightly(pid)?;
        let found = find::instances(&process)?;
        let mut all = Self {
            pid,
            command: process.command(),
            resident: resident(&process),
            faults: faults(&process),
            ..Self::default()
        };
        for (library, instance) in found.into_iter().enumerate() {
            all.add(&process, library, &Heap::read(&process, instance));
        }
        Ok(all)
    }

    fn add(&mut self, process: &Process, library: usize, heap: &Heap) {
        if !heap.is_used() {
            return;
        }
        for arena in heap.arenas.iter().filter(|a| a.top != 0 || a.own.is_some()) {
            let of = OfArena::of(process, heap, arena);
            self.arenas.push(OfArena { library, ..of });
        }
        self.mapped_chunks = self.mapped_chunks.saturating_add(heap.mapped_totals[0]);
        self.mapped = self.mapped.saturating_add(heap.mapped_totals[1]);
        self.tables += heap.side.iter().map(|(from, to)| to - from).sum::<u64>();
        self.caches += heap.caches.len() as u64;
        self.torn += heap.torn;
    }

    /// The sum of a figure of all arenas.
    pub fn sum(&self, of: impl Fn(&OfArena) -> u64) -> u64 {
        self.arenas.iter().map(of).fold(0, u64::saturating_add)
    }

    /// Bytes in use, mapped chunks among them.
    pub fn live(&self) -> u64 {
        self.sum(|a| a.live).saturating_add(self.mapped)
    }

    /// Bytes that are free in chunks, in slots and in top.
    pub fn free(&self) -> u64 {
        self.sum(|a| a.binned.saturating_add(a.slots).saturating_add(a.top))
    }
}

impl OfArena {
    fn of(process: &Process, heap: &Heap, arena: &Arena) -> Self {
        let caches = heap.caches.iter().filter(|c| c.arena == arena.place);
        let mut of = Self {
            library: 0,
            index: arena.index,
            threads: arena.threads,
            own: arena.own.clone(),
            system: arena.system,
            live: 0,
            binned: arena.binned,
            slots: arena.slots_free,
            top: arena.top_bytes(),
            waiting: arena.waiting.saturating_add(arena.resting),
            cached: caches.map(|c| c.bytes).sum(),
            slow: arena.counters(process),
        };
        let others = [of.binned, of.slots, of.top, of.waiting, of.cached];
        let others = others.into_iter().fold(0, u64::saturating_add);
        of.live = of.system.saturating_sub(others);
        of
    }
}

/// The words behind the name in `/proc/PID/stat`.
fn words(process: &Process) -> Vec<u64> {
    let text = fs::read_to_string(process.path("stat")).unwrap_or_default();
    let behind = text.rsplit(") ").next().unwrap_or_default();
    let number = |word: &str| word.parse().unwrap_or(0);
    behind.split_whitespace().map(number).collect()
}

fn faults(process: &Process) -> (u64, u64) {
    let words = words(process);
    let at = |i: usize| words.get(i).copied().unwrap_or(0);
    (at(7), at(9))
}

fn resident(process: &Process) -> u64 {
    process.rss().unwrap_or(0)
}

/// The processes that run on Cairn and that we may look at.
pub fn all() -> Vec<Summary> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let number = |entry: std::io::Result<fs::DirEntry>| -> Option<i32> {
        entry.ok()?.file_name().to_str()?.parse().ok()
    };
    let mut found: Vec<_> = entries
        .filter_map(number)
        .filter_map(|pid| Summary::read(pid).ok())
        .filter(|s| !s.arenas.is_empty() || s.mapped_chunks != 0)
        .collect();
    found.sort_by_key(|s| s.pid);
    found
}
