//! A report before the kill: at a mark that the user set (`CAIRN_REPORT_AT`), at each halving of what
//! then remains, and on a signal that the user named (`CAIRN_REPORT_SIGNAL`), the process writes what
//! `cairn why` and `cairn map` need of it into a file. `layout::report` has the form of the file.
//!
//! Nothing is allocated, no lock is taken and none is held: what other threads change meanwhile may
//! come out torn, as for a reader outside that does not stop the process. What is looked at goes
//! through `/proc/self/mem`, since other threads may unmap it.

mod file;
mod heads;
mod tables;

use crate::knobs::{Amount, Knobs};
use crate::layout::report::{ASKED, MARK};
use crate::os::limits::{self, Memory};
use crate::os::{self, files, signals};
use crate::{mark, side};
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use file::Rooms;

/// A look at least each time that so much was got from the system, bytes.
const LEAST_STEP: usize = 64 << 10;
/// Marks are set as long as this much remains, bytes, or this part of the limit.
const LEAST: usize = 1 << 20;
const LEAST_PART: usize = 1024;

struct Shared(UnsafeCell<MaybeUninit<Memory>>);
// SAFETY: written once, at the start, before anybody else can be here.
unsafe impl Sync for Shared {}

/// The cgroup whose use counts, if [`OF_GROUP`]. (No static of Cairn's begins with anything but zeros.)
static GROUP: Shared = Shared(UnsafeCell::new(MaybeUninit::zeroed()));
/// Whether a cgroup's use counts, and not the process's own.
static OF_GROUP: AtomicBool = AtomicBool::new(false);
/// The first mark, bytes.
static FIRST_MARK: AtomicUsize = AtomicUsize::new(0);
/// The limit, bytes; 0: none.
static LIMIT: AtomicUsize = AtomicUsize::new(0);
/// Number of the next mark.
static NEXT: AtomicUsize = AtomicUsize::new(0);
/// Where the buffers lie; 0: no reports.
static ROOMS: AtomicUsize = AtomicUsize::new(0);
/// The number of the process in which somebody writes: what a fork copies of it says nothing.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// Takes the knobs over, once, at the start: nobody else runs yet.
pub(crate) fn begin(knobs: &Knobs) {
    if cfg!(miri) || (knobs.report_at == Amount::Off && knobs.report_signal == 0) {
        return;
    }
    let Some(rooms) = side::take(size_of::<Rooms>()) else {
        return;
    };
    // SAFETY: side memory for it, ours alone; the environment's value does not change meanwhile.
    unsafe { Rooms::begin(ptr::with_exposed_provenance_mut(rooms), knobs.report_file) };
    ROOMS.store(rooms, Release);
    if knobs.report_at != Amount::Off {
        let given = match knobs.limit {
            Amount::Bytes(_) => knobs.limit.of(None),
            Amount::Off | Amount::Percent(_) => None,
        };
        let group = limits::memory();
        let limit = given.or(group.as_ref().map(|group| group.limit));
        // A share of a group's limit is the group's; all else is the process's own.
        let of_group = given.is_none() && matches!(knobs.report_at, Amount::Percent(_));
        if let Some(first) = knobs.report_at.of(limit) {
            FIRST_MARK.store(first, Relaxed);
            LIMIT.store(limit.unwrap_or(0), Relaxed);
            if let Some(group) = group.filter(|_| of_group) {
                // SAFETY: nobody else is here yet.
                unsafe { (*GROUP.0.get()).write(group) };
                OF_GROUP.store(true, Release);
            }
            mark::every(LEAST_STEP);
        }
    }
    if knobs.report_signal != 0 {
        signals::on_signal(knobs.report_signal as c_int, on_signal);
    }
}

extern "C" fn on_signal(_: c_int) {
    files::quietly(|| {
        // Not the group's: the stack of a handler may be small.
        let used = files::resident().unwrap_or(0);
        write(ASKED, used, 0);
    });
}

/// What is in use, bytes.
fn used() -> Option<usize> {
    if !OF_GROUP.load(Acquire) {
        return files::resident();
    }
    // SAFETY: written at the start, as the flag says, and never after it.
    unsafe { (*GROUP.0.get()).assume_init_ref() }.used()
}

/// The mark of this number, bytes; `None` where too little would remain.
fn mark_at(number: usize, first: usize, limit: usize) -> Option<usize> {
    if number == 0 {
        return Some(first);
    }
    let remains = limit
        .checked_sub(first)?
        .checked_shr(u32::try_from(number).ok()?)?;
    (remains >= LEAST.max(limit / LEAST_PART)).then(|| limit - remains)
}

/// Looks how much is in use, if that is due, and writes a report at a mark. No lock is held.
#[inline]
pub(crate) fn look() {
    if mark::is_due() {
        look_now();
    }
}

#[cold]
#[inline(never)]
fn look_now() {
    files::quietly(|| {
        let growth = mark::take();
        let (first, limit) = (FIRST_MARK.load(Relaxed), LIMIT.load(Relaxed));
        let (Some(used), true) = (used(), growth != 0) else {
            return;
        };
        let number = NEXT.load(Relaxed);
        let Some(at) = mark_at(number, first, limit) else {
            return mark::every(0);
        };
        // What was just got is touched next, and the kernel kills at the touch.
        if used.saturating_add(growth) >= at {
            write(MARK, used, at);
            let mut next = number + 1;
            while mark_at(next, first, limit).is_some_and(|at| at <= used) {
                next += 1;
            }
            NEXT.store(next, Relaxed);
        }
        mark::every(match mark_at(NEXT.load(Relaxed), first, limit) {
            Some(at) => (at.saturating_sub(used) / 4).max(LEAST_STEP),
            None => 0,
        });
    });
}

/// Writes one report, unless one is being written.
fn write(why: u64, used: usize, at: usize) {
    let rooms = ROOMS.load(Acquire);
    let pid = files::process();
    if rooms == 0 || BUSY.swap(pid, AcqRel) == pid {
        return;
    }
    let limit = LIMIT.load(Relaxed);
    let words = [
        pid as u64,
        os::page() as u64,
        why,
        used as u64,
        at as u64,
        limit as u64,
    ];
    // SAFETY: side memory that lives as long as the process (I11), and this thread's alone while it
    // is busy.
    unsafe {
        tables::write(
            &mut *ptr::with_exposed_provenance_mut::<Rooms>(rooms),
            &words,
        )
    };
    BUSY.store(0, Release);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_halve_what_remains() {
        const GIB: usize = 1 << 30;
        let marks: std::vec::Vec<_> = (0..20)
            .map_while(|i| mark_at(i, GIB - (100 << 20), GIB))
            .map(|at| (GIB - at) >> 20)
            .collect();
        assert_eq!(marks, [100, 50, 25, 12, 6, 3, 1]);
        assert_eq!(mark_at(0, 5, 0), Some(5), "bytes, without a limit");
        assert_eq!(mark_at(1, 5, 0), None);
        assert_eq!(mark_at(1, GIB, GIB / 2), None, "beyond the limit");
        assert_eq!(mark_at(70, 0, usize::MAX), None);
    }
}
