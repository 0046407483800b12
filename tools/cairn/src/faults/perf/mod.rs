//! Page faults as the kernel counts them: one sample each, in a ring of memory per CPU.
//!
//! Two of its software events say, behind a fault, who had it, where and when. Where we may also see
//! its tracepoints, those say the same before it, and whether a page was there: so each fault has its
//! time.

mod record;
mod refusal;
mod ring;

pub(super) use record::{Record, What};

use anyhow::{Context, Result, bail};
use perf_event_open_sys as sys;
use record::{Entry, Kind, parse};
use refusal::{is_refusal, refused};
use ring::{DATA, Ring};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;
use sys::bindings as b;

/// The events of a process.
pub(super) struct Events {
    fds: Vec<OwnedFd>,
    rings: Vec<Ring>,
    kinds: HashMap<u64, Kind>,
    entry: Option<Entry>,
    misses: Vec<OwnedFd>,
    /// Bytes of each ring, at most.
    room: usize,
    /// Whether faults that the kernel has on behalf of the program are seen too.
    pub(super) with_kernel: bool,
    /// Those of the events that count faults, which each fault is also told by.
    counts: Vec<i32>,
    /// Faults that were told.
    seen: u64,
    /// What was read and is younger than what may still come from another CPU.
    waiting: Vec<Record>,
}

/// Whether every fault's beginning is wanted, if we may see it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Entries {
    IfAllowed,
    Never,
}

/// How much younger than a round records may be to wait for the next.
const SETTLED: u64 = 1_000_000;

impl Events {
    /// Opens the events of these threads, and of all that they start. They run from now on.
    ///
    /// # Errors
    /// The kernel does not let us, or has no such events.
    pub(super) fn open(threads: &[i32], entries: Entries) -> Result<Self> {
        more_files();
        let mut all = Self {
            fds: Vec::new(),
            rings: Vec::new(),
            kinds: HashMap::new(),
            entry: match entries {
                Entries::IfAllowed => Entry::find(),
                Entries::Never => None,
            },
            misses: Vec::new(),
            room: 0,
            with_kernel: true,
            counts: Vec::new(),
            seen: 0,
            waiting: Vec::new(),
        };
        let cpus = cpus();
        all.room = Ring::room(cpus.len());
        for cpu in &cpus {
            let mut ring: Option<i32> = None;
            for tid in threads {
                all.open_one(*tid, *cpu, &mut ring)?;
            }
        }
        if all.rings.is_empty() {
            bail!("the process has ended");
        }
        all.count_misses(threads);
        for fd in all.fds.iter().chain(&all.misses) {
            // SAFETY: starts an event of ours.
            unsafe { sys::ioctls::ENABLE(fd.as_raw_fd(), 0) };
        }
        Ok(all)
    }

    /// The events of one thread on one CPU, all into one ring.
    fn open_one(&mut self, tid: i32, cpu: i32, ring: &mut Option<i32>) -> Result<()> {
        let software = [
            (Kind::Minor, b::PERF_COUNT_SW_PAGE_FAULTS_MIN),
            (Kind::Major, b::PERF_COUNT_SW_PAGE_FAULTS_MAJ),
        ];
        for (kind, config) in software {
            let mut attr = attributes(b::PERF_TYPE_SOFTWARE, u64::from(config));
            attr.sample_type |= u64::from(b::PERF_SAMPLE_ADDR);
            attr.set_exclude_kernel(u64::from(!self.with_kernel));
            // One of them is enough to tell of processes that come.
            let tells = kind == Kind::Minor;
            attr.set_task(u64::from(tells));
            attr.set_comm(u64::from(tells));
            attr.set_comm_exec(u64::from(tells));
            let mut opened = open(&mut attr, tid, cpu);
            if self.with_kernel && opened.as_ref().is_err_and(is_refusal) {
                self.with_kernel = false;
                self.entry = None;
                attr.set_exclude_kernel(1);
                opened = open(&mut attr, tid, cpu);
            }
            match opened {
                Ok(fd) => self.add(fd, kind, ring)?,
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(()),
                // A CPU that went to sleep for good meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(()),
                Err(error) => return Err(refused(&error)),
            }
        }
        let Some(entry) = self.entry else {
            return Ok(());
        };
        for config in [entry.user, entry.kernel] {
            let mut attr = attributes(b::PERF_TYPE_TRACEPOINT, config);
            attr.sample_type |= u64::from(b::PERF_SAMPLE_RAW);
            match open(&mut attr, tid, cpu) {
                Ok(fd) => self.add(fd, Kind::Entry, ring)?,
                Err(error) if is_refusal(&error) => {
                    self.entry = None;
                    break;
                }
                Err(error) => return Err(refused(&error)),
            }
        }
        Ok(())
    }

