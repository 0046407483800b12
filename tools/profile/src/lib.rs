//! Profiles of a heap that Cairn samples, of another process or of this one.
//!
//! ```text
//!   symbols    functions, files and lines of return addresses
//!   pprof      the file that Go's pprof and its friends read
//!   flame      one SVG
//!   stack      frames of a thread that stands
//!   table      the sites that hold or asked for most, as text
//!   lives      how long objects of a site live
//!   leaks      what is old and still in use, growing sites first
//!   diff       what one file has more than another
//! ```
//!
//! The library itself knows addresses alone: symbols, compression and the like have no place in it.
//!
//! A program that runs on Cairn profiles itself so:
//!
//! ```
//! use cairn_profile::{Kind, Profile, flame, pprof, table};
//!
//! #[global_allocator]
//! static HEAP: cairn::Cairn = cairn::Cairn;
//!
//! cairn::start_profile(64 << 10); // a sample for 64 KiB in the mean; 512 in production
//! let kept: Vec<Vec<u8>> = (0..1000).map(|_| vec![1; 10_000]).collect();
//!
//! let profile = Profile::of_self()?;
//! println!("{}", table::text(&profile, Kind::InUse, 10));
//! let (mut for_pprof, mut graph) = (Vec::new(), Vec::new());
//! pprof::write(&profile, Kind::InUse, &mut for_pprof)?;
//! flame::write(&profile, Kind::InUse, &mut graph)?;
//! assert!(profile.total(Kind::InUse)[1] > 5e6 && kept.len() == 1000);
//! # anyhow::Ok(())
//! ```

pub mod diff;
pub mod flame;
pub mod leaks;
pub mod lives;
pub mod pprof;
mod signal;
pub mod stack;
pub mod symbols;
pub mod table;

use cairn_reader::process::Process;
use cairn_reader::samples::{Frame, Module, Samples};
use cairn_reader::target::RESIDENT;
use cairn_reader::{Instance, Target, find};
use std::collections::{HashMap, HashSet};
use symbols::{Line, Symbols};

/// Objects and bytes, in this order, estimated from the samples.
///
/// ```
/// let [objects, bytes]: cairn_profile::Sum = cairn_profile::Profile::default().total(cairn_profile::Kind::Peak);
/// assert_eq!((objects, bytes), (0.0, 0.0));
/// ```
pub type Sum = [f64; 2];

/// Which figures of a site.
///
/// ```
/// use cairn_profile::{Kind, pprof};
///
/// assert_eq!(pprof::space(Kind::InUse), "inuse_space");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What is in use.
    InUse,
    /// What was allocated while the heap was sampled.
    Allocated,
    /// What was in use when most was.
    Peak,
}

/// A stack that asked for memory.
///
/// ```
/// use cairn_profile::{Kind, Profile, Site};
///
/// fn largest(profile: &Profile) -> Option<&Site> {
///     let bytes = |site: &Site| site.sum(Kind::InUse)[1];
///     profile.sites.iter().max_by(|a, b| bytes(a).total_cmp(&bytes(b)))
/// }
/// assert!(largest(&Profile::default()).is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Site {
    /// Its return addresses, innermost first, without those inside Cairn.
    pub frames: Vec<Frame>,
    /// The functions of each, innermost first; several where the compiler put one into another.
    pub lines: Vec<Vec<Line>>,
    /// What was allocated.
    pub allocated: Sum,
    /// What is in use.
    pub in_use: Sum,
    /// What was in use at the peak.
    pub peak: Sum,
    /// Bytes of what is in use that are in memory.
    pub resident: f64,
    /// Samples taken, and how many of those objects were freed.
    pub samples: [u32; 2],
    /// How many of those lived for how long.
    pub lives: Vec<u32>,
    /// How long the sampled objects that are in use have lived, milliseconds, the oldest first; each
    /// with the objects and bytes that it stands for.
    pub ages: Vec<(u64, Sum)>,
    /// Bytes in use that came since the earlier look, less those that went, and the variance of that
    /// figure; 0 where there was one look alone.
    pub growth: [f64; 2],
}

impl Site {
    /// Its figures of a kind.
    #[must_use]
    pub fn sum(&self, kind: Kind) -> Sum {
        match kind {
            Kind::InUse => self.in_use,
            Kind::Allocated => self.allocated,
            Kind::Peak => self.peak,
        }
    }

