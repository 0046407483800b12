//! Why a page faulted: what is known of each page of each process, and what that makes of a fault.

use super::perf::{Record, What};
use rpds::HashTrieMap;
use std::collections::HashMap;

/// Why a page faulted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Cause {
    /// Nobody had touched it.
    First,
    /// It was there before, and had gone back to the system.
    Again,
    /// It was only read so far, which shows the kernel's page of zeros.
    Zeros,
    /// A fork left it to be copied at the first write.
    Copied,
    /// It came from swap or from a disk.
    Swap,
}

/// How many there are.
pub(super) const CAUSES: [Cause; 5] = [
    Cause::First,
    Cause::Again,
    Cause::Zeros,
    Cause::Copied,
    Cause::Swap,
];

/// Faults of one sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// How many.
    pub(super) faults: u64,
    /// Pages that they brought.
    pub(super) pages: u64,
    /// How many brought a huge page.
    pub(super) huge: u64,
    /// Faults whose time is known.
    pub(super) timed: u64,
    /// That time, nanoseconds.
    pub(super) time: u64,
}

impl Tally {
    pub(super) fn add(&mut self, more: &Self) {
        self.faults += more.faults;
        self.pages += more.pages;
        self.huge += more.huge;
        self.timed += more.timed;
        self.time += more.time;
    }
}

/// What a page holds, and since which of its process's forks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The kernel's page of zeros.
    Zeros,
    /// Memory of its own, from the time after so many forks on.
    Own(u32),
}

/// A fault's beginning.
#[derive(Clone, Copy)]
struct Begun {
    time: u64,
    page: u64,
    code: u64,
}

/// The pages of one process.
#[derive(Clone, Default)]
pub(super) struct Process {
    pages: HashTrieMap<u64, State>,
    /// Forks that shared its pages.
    forks: u32,
    /// Faults by page and cause.
    pub(super) tallies: HashMap<(u64, Cause), Tally>,
}

/// A fault that was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) pid: i32,
    /// Its page, by its first byte.
    pub(super) page: u64,
    pub(super) cause: Cause,
}

/// All processes.
pub(super) struct History {
    pub(super) processes: HashMap<i32, Process>,
    begun: HashMap<i32, Begun>,
    page: u64,
}

/// Bit 0 of a fault's code: the page was there, and might not be written.
const PRESENT: u64 = 1;
/// Bit 1: a write.
const WRITE: u64 = 2;

impl History {
    /// Of a machine with pages of so many bytes.
    pub(super) fn new(page: u64) -> Self {
        Self {
            processes: HashMap::new(),
            begun: HashMap::new(),
            page,
        }
    }

    /// A page that was there before anybody watched.
    pub(super) fn was_there(&mut self, pid: i32, page: u64, zeros: bool) {
        let process = self.processes.entry(pid).or_default();
        let state = if zeros { State::Zeros } else { State::Own(0) };
        process.pages.insert_mut(page, state);
    }

    /// A fault brought a huge page: its pages are there from now on.
    pub(super) fn was_huge(&mut self, fault: &Fault, bytes: u64) {
        let Some(process) = self.processes.get_mut(&fault.pid) else {
            return;
        };
        let from = fault.page & !(bytes - 1);
        for page in (from..from + bytes).step_by(usize::try_from(self.page).unwrap_or(4096)) {
            process.pages.insert_mut(page, State::Own(process.forks));
        }
        if let Some(tally) = process.tallies.get_mut(&(fault.page, fault.cause)) {
            tally.huge += 1;
            tally.pages += bytes / self.page - 1;
        }
    }

    /// Takes a record in; the fault, if it was one.
    pub(super) fn add(&mut self, record: &Record) -> Option<Fault> {
        match record.what {
            What::Entry { at, code } => {
                let (time, page) = (record.time, at & !(self.page - 1));
                self.begun.insert(record.tid, Begun { time, page, code });
                None
            }
            What::Fault { at, major } => Some(self.fault(record, at & !(self.page - 1), major)),
            What::Fork { of } => {
                // Another thread shares everything.
                if of != record.pid {
                    let parent = self.processes.entry(of).or_default();
                    parent.forks += 1;
                    let child = Process {
                        pages: parent.pages.clone(),
                        forks: parent.forks,
                        tallies: HashMap::new(),
                    };
                    self.processes.insert(record.pid, child);
                }
                None
            }
            What::Exec => None,
        }
    }

