//! Which region is swept first.

use super::*;
use std::boxed::Box;

fn record() -> *mut Record {
    // SAFETY: zeros are a record of no region.
    Box::into_raw(Box::new(unsafe { core::mem::zeroed::<Record>() }))
}

/// Regions are swept from the front as long as they are ripe.
#[test]
fn a_region_that_is_ripe_no_more_hides_none_behind_it() {
    let mut waiting = Waiting::new();
    let (first, second) = (record(), record());
    // SAFETY: records that only this test has, and frees.
    unsafe {
        waiting.add(second, RIPE as usize);
        waiting.add(first, RIPE as usize);
        assert!(ptr::eq(waiting.regions(), first));
        waiting.remove(first, 16);
        assert!(ptr::eq(waiting.regions(), second));
        waiting.remove(second, RIPE as usize);
        waiting.remove(first, RIPE as usize - 16);
        assert!(waiting.regions().is_null());
        drop(Box::from_raw(first));
        drop(Box::from_raw(second));
    }
}
