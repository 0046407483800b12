//! Large objects: how much of one is resident when it is freed, as the kernel says.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

use wire::spool::{Kind, number};

use crate::stream::{self, Stream};

/// Lines of the table, each a cache line of addresses.
const LINES: usize = 512;
/// Addresses in a line.
const WIDTH: usize = 8;
/// The most pages that are looked at, in so many steps; the rest is taken to be like them.
const PAGES: usize = 4096;
const STEPS: usize = 64;
/// All of it.
const WHOLE: u64 = 255;

#[repr(align(64))]
struct Line([AtomicU64; WIDTH]);

static ADDRESSES: [Line; LINES] = [const { Line([const { AtomicU64::new(0) }; WIDTH]) }; LINES];
static SIZES: [Line; LINES] = [const { Line([const { AtomicU64::new(0) }; WIDTH]) }; LINES];
static LIVE: AtomicUsize = AtomicUsize::new(0);

fn line(address: usize) -> usize {
    ((address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % LINES
}

/// A large object is there. Where its line is full it is not looked at when it goes.
#[cold]
pub(crate) fn add(address: usize, size: usize) {
    let at = line(address);
    let (Some(addresses), Some(sizes)) = (ADDRESSES.get(at), SIZES.get(at)) else {
        return;
    };
    for (place, length) in addresses.0.iter().zip(&sizes.0) {
        let takes = place.compare_exchange(0, address as u64, AcqRel, Relaxed);
        if takes.is_ok() {
            // Nobody frees it before it is returned.
            length.store(size as u64, Relaxed);
            LIVE.fetch_add(1, Relaxed);
            return;
        }
    }
}

/// Before an object is freed: says how much of it was resident, if it is a large one.
#[inline(always)]
pub(crate) fn remove(stream: &mut Stream, address: usize) {
    if LIVE.load(Relaxed) != 0 {
        look(stream, address);
    }
}

#[inline(never)]
fn look(stream: &mut Stream, address: usize) {
    let at = line(address);
    let (Some(addresses), Some(sizes)) = (ADDRESSES.get(at), SIZES.get(at)) else {
        return;
    };
    for (place, length) in addresses.0.iter().zip(&sizes.0) {
        if place.load(Relaxed) == address as u64 {
            let size = length.load(Relaxed) as usize;
            place.store(0, Release);
            LIVE.fetch_sub(1, Relaxed);
            if let Some(share) = share(address, size) {
                stream.put(number(Kind::Share, share));
            }
            return;
        }
    }
}

/// At the end: says it of all that are still there.
pub(crate) fn at_exit() {
    for (addresses, sizes) in ADDRESSES.iter().zip(&SIZES) {
        for (place, length) in addresses.0.iter().zip(&sizes.0) {
            let address = place.load(Relaxed) as usize;
            if address == 0 {
                continue;
            }
            let share = share(address, length.load(Relaxed) as usize);
            if let (Some(share), Some(stream)) = (share, stream::current()) {
                stream.order(address);
                stream.object(Kind::Rest, address, share as usize);
                stream.publish();
            }
        }
    }
}

/// Which part of the whole pages in it is resident, of 255.
fn share(address: usize, size: usize) -> Option<u64> {
    // SAFETY: it returns a number.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let start = address.next_multiple_of(page);
    let pages = (address.saturating_add(size)).checked_sub(start)? / page.max(1);
    let saved = stream::errno();
    let mut resident = [0_u8; PAGES];
    let (mut seen, mut found) = (0, 0);
    while seen < pages && seen < PAGES * STEPS {
        let count = (pages - seen).min(PAGES);
        let from = (start + seen * page) as *mut libc::c_void;
        // SAFETY: a byte a page, and the buffer has as many.
        if unsafe { libc::mincore(from, count * page, resident.as_mut_ptr()) } != 0 {
            stream::set_errno(saved);
            return None;
        }
        found += resident
            .iter()
            .take(count)
            .filter(|it| **it & 1 != 0)
            .count();
        seen += count;
    }
    stream::set_errno(saved);
    (seen > 0).then(|| (found as u64 * WHOLE).div_ceil(seen as u64))
}
