//! What is looked at: the memory of a process or of a core file.

use crate::maps::Map;
use std::cell::RefCell;
use std::fmt;

/// Why nothing can be said.
#[derive(Debug)]
pub enum Error {
    /// There is no such process, or file.
    Missing(String),
    /// The kernel lets us not look.
    Refused(String),
    /// It does not run on Cairn; who serves `malloc` in it.
    Other(String),
    /// Another layout of the tables.
    Layout {
        /// The release that the process has, and its layout.
        theirs: (String, u32),
        /// The layout that this command knows.
        ours: u32,
    },
    /// It is no core file, or one that is damaged.
    Damaged(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) | Self::Refused(what) | Self::Other(what) | Self::Damaged(what) => {
                f.write_str(what)
            }
            Self::Layout {
                theirs: (release, layout),
                ours,
            } => write!(
                f,
                "the heap has layout {layout} (Cairn {release}), this command reads layout {ours} \
                 (Cairn {}): use the command of that release",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }
}

impl std::error::Error for Error {}

/// A page is in memory.
pub const RESIDENT: u8 = 1;
/// A page is in swap.
pub const SWAPPED: u8 = 2;
/// A page is the kernel's page of zeros, which is in memory and counts as none of the process's.
pub const ZERO: u8 = 4;
/// A page is part of a huge one.
pub const HUGE: u8 = 8;

/// The memory of a process, or of a core file.
pub trait Target {
    /// Reads from `at` on; how many bytes there are.
    fn read(&self, at: u64, into: &mut [u8]) -> usize;

    /// As [`Self::read`], but what was never touched is not touched by this either: it reads as
    /// zeros.
    fn read_gently(&self, at: u64, into: &mut [u8]) -> usize {
        self.read(at, into)
    }

    /// What is mapped, by rising address.
    fn maps(&self) -> &[Map];

    /// Bytes of a page.
    fn page(&self) -> u64;

    /// What is known of each page from `from` to `to`; `None` where that cannot be known.
    fn residency(&self, from: u64, to: u64) -> Option<Vec<u8>>;

    /// The mapping that an address lies in.
    fn map_of(&self, at: u64) -> Option<&Map> {
        let maps = self.maps();
        let i = maps.partition_point(|m| m.to <= at);
        maps.get(i).filter(|m| m.from <= at)
    }

    /// Whether all of `[from, to)` is mapped so that somebody may read it. Mappings may touch.
    fn is_mapped(&self, from: u64, to: u64) -> bool {
        let mut at = from;
        while at < to {
            match self.map_of(at) {
                Some(m) if m.readable => at = m.to,
                _ => return false,
            }
        }
        from < to
    }

    /// So many bytes, all of them or none; at most a mebibyte.
    fn bytes(&self, at: u64, len: usize) -> Option<Vec<u8>> {
        if len > 1 << 20 {
            return None;
        }
        let mut bytes = vec![0; len];
        (self.read(at, &mut bytes) == len).then_some(bytes)
    }

    /// A word of eight bytes.
    fn word(&self, at: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        (self.read(at, &mut bytes) == 8).then(|| u64::from_le_bytes(bytes))
    }
}

/// A name that somebody else chose, without what would move a terminal's cursor.
pub fn printable(name: &str) -> String {
    let shown = |c: char| if c.is_control() { '?' } else { c };
    name.chars().map(shown).collect()
}

/// The eight bytes at a place of a structure that was read; 0 beyond its end.
pub fn quad(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    u64::from_le_bytes(word.unwrap_or_default())
}

/// The four bytes at a place of a structure that was read; 0 beyond its end.
pub fn long(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    u32::from_le_bytes(word.unwrap_or_default())
}

/// The two bytes at a place of a structure that was read; 0 beyond its end.
pub fn short(bytes: &[u8], at: usize) -> u16 {
    let word = bytes.get(at..at + 2).and_then(|b| b.try_into().ok());
    u16::from_le_bytes(word.unwrap_or_default())
}

/// Bytes of a window where one address follows on another, and where they lie apart.
const WINDOW: (u64, u64) = (128 << 10, 8 << 10);

/// A stretch of memory that was read at once, since what follows is asked for next.
pub struct Window<'a> {
    target: &'a dyn Target,
    held: RefCell<(u64, Vec<u8>)>,
}

impl<'a> Window<'a> {
    /// An empty one.
    pub fn new(target: &'a dyn Target) -> Self {
        Self {
            target,
            held: RefCell::default(),
        }
    }

    /// Calls `f` with `len` bytes at `at`, at most a page and a half; `None` where they are not
    /// mapped.
    pub fn with<R>(&self, at: u64, len: usize, f: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut held = self.held.borrow_mut();
        let inside = |held: &(u64, Vec<u8>)| {
            let from = usize::try_from(at.checked_sub(held.0)?).ok()?;
            (from.checked_add(len)? <= held.1.len()).then_some(from)
        };
        if inside(&held).is_none() {
            let map = self.target.map_of(at)?;
            // From a page's beginning on, so that no page is asked for twice.
            let from = (at & !(self.target.page() - 1)).max(map.from);
            let behind = held.0.saturating_add(held.1.len() as u64);
            let near = (held.0..behind.saturating_add(WINDOW.0)).contains(&at);
            let room = (map.to - from).min(if near { WINDOW.0 } else { WINDOW.1 });
            let mut bytes = std::mem::take(&mut held.1);
            bytes.resize(usize::try_from(room).ok()?, 0);
            let n = self.target.read_gently(from, &mut bytes);
            bytes.truncate(n);
            *held = (from, bytes);
        }
        let from = inside(&held)?;
        held.1.get(from..from + len).map(f)
    }

    /// The word at an address.
    pub fn word(&self, at: u64) -> Option<u64> {
        self.with(at, 8, |bytes| quad(bytes, 0))
    }
}
