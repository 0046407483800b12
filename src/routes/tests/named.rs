//! Heaps of the program's own where the kernel refuses, where samples are taken, and after their end.

use crate::config::REGION;
use crate::named::{self, Named};
use crate::os::scripted;
use crate::routes::{self, named as route, sampled};
use crate::watch::samples;
use crate::{check_heap, mapped, region, stats};
use std::vec::Vec;

const SIZES: [usize; 5] = [24, 600, 9_000, 100_000, 400_000];

fn make(bound: usize) -> Option<&'static Named> {
    named::make("tested", bound).ok()
}

fn fill(heap: &'static Named) -> Vec<usize> {
    let get = |i: usize| {
        let n = SIZES[i % SIZES.len()] + i % 9;
        let p = route::allocate(heap, n, 16, i.is_multiple_of(2));
        if !p.is_null() {
            // SAFETY: `n` bytes just allocated.
            unsafe { p.write_bytes(1, n) };
        }
        p.expose_provenance()
    };
    (0..100).map(get).filter(|p| *p != 0).collect()
}

fn end(heap: &'static Named) {
    // SAFETY: nobody uses it.
    unsafe { route::end(heap) };
}

/// Whichever call of making, filling and ending one is refused: the heap is whole, and what ended holds
/// nothing.
fn survives_each_refusal() -> bool {
    for first in 0..60 {
        for all in [false, true] {
            if all {
                scripted::refuse_from(first);
            } else {
                scripted::refuse_after(first);
            }
            let heap = make(0);
            let got = heap.map(fill).unwrap_or_default();
            let regions: Vec<_> = got.iter().map(|p| p & !(REGION - 1)).collect();
            if let Some(heap) = heap {
                for p in got.iter().step_by(3) {
                    routes::release(core::ptr::with_exposed_provenance_mut(*p));
                }
                end(heap);
            }
            scripted::refuse_all(false);
            if check_heap().is_err() || regions.iter().any(|p| region::word(*p) == region::NAMED) {
                return false;
            }
        }
    }
    // What was refused is taken now, or serves.
    let before = scripted::mapped();
    for _ in 0..20 {
        let Some(heap) = make(0) else { return false };
        if fill(heap).len() != 100 {
            return false;
        }
        end(heap);
    }
    mapped::trim();
    check_heap().is_ok() && scripted::mapped() <= before
}

#[test]
fn a_heap_of_ones_own_survives_every_refusal() {
    assert!(scripted::holds_in_child(survives_each_refusal));
}

fn all_samples() -> usize {
    let all = (0..).map_while(samples::parts::at);
    all.filter(|p| *p != 0).count()
}

fn samples_of(heap: &Named) -> usize {
    let is_its = |p: &usize| named::of(*p).is_some_and(|its| core::ptr::eq(its, heap));
    let all = (0..).map_while(samples::parts::at);
    all.filter(|p| *p != 0).filter(is_its).count()
}

fn lose_their_samples() -> bool {
    sampled::start_profile(1);
    let (Some(one), Some(other)) = (make(0), make(0)) else {
        return false;
    };
    let (got, kept) = (fill(one).len(), fill(other));
    let before = (samples_of(one), samples_of(other));
    end(one);
    let after = all_samples();
    for p in kept {
        routes::release(core::ptr::with_exposed_provenance_mut(p));
    }
    let none = samples_of(other);
    end(other);
    before == (got, 100) && after == 100 && all_samples() == 0 && none == 0 && check_heap().is_ok()
}

#[test]
fn a_heap_that_ends_leaves_no_sample() {
    assert!(scripted::holds_in_child(lose_their_samples));
}

fn is_bounded_across_threads() -> bool {
    const BOUND: usize = 16 << 20;
    let Some(heap) = make(BOUND) else {
        return false;
    };
    let over = std::thread::scope(|scope| {
        let one = |_| {
            scope.spawn(|| {
                let mut over = false;
                for i in 0..300 {
                    let p = route::allocate(heap, 150_000 + i * 100, 16, false);
                    let of = stats::of_named(heap);
                    // What was counted twice for a moment is on the safe side.
                    over |= of.heaps > BOUND;
                    if i.is_multiple_of(3) && !p.is_null() {
                        routes::release(p);
                    }
                }
                over
            })
        };
        let all: Vec<_> = (0..4).map(one).collect();
        all.into_iter().any(|thread| thread.join().unwrap_or(true))
    });
    let of = stats::of_named(heap);
    let all = of.heaps + of.mapped;
    let within = all <= BOUND && all > BOUND / 2;
    end(heap);
    !over && within && check_heap().is_ok()
}

#[test]
fn threads_do_not_pass_a_bound_together() {
    assert!(scripted::holds_in_child(is_bounded_across_threads));
}
