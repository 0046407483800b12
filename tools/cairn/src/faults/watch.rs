//! What is known while faults come: whose heap each is in, and what became of it.

use super::history::{Cause, Fault, History, Tally};
use super::perf::{Events, What};
use super::places::{Kind, Places};
use crate::look::Scene;
use cairn_reader::process::Process;
use cairn_reader::tables::{Counters, Heap};
use cairn_reader::target::{HUGE, RESIDENT, ZERO};
use cairn_reader::{Instance, Target, find};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Bytes of a huge page.
const HUGE_PAGE: u64 = 2 << 20;
/// Longest time between two looks at tables that did not help.
const LONGEST: Duration = Duration::from_millis(100);
/// Forks that are followed back.
const GENERATIONS: usize = 64;
const SHORTEST: Duration = Duration::from_millis(1);

/// What is known of a process's heap.
#[derive(Clone)]
struct Known {
    places: Places,
    instances: Vec<Instance>,
    /// The process whose memory it began with.
    parent: Option<i32>,
    looked: Instant,
    pause: Duration,
}

impl Known {
    fn new() -> Self {
        Self {
            places: Places::default(),
            instances: Vec::new(),
            parent: None,
            looked: Instant::now(),
            pause: Duration::ZERO,
        }
    }

    /// The heaps, as they are now.
    fn read(&self, process: &Process) -> Vec<Heap> {
        let read = |instance: &Instance| Heap::read(process, instance.clone());
        self.instances.iter().map(read).collect()
    }

    /// Whether both have their heaps from one program.
    fn is_same(&self, other: &Self) -> bool {
        let places = |known: &Self| -> Vec<u64> {
            let statics = known.instances.iter().map(|i| i.descriptor.statics);
            statics.collect()
        };
        places(self) == places(other)
    }
}

/// A watch over a process and its children.
pub(super) struct Watch {
    pub(super) events: Events,
    history: History,
    known: HashMap<i32, Known>,
    first: i32,
    page: u64,
    /// Faults by place and cause, of processes that are done with.
    pub(super) totals: BTreeMap<(Kind, Cause), Tally>,
    /// Processes that had faults.
    pub(super) processes: BTreeSet<i32>,
    /// The first process's counters: at the beginning, at the end.
    before: Counters,
    after: Option<Counters>,
}

impl Watch {
    pub(super) fn new(events: Events, first: i32) -> Self {
        // SAFETY: no precondition.
        let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
        Self {
            events,
            history: History::new(page),
            known: HashMap::new(),
            first,
            page,
            totals: BTreeMap::new(),
            processes: BTreeSet::new(),
            before: Counters::default(),
            after: None,
        }
    }

    /// Bytes of a page.
    pub(super) fn page(&self) -> u64 {
        self.page
    }

    /// Takes in what the first process has when the watch begins; it stands still.
    pub(super) fn begin(&mut self, scene: &Scene<'_>) {
        let known = self.known.entry(self.first).or_insert_with(Known::new);
        known.places.look(scene.heaps, self.page);
        known.instances = scene.heaps.iter().map(|h| h.instance.clone()).collect();
        self.before = counters(scene);
        for (from, to) in known.places.stretches() {
            let flags = scene.target.residency(from, to).unwrap_or_default();
            for (i, flags) in flags.iter().enumerate() {
                if flags & RESIDENT != 0 {
                    let at = from + i as u64 * self.page;
                    self.history.was_there(self.first, at, flags & ZERO != 0);
                }
            }
        }
    }

    /// Takes in what the first process has in the end; it stands still.
    pub(super) fn end(&mut self, scene: &Scene<'_>) {
        let known = self.known.entry(self.first).or_insert_with(Known::new);
        known.places.look(scene.heaps, self.page);
        known.places.walk(scene.target, scene.heaps);
        self.after = Some(counters(scene));
    }

    /// What the first process's purges and shrinking gave back meanwhile, bytes.
    pub(super) fn given_back(&self) -> Option<(u64, u64)> {
        let after = self.after?;
        let purged = after.purged.saturating_sub(self.before.purged);
        let shrunk = after.shrunk.saturating_sub(self.before.shrunk);
        Some((purged as u64, shrunk as u64))
    }

    /// Waits for records, and takes in what came; whether the first process has ended.
    pub(super) fn round(&mut self, wait: Duration, last: bool) -> bool {
        if !wait.is_zero() {
            self.events.wait(wait);
        }
        let mut faults = Vec::new();
        for record in self.events.drain(last) {
            match record.what {
                What::Fork { of } if of != record.pid => {
                    self.settle(record.pid);
                    let known = self.known.entry(of).or_insert_with(Known::new);
                    let mut child = known.clone();
                    child.parent = Some(of);
                    self.known.insert(record.pid, child);
                }
                What::Exec => {
                    self.settle(record.pid);
                    self.known.remove(&record.pid);
                }
                _ => {}
            }
            faults.extend(self.history.add(&record));
        }
        self.look(&faults);
        self.find_huge(&faults);
        // SAFETY: asks whether there is such a process.
        faults.is_empty() && unsafe { libc::kill(self.first, 0) } != 0
    }

