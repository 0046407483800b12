//! The samples of a heap: which objects that are in use were met, and which stacks asked for how
//! much.

use crate::find::Instance;
use crate::process::Process;
use crate::target::{Error, Target, long, printable, quad};
use cairn::layout::places::samples as place;

/// A stack that asked for memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Return addresses, innermost first.
    pub frames: Vec<Frame>,
    /// Objects and bytes that were allocated, estimated.
    pub allocated: [f64; 2],
    /// The same that were freed.
    pub freed: [f64; 2],
    /// The same that were in use when most was.
    pub peak: [f64; 2],
    /// Samples taken, and how many of those objects were freed.
    pub samples: [u32; 2],
    /// How many of those lived for how long: below a millisecond, below 4, below 16 and so on.
    pub lives: [u32; place::LIVES],
}

/// A return address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The address.
    pub pc: u64,
    /// The place of its module in the list of them; none for code that no file has.
    pub module: Option<usize>,
}

/// An object of the loader's: the program, or a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// What is added to addresses of its file.
    pub bias: u64,
    /// Its path; empty for the program.
    pub path: String,
}

/// A sample: a live object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Its address.
    pub at: u64,
    /// Bytes that were asked for.
    pub size: u64,
    /// Objects that it stands for.
    pub weight: f64,
    /// When it was allocated, on the kernel's monotonic clock, milliseconds.
    pub born: u64,
    /// The place of its site in the list of them.
    pub site: usize,
    /// The thread that asked for it.
    pub thread: u32,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Mean bytes between two samples; 0 if none are taken now.
    pub interval: u64,
    /// Samples for which there was no room.
    pub dropped: u64,
    /// When the first was taken, on the monotonic clock, milliseconds.
    pub since: u64,
    /// When most was in use, likewise.
    pub peak_at: u64,
    /// Sites, in the order in which they came.
    pub sites: Vec<Site>,
    /// Modules.
    pub modules: Vec<Module>,
    /// Live objects.
    pub live: Vec<Sample>,
}

/// A number with a fraction, by its bits; what makes none is 0.
fn fraction(bytes: &[u8], at: usize) -> f64 {
    let value = f64::from_bits(quad(bytes, at));
    if value.is_finite() { value } else { 0.0 }
}

fn pair(bytes: &[u8], at: usize) -> [f64; 2] {
    [fraction(bytes, at), fraction(bytes, at + 8)]
}

/// As many bytes as there are.
fn all(target: &dyn Target, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let n = target.read(at, &mut bytes);
    bytes.truncate(n);
    bytes
}

impl Samples {
    /// Reads them.
    pub fn read(target: &dyn Target, instance: &Instance) -> Self {
        let Some(head) = target.bytes(instance.heads.samples, place::BYTES) else {
            return Self::default();
        };
        let word = |at: usize| usize::try_from(quad(&head, at)).unwrap_or(usize::MAX);
        let mut samples = Self {
            interval: quad(&head, place::INTERVAL),
            dropped: quad(&head, place::DROPPED),
            since: quad(&head, place::SINCE),
            peak_at: quad(&head, place::SPACE + 16),
            ..Self::default()
        };
        let at = quad(&head, place::AT);
        if at == 0 {
            return samples;
        }
        let part = |from: usize, len: usize| all(target, at.wrapping_add(from as u64), len);
        let modules = word(place::MODULES).min(place::MOST_MODULES) * place::MODULE;
        let modules = part(place::MODULES_AT, modules);
        samples.modules = modules.chunks_exact(place::MODULE).map(module).collect();
        let sites = word(place::SITES).min(place::MOST_SITES);
        let places = samples.read_sites(&part(place::SITES_AT, sites));
        let records = word(place::RECORDS).min(place::MOST_RECORDS) * place::RECORD;
        for record in part(0, records).chunks_exact(place::RECORD) {
            let number = u64::from(long(record, 32)).wrapping_sub(1).wrapping_mul(8);
            let site = places.binary_search(&number);
            if let (true, Ok(site)) = (quad(record, 0) != 0, site) {
                samples.live.push(Sample {
                    at: quad(record, 0),
                    size: quad(record, 8),
                    weight: fraction(record, 16),
                    born: quad(record, 24),
                    site,
                    thread: long(record, 40),
                });
            }
        }
        samples
    }

