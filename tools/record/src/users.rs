//! Who used an address last: the calls that have to be put in order by the clock.
//!
//! Two uses of an address one after the other, both by one thread, stand in that thread's order. So
//! the clock is read for a use alone whose address another thread used last, or of which that is not
//! known. The use before then has the last stamp that its own thread had read, which is older.
//!
//! A use writes its thread here, or finds it here, and comes after the one before it: the allocator
//! that hands an address on, or the program that hands an object on, sees to that. So it never finds
//! its own thread here where another's use came last. A place that two addresses share holds one of
//! them, and the other's next use is stamped.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bits of a place's number: 512 KiB, for a MiB of addresses that are 16 bytes apart.
const PLACE_BITS: u32 = 16;
/// Addresses this near share a place, as a power of two.
const NEAR_BITS: u32 = 4;
/// The lowest bit of an address that may be set, and the first that never is.
const LOWEST: u32 = 3;
const HIGHEST: u32 = 56;

/// A thread, so that an address and a thread are one word: its number stands where all addresses of
/// a place are alike, and above all addresses.
#[derive(Clone, Copy)]
pub(crate) struct User(u64);

impl User {
    pub(crate) const NONE: Self = Self(0);

    /// Of that number, of which 2 to the power of 27 are told apart.
    pub(crate) fn of(number: u32) -> Self {
        let number = u64::from(number);
        let low = number & ((1 << PLACE_BITS) - 1);
        let high = number >> PLACE_BITS;
        Self(low << (NEAR_BITS - LOWEST) | high << (HIGHEST - LOWEST))
    }
}

static LAST: [AtomicU64; 1 << PLACE_BITS] = [const { AtomicU64::new(0) }; 1 << PLACE_BITS];

/// Whether that thread is known to have used the address last; now it is.
#[inline(always)]
pub(crate) fn was(address: usize, by: User) -> bool {
    let place = address >> NEAR_BITS & ((1 << PLACE_BITS) - 1);
    let Some(last) = LAST.get(place) else {
        return false;
    };
    let own = address as u64 >> LOWEST ^ by.0;
    if last.load(Relaxed) == own {
        return true;
    }
    last.store(own, Relaxed);
    false
}
