//! The samples: which objects that are in use were met, and which stacks asked for how much.
//!
//! ```text
//!   records | modules | sites, one behind the other | index of records | index of sites
//! ```
//!
//! All of it is one piece of side memory, made with the first sample and of a fixed length, of which
//! only what is used is resident: 48 bytes a sample that is in use, and 136 with 8 a frame for each
//! stack, however often it came. When either is full, a sample is dropped and counted.

pub(crate) mod parts;

use super::draw;
use super::probes;
use super::stacks::{Modules, Stack};
use super::unwind::{FRAMES, How, known};
use crate::layout::places::samples as place;
use crate::sync::Lock;
use crate::{os, side};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, Release},
};
use parts::{Record, Site};

/// Lists of records and of sites, by hash.
const RECORD_LISTS: usize = 1 << 14;
const SITE_LISTS: usize = 1 << 12;
const RECORD_LISTS_AT: usize = place::SITES_AT + place::MOST_SITES;
const SITE_LISTS_AT: usize = RECORD_LISTS_AT + RECORD_LISTS * 4;
/// Bytes of all of it.
const BYTES: usize = SITE_LISTS_AT + SITE_LISTS * 4;
/// The profile of the peak is taken anew when more is in use by this part.
const RISE: f64 = 1.0 / 32.0;

/// What a reader outside sees, and what it writes.
#[repr(C)]
pub(crate) struct Head {
    interval: AtomicUsize,
    how: AtomicUsize,
    at: AtomicUsize,
    records: AtomicUsize,
    sites: AtomicUsize,
    modules: AtomicUsize,
    dropped: AtomicUsize,
    since: AtomicUsize,
    /// Numbers with a fraction, by their bits.
    space: AtomicUsize,
    peak: AtomicUsize,
    peak_at: AtomicUsize,
    /// The first record that is free again, by its number and 1.
    free: AtomicUsize,
}

const _: () = assert!(
    offset_of!(Head, interval) == place::INTERVAL
        && offset_of!(Head, at) == place::AT
        && offset_of!(Head, records) == place::RECORDS
        && offset_of!(Head, sites) == place::SITES
        && offset_of!(Head, modules) == place::MODULES
        && offset_of!(Head, dropped) == place::DROPPED
        && offset_of!(Head, since) == place::SINCE
        && offset_of!(Head, space) == place::SPACE
);

/// Guards all but the first two words of [`HEAD`], and what they lead to. Of the locks side memory's
/// is further in.
pub(crate) static LOCK: Lock = Lock::new();
/// The only one.
pub(crate) static HEAD: Head = Head {
    interval: AtomicUsize::new(0),
    how: AtomicUsize::new(0),
    at: AtomicUsize::new(0),
    records: AtomicUsize::new(0),
    sites: AtomicUsize::new(0),
    modules: AtomicUsize::new(0),
    dropped: AtomicUsize::new(0),
    since: AtomicUsize::new(0),
    space: AtomicUsize::new(0),
    peak: AtomicUsize::new(0),
    peak_at: AtomicUsize::new(0),
    free: AtomicUsize::new(0),
};

/// Mean bytes between two samples; 0 while there are to be none.
#[inline(always)]
pub(crate) fn interval() -> usize {
    HEAD.interval.load(Relaxed)
}

/// Begins or ends: a mean of 0 takes no more samples, and keeps what there is.
pub(crate) fn set_interval(bytes: usize) {
    HEAD.interval.store(bytes, Relaxed);
}

/// How stacks are read from now on.
pub(crate) fn set_how(how: How) {
    HEAD.how.store(usize::from(how == How::Pointers), Relaxed);
}

/// How stacks are read.
pub(crate) fn how() -> How {
    match HEAD.how.load(Relaxed) {
        0 => How::Tables,
        _ => How::Pointers,
    }
}

/// The memory, with the lock held.
struct Memory {
    at: usize,
}

impl Memory {
    /// It, made if need be.
    fn get() -> Option<Self> {
        let at = HEAD.at.load(Relaxed);
        if at != 0 {
            return Some(Self { at });
        }
        let at = side::take(BYTES)?;
        known::begin();
        HEAD.since.store(os::now(), Relaxed);
        HEAD.at.store(at, Release);
        Some(Self { at })
    }

    fn existing() -> Option<Self> {
        let at = HEAD.at.load(Relaxed);
        (at != 0).then_some(Self { at })
    }

    fn record(&self, number: u32) -> *mut Record {
        let number = (number as usize).wrapping_sub(1) % place::MOST_RECORDS;
        ptr::with_exposed_provenance_mut::<Record>(self.at).wrapping_add(number)
    }