    /// Looks anew at the tables of processes that had faults where nothing is known.
    fn look(&mut self, faults: &[Fault]) {
        let mut wanted = BTreeSet::new();
        for fault in faults {
            let known = self.known.get(&fault.pid);
            if !known.is_some_and(|k| k.places.holds(fault.page)) {
                wanted.insert(fault.pid);
            }
        }
        for pid in wanted {
            let known = self.known.entry(pid).or_insert_with(Known::new);
            if known.looked.elapsed() < known.pause {
                continue;
            }
            known.looked = Instant::now();
            let Ok(process) = Process::open_lightly(pid) else {
                continue;
            };
            if known.instances.is_empty() {
                known.instances = find::instances(&process).unwrap_or_default();
            }
            let heaps = known.read(&process);
            known.places.look(&heaps, self.page);
            let helped = |f: &Fault| f.pid == pid && known.places.holds(f.page);
            let has_helped = faults.iter().any(helped);
            known.pause = match has_helped {
                true => Duration::ZERO,
                false => (known.pause * 2).clamp(SHORTEST, LONGEST),
            };
        }
    }

    /// Asks of faults in heaps that use huge pages whether they brought one.
    fn find_huge(&mut self, faults: &[Fault]) {
        let mut process: Option<Process> = None;
        for fault in faults {
            let known = self.known.get(&fault.pid);
            let brings = matches!(fault.cause, Cause::First | Cause::Again);
            if !brings || !known.is_some_and(|k| k.places.may_be_huge(fault.page)) {
                continue;
            }
            if process.as_ref().is_none_or(|p| p.pid != fault.pid) {
                process = Process::open_lightly(fault.pid).ok();
            }
            let flags = process.as_ref().and_then(|p| {
                let pages = p.residency(fault.page, fault.page + self.page)?;
                pages.first().copied()
            });
            if flags.is_some_and(|f| f & HUGE != 0) {
                self.history.was_huge(fault, HUGE_PAGE);
            }
        }
    }

    /// What is known of a process; of one that was gone before a look, what is known of those that it
    /// came from.
    fn known_of(&self, pid: i32) -> Option<&Known> {
        let mut known = self.known.get(&pid)?;
        for _ in 0..GENERATIONS {
            match known.parent.and_then(|parent| self.known.get(&parent)) {
                Some(parent) if known.instances.is_empty() => known = parent,
                _ => break,
            }
        }
        Some(known)
    }

    /// Adds up what a process did that is done with.
    fn settle(&mut self, pid: i32) {
        let Some(process) = self.history.processes.remove(&pid) else {
            return;
        };
        let known = self.known_of(pid);
        let mut sums: BTreeMap<(Kind, Cause), Tally> = BTreeMap::new();
        for ((page, cause), tally) in &process.tallies {
            let kind = known.map_or(Kind::Other, |k| k.places.kind(*page, self.page));
            sums.entry((kind, *cause)).or_default().add(tally);
        }
        if !sums.is_empty() {
            self.processes.insert(pid);
        }
        for (of, sum) in sums {
            self.totals.entry(of).or_default().add(&sum);
        }
    }

    /// Adds up the rest. Children that go on are read as they are; of those that ended, what lay where
    /// in the first process is taken, if they had its heap.
    pub(super) fn finish(&mut self) {
        let all: Vec<i32> = self.history.processes.keys().copied().collect();
        let first = self.known.get(&self.first).cloned();
        for pid in all {
            let known = self.known.get_mut(&pid);
            if let Some(known) = known.filter(|_| pid != self.first) {
                if let Ok(process) = Process::open_lightly(pid) {
                    let heaps = known.read(&process);
                    known.places.look(&heaps, self.page);
                    known.places.walk(&process, &heaps);
                }
                if let Some(first) = first.as_ref().filter(|first| first.is_same(known)) {
                    known.places.inherit(&first.places);
                }
            }
            self.settle(pid);
        }
    }
}

fn counters(scene: &Scene<'_>) -> Counters {
    let mut all = Counters::default();
    for heap in scene.heaps {
        for arena in &heap.arenas {
            let one = arena.counters(scene.target);
            all.purged += one.purged;
            all.shrunk += one.shrunk;
        }
    }
    all
}
