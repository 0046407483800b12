//! Heaps beyond the length from which they grow by huge pages, and memory that goes back while
//! the program runs: whatever of it the system refuses.

use super::{KIB, MIB, Mode, Scene, in_modes, survives};
use crate::os::scripted;
use crate::{arenas, c};

/// Large, so that the heap is long after a few.
const OBJECT: usize = 900 * KIB;

/// Whether the heap at the end of any arena is in huge pages.
fn any_huge() -> bool {
    arenas::all().any(|arena| {
        let state = arena.lock();
        // SAFETY: heaps live forever (I11).
        !state.top.heap().is_null()
            && unsafe { (*state.top.heap()).may_be_huge((*state.top.heap()).end() - 1) }
    })
}

/// A heap of 8 MiB and more, which grows by huge pages; nothing gets a mapping of its own.
fn long(s: &mut Scene) {
    // SAFETY: no precondition.
    unsafe { c::mallopt(libc::M_MMAP_THRESHOLD, 4 << 20) };
    for _ in 0..12 {
        s.malloc(OBJECT);
    }
    // Only what is used from end to end comes in huge pages.
    for _ in 0..400 {
        s.malloc(7 * KIB);
    }
    if scripted::refused() == 0 {
        assert!(any_huge(), "the heap does not grow by huge pages");
    }
    s.free_every(3);
    for _ in 0..5 {
        s.malloc(OBJECT / 2);
        s.calloc(OBJECT);
    }
}

#[test]
fn growth_by_huge_pages_survives_every_refusal() {
    let modes: [Mode; 3] = [
        None,
        Some(("CAIRN_RUN_MAX", "0")),
        Some(("MALLOC_CHECK_", "3")),
    ];
    let name = "grown::growth_by_huge_pages_survives_every_refusal";
    in_modes(&modes, name, || survives(true, 8, long));
}

/// Memory inside and at the end of the heap goes back at once, with `CAIRN_PURGE_DELAY=0`, and is
/// zero where it has to be when it comes again.
fn purging(s: &mut Scene) {
    let kept = s.live.len();
    for _ in 0..2 {
        for i in 0..50 {
            s.malloc(40 * KIB + i * KIB);
        }
        for i in (kept..s.live.len()).rev().step_by(2) {
            s.free(i);
        }
        for _ in 0..5 {
            s.calloc(70 * KIB);
        }
        while s.live.len() > kept {
            s.free(s.live.len() - 1);
        }
        for _ in 0..20 {
            s.calloc(100 * KIB);
        }
        while s.live.len() > kept {
            s.free(s.live.len() - 1);
        }
    }
    s.malloc(MIB / 16);
}

#[test]
fn memory_that_goes_back_at_once_survives_every_refusal() {
    let modes: [Mode; 1] = [Some(("CAIRN_PURGE_DELAY", "0"))];
    let name = "grown::memory_that_goes_back_at_once_survives_every_refusal";
    in_modes(&modes, name, || survives(true, 12, purging));
}
