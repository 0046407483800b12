//! What the thread does, and when.

use super::pressure::{self, Watch};
use super::{RUNNING, STARTING, WANTED, turns};
use crate::arena::Arena;
use crate::cache::thread;
use crate::named;
use crate::os::{self, threads};
use crate::relief;
use crate::settings::{self, BELL};
use core::ffi::c_void;
use core::ptr;

/// Delays between two looks: an epoch in which nothing is done lasts as long.
const DELAYS: usize = 8;
/// The shortest time between two looks, milliseconds.
const LEAST: usize = 20;
/// Milliseconds of one nap: so late the thread may notice that it is to end.
const NAP: usize = 250;
/// Naps that it stays beside a single thread: others may come.
const LINGER: usize = 4;

/// What the thread may find.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    /// Somebody to work for.
    Some,
    /// One thread alone.
    One,
    /// Nobody, or nobody wants it.
    None,
}

fn company() -> Company {
    match thread::count() {
        0 => Company::None,
        _ if !settings::background() => Company::None,
        // Another one may be there that never allocated.
        1 if threads::count() < 3 => Company::One,
        _ => Company::Some,
    }
}

/// What the thread sleeps by.
struct Rest {
    watch: Option<Watch>,
}

impl Rest {
    /// Sleeps so many milliseconds, or until the bell rings. Where the system is short of memory all
    /// that is free goes.
    fn once(&mut self, time: Option<usize>) {
        match (self.watch.as_ref().map(|watch| watch.wait(time)), time) {
            (Some(None), _) => self.watch = None,
            (Some(Some(true)), _) => _ = relief::give_all(),
            (Some(Some(false)), _) => {}
            (None, None) => BELL.wait(),
            (None, Some(time)) => os::sleep(time as i64 * 1_000_000),
        }
    }

    /// Waits so many milliseconds; early where nobody is left.
    fn pause(&mut self, milliseconds: usize) {
        let mut left = milliseconds;
        while left != 0 && company() != Company::None {
            let now = left.min(NAP);
            left -= now;
            self.once(Some(now));
        }
    }

    /// Whether a thread stays the only one, or goes as well.
    fn stays_alone(&mut self) -> bool {
        for _ in 0..LINGER {
            match company() {
                Company::Some => return false,
                Company::None => return true,
                Company::One => self.pause(NAP),
            }
        }
        company() != Company::Some
    }

    /// A look at each arena, as long as any has something.
    fn work(&mut self) {
        while company() != Company::None {
            let delay = settings::purge_delay().saturating_mul(DELAYS);
            self.pause(delay.max(LEAST));
            if company() == Company::None {
                return;
            }
            // All of them, whatever the first says.
            if named::all().fold(true, |done, arena| arena.rest() & done) {
                thread::flush_parked();
                if !named::all().any(Arena::may_give) {
                    return;
                }
            }
        }
    }
}

/// The thread.
pub(super) extern "C" fn run(_: *mut c_void) -> *mut c_void {
    // Else it is a fork's child, where nobody asked for one.
    if !turns(STARTING, RUNNING) {
        return ptr::null_mut();
    }
    let mut rest = Rest {
        watch: Watch::open(),
    };
    loop {
        BELL.lie_down();
        if company() == Company::None {
            break;
        }
        if named::all().any(Arena::may_give) {
            BELL.get_up();
            rest.work();
            continue;
        }
        if company() != Company::Some {
            BELL.get_up();
            if rest.stays_alone() {
                break;
            }
            continue;
        }
        while BELL.is_quiet() {
            rest.once(None);
        }
        BELL.get_up();
    }
    BELL.silence();
    pressure::close();
    turns(RUNNING, WANTED);
    ptr::null_mut()
}
