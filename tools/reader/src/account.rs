//! What adds up to a process's resident memory.

use crate::mapped::MappedChunk;
use crate::maps::Map;
use crate::pages::{Page, Pages, Resident};
use crate::stop::Thread;
use crate::tables::Heap;
use crate::target::Target;
use crate::trim::Trim;
use crate::walk::{All, Piece, Slot, Visit, WHATS, Walk, What};
use std::collections::BTreeMap;

/// Something that is there, and how much of it is resident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Objects, chunks or pieces.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of those are resident.
    pub resident: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64, resident: u64) {
        self.count += 1;
        self.bytes += bytes;
        self.resident += resident;
    }
}

/// Resident pages on which little is in use: at most a quarter.
#[derive(Clone, Debug, Default)]
pub struct Sparse {
    /// How many.
    pub pages: u64,
    /// Bytes of them that nobody uses.
    pub free: u64,
    /// Objects on them, by size.
    pub objects: BTreeMap<u64, u64>,
    /// Of those that are samples, by their addresses, what of the free bytes is each one's part.
    pub sampled: BTreeMap<u64, f64>,
}

/// Of a free chunk's size, how many there are and their bytes.
pub type Histogram = BTreeMap<u32, (u64, u64)>;

/// What one Cairn has of a process's memory.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// By kind, in the heaps.
    pub whats: [Sum; WHATS],
    /// By cache, in the order of [`Heap::caches`].
    pub caches: Vec<u64>,
    /// Chunks that have a mapping of their own.
    pub mapped: Sum,
    /// Side memory, and its mappings.
    pub side: Sum,
    /// The static tables.
    pub statics: Sum,
    /// The pool of guarded objects.
    pub guarded: Sum,
    /// Pages with little on them.
    pub sparse: Sparse,
    /// Bytes that lie free on resident pages beside something in use.
    pub beside: u64,
    /// Free stretches by the logarithm of their size.
    pub holes: Histogram,
    /// Bytes that `malloc_trim(0)` would give back at once.
    pub trim: u64,
    /// The same, once the other threads have emptied their caches too.
    pub trim_later: u64,
    /// Whether residency was known.
    pub known: bool,
    /// What made no sense and was dropped.
    pub torn: u64,
}

impl Account {
    /// Counts one instance. Of each cache `flushed` says whether a trim empties it; `sampled` are the
    /// addresses of the objects that are samples, rising.
    pub fn of(target: &dyn Target, heap: &Heap, flushed: Vec<bool>, sampled: &[u64]) -> Self {
        let mut whats = [Sum::default(); WHATS];
        let mut caches = vec![0; heap.caches.len()];
        let mut sparse = Sparse::default();
        let mut beside = 0;
        let mut counts = Counts::default();
        let part = |piece: &Piece, bytes: u64, resident: bool| {
            let resident = if resident { bytes } else { 0 };
            if let Some(sum) = whats.get_mut(piece.what as usize) {
                sum.bytes += bytes;
                sum.resident += resident;
            }
            if let Some(sum) = piece.cache.and_then(|i| caches.get_mut(i as usize)) {
                *sum += resident;
            }
        };
        let page = target.page();
        let see = |seen: &Page| {
            let (live, free) = (seen.of(What::Live), seen.free());
            if !seen.counts() || live == 0 || free == 0 {
                return;
            }
            beside += free;
            if live * 4 <= page {
                sparse.pages += 1;
                sparse.free += free;
                let part = free as f64 / seen.live.len() as f64;
                for (from, to) in &seen.live {
                    *sparse.objects.entry(to - from).or_default() += 1;
                    let i = sampled.partition_point(|p| p < from);
                    if let Some(p) = sampled.get(i).filter(|p| *p < to) {
                        *sparse.sampled.entry(*p).or_default() += part;
                    }
                }
            }
        };
        let mut pages = Pages::new(target, see, part);
        let mut trim = Trim::new(target, flushed);
        let mut walk = Walk::new(target, heap);
        walk.run(&mut All(vec![&mut pages, &mut trim, &mut counts]));
        let known = pages.is_known();
        drop(pages);
        for (sum, count) in whats.iter_mut().zip(counts.of) {
            sum.count = count;
        }
        let mut resident = Resident::new(target);
        let mut sum = |parts: &mut dyn Iterator<Item = (u64, u64)>| {
            let mut all = Sum::default();
            for (from, to) in parts {
                all.add(to - from, resident.bytes(from, to));
            }
            all
        };
        let range = |m: &MappedChunk| (m.from, m.to);
        Self {
            mapped: sum(&mut heap.mapped.iter().map(range)),
            side: sum(&mut heap.side.iter().copied()),
            statics: sum(&mut std::iter::once(whole_pages(heap.statics(), page))),
            guarded: sum(&mut heap.pool.into_iter()),
            whats,
            caches,
            sparse,
            beside,
            holes: counts.holes,
            trim: trim.at_once(),
            trim_later: trim.with_all_caches(),
            known,
            torn: heap.torn + walk.torn,
        }
    }

    /// What lies in the heaps of one kind.
    pub fn what(&self, what: What) -> Sum {
        self.whats.get(what as usize).copied().unwrap_or_default()
    }