    /// All of its functions, innermost first.
    pub fn functions(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().flatten()
    }
}

/// A profile.
///
/// ```
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// cairn::start_profile(64 << 10);
/// let kept: Vec<Vec<u8>> = (0..1000).map(|_| vec![1; 10_000]).collect();
/// let profile = cairn_profile::Profile::of_self()?;
/// assert_eq!((profile.interval, profile.dropped, kept.len()), (64 << 10, 0, 1000));
/// # anyhow::Ok(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The name of the program.
    pub command: String,
    /// Mean bytes between two samples.
    pub interval: u64,
    /// For how many milliseconds the heap was sampled.
    pub lasted: u64,
    /// Samples for which there was no room.
    pub dropped: u64,
    /// Sites.
    pub sites: Vec<Site>,
    /// The program and its libraries.
    pub modules: Vec<Module>,
    /// Their build ids, as text; empty where one has none.
    pub build_ids: Vec<String>,
}

/// The monotonic clock, milliseconds: what ages are counted by.
///
/// ```
/// assert!(cairn_profile::now() <= cairn_profile::now());
/// ```
#[must_use]
pub fn now() -> u64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut t) };
    let seconds = u64::try_from(t.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(t.tv_nsec).unwrap_or(0) / 1_000_000
}

/// Takes the samples of a process and what only holds as long as it lives: which of the objects'
/// pages are in memory. Of each site the second has the bytes that are.
///
/// ```
/// use cairn_reader::{find, process::Process};
/// use cairn_profile::take;
///
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// cairn::start_profile(64 << 10);
/// let process = Process::open_lightly(std::process::id() as i32)?;
/// for instance in find::instances(&process)? {
///     let (samples, resident) = take(&process, &instance);
///     assert_eq!(samples.sites.len(), resident.len());
/// }
/// # anyhow::Ok(())
/// ```
#[must_use]
pub fn take(target: &dyn Target, instance: &Instance) -> (Samples, Vec<f64>) {
    let samples = Samples::read(target, instance);
    let resident = |at: u64, size: u64| -> f64 {
        let page = target.page();
        let Some(end) = at.checked_add(size.max(1)) else {
            return 0.0;
        };
        let (from, to) = (at & !(page - 1), end.next_multiple_of(page));
        // More than any object has: nothing that a damaged file says is asked for.
        if to < from || to - from > 1 << 44 || target.map_of(at).is_none() {
            return 0.0;
        }
        let pages = target.residency(from, to).unwrap_or_default();
        let place = |i: usize| from + i as u64 * page;
        let inside = |i: usize| {
            (place(i) + page)
                .min(at + size)
                .saturating_sub(place(i).max(at))
        };
        let there = pages
            .iter()
            .enumerate()
            .filter(|(_, f)| **f & RESIDENT != 0);
        there.map(|(i, _)| inside(i) as f64).sum()
    };
    let mut sums = vec![0.0; samples.sites.len()];
    for sample in &samples.live {
        if let Some(sum) = sums.get_mut(sample.site) {
            *sum += resident(sample.at, sample.size) * sample.weight;
        }
    }
    (samples, sums)
}

/// Of each site the ages of its objects in use, the oldest first, each with what it stands for.
fn by_site(samples: &Samples, end: u64) -> HashMap<usize, Vec<(u64, Sum)>> {
    let mut all: HashMap<usize, Vec<_>> = HashMap::new();
    for s in &samples.live {
        let sum = [s.weight, s.weight * s.size as f64];
        let age = end.saturating_sub(s.born);
        all.entry(s.site).or_default().push((age, sum));
    }
    for ages in all.values_mut() {
        ages.sort_by_key(|age| std::cmp::Reverse(age.0));
    }
    all
}

/// Of each site what came since an earlier look and stays, less what went, in bytes; and the variance.
fn growth(samples: &Samples, before: Option<&Samples>) -> HashMap<usize, [f64; 2]> {
    let Some(before) = before else {
        return HashMap::new();
    };
    let key = |s: &cairn_reader::samples::Sample| (s.at, s.born, s.site);
    let mut all: HashMap<usize, [f64; 2]> = HashMap::new();
    for (now, then, sign) in [(samples, before, 1.0), (before, samples, -1.0)] {
        let known: HashSet<_> = then.live.iter().map(key).collect();
        for s in now.live.iter().filter(|s| !known.contains(&key(s))) {
            let bytes = s.weight * s.size as f64;
            let sum = all.entry(s.site).or_default();
            sum[0] += sign * bytes;
            sum[1] += bytes * bytes;
        }
    }
    all
}

