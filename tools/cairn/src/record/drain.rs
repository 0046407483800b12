//! From a ring to a file of its own, packed.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::{Acquire, Release};

use anyhow::{Context, Result};
use wire::spool::{HEADER, MAGIC, RING, Ring};

use super::spool::{Mapped, ring};

/// Of zstd: quick, since what is written here is read once.
const LEVEL: i32 = 1;

/// A ring and where its records go.
pub(super) struct Drain {
    mapped: Mapped,
    tail: u64,
    to: zstd::Encoder<'static, File>,
    path: PathBuf,
}

impl Drain {
    /// A new one; `None` if the ring is not yet whole.
    ///
    /// # Errors
    /// No file can be made.
    pub(super) fn new(from: &Path, path: PathBuf) -> Result<Option<Self>> {
        let Some(mapped) = Mapped::open(from, HEADER + RING) else {
            return Ok(None);
        };
        if ring(&mapped).magic.load(Acquire) != MAGIC {
            return Ok(None);
        }
        let file = File::create(&path).with_context(|| format!("{}", path.display()))?;
        let to = zstd::Encoder::new(file, LEVEL)?;
        Ok(Some(Self {
            mapped,
            tail: 0,
            to,
            path,
        }))
    }

    /// Takes what is there. `true` if it was much.
    pub(super) fn take(&mut self) -> Result<bool> {
        let ring: &Ring = ring(&self.mapped);
        let head = ring.head.load(Acquire);
        let there = (head - self.tail) as usize;
        if there == 0 {
            return Ok(false);
        }
        let data = self.mapped.bytes().get(HEADER..).unwrap_or_default();
        let from = self.tail as usize % RING;
        let first = there.min(RING - from);
        for part in [from..from + first, 0..there - first] {
            let bytes = data.get(part).unwrap_or_default();
            self.to
                .write_all(bytes)
                .with_context(|| format!("cannot write {}", self.path.display()))?;
        }
        self.tail = head;
        ring.tail.0.store(head, Release);
        Ok(there > RING / 4)
    }

    /// Takes the rest, and closes the file.
    pub(super) fn finish(mut self) -> Result<PathBuf> {
        self.take()?;
        self.to
            .finish()
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(self.path)
    }
}

/// A process that has ended, with its streams.
pub(super) struct Recorded {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// The clock when it began.
    pub(super) start: u64,
    pub(super) program: String,
    pub(super) served: String,
    /// Whether it ended by `exit`.
    pub(super) exited: bool,
    /// Why its last calls are missing.
    pub(super) cut: Option<String>,
    pub(super) streams: Vec<PathBuf>,
}

impl Recorded {
    /// Its streams, unpacked.
    pub(super) fn streams(&self) -> Result<Vec<impl std::io::Read + use<>>> {
        let open = |path: &PathBuf| {
            let file =
                File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            let unpacked = zstd::Decoder::new(file)?;
            Ok(BufReader::with_capacity(1 << 16, unpacked))
        };
        self.streams.iter().map(open).collect()
    }
}
