//! A limit: what is held by the heap's own sums stays below it where a process without one lets
//! memory lie; above a hard one nothing is handed out. Each in a process of its own, since a limit
//! is for ever.

use super::MIB;
use crate::knobs::Knobs;
use crate::os::scripted;
use crate::routes::{allocate, release, trim};
use crate::{arenas, check_heap, limit, settings};
use std::vec::Vec;

/// Bytes of the limit, and those that are live at the peak: 15 of 16 parts, as 480 of 512 MiB are.
const LIMIT: usize = 64 * MIB;
const LIVE: usize = 60 * MIB;

/// Takes objects of a size, most of which go; what stays.
fn phase(size: usize, every: usize, most: &mut usize) -> Vec<*mut u8> {
    let all: Vec<_> = (0..LIVE / 10 * 9 / size).map(|_| allocate(size)).collect();
    *most = (*most).max(limit::held());
    let (stay, go): (Vec<_>, Vec<_>) = (0..)
        .zip(all)
        .partition(|(i, _)| usize::is_multiple_of(*i, every));
    go.into_iter().for_each(|(_, p)| release(p));
    stay.into_iter().map(|(_, p)| p).collect()
}

/// The most that was held where small objects went, but for one in 60 KiB, and mappings come, which
/// need other memory. No time takes anything.
fn most_held() -> usize {
    settings::apply(&Knobs {
        purge_delay: 1 << 40,
        ..Knobs::DEFAULT
    });
    let mut most = 0;
    let stays = phase(1000, 60, &mut most);
    let large: Vec<_> = (0..45).map(|_| allocate(MIB)).collect();
    assert!(stays.iter().chain(&large).all(|p| !p.is_null()));
    most.max(limit::held())
}

/// A limit from now on, of so many bytes beyond what other tests of the process hold at that moment;
/// how much that is. What they left free goes first: it was not counted as it was handed out, and is not
/// to be as it goes; and what one of them asked the kernel for as the process was forked comes back.
fn limited(bytes: usize, hard: bool) -> usize {
    arenas::all().for_each(crate::arena::Arena::take_refused_of_others);
    trim::trim(0);
    arenas::all().for_each(crate::arena::Arena::take_refused_of_others);
    let others = limit::held();
    limit::set(others + bytes, hard);
    others
}

fn a_soft_limit_is_kept_where_what_is_live_leaves_room() -> bool {
    let others = limited(LIMIT, false);
    let most = most_held().saturating_sub(others);
    (LIVE / 10 * 9..=LIMIT).contains(&most)
}

/// With a limit that is never near: then memory lies free, and more is held.
fn without_one_more_is_held() -> bool {
    let others = limited(usize::MAX / 2, false);
    most_held() > others + LIMIT
}

fn a_hard_limit_is_never_passed() -> bool {
    let others = limited(LIMIT, true);
    for size in [40, 1000, 5128, 70_000, MIB] {
        let mut all = Vec::new();
        loop {
            let p = allocate(size);
            if p.is_null() {
                break;
            }
            all.push(p);
            if limit::held() > others + LIMIT {
                std::eprintln!(
                    "{} bytes are held of {size}, {} objects, {others}",
                    limit::held(),
                    all.len()
                );
                return false;
            }
        }
        if all.len() * size < LIMIT / 4 * 3 {
            std::eprintln!("{} objects of {size}, {} held", all.len(), limit::held());
            return false;
        }
        all.into_iter().for_each(release);
    }
    true
}

/// What went is counted as long as it is gone: `check_heap` compares the sum with the bits.
fn what_went_is_counted() -> bool {
    let mut most = 0;
    let stays = phase(200, 100, &mut most);
    arenas::all().for_each(|arena| _ = arena.trim(0));
    let gone = || -> usize {
        let all = arenas::all().map(|arena| arena.lock().extents.gone_bytes());
        all.sum()
    };
    let before = gone();
    let again = phase(200, 1, &mut most);
    check_heap().is_ok() && !stays.is_empty() && !again.is_empty() && gone() < before
}

#[test]
fn what_is_held_stays_below_a_limit() {
    assert!(scripted::holds_in_child(
        a_soft_limit_is_kept_where_what_is_live_leaves_room
    ));
    assert!(scripted::holds_in_child(without_one_more_is_held));
}

#[test]
fn above_a_hard_limit_nothing_is_handed_out() {
    assert!(scripted::holds_in_child(a_hard_limit_is_never_passed));
}

#[test]
fn pages_that_went_are_counted() {
    assert!(scripted::holds_in_child(what_went_is_counted));
}