    /// All that is resident of it.
    pub fn resident(&self) -> u64 {
        let heaps: u64 = self.whats.iter().map(|s| s.resident).sum();
        let apart = [&self.mapped, &self.side, &self.statics, &self.guarded];
        heaps + apart.iter().map(|sum| sum.resident).sum::<u64>()
    }
}

/// The pages that hold a part of a stretch.
fn whole_pages((from, to): (u64, u64), page: u64) -> (u64, u64) {
    (from & !(page - 1), to.next_multiple_of(page))
}

/// Counts pieces, and free stretches by size.
#[derive(Default)]
struct Counts {
    of: [u64; WHATS],
    holes: Histogram,
}

impl Counts {
    fn add(&mut self, piece: &Piece) {
        if let Some(count) = self.of.get_mut(piece.what as usize) {
            *count += 1;
        }
        if matches!(piece.what, What::FreeChunk | What::FreeSlot) {
            let hole = self.holes.entry(piece.bytes().ilog2()).or_default();
            hole.0 += 1;
            hole.1 += piece.bytes();
        }
    }
}

impl Visit for Counts {
    fn chunk(&mut self, piece: &Piece) {
        self.add(piece);
    }
    fn slot(&mut self, _: Slot, pieces: &[Piece]) {
        pieces.iter().for_each(|piece| self.add(piece));
    }
}

/// A mapping that Cairn has a part of, as the kernel counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    /// Its first byte.
    pub from: u64,
    /// One past its last.
    pub to: u64,
    /// What is resident of it, bytes.
    pub resident: u64,
}

/// What is not Cairn's.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// Threads' stacks.
    pub stacks: Sum,
    /// Pages of files, private copies included.
    pub files: Sum,
    /// Shared memory without a file of its own.
    pub shared: Sum,
    /// Other anonymous memory.
    pub anonymous: Sum,
    /// The largest of all those, by name: bytes that are resident.
    pub named: Vec<(String, u64)>,
    /// Resident in mappings that are wholly Cairn's, and seen by none of its tables; or the other
    /// way round.
    pub unexplained: u64,
    /// In huge pages, bytes, of the mappings that Cairn has a part of.
    pub huge: u64,
    /// In swap, bytes, of all mappings.
    pub swap: u64,
    /// The mappings that Cairn has a part of, the fullest first.
    pub ours: Vec<Ours>,
}

impl Rest {
    /// Sorts what is resident beside the instances' own.
    pub fn of(target: &dyn Target, heaps: &[Heap], threads: &[Thread]) -> Self {
        let mut own: Vec<(u64, u64)> = Vec::new();
        for heap in heaps {
            own.extend(
                heap.arenas
                    .iter()
                    .flat_map(|a| &a.heaps)
                    .map(|h| (h.base, h.end)),
            );
            own.extend(heap.mapped.iter().map(|m| (m.from, m.to)));
            own.extend(&heap.side);
            own.extend(heap.pool);
            own.push(whole_pages(heap.statics(), target.page()));
        }
        own.sort_unstable();
        let mut rest = Self::default();
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        let mut resident = Resident::new(target);
        for map in target.maps() {
            let first = own.partition_point(|o| o.1 <= map.from);
            let (mut covered, mut ours) = (0, 0);
            for (from, to) in own.get(first..).unwrap_or_default() {
                if *from >= map.to {
                    break;
                }
                let (from, to) = ((*from).max(map.from), (*to).min(map.to));
                covered += to - from;
                ours += resident.bytes(from, to);
            }
            rest.swap += map.swap;
            if covered != 0 {
                rest.huge += map.huge;
                let (from, to, resident) = (map.from, map.to, map.rss);
                rest.ours.push(Ours { from, to, resident });
            }
            if covered == map.to - map.from {
                rest.unexplained += map.rss.abs_diff(ours);
                continue;
            }
            let other = map.rss.saturating_sub(ours);
            rest.unexplained += ours.saturating_sub(map.rss);
            if other != 0 {
                let name = rest.sort(map, other, threads);
                *names.entry(name).or_default() += other;
            }
        }
        rest.named = names.into_iter().collect();
        rest.named
            .sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        rest.named.truncate(5);
        rest.ours.sort_by_key(|map| std::cmp::Reverse(map.resident));
        rest
    }

    fn sort(&mut self, map: &Map, resident: u64, threads: &[Thread]) -> String {
        let bytes = map.to - map.from;
        let holds = |t: &Thread| map.from <= t.stack && t.stack < map.to;
        if map.name == "[stack]" || threads.iter().any(holds) {
            self.stacks.add(bytes, resident);
            "stacks".to_owned()
        } else if map.name.starts_with('[') || map.name.is_empty() {
            if map.shared {
                self.shared.add(bytes, resident);
            } else {
                self.anonymous.add(bytes, resident);
            }
            match map.name.as_str() {
                "" => "unnamed anonymous mappings".to_owned(),
                name => name.to_owned(),
            }
        } else {
            self.files.add(bytes, resident);
            map.name.clone()
        }
    }

    /// All that is resident of it.
    pub fn resident(&self) -> u64 {
        let sums = [self.stacks, self.files, self.shared, self.anonymous];
        sums.iter().map(|s| s.resident).sum()
    }
}