    fn add(&mut self, fd: OwnedFd, kind: Kind, ring: &mut Option<i32>) -> Result<()> {
        let raw = fd.as_raw_fd();
        let mut id = 0;
        // SAFETY: writes the number of an event of ours.
        if unsafe { sys::ioctls::ID(raw, &raw mut id) } != 0 {
            return Err(io::Error::last_os_error())
                .context("the kernel does not number its events");
        }
        self.kinds.insert(id, kind);
        if kind != Kind::Entry {
            self.counts.push(raw);
        }
        match *ring {
            None => {
                self.rings.push(Ring::map(raw, self.room)?);
                *ring = Some(raw);
            }
            Some(first) => {
                // SAFETY: both are events of ours on one CPU.
                if unsafe { sys::ioctls::SET_OUTPUT(raw, first) } != 0 {
                    return Err(io::Error::last_os_error()).context("the kernel keeps rings apart");
                }
            }
        }
        self.fds.push(fd);
        Ok(())
    }

    /// Counts misses of the TLB, where the machine does.
    fn count_misses(&mut self, threads: &[i32]) {
        let config = b::PERF_COUNT_HW_CACHE_DTLB
            | b::PERF_COUNT_HW_CACHE_OP_READ << 8
            | b::PERF_COUNT_HW_CACHE_RESULT_MISS << 16;
        for tid in threads {
            let mut attr = attributes(b::PERF_TYPE_HW_CACHE, u64::from(config));
            attr.__bindgen_anon_1.sample_period = 0;
            attr.set_exclude_kernel(1);
            match open(&mut attr, *tid, -1) {
                Ok(fd) => self.misses.push(fd),
                Err(_) => return,
            }
        }
    }

    /// Loads of the program that missed the TLB; `None` where the machine does not count them.
    pub(super) fn misses(&self) -> Option<u64> {
        let count = |fd: &OwnedFd| count(fd.as_raw_fd());
        (!self.misses.is_empty()).then(|| self.misses.iter().map(count).sum())
    }

    /// Ends the watch: nothing new is written.
    pub(super) fn stop(&self) {
        for fd in self.fds.iter().chain(&self.misses) {
            // SAFETY: stops an event of ours.
            unsafe { sys::ioctls::DISABLE(fd.as_raw_fd(), 0) };
        }
    }

    /// Faults that the kernel counted, and that found no room to be told; right once the watch was
    /// stopped and drained.
    pub(super) fn lost(&self) -> u64 {
        let counted: u64 = self.counts.iter().map(|fd| count(*fd)).sum();
        counted.saturating_sub(self.seen)
    }

    /// Whether each fault's beginning is seen.
    pub(super) fn has_entries(&self) -> bool {
        self.entry.is_some()
    }

    /// Waits for records or a signal, at most so long.
    pub(super) fn wait(&self, time: Duration) {
        let mut all: Vec<libc::pollfd> = self
            .rings
            .iter()
            .map(|ring| libc::pollfd {
                fd: ring.fd,
                events: libc::POLLIN,
                revents: 0,
            })
            .collect();
        let time = libc::timespec {
            tv_sec: time.as_secs() as libc::time_t,
            tv_nsec: time.subsec_nanos().into(),
        };
        // SAFETY: as many as the vector has. A set of no signals lets all come, for as long as this
        // waits: none comes just before it.
        unsafe {
            let mut none = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            let count = all.len() as libc::nfds_t;
            libc::ppoll(all.as_mut_ptr(), count, &raw const time, &raw const none);
        }
    }