    fn fault(&mut self, record: &Record, page: u64, major: bool) -> Fault {
        let begun = self.begun.remove(&record.tid);
        let begun = begun.filter(|b| b.page == page && b.time <= record.time);
        let process = self.processes.entry(record.pid).or_default();
        let known = process.pages.get(&page).copied();
        let is_shared = matches!(known, Some(State::Own(since)) if since < process.forks);
        let cause = match (begun.map(|b| b.code), known) {
            _ if major => Cause::Swap,
            (Some(code), Some(State::Zeros)) if code & PRESENT != 0 => Cause::Zeros,
            (Some(code), _) if code & PRESENT != 0 => Cause::Copied,
            // Without the code, a fault on a page that a fork shared is taken for the copy.
            (None, _) if is_shared => Cause::Copied,
            (_, Some(_)) => Cause::Again,
            (_, None) => Cause::First,
        };
        let only_read = begun.is_some_and(|b| b.code & (WRITE | PRESENT) == 0);
        let state = match cause {
            Cause::First | Cause::Again if only_read => State::Zeros,
            _ => State::Own(process.forks),
        };
        process.pages.insert_mut(page, state);
        let tally = process.tallies.entry((page, cause)).or_default();
        tally.faults += 1;
        tally.pages += 1;
        if let Some(begun) = begun {
            tally.timed += 1;
            tally.time += record.time - begun.time;
        }
        let pid = record.pid;
        Fault { pid, page, cause }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;

    const WRITTEN: u64 = WRITE;
    const READ: u64 = 0;
    const PROTECTED: u64 = PRESENT | WRITE;

    /// What a history makes of faults: process, page, and the code if the beginning was seen.
    struct Told {
        history: History,
        time: u64,
    }

    impl Told {
        fn new() -> Self {
            Self {
                history: History::new(4096),
                time: 100,
            }
        }
        fn record(&mut self, pid: i32, what: What) -> Option<Fault> {
            self.time += 10;
            let (time, tid) = (self.time, pid);
            self.history.add(&Record {
                time,
                pid,
                tid,
                what,
            })
        }
        fn fault(&mut self, pid: i32, page: u64, code: Option<u64>) -> Cause {
            let at = page * 4096 + 7;
            if let Some(code) = code {
                self.record(pid, What::Entry { at, code });
            }
            let major = false;
            self.record(pid, What::Fault { at, major }).unwrap().cause
        }
        fn fork(&mut self, of: i32, pid: i32) {
            self.record(pid, What::Fork { of });
        }
    }

    #[test]
    fn a_page_is_new_once_and_comes_back_after_that() {
        for code in [None, Some(WRITTEN)] {
            let mut told = Told::new();
            assert_eq!(told.fault(1, 5, code), Cause::First);
            assert_eq!(told.fault(1, 5, code), Cause::Again);
            assert_eq!(told.fault(1, 6, code), Cause::First);
            // Another process of the same addresses.
            assert_eq!(told.fault(2, 5, code), Cause::First);
            told.history.was_there(3, 5 * 4096, false);
            assert_eq!(told.fault(3, 5, code), Cause::Again);
        }
    }

    #[test]
    fn both_sides_of_a_fork_copy() {
        for codes in [None, Some(PROTECTED)] {
            let mut told = Told::new();
            let first = codes.map(|_| WRITTEN);
            told.fault(1, 5, first);
            told.fault(1, 6, first);
            told.fork(1, 2);
            assert_eq!(told.fault(1, 5, codes), Cause::Copied);
            assert_eq!(told.fault(2, 5, codes), Cause::Copied);
            assert_eq!(told.fault(2, 7, first), Cause::First);
            // What was written since is the child's own, until it forks.
            assert_eq!(told.fault(2, 5, first), Cause::Again);
            told.fork(2, 3);
            assert_eq!(told.fault(3, 5, codes), Cause::Copied);
            assert_eq!(told.fault(3, 6, codes), Cause::Copied);
        }
    }

    #[test]
    fn the_code_tells_what_the_history_cannot() {
        let mut told = Told::new();
        told.fault(1, 5, Some(WRITTEN));
        told.fork(1, 2);
        // Given back after the fork: nothing is left to copy.
        assert_eq!(told.fault(2, 5, Some(WRITTEN)), Cause::Again);
        assert_eq!(told.fault(1, 6, Some(READ)), Cause::First);
        assert_eq!(told.fault(1, 6, Some(PROTECTED)), Cause::Zeros);
    }

    #[test]
    fn a_thread_is_no_process_and_a_time_is_one_thread_s() {
        let mut told = Told::new();
        told.fault(1, 5, None);
        told.record(1, What::Fork { of: 1 });
        assert_eq!(told.fault(1, 5, None), Cause::Again);
        told.fault(1, 9, Some(WRITTEN));
        let tallies = &told.history.processes[&1].tallies;
        let tally = tallies[&(9 * 4096, Cause::First)];
        assert_eq!((tally.faults, tally.timed, tally.time), (1, 1, 10));
        // The beginning of another page's fault is none of this one's.
        let (at, code) = (11 * 4096, WRITTEN);
        told.record(1, What::Entry { at, code });
        told.fault(1, 12, None);
        let tallies = &told.history.processes[&1].tallies;
        assert_eq!(tallies[&(12 * 4096, Cause::First)].timed, 0);
    }

    #[test]
    fn a_huge_page_is_there_from_end_to_end() {
        let mut told = Told::new();
        let (at, major) = (512 * 4096, false);
        let fault = told.record(1, What::Fault { at, major }).unwrap();
        told.history.was_huge(&fault, 2 << 20);
        assert_eq!(told.fault(1, 1023, None), Cause::Again);
        assert_eq!(told.fault(1, 1024, None), Cause::First);
        let tally = told.history.processes[&1].tallies[&(at, Cause::First)];
        assert_eq!((tally.faults, tally.pages, tally.huge), (1, 512, 1));
    }
}