impl Profile {
    /// Puts samples and symbols together, at a moment of the monotonic clock. Where there is an earlier
    /// look, what was allocated is what came since.
    #[must_use]
    pub fn new(
        command: String,
        (samples, resident): &(Samples, Vec<f64>),
        before: Option<&Samples>,
        symbols: &Symbols,
        end: u64,
    ) -> Self {
        let mut live = by_site(samples, end);
        let mut growth = growth(samples, before);
        let site = |(i, site): (usize, &cairn_reader::samples::Site)| {
            let earlier = before.and_then(|b| b.sites.get(i));
            let since = |k: usize| {
                let had = earlier.map_or(0.0, |e| e.allocated.get(k).copied().unwrap_or(0.0));
                (site.allocated[k] - had).max(0.0)
            };
            let ages = live.remove(&i).unwrap_or_default();
            // By the objects themselves: a difference of two large sums has the errors of both.
            let total = |k: usize| ages.iter().map(|a| a.1[k]).sum::<f64>();
            let lines: Vec<_> = site
                .frames
                .iter()
                .map(|f| symbols.lines(&samples.modules, *f))
                .collect();
            let own = symbols::own_frames(&samples.modules, &site.frames, &lines);
            Site {
                frames: site.frames.get(own..).unwrap_or_default().to_vec(),
                lines: lines.get(own..).unwrap_or_default().to_vec(),
                allocated: [since(0), since(1)],
                in_use: [total(0), total(1)],
                peak: site.peak,
                resident: resident.get(i).copied().unwrap_or(0.0),
                samples: site.samples,
                lives: site.lives.to_vec(),
                ages,
                growth: growth.remove(&i).unwrap_or_default(),
            }
        };
        let mut profile = Self {
            command,
            interval: samples.interval,
            lasted: end.saturating_sub(samples.since),
            dropped: samples.dropped,
            sites: samples.sites.iter().enumerate().map(site).collect(),
            modules: samples.modules.clone(),
            build_ids: symbols.build_ids(&samples.modules),
        };
        profile.merge();
        profile
    }

    /// Sites that differ inside Cairn alone are one.
    fn merge(&mut self) {
        let mut places = HashMap::new();
        let mut merged: Vec<Site> = Vec::new();
        for site in self.sites.drain(..) {
            let place = *places.entry(site.frames.clone()).or_insert(merged.len());
            let Some(into) = merged.get_mut(place) else {
                merged.push(site);
                continue;
            };
            for (to, from) in [
                (&mut into.allocated, site.allocated),
                (&mut into.in_use, site.in_use),
                (&mut into.peak, site.peak),
            ] {
                to[0] += from[0];
                to[1] += from[1];
            }
            into.resident += site.resident;
            into.samples[0] += site.samples[0];
            into.samples[1] += site.samples[1];
            for (to, from) in into.lives.iter_mut().zip(site.lives) {
                *to += from;
            }
            into.growth[0] += site.growth[0];
            into.growth[1] += site.growth[1];
            into.ages.extend(site.ages);
            into.ages.sort_by_key(|age| std::cmp::Reverse(age.0));
        }
        self.sites = merged;
    }

    /// The sum over all sites.
    #[must_use]
    pub fn total(&self, kind: Kind) -> Sum {
        let add = |a: Sum, b: Sum| [a[0] + b[0], a[1] + b[1]];
        self.sites.iter().map(|s| s.sum(kind)).fold([0.0; 2], add)
    }

    /// The profile of this very process, which has to run on Cairn and be sampled.
    ///
    /// # Errors
    /// It does not run on Cairn, or may not look at itself.
    pub fn of_self() -> anyhow::Result<Self> {
        let pid = i32::try_from(std::process::id())?;
        let process = Process::open_lightly(pid)?;
        let instances = find::instances(&process)?;
        let taken = instances.iter().map(|i| take(&process, i));
        let taken = taken
            .max_by_key(|(s, _)| s.sites.len())
            .ok_or_else(|| anyhow::anyhow!("this process does not run on Cairn"))?;
        let symbols = Symbols::of(pid);
        Ok(Self::new(process.command(), &taken, None, &symbols, now()))
    }
}
