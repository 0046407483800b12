//! Memory that changes while it is read, and memory that somebody damaged on purpose: wrong figures at
//! worst, and none that exceeds what is mapped.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod child;
#[path = "../../../tests/common/form.rs"]
mod form;

use cairn_reader::account::{Account, Rest};
use cairn_reader::maps::Map;
use cairn_reader::place::Place;
use cairn_reader::process::Process;
use cairn_reader::samples::Samples;
use cairn_reader::stats::Stats;
use cairn_reader::stop::Stopped;
use cairn_reader::tables::Heap;
use cairn_reader::{Error, Target, find};
use child::{Playing, churn, fill, plays, ready, wait};
use form::of_form;
use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: cairn::Cairn = cairn::Cairn;

/// Everything that a command asks for; whether there was a Cairn at all.
#[track_caller]
fn look(target: &dyn Target) -> bool {
    let found = match find::instances(target) {
        Ok(found) => found,
        Err(Error::Layout { .. } | Error::Other(_)) => return false,
        Err(error) => panic!("{error}"),
    };
    let mapped: u64 = target.maps().iter().map(|m| m.to - m.from).sum();
    let heaps: Vec<Heap> = found.into_iter().map(|i| Heap::read(target, i)).collect();
    for heap in &heaps {
        let samples = Samples::read(target, &heap.instance);
        let mut sampled: Vec<u64> = samples.live.iter().map(|s| s.at).collect();
        sampled.sort_unstable();
        let account = Account::of(target, heap, vec![true; heap.caches.len()], &sampled);
        for sum in account.whats.iter().chain([&account.mapped, &account.side]) {
            assert!(sum.bytes <= mapped && sum.resident <= mapped, "{account:?}");
        }
        assert!(account.resident() <= 2 * mapped, "{account:?}");
        assert!(
            account.trim <= mapped && account.trim_later <= mapped,
            "{account:?}"
        );
        black_box(Stats::of(target, heap));
        black_box(heap.instance.last_words(target));
        let stretches = heap.arenas.iter().flat_map(|a| &a.heaps);
        let middle = stretches
            .map(|h| h.base / 2 + h.end / 2)
            .next()
            .unwrap_or(64);
        black_box(Place::of(target, &heaps, middle));
    }
    black_box(Rest::of(target, &heaps, &[]));
    true
}

#[test]
fn a_process_is_read_again_and_again_while_its_threads_allocate_fork_and_end() {
    if plays("churns") {
        ready();
        churn();
    }
    if child::cannot_look() {
        return;
    }
    let name = "a_process_is_read_again_and_again_while_its_threads_allocate_fork_and_end";
    let mut child = Playing::start(name, "churns", &[]);
    let since = Instant::now();
    let mut reads = 0;
    // On a machine that is busy with others there are fewer.
    let (wanted, patience) = (of_form(150, 2_000, 10_000), of_form(60, 120, 600));
    while reads < wanted && since.elapsed() < Duration::from_secs(patience) {
        let process = Process::open(child.pid()).expect("it is there");
        assert!(look(&process));
        reads += 1;
    }
    assert!(reads >= 100, "{reads} reads in {patience} seconds");
    assert_eq!(child.0.try_wait().expect("its state"), None, "it ended");
}

#[test]
fn a_process_is_stopped_a_hundred_times_and_every_time_it_is_whole() {
    if plays("churns") {
        ready();
        churn();
    }
    if child::cannot_look() {
        return;
    }
    let name = "a_process_is_stopped_a_hundred_times_and_every_time_it_is_whole";
    let mut child = Playing::start(name, "churns", &[]);
    for _ in 0..100 {
        let mut process = Process::open(child.pid()).expect("it is there");
        let found = find::instances(&process).expect("a Cairn");
        let stopped = Stopped::stop_when(&process, || !found[0].is_locked(&process));
        let stopped = stopped.expect("it stops");
        process.look().expect("it is there");
        let heap = Heap::read(&process, found[0].clone());
        let account = Account::of(&process, &heap, Vec::new(), &[]);
        let rest = Rest::of(&process, std::slice::from_ref(&heap), stopped.threads());
        let rss = process.rss().expect("its memory");
        drop(stopped);
        let sum = account.resident() + rest.resident();
        assert!(
            sum.abs_diff(rss) * 100 <= rss,
            "{sum} of {rss}: {account:?} {rest:?}"
        );
        // No lock is held, so nothing is half changed but what a thread does without one.
        assert_eq!(account.torn, 0, "{account:?}");
    }
    assert_eq!(child.0.try_wait().expect("its state"), None, "it ended");
}

/// The memory of a process as it was, with some words changed.
struct Damaged {
    maps: Vec<Map>,
    /// What is resident, by the first byte of each piece.
    pieces: Vec<(u64, Vec<u8>)>,
    changed: HashMap<u64, u64>,
}

const PAGE: u64 = 4096;

impl Damaged {
    fn copy(process: &Process) -> Self {
        let mut pieces = Vec::new();
        for map in process.maps().iter().filter(|m| m.readable && m.rss != 0) {
            let mut bytes = vec![0; usize::try_from(map.to - map.from).expect("a size")];
            let n = process.read_gently(map.from, &mut bytes);
            bytes.truncate(n);
            pieces.push((map.from, bytes));
        }
        Self {
            maps: process.maps().to_vec(),
            pieces,
            changed: HashMap::new(),
        }
    }
}

