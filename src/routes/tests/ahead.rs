//! Requests that are counted before they come: who is met, and what the stock holds.

use crate::cache::all;
use crate::chunk::Chunk;
use crate::os::scripted;
use crate::routes::{allocate, realloc, release, sampled};
use crate::{arenas, c, cache, check_heap, object, region};
use std::vec::Vec;

/// Mean bytes between two samples.
const MEAN: usize = 4096;
/// Requests of a size.
const COUNT: usize = 150_000;
/// Two sizes of one class, one of another, and one of chunks.
const SIZES: [usize; 4] = [20, 32, 200, 600];

fn is_sample(p: *mut u8) -> bool {
    let (word, p) = (region::word(p.addr()), p.expose_provenance());
    // SAFETY: an object in use: a run's has a state, a chunk a header.
    unsafe {
        if region::is_slot(word) {
            object::state_at(word, p).is_sampled()
        } else {
            Chunk::at(p).is_sampled()
        }
    }
}

/// Whether so many of `count` requests of `n` bytes are as many as should be met, within five standard
/// deviations.
fn is_fair(what: &str, n: usize, met: usize, count: usize) -> bool {
    let chance = -(-(n as f64) / MEAN as f64).exp_m1();
    let mean = count as f64 * chance;
    let off = (met as f64 - mean) / (mean * (1.0 - chance)).sqrt();
    if off.abs() > 5.0 {
        std::eprintln!("{what}: {met} of {count} of {n} bytes, {mean:.0} expected");
    }
    off.abs() <= 5.0
}

fn pairs_are_met_by_their_bytes() -> bool {
    sampled::start_profile(MEAN);
    let mut met = [0; SIZES.len()];
    for _ in 0..COUNT {
        for (n, met) in SIZES.into_iter().zip(&mut met) {
            let p = allocate(n);
            *met += usize::from(is_sample(p));
            release(p);
        }
    }
    let mut all = SIZES.into_iter().zip(met);
    all.all(|(n, met)| is_fair("pairs", n, met, COUNT))
}

/// What is asked for lies side by side on the strip, or comes again out of the cache: whoever serves it,
/// no size may pass by the ends of countdowns that another one meets.
fn what_grows_is_met_by_its_bytes() -> bool {
    const LIVE: usize = 5_000;
    sampled::start_profile(MEAN);
    let mixes = [SIZES, [20, 200, 24, 190], [500, 20, 17, 100]];
    mixes.into_iter().all(|sizes| {
        let mut met = [0; SIZES.len()];
        for _ in 0..COUNT / LIVE {
            let mut live = Vec::with_capacity(LIVE * sizes.len());
            for _ in 0..LIVE {
                for (n, met) in sizes.into_iter().zip(&mut met) {
                    let p = allocate(n);
                    *met += usize::from(is_sample(p));
                    live.push(p);
                }
            }
            live.into_iter().for_each(release);
        }
        let mut all = sizes.into_iter().zip(met);
        all.all(|(n, met)| is_fair("growing", n, met, COUNT))
    })
}

/// A resize is a request, whether the object stays or moves.
fn resizes_are_met_by_their_bytes() -> bool {
    sampled::start_profile(MEAN);
    let mut met = [0; SIZES.len()];
    let mut p = allocate(1);
    for _ in 0..COUNT / 2 {
        for (n, met) in SIZES.into_iter().zip(&mut met) {
            p = realloc::resize(p, n);
            *met += usize::from(is_sample(p));
        }
    }
    release(p);
    let mut all = SIZES.into_iter().zip(met);
    all.all(|(n, met)| is_fair("resizes", n, met, COUNT / 2))
}

fn held() -> usize {
    arenas::all().map(|arena| all::held(arena).count).sum()
}

/// What waits in the stock is free: figures know it, a trim takes it, and the end of sampling.
fn the_stock_is_free_memory() -> bool {
    let turns = || {
        let some: Vec<_> = (0..500).map(|i| allocate(16 + i % 300)).collect();
        some.into_iter().for_each(release);
        for n in [16, 64, 300] {
            (0..100).for_each(|_| release(allocate(n)));
        }
    };
    // Of the process's other threads there are the caches here. What is still to be done for them is
    // done before there is a stock.
    turns();
    cache::thread::flush_own();
    let others = held();
    sampled::start_profile(1 << 40);
    turns();
    cache::thread::flush_own();
    if held() != others || check_heap().is_err() {
        std::eprintln!("{} objects are held after a flush", held() - others);
        return false;
    }
    turns();
    for _ in 0..40 {
        let before = held();
        // It filled the stock, or took of it: no more than one less is at hand.
        allocate(64);
        if held() + 1 < before {
            std::eprintln!("{before} were held, and {} without one", held());
            return false;
        }
    }
    sampled::stop_profile();
    // The first request that looks finds that nothing is counted any more.
    release(allocate(64));
    turns();
    cache::thread::flush_own();
    held() == others && check_heap().is_ok()
}

#[test]
fn requests_that_are_counted_ahead_are_met_by_their_bytes() {
    c::init();
    assert!(scripted::holds_in_child(pairs_are_met_by_their_bytes));
    assert!(scripted::holds_in_child(what_grows_is_met_by_its_bytes));
    assert!(scripted::holds_in_child(resizes_are_met_by_their_bytes));
}

#[test]
fn what_was_counted_ahead_and_not_asked_for_is_free() {
    c::init();
    assert!(scripted::holds_in_child(the_stock_is_free_memory));
}
