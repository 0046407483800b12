//! The files by which recorded processes hand over their calls.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use anyhow::{Context, Result};
use memmap2::MmapMut;
use wire::spool::{Control, MAGIC, Process, Ring, Trouble};

use super::drain::{Drain, Recorded};

/// Memory that is no disk's.
const SHARED_MEMORY: &str = "/dev/shm";
/// What has to be free there to be used, bytes: rings of 64 threads.
const ROOM: u64 = 64 << 20;

/// A mapped file that begins with a structure of the recorder's.
pub(super) struct Mapped(MmapMut);

impl Mapped {
    /// Maps a file that has at least `size` bytes.
    pub(super) fn open(path: &Path, size: usize) -> Option<Self> {
        let file = File::options().read(true).write(true).open(path).ok()?;
        if file.metadata().ok()?.len() < size as u64 {
            return None;
        }
        // SAFETY: the recorder writes it too, by the rules of `wire::spool`; nobody makes it shorter.
        Some(Self(unsafe { MmapMut::map_mut(&file) }.ok()?))
    }

    /// Its start, as what it is.
    pub(super) fn start<T>(&self) -> &T {
        // SAFETY: it was opened with the size of that, begins at a page, and has atomics and bytes.
        unsafe { &*self.0.as_ptr().cast() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A process that is recorded.
struct Live {
    mapped: Mapped,
    rings: Vec<Drain>,
}

/// All of them.
pub(super) struct Spool {
    directory: tempfile::TempDir,
    /// Where the streams go.
    scratch: PathBuf,
    control: Mapped,
    live: BTreeMap<String, Live>,
    ended: Vec<Recorded>,
    /// Streams so far, for their names.
    count: usize,
    /// Why nothing can be written any more.
    full: Option<String>,
}

impl Spool {
    pub(super) fn new(scratch: &Path) -> Result<Self> {
        let shared = Path::new(SHARED_MEMORY);
        let place = if free(shared) >= ROOM {
            shared.to_owned()
        } else {
            env::temp_dir()
        };
        let directory = tempfile::Builder::new()
            .prefix("cairn-record-")
            .tempdir_in(&place)
            .with_context(|| format!("no directory can be made in {}", place.display()))?;
        let path = directory.path().join("control");
        let file = File::create_new(&path).with_context(|| format!("{}", path.display()))?;
        file.set_len(size_of::<Control>() as u64)?;
        let control = Mapped::open(&path, size_of::<Control>())
            .with_context(|| format!("{} cannot be mapped", path.display()))?;
        control.start::<Control>().magic.store(MAGIC, Release);
        Ok(Self {
            directory,
            scratch: scratch.to_owned(),
            control,
            live: BTreeMap::new(),
            ended: Vec::new(),
            count: 0,
            full: None,
        })
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Looks for new processes and new rings.
    pub(super) fn find(&mut self) {
        let Ok(entries) = fs::read_dir(self.directory.path()) else {
            return;
        };
        let mut rings = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.split_once(".r.") {
                Some((process, _)) => rings.push((process.to_owned(), entry.path())),
                None if name.starts_with("p.") && !self.live.contains_key(&name) => {
                    self.begin(name, &entry.path());
                }
                None => {}
            }
        }
        for (process, path) in rings {
            let Some(live) = self.live.get_mut(&process) else {
                continue;
            };
            let to = self.scratch.join(format!("stream.{}", self.count));
            match Drain::new(&path, to) {
                Ok(Some(drain)) => {
                    live.rings.push(drain);
                    self.count += 1;
                    let _ = fs::remove_file(&path);
                }
                // Not yet whole.
                Ok(None) => {}
                Err(error) => self.stop(&error),
            }
        }
    }

    fn begin(&mut self, name: String, path: &Path) {
        let Some(mapped) = Mapped::open(path, size_of::<Process>()) else {
            return;
        };
        if mapped.start::<Process>().magic.load(Acquire) != MAGIC {
            return;
        }
        let live = Live {
            mapped,
            rings: Vec::new(),
        };
        self.live.insert(name, live);
    }

    /// Takes what is in the rings. `true` if there was much.
    pub(super) fn drain(&mut self) -> bool {
        self.control.start::<Control>().beat.fetch_add(1, Relaxed);
        let mut is_busy = false;
        let mut failed = None;
        for ring in self.live.values_mut().flat_map(|live| &mut live.rings) {
            match ring.take() {
                Ok(much) => is_busy |= much,
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            self.stop(&error);
        }
        is_busy
    }

    /// Nothing is recorded from here on; the program goes on.
    fn stop(&mut self, error: &anyhow::Error) {
        let control = self.control.start::<Control>();
        control.stop.store(1, Relaxed);
        if self.full.is_none() {
            let why = format!("{error:#}");
            eprintln!(
                "cairn record: recording stops, the program goes on: {why}; TMPDIR names another place"
            );
            self.full = Some(why);
        }
    }

    pub(super) fn live(&self) -> usize {
        self.live.len()
    }

    /// Closes the streams of processes that have ended, or have become another program.
    pub(super) fn end_those_that_are_gone(&mut self) {
        // A directory's entries are in no order; the clock has one.
        let mut newest: BTreeMap<u32, u64> = BTreeMap::new();
        for live in self.live.values() {
            let start = newest.entry(live.pid()).or_default();
            *start = live.start().max(*start);
        }
        let gone: Vec<String> = self
            .live
            .iter()
            .filter(|(_, live)| {
                newest.get(&live.pid()) != Some(&live.start()) || !is_alive(live.pid())
            })
            .map(|(name, _)| name.clone())
            .collect();
        if gone.is_empty() {
            return;
        }
        // A ring that it made just before.
        self.find();
        for name in gone {
            self.end(&name);
        }
    }

    fn end(&mut self, name: &str) {
        let Some(live) = self.live.remove(name) else {
            return;
        };
        let _ = fs::remove_file(self.directory.path().join(name));
        let process = live.mapped.start::<Process>();
        let mut streams = Vec::new();
        for ring in live.rings {
            match ring.finish() {
                Ok(path) => streams.push(path),
                Err(error) => self.stop(&error),
            }
        }
        self.ended.push(Recorded {
            pid: process.pid.load(Relaxed),
            parent: process.parent.load(Relaxed),
            start: process.start.load(Relaxed),
            program: text(&process.program),
            served: text(&process.served),
            exited: process.ended.load(Relaxed) != 0,
            cut: self.full.clone(),
            streams,
        });
    }

    /// All processes, the first one first, and what went wrong.
    pub(super) fn finish(mut self) -> (Vec<Recorded>, Vec<String>) {
        self.control.start::<Control>().stop.store(1, Relaxed);
        self.find();
        for name in self.live.keys().cloned().collect::<Vec<_>>() {
            self.end(&name);
        }
        self.ended.sort_by_key(|process| process.start);
        let bits = self.control.start::<Control>().trouble.load(Relaxed);
        let place = self.directory.path().display();
        let troubles = [
            (
                Trouble::Room,
                format!(
                    "no space is left in {place}: recording stopped there, the program went on"
                ),
            ),
            (
                Trouble::Drain,
                "the rings were not drained for ten seconds: recording stopped there".to_owned(),
            ),
            (
                Trouble::Threads,
                format!(
                    "more than {} threads at once: those beyond are not in the trace",
                    wire::spool::RINGS
                ),
            ),
        ];
        let troubles = troubles
            .into_iter()
            .filter(|(trouble, _)| bits & *trouble as u32 != 0)
            .map(|(_, words)| words)
            .collect();
        (std::mem::take(&mut self.ended), troubles)
    }
}

impl Live {
    fn pid(&self) -> u32 {
        self.mapped.start::<Process>().pid.load(Relaxed)
    }

    fn start(&self) -> u64 {
        self.mapped.start::<Process>().start.load(Relaxed)
    }
}

/// Whether a process runs; one that was not waited for does not.
fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        // There may be no /proc.
        // SAFETY: signal 0 is none.
        return unsafe { libc::kill(pid.cast_signed(), 0) } == 0;
    };
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    !state.starts_with(['Z', 'X'])
}

fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// Bytes that are free where a directory lies.
fn free(directory: &Path) -> u64 {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = std::ffi::CString::new(directory.as_os_str().as_bytes()) else {
        return 0;
    };
    // SAFETY: all zeroes is a valid answer.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: both outlive the call.
    if unsafe { libc::statvfs(path.as_ptr(), &raw mut found) } != 0 {
        return 0;
    }
    found.f_bavail * found.f_frsize
}

/// The first structure of a ring.
pub(super) fn ring(mapped: &Mapped) -> &Ring {
    mapped.start()
}