    /// What came since, in the order of time; at the end all of it.
    pub(super) fn drain(&mut self, last: bool) -> Vec<Record> {
        let now = now();
        let mut all = std::mem::take(&mut self.waiting);
        for ring in &mut self.rings {
            ring.drain(|kind, misc, body| {
                if let Some(record) = parse(kind, misc, body, &self.kinds, self.entry) {
                    all.push(record);
                }
            });
        }
        all.sort_by_key(|r| r.time);
        let settled = if last {
            u64::MAX
        } else {
            now.saturating_sub(SETTLED)
        };
        let done = all.partition_point(|r| r.time <= settled);
        self.waiting = all.split_off(done);
        let is_fault = |r: &&Record| matches!(r.what, What::Fault { .. });
        self.seen += all.iter().filter(is_fault).count() as u64;
        all
    }
}

/// What an event counted, in all that was started since, too.
fn count(fd: i32) -> u64 {
    let mut word = [0; 8];
    // SAFETY: reads eight bytes into eight bytes.
    let n = unsafe { libc::read(fd, word.as_mut_ptr().cast(), 8) };
    if n == 8 { u64::from_le_bytes(word) } else { 0 }
}

/// Nanoseconds of the clock that records carry.
pub(super) fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}

fn attributes(kind: u32, config: u64) -> b::perf_event_attr {
    let mut attr = b::perf_event_attr {
        type_: kind,
        size: size_of::<b::perf_event_attr>() as u32,
        config,
        sample_type: u64::from(
            b::PERF_SAMPLE_IDENTIFIER | b::PERF_SAMPLE_TID | b::PERF_SAMPLE_TIME,
        ),
        clockid: libc::CLOCK_MONOTONIC,
        ..Default::default()
    };
    attr.__bindgen_anon_1.sample_period = 1;
    attr.__bindgen_anon_2.wakeup_watermark = (DATA / 4) as u32;
    attr.set_watermark(1);
    attr.set_disabled(1);
    attr.set_inherit(1);
    attr.set_use_clockid(1);
    attr.set_sample_id_all(1);
    attr.set_exclude_hv(1);
    attr
}

fn open(attr: &mut b::perf_event_attr, tid: i32, cpu: i32) -> io::Result<OwnedFd> {
    let flags = libc::c_ulong::from(b::PERF_FLAG_FD_CLOEXEC);
    // SAFETY: the structure is whole, and says its own size.
    let fd = unsafe { sys::perf_event_open(attr, tid, cpu, -1, flags) };
    match fd {
        ..0 => Err(io::Error::last_os_error()),
        // SAFETY: the kernel gave it to us.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
    }
}

/// One event for each thread on each CPU needs many files.
fn more_files() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: reads and writes one structure.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// The CPUs that run.
fn cpus() -> Vec<i32> {
    let text = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let mut all = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) {
            all.extend(first..=last);
        }
    }
    if all.is_empty() { vec![0] } else { all }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use std::ptr;

    /// Faults on pages of our own until the rings are full.
    #[test]
    fn what_finds_no_room_is_counted() {
        const PAGES: usize = 64;
        // SAFETY: no precondition.
        let tid = unsafe { libc::gettid() };
        let mut events = match Events::open(&[tid], Entries::Never) {
            Ok(events) => events,
            Err(error) => {
                eprintln!("SKIPPED: {error}");
                return;
            }
        };
        // A sample is 48 bytes at least.
        let room: usize = events.rings.iter().map(|ring| ring.data).sum();
        let rounds = room / 40 / PAGES + 1;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a mapping of ours, within which is written.
        let base = unsafe {
            let at = libc::mmap(ptr::null_mut(), PAGES * 4096, access, flags, -1, 0);
            assert_ne!(at, libc::MAP_FAILED);
            libc::madvise(at, PAGES * 4096, libc::MADV_NOHUGEPAGE);
            for _ in 0..rounds {
                for i in 0..PAGES {
                    at.cast::<u8>().add(i * 4096).write_volatile(1);
                }
                libc::madvise(at, PAGES * 4096, libc::MADV_DONTNEED);
            }
            at.addr() as u64
        };
        let ours = base..base + PAGES as u64 * 4096;
        let is_ours = |r: &&Record| matches!(r.what, What::Fault { at, .. } if ours.contains(&at));
        events.stop();
        let all = (rounds * PAGES) as u64;
        let told = events.drain(true);
        let (seen, lost) = (told.iter().filter(is_ours).count() as u64, events.lost());
        assert!(lost > 0 && seen < all, "{seen} and {lost} of {all}");
        // Others than those of the pages are few.
        assert!(
            (all..all + 100).contains(&(seen + lost)),
            "{seen} and {lost} of {all}"
        );
    }
}