    /// The latest moment that they tell of, on the monotonic clock, milliseconds: in a file, which says
    /// nothing of its own time, this is as good as the end.
    pub fn latest(&self) -> u64 {
        let births = self.live.iter().map(|s| s.born);
        births.fold(self.since.max(self.peak_at), u64::max)
    }

    /// Takes the sites over; where each begins.
    fn read_sites(&mut self, bytes: &[u8]) -> Vec<u64> {
        const SUMS: usize = 16;
        const COUNTS: usize = SUMS + 48;
        let mut places = Vec::new();
        let mut at = 0;
        while let Some(site) = bytes.get(at..at + place::SITE) {
            let count = long(site, 12) as usize;
            let Some(frames) = bytes.get(at + place::SITE..at + place::SITE + count * 8) else {
                break;
            };
            let frame = |bytes: &[u8]| {
                let word = quad(bytes, 0);
                let module = usize::try_from(word >> 48)
                    .ok()
                    .and_then(|n| n.checked_sub(1));
                Frame {
                    pc: word & ((1 << 48) - 1),
                    module: module.filter(|m| *m < self.modules.len()),
                }
            };
            let mut lives = [0; place::LIVES];
            for (i, life) in lives.iter_mut().enumerate() {
                *life = long(site, COUNTS + 8 + i * 4);
            }
            self.sites.push(Site {
                frames: frames.chunks_exact(8).map(frame).collect(),
                allocated: pair(site, SUMS),
                freed: pair(site, SUMS + 16),
                peak: pair(site, SUMS + 32),
                samples: [long(site, COUNTS), long(site, COUNTS + 4)],
                lives,
            });
            places.push(at as u64);
            at += place::SITE + count * 8;
        }
        places
    }
}

pub(crate) fn module(bytes: &[u8]) -> Module {
    let path = bytes.get(place::PATH..).unwrap_or_default();
    let end = path.iter().position(|b| *b == 0).unwrap_or(path.len());
    let path = String::from_utf8_lossy(path.get(..end).unwrap_or_default());
    Module {
        start: quad(bytes, 0),
        end: quad(bytes, 8),
        bias: quad(bytes, 16),
        path: printable(&path),
    }
}

/// Begins to sample a process, with so many bytes between two samples in the mean, or stops (0). What
/// the interval was before.
///
/// # Errors
/// The process is in check mode, has no heap yet, or the kernel does not let us write its memory.
pub fn set_interval(process: &Process, instance: &Instance, interval: u64) -> Result<u64, Error> {
    let pid = process.pid;
    let before = process.word(instance.heads.samples).unwrap_or(0);
    let stage = process.bytes(instance.heads.stage, 1);
    match stage.as_deref() {
        Some([place::PLAIN | place::SAMPLED]) => {}
        Some([0]) => {
            let why = format!("process {pid} has not asked for memory yet: try again");
            return Err(Error::Missing(why));
        }
        _ => {
            let why = format!(
                "process {pid} is in check mode (MALLOC_CHECK_), which takes no samples: start it \
                 without"
            );
            return Err(Error::Damaged(why));
        }
    }
    let refused = |_| process.refused("write the memory");
    process
        .write(instance.heads.samples, &interval.to_le_bytes())
        .map_err(refused)?;
    if interval != 0 && stage.as_deref() == Some(&[place::PLAIN]) {
        process
            .write(instance.heads.stage, &[place::SAMPLED])
            .map_err(refused)?;
    }
    Ok(before)
}