impl Target for Damaged {
    fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let i = self.pieces.partition_point(|p| p.0 <= at);
        let Some((from, bytes)) = i.checked_sub(1).map(|i| &self.pieces[i]) else {
            return 0;
        };
        let start = usize::try_from(at - from).expect("a size").min(bytes.len());
        let n = into.len().min(bytes.len() - start);
        into[..n].copy_from_slice(&bytes[start..start + n]);
        if n >= 8 {
            let last = at + (n as u64 - 8);
            for (place, word) in &self.changed {
                if (at..=last).contains(place) {
                    let i = usize::try_from(place - at).expect("a size");
                    into[i..i + 8].copy_from_slice(&word.to_le_bytes());
                }
            }
        }
        n
    }
    fn maps(&self) -> &[Map] {
        &self.maps
    }
    fn page(&self) -> u64 {
        PAGE
    }
    fn residency(&self, from: u64, to: u64) -> Option<Vec<u8>> {
        Some(vec![1; usize::try_from((to - from) / PAGE).ok()?])
    }
}

/// Words that damage likes to leave: addresses, lengths, and the ends of both.
fn word(random: &mut fastrand::Rng, places: &[u64]) -> u64 {
    match random.u8(..8) {
        0 => random.u64(..),
        1 => 0,
        2 => u64::MAX - random.u64(..64),
        3 => 1 << random.u32(..64),
        4 => random.u64(..1 << 20) & !15,
        _ => places[random.usize(..places.len())].wrapping_add(random.u64(..4096) & !7),
    }
}

#[test]
fn damaged_memory_ends_in_wrong_figures_at_worst() {
    if plays("waits") {
        let kept = fill(6000, 5);
        ready();
        let _kept = black_box(kept);
        wait();
    }
    if child::cannot_look() {
        return;
    }
    let name = "damaged_memory_ends_in_wrong_figures_at_worst";
    let child = Playing::start(name, "waits", &[]);
    let process = Process::open(child.pid()).expect("it is there");
    let found = find::instances(&process).expect("a Cairn");
    let heap = Heap::read(&process, found[0].clone());
    let mut damaged = Damaged::copy(&process);
    assert!(look(&damaged));
    // What is pointed to: the tables' structures, arenas, heaps, records, caches.
    let mut places: Vec<u64> = heap.side.iter().map(|s| s.0).collect();
    places.extend(heap.arenas.iter().map(|a| a.place));
    places.extend(
        heap.arenas
            .iter()
            .flat_map(|a| &a.heaps)
            .flat_map(|h| [h.place, h.base]),
    );
    places.extend(heap.caches.iter().map(|c| c.place));
    let heads = heap.instance.heads;
    places.extend([
        heads.newest,
        heads.registry,
        heads.mappings,
        heads.quarantine,
    ]);
    let d = heap.instance.descriptor;
    places.extend([d.statics, d.statics + u64::from(d.span.offset)]);
    let mut random = fastrand::Rng::with_seed(11);
    let since = Instant::now();
    let mut seen = 0;
    let (rounds, least) = (of_form(150, 400, 400), of_form(20, 50, 50));
    for round in 0..rounds {
        damaged.changed.clear();
        for _ in 0..random.usize(1..40) {
            let near = places[random.usize(..places.len())];
            let reach = [64, 1024, 16 << 10, 256 << 10][random.usize(..4)];
            let at = near.wrapping_add(random.u64(..reach) & !7);
            let word = word(&mut random, &places);
            damaged.changed.insert(at, word);
        }
        let begun = Instant::now();
        seen += u64::from(look(&damaged));
        let took = begun.elapsed();
        assert!(
            took < Duration::from_secs(20),
            "round {round} took {took:?}"
        );
        // On a machine that is busy with others there are fewer.
        if since.elapsed() > Duration::from_secs(60) {
            break;
        }
    }
    assert!(seen > least, "{seen} looks");
}

#[test]
fn lists_that_lead_in_circles_and_stretches_that_overlap_are_cut() {
    let name = "lists_that_lead_in_circles_and_stretches_that_overlap_are_cut";
    if plays("waits") {
        let kept = fill(2000, 6);
        ready();
        let _kept = black_box(kept);
        wait();
    }
    if child::cannot_look() {
        return;
    }
    let child = Playing::start(name, "waits", &[]);
    let process = Process::open(child.pid()).expect("it is there");
    let found = find::instances(&process).expect("a Cairn")[0].clone();
    let mut damaged = Damaged::copy(&process);
    let whole = Heap::read(&damaged, found.clone());
    assert_eq!(whole.torn, 0);
    // Notes of our own, at the end of the first span, of a stretch that both have.
    let d = found.descriptor;
    let one = d.statics + u64::from(d.span.offset) + u64::from(d.span.bytes) - 64;
    let two = one + 32;
    let stretch = whole.arenas[0].heaps[0].base;
    for (place, older) in [(one, two), (two, one)] {
        let note = [(place, older), (place + 8, stretch), (place + 16, 8192)];
        damaged.changed.extend(note);
    }
    damaged.changed.insert(found.heads.mappings, one);
    // The newest cache is behind itself, and so is the newest heap.
    let cache = whole.caches[0].place;
    let links = cairn::layout::places::cache::LINKS as u64;
    damaged.changed.insert(cache + links + 8, cache);
    let heap = whole.arenas[0].heaps[0].place;
    let older = cairn::layout::places::heap::OLDER as u64;
    damaged.changed.insert(heap + older, heap);
    let cut = Heap::read(&damaged, found);
    assert_eq!(cut.side, [(stretch, stretch + 8192)]);
    assert_eq!(cut.caches.len(), 1);
    assert_eq!(cut.arenas[0].heaps.len(), 1);
    // A circle each, and the stretch that was there already.
    assert_eq!(cut.torn, 4);
    assert!(look(&damaged));
}
