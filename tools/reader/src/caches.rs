//! What threads hold: their caches' arrays, strips and places for large chunks.

use crate::find::Instance;
use crate::stop::Thread;
use crate::target::{Target, quad};
use cairn::layout::class::{self, CLASSES};
use cairn::layout::places::cache;
use cairn::layout::sizes::ALIGN;
use std::collections::{HashMap, HashSet};
use std::iter;

/// Most caches that are followed.
const CACHES: usize = 1 << 16;
/// Most entries of one array: a class has 1,024 at most.
const LONGEST: u64 = 4096;
/// Most entries of all arrays that are remembered.
const ENTRIES: usize = 1 << 24;

/// Who holds what, by payload.
pub type Held = HashMap<u64, u32>;

/// A thread's cache.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    /// Where it lies.
    pub place: u64,
    /// Where its arena lies.
    pub arena: u64,
    /// Objects and chunks that it holds.
    pub count: u64,
    /// Their bytes, and what is left of its strip.
    pub bytes: u64,
    /// The thread that has it, if that is known.
    pub tid: Option<i32>,
    /// It waits for a thread.
    pub parked: bool,
}

/// Reads all caches, and who holds what.
pub fn read(target: &dyn Target, instance: &Instance, torn: &mut u64) -> (Vec<Cache>, Held) {
    let mut all = Vec::new();
    let mut held = Held::new();
    let mut seen = HashSet::new();
    let parked: Vec<u64> = (0..cache::PARKED as u64)
        .filter_map(|i| target.word(instance.heads.parked + i * 8))
        .collect();
    let mut next = target.word(instance.heads.newest).unwrap_or(0);
    while next != 0 && all.len() < CACHES {
        let bytes = target.bytes(next, cache::BYTES);
        let Some(bytes) = bytes.filter(|_| next.is_multiple_of(64) && seen.insert(next)) else {
            *torn += 1;
            break;
        };
        let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let mut one = Cache {
            place: next,
            arena: quad(&bytes, cache::ARENA),
            parked: parked.contains(&next),
            ..Cache::default()
        };
        let mut hold = |p: u64| {
            if held.len() < ENTRIES && p != 0 {
                held.insert(p, number);
            }
        };
        // A sampled thread's cover holds what is counted already.
        let cover = quad(&bytes, cache::COVER);
        let cover = (cover != 0)
            .then(|| target.bytes(cover, cache::ARENA))
            .flatten();
        for bytes in iter::once(&bytes).chain(&cover) {
            for class in 0..CLASSES {
                one.add_class(target, bytes, class, torn, &mut hold);
            }
            one.add_strip(bytes, &mut hold);
        }
        one.add_places(&bytes, &mut hold);
        all.push(one);
        next = quad(&bytes, cache::LINKS + 8);
    }
    (all, held)
}

impl Cache {
    fn add_class(
        &mut self,
        target: &dyn Target,
        bytes: &[u8],
        class: usize,
        torn: &mut u64,
        hold: &mut impl FnMut(u64),
    ) {
        let word = |at| quad(bytes, class * cache::BIN + at);
        let (base, top, limit) = (word(cache::BASE), word(cache::TOP), word(cache::LIMIT));
        let len = top.wrapping_sub(base) / cache::ENTRY as u64;
        // Its thread changes its array.
        if base == 0 {
            return;
        }
        // While the process runs, the words may be of two moments.
        if base > top || top > limit || len > LONGEST {
            *torn += 1;
            return;
        }
        if len == 0 {
            return;
        }
        let len = usize::try_from(len).unwrap_or(0);
        let Some(entries) = target.bytes(base, len * cache::ENTRY) else {
            *torn += 1;
            return;
        };
        let found = entries.chunks_exact(cache::ENTRY).map(|e| quad(e, 0));
        for p in found {
            if p.is_multiple_of(ALIGN as u64) {
                hold(p);
            } else {
                *torn += 1;
            }
        }
        self.count += len as u64;
        // What waits for requests of 0 bytes are the smallest objects.
        self.bytes += (len * class::size_of(class.max(1))) as u64;
    }

    /// The strip.
    fn add_strip(&mut self, bytes: &[u8], hold: &mut impl FnMut(u64)) {
        let (at, end) = (quad(bytes, cache::STRIP), quad(bytes, cache::STRIP + 8));
        let left = end.saturating_sub(at);
        if left != 0 && left <= cache::STRIP_MOST as u64 {
            self.bytes += left;
            hold(at);
        }
    }

    /// The places for chunks above the classes.
    fn add_places(&mut self, bytes: &[u8], hold: &mut impl FnMut(u64)) {
        for i in 0..cache::PLACE_COUNT {
            let place = cache::PLACES + i * cache::PLACE;
            let (size, p) = (quad(bytes, place), quad(bytes, place + cache::PLACE_HOLDS));
            if p != 0 && size <= 2 << 20 {
                self.count += 1;
                self.bytes += size;
                hold(p);
            }
        }
    }
}

/// Bytes on either side of a thread pointer in which the address of the thread's cache stands: its
/// word lies below or above, and its key's value in libc's description of the thread.
const AROUND: u64 = 4096;

/// Tells of each thread which cache it has.
pub fn name(target: &dyn Target, threads: &[Thread], caches: &mut [Cache]) {
    let places: HashMap<u64, usize> = caches
        .iter()
        .enumerate()
        .map(|(i, cache)| (cache.place, i))
        .collect();
    for thread in threads.iter().filter(|t| t.pointer != 0) {
        let around = [thread.pointer.wrapping_sub(AROUND), thread.pointer];
        let found = around.iter().find_map(|&from| {
            // Below a library's or above a program's first thread there may be nothing.
            let from = from.next_multiple_of(8);
            let mut bytes = vec![0; usize::try_from(AROUND).unwrap_or(0)];
            let n = target.read(from, &mut bytes);
            let words = bytes.get(..n)?.chunks_exact(8).map(|word| quad(word, 0));
            words
                .into_iter()
                .find_map(|word| places.get(&word).copied())
        });
        if let Some(cache) = found.and_then(|i| caches.get_mut(i)) {
            cache.tid = Some(thread.tid);
        }
    }
}
