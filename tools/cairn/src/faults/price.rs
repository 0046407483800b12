//! What a fault of each sort costs on this machine when nobody watches: measured here and now, on
//! memory of our own.

use super::history::Cause;
use super::perf::now;
use std::ptr;

/// Pages of a round, few enough that it is over before somebody else gets the CPU.
const PAGES: usize = 64;
/// Rounds, of which the best counts.
const ROUNDS: usize = 30;

/// Nanoseconds a fault.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prices {
    first: f64,
    zeros: f64,
    copied: f64,
}

impl Prices {
    /// Measures them; takes some milliseconds.
    pub(super) fn measure() -> Option<Self> {
        let mut best = Self {
            first: f64::MAX,
            zeros: f64::MAX,
            copied: f64::MAX,
        };
        let room = Room::map()?;
        for _ in 0..ROUNDS {
            room.give_back();
            best.first = best.first.min(room.touch(true));
            room.give_back();
            room.touch(false);
            best.zeros = best.zeros.min(room.touch(true));
            best.copied = best.copied.min(room.copy()?);
        }
        Some(best)
    }

    /// Of one sort; a page that comes again costs what a first one does. What a disk costs is not
    /// known.
    pub(super) fn of(&self, cause: Cause) -> Option<f64> {
        match cause {
            Cause::First | Cause::Again => Some(self.first),
            Cause::Zeros => Some(self.zeros),
            Cause::Copied => Some(self.copied),
            Cause::Swap => None,
        }
    }
}

/// Memory that is not in huge pages; a child may leave a figure behind it.
struct Room {
    base: *mut u8,
    page: usize,
    figure: *mut f64,
}

impl Room {
    fn map() -> Option<Self> {
        // SAFETY: no precondition.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        let map = |len, flags| {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            // SAFETY: a new mapping.
            let at = unsafe {
                libc::mmap(
                    ptr::null_mut(),
                    len,
                    access,
                    flags | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                )
            };
            (at != libc::MAP_FAILED).then_some(at)
        };
        let figure = map(page, libc::MAP_SHARED)?.cast();
        let base = map(PAGES * page, libc::MAP_PRIVATE)?;
        // SAFETY: the mapping is ours. Without huge pages in the kernel it says so, and that is well.
        unsafe { libc::madvise(base, PAGES * page, libc::MADV_NOHUGEPAGE) };
        Some(Self {
            base: base.cast(),
            page,
            figure,
        })
    }

    fn give_back(&self) {
        // SAFETY: the mapping is ours.
        unsafe { libc::madvise(self.base.cast(), PAGES * self.page, libc::MADV_DONTNEED) };
    }

    /// Nanoseconds a page.
    fn touch(&self, writes: bool) -> f64 {
        let begin = now();
        for i in 0..PAGES {
            // SAFETY: within the mapping.
            unsafe {
                let at = self.base.add(i * self.page);
                if writes {
                    at.write_volatile(1);
                } else {
                    at.read_volatile();
                }
            }
        }
        (now() - begin) as f64 / PAGES as f64
    }

    /// What a child's copies cost.
    fn copy(&self) -> Option<f64> {
        // SAFETY: this command has one thread, and the child does nothing but write and end.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                self.figure.write_volatile(self.touch(true));
                libc::_exit(0);
            }
            if child < 0 || libc::waitpid(child, ptr::null_mut(), 0) != child {
                return None;
            }
            Some(self.figure.read_volatile())
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: both mappings are ours.
        unsafe {
            libc::munmap(self.base.cast(), PAGES * self.page);
            libc::munmap(self.figure.cast(), self.page);
        }
    }
}
