//! When memory is looked at that may go.

use super::*;
use crate::cache::thread;
use crate::knobs::Knobs;
use crate::os::scripted;
use crate::{routes, settings};
use std::vec::Vec;

/// Whether the next look comes only with the next epoch, where all that is idle is top's.
fn a_vain_look_is_the_last_one() -> bool {
    settings::apply(&Knobs {
        purge_delay: 1 << 40,
        ..Knobs::DEFAULT
    });
    let all: Vec<_> = (0..300).map(|_| routes::allocate(100_000)).collect();
    all.into_iter().for_each(routes::release);
    thread::flush();
    let arena = thread::arena();
    let mut state = arena.lock();
    let _asked = arena.purging.acquire();
    let (mut batch, idle) = (Batch::new(), state.extents.idle_bytes());
    batch.clear();
    let limit = Limit {
        age: 0,
        keep: 0,
        most: 0,
        top: usize::MAX / 2,
    };
    let looks = |state: &mut State| state.decay.step(idle, 0, os::now).is_some();
    let before = looks(&mut state);
    let gone = state.gather(limit, &mut batch);
    idle > REGIONS_AT_ONCE * REGION && before && gone.gone == 0 && !looks(&mut state)
}

#[test]
fn what_top_keeps_is_looked_at_once_an_epoch() {
    crate::c::init();
    // Its knobs are not the other tests'.
    assert!(scripted::holds_in_child(a_vain_look_is_the_last_one));
}

/// Whether a threshold beyond all addresses, which would wrap with top's, is only that.
fn nothing_exceeds_a_threshold_beyond_addresses() -> bool {
    let all: Vec<_> = (0..300).map(|_| routes::allocate(100_000)).collect();
    all.into_iter().for_each(routes::release);
    let arena = thread::arena();
    let mut state = arena.lock();
    settings::apply(&Knobs {
        trim_threshold: 0usize.wrapping_sub(state.top.at() + 1),
        mmap_threshold_fixed: true,
        ..Knobs::DEFAULT
    });
    let _asked = arena.purging.acquire();
    let keeps = state.top_keeps();
    !state.shorten(keeps)
}

#[test]
fn a_threshold_beyond_all_addresses_keeps_everything() {
    crate::c::init();
    assert!(scripted::holds_in_child(
        nothing_exceeds_a_threshold_beyond_addresses
    ));
}
