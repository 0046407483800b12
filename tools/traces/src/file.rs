//! The file of a trace: what it is of, then blocks of calls, then what there was of them.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::columns::{self, Before, CALLS};
use crate::event::Event;

const MAGIC: [u8; 8] = *b"cairntrc";
const VERSION: u32 = 1;
/// Of zstd.
const LEVEL: i32 = 5;
/// What follows: the start, calls, or the end.
const START: u8 = b'S';
const BLOCK: u8 = b'C';
const END: u8 = b'E';
/// The most that one part may unpack to, bytes.
const PART: usize = 64 << 20;

/// What the trace is of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The program's file.
    pub program: String,
    /// Its command line, where it was the one that was asked for.
    #[serde(default)]
    pub command: Vec<String>,
    /// The number of the process.
    pub pid: u32,
    /// That of the process that started it.
    pub parent: u32,
    /// The file whose `malloc` served it.
    pub served: String,
    /// Seconds that a tick takes.
    pub tick: f64,
    /// The architecture.
    pub machine: String,
    /// Bytes of a page.
    pub page: u64,
}

/// What there was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Calls in the file.
    pub calls: u64,
    /// Threads.
    pub threads: u32,
    /// The most bytes that lived at once, as asked for.
    pub peak: u64,
    /// The most objects that lived at once.
    pub objects: u64,
    /// Frees of what was not allocated while it was recorded: by the process from which this one
    /// was forked, or before the recorder was there.
    pub strays: u64,
    /// Whether the process ended by `exit`: not by a signal, not by exec.
    pub exited: bool,
    /// Whether calls are missing at the end, and why.
    #[serde(default)]
    pub cut: Option<String>,
}

/// Writes a trace.
pub struct Writer<W: Write> {
    to: W,
    block: columns::Writer,
    calls: u64,
}

impl Writer<BufWriter<File>> {
    /// A new file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(path: &Path, start: &Start) -> Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Self::new(BufWriter::new(file), start)
    }
}

impl<W: Write> Writer<W> {
    /// A trace that goes there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(mut to: W, start: &Start) -> Result<Self> {
        to.write_all(&MAGIC)?;
        to.write_all(&VERSION.to_le_bytes())?;
        let mut writer = Self {
            to,
            block: columns::Writer::default(),
            calls: 0,
        };
        writer.part(START, &serde_json::to_vec(start)?)?;
        Ok(writer)
    }

    /// One more call.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, event: &Event) -> Result<()> {
        self.block.add(event)?;
        self.calls += 1;
        if self.block.count == CALLS {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the file; the number of calls is what was written. The target comes back.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self, end: &End) -> Result<W> {
        self.flush()?;
        let end = End {
            calls: self.calls,
            ..end.clone()
        };
        self.part(END, &serde_json::to_vec(&end)?)?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn flush(&mut self) -> Result<()> {
        if self.block.count > 0 {
            let block = self.block.take()?;
            self.part(BLOCK, &block)?;
        }
        Ok(())
    }

    fn part(&mut self, kind: u8, bytes: &[u8]) -> Result<()> {
        let packed = zstd::bulk::compress(bytes, LEVEL)?;
        self.to.write_all(&[kind])?;
        self.to
            .write_all(&u32::try_from(bytes.len())?.to_le_bytes())?;
        self.to
            .write_all(&u32::try_from(packed.len())?.to_le_bytes())?;
        self.to.write_all(&packed)?;
        Ok(())
    }
}

/// Reads a trace, call by call.
pub struct Reader<R: Read> {
    from: R,
    /// What it is of.
    pub start: Start,
    /// What there was, once the last call was read; a file that is cut short has none.
    pub end: Option<End>,
    before: Before,
    block: Option<columns::Reader>,
}

impl Reader<BufReader<File>> {
    /// A trace in a file.
    ///
    /// # Errors
    /// It is not there, or no trace.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
        Self::new(BufReader::new(file)).with_context(|| format!("{shown}"))
    }
}

impl<R: Read> Reader<R> {
    /// A trace that comes from there.
    ///
    /// # Errors
    /// It is none.
    pub fn new(mut from: R) -> Result<Self> {
        let mut first = [0; 12];
        let whole = from.read_exact(&mut first).is_ok();
        let (magic, version) = first.split_at(MAGIC.len());
        if !whole || magic != MAGIC {
            bail!("that is no trace; `cairn record` makes one");
        }
        let version = u32::from_le_bytes(version.try_into()?);
        if version != VERSION {
            bail!("a trace of version {version}; this command reads version {VERSION}");
        }
        let mut reader = Self {
            from,
            start: Start::default(),
            end: None,
            before: Before::default(),
            block: None,
        };
        match reader.part()? {
            Some((START, bytes)) => reader.start = serde_json::from_slice(&bytes)?,
            _ => bail!("a trace without a start"),
        }
        Ok(reader)
    }

    /// The next part; `None` where the file ends.
    fn part(&mut self) -> Result<Option<(u8, Vec<u8>)>> {
        let mut head = [0; 9];
        let Ok(()) = self.from.read_exact(&mut head) else {
            return Ok(None);
        };
        let [kind, lengths @ ..] = head;
        let (raw, packed) = lengths.split_at(4);
        let length =
            |bytes: &[u8]| -> Result<usize> { Ok(u32::from_le_bytes(bytes.try_into()?) as usize) };
        let (raw, packed) = (length(raw)?, length(packed)?);
        if raw > PART || packed > PART {
            bail!("a part of {raw} bytes, which none has: the file is damaged");
        }
        let mut bytes = vec![0; packed];
        if self.from.read_exact(&mut bytes).is_err() {
            return Ok(None);
        }
        let bytes = zstd::bulk::decompress(&bytes, raw).context("the file is damaged")?;
        Ok(Some((kind, bytes)))
    }

    /// The next call; `None` after the last.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn next_call(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(block) = &mut self.block {
                if let Some(event) = block.next(&mut self.before)? {
                    return Ok(Some(event));
                }
                self.block = None;
            }
            match self.part()? {
                Some((BLOCK, bytes)) => self.block = Some(columns::Reader::of(bytes)?),
                Some((END, bytes)) => {
                    self.end = Some(serde_json::from_slice(&bytes)?);
                    return Ok(None);
                }
                Some((kind, _)) => bail!("a part of kind {kind}: the file is damaged"),
                None => return Ok(None),
            }
        }
    }
}