    fn record_list(&self, p: usize) -> *mut u32 {
        let list = p.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - 14);
        ptr::with_exposed_provenance_mut::<u32>(self.at + RECORD_LISTS_AT)
            .wrapping_add(list % RECORD_LISTS)
    }

    /// A site by its place among them, in words and 1.
    fn site(&self, place: u32) -> *mut Site {
        let offset = (place as usize).wrapping_sub(1) * 8 % place::MOST_SITES;
        ptr::with_exposed_provenance_mut(self.at + place::SITES_AT + offset)
    }

    fn frames(site: *mut Site) -> *mut u64 {
        site.wrapping_add(1).cast()
    }

    /// Where modules lie.
    fn modules(&self) -> Modules {
        Modules {
            at: self.at + place::MODULES_AT,
            count: &HEAD.modules,
        }
    }

    /// The site of a stack, by its place and 1; `None` where there is no more room.
    fn site_of(&self, stack: &mut Stack) -> Option<u32> {
        let hash = stack.name(&self.modules());
        let list = ptr::with_exposed_provenance_mut::<u32>(self.at + SITE_LISTS_AT)
            .wrapping_add(hash as usize % SITE_LISTS);
        // SAFETY: lists and sites of the memory, with the lock held.
        unsafe {
            let mut at = *list;
            while at != 0 {
                let site = self.site(at);
                let count = (*site).frames as usize;
                if (*site).hash == hash && stack.is_at(Self::frames(site), count) {
                    return Some(at);
                }
                at = (*site).next;
            }
            let used = HEAD.sites.load(Relaxed);
            let bytes = place::SITE + stack.frames().len() * 8;
            if used + bytes > place::MOST_SITES {
                return None;
            }
            let at = (used / 8 + 1) as u32;
            let site = self.site(at);
            // The rest is zero: nobody had it before.
            let frames = stack.frames();
            ((*site).hash, (*site).next, (*site).frames) = (hash, *list, frames.len() as u32);
            Self::frames(site).copy_from_nonoverlapping(frames.as_ptr(), frames.len());
            *list = at;
            HEAD.sites.store(used + bytes, Release);
            Some(at)
        }
    }

    /// Notes for the profile of the peak what each site has in use, if it is more than before.
    fn mark_peak(&self, space: f64) {
        let peak = f64::from_bits(HEAD.peak.load(Relaxed) as u64);
        if space <= peak + peak * RISE {
            return;
        }
        HEAD.peak.store(space.to_bits() as usize, Relaxed);
        HEAD.peak_at.store(os::now(), Relaxed);
        let end = HEAD.sites.load(Relaxed);
        let mut at = 0;
        while at < end {
            let site = self.site((at / 8 + 1) as u32);
            // SAFETY: a site that was written, with the lock held.
            unsafe {
                (*site).peak.objects = (*site).allocated.objects - (*site).freed.objects;
                (*site).peak.bytes = (*site).allocated.bytes - (*site).freed.bytes;
                at += place::SITE + (*site).frames as usize * 8;
            }
        }
    }

    fn change_space(by: f64) -> f64 {
        let now = f64::from_bits(HEAD.space.load(Relaxed) as u64) + by;
        HEAD.space.store(now.to_bits() as usize, Relaxed);
        now
    }

    fn insert(&self, p: usize, size: usize, weight: f64, stack: &mut Stack) -> bool {
        // Of an object whose free a signal handler could not tell: it is gone.
        self.remove(p);
        let free = HEAD.free.load(Relaxed) as u32;
        let used = HEAD.records.load(Relaxed);
        if free == 0 && used == place::MOST_RECORDS {
            return false;
        }
        let Some(at) = self.site_of(stack) else {
            return false;
        };
        // SAFETY: records, lists and sites of the memory, with the lock held.
        unsafe {
            let number = if free == 0 {
                HEAD.records.store(used + 1, Relaxed);
                used as u32 + 1
            } else {
                HEAD.free.store((*self.record(free)).next as usize, Relaxed);
                free
            };
            let list = self.record_list(p);
            self.record(number).write(Record {
                p,
                size,
                weight,
                born: os::now(),
                site: at,
                next: *list,
                thread: os::thread_number(),
                _rest: 0,
            });
            *list = number;
            let site = self.site(at);
            (*site).allocated.add(weight, size);
            (*site).taken = (*site).taken.wrapping_add(1);
        }
        self.mark_peak(Self::change_space(weight * size as f64));
        true
    }

    fn remove(&self, p: usize) -> Option<usize> {
        // SAFETY: as in `insert`.
        unsafe {
            let mut link = self.record_list(p);
            while *link != 0 {
                let number = *link;
                let record = self.record(number);
                if (*record).p != p {
                    link = &raw mut (*record).next;
                    continue;
                }
                *link = (*record).next;
                let site = self.site((*record).site);
                (*site).freed.add((*record).weight, (*record).size);
                (*site).gone = (*site).gone.wrapping_add(1);
                let lived = os::now().saturating_sub((*record).born);
                let length = (usize::BITS - lived.leading_zeros()).div_ceil(2) as usize;
                if let Some(lives) = (*site).lives.get_mut(length.min(place::LIVES - 1)) {
                    *lives = lives.saturating_add(1);
                }
                Self::change_space(-(*record).weight * (*record).size as f64);
                (*record).p = 0;
                (*record).next = HEAD.free.load(Relaxed) as u32;
                HEAD.free.store(number as usize, Relaxed);
                return Some((*record).size);
            }
        }
        None
    }
}

/// Runs `f` with the lock, if there is something behind it; not where this thread has it already,
/// which is a signal handler then.
fn with<R>(memory: fn() -> Option<Memory>, f: impl FnOnce(&Memory) -> R) -> Option<R> {
    if LOCK.is_mine() {
        return None;
    }
    let _held = LOCK.acquire();
    memory().map(|memory| f(&memory))
}

/// A new object of `size` bytes was met; whether there was room for it.
pub(crate) fn enter(p: usize, size: usize, mean: usize) -> bool {
    let mut stack = Stack::new();
    stack.read(how(), FRAMES);
    let weight = draw::weight(size, mean);
    let kept = with(Memory::get, |m| m.insert(p, size, weight, &mut stack));
    let kept = kept == Some(true);
    HEAD.dropped.fetch_add(usize::from(!kept), Relaxed);
    if kept {
        probes::alloc(p, size, weight);
    }
    kept
}

/// The object at `p` is no more; the bytes it was asked for with, if it was a sample.
pub(crate) fn leave(p: usize) -> Option<usize> {
    let size = with(Memory::existing, |m| m.remove(p)).flatten();
    if size.is_some() {
        probes::free(p);
    }
    size
}
