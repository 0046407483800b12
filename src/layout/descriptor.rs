//! How a reader outside finds the heap: an ELF note of the library or program that has Cairn in it.
//!
//! The note lies on the first page of `libcairn.so`, which a core file has too. It holds numbers
//! that the linker knew: the address of the statics stands there as a distance, so that nothing
//! is relocated and no page copied. The section is `.note.cairn`, the name `Cairn`, the type 0x100.
//! `sync::tls` writes it. A second note, of type 0x101, says where the words outside the statics are;
//! the first one leads to it.

/// Name of the note, with its end.
pub const NAME: &[u8; 6] = b"Cairn\0";
/// Type of the note.
pub const TYPE: u32 = 0x100;
/// Type of the second note, which [`Heads`] reads.
pub const HEADS_TYPE: u32 = 0x101;
/// Type of the third note: how far it is from it to the words that keep what was said last, the address,
/// and where the message lies and its bytes.
pub const LAST_TYPE: u32 = 0x102;
/// What the descriptor begins with.
pub const MAGIC: u64 = u64::from_le_bytes(*b"cairn-md");
/// Changes with whatever a reader of [`crate::layout`] would read wrongly.
pub const LAYOUT: u32 = 5;
/// Pieces of the statics.
pub const PIECES: usize = 8;
/// Bytes of the descriptor.
pub const BYTES: usize = 48 + PIECES * 8;

/// Where the distance stands, which is counted from there.
const DISTANCE: usize = 32;
/// Where the distance of the second note stands.
const HEADS: usize = DISTANCE + 8 + PIECES * 8;

/// A piece of the statics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Piece {
    /// From the beginning of the statics, bytes.
    pub offset: u32,
    /// Bytes.
    pub bytes: u32,
}

/// What the note says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// The layout's version: [`LAYOUT`] if it is this one.
    pub layout: u32,
    /// The release, as `major.minor.patch`.
    pub release: [u32; 3],
    /// Bytes of a page; 0 if the kernel chooses.
    pub page: u32,
    /// Address of the statics.
    pub statics: u64,
    /// The region table: see [`super::table`].
    pub table: Piece,
    /// Its first leaf.
    pub leaf: Piece,
    /// Addresses of the arenas but the main one.
    pub others: Piece,
    /// The main arena.
    pub main: Piece,
    /// Which chunks have a surplus.
    pub surplus: Piece,
    /// What a thread's word leads to before the thread has a cache.
    pub empty: Piece,
    /// What it leads to when the thread is ending, or may not have a cache.
    pub finished: Piece,
    /// Side memory's first span.
    pub span: Piece,
    /// Address of what the second note says: [`Heads`].
    pub heads: u64,
}

impl Descriptor {
    /// Reads the note's descriptor, which lies at the address `at`; `None` if it is none.
    pub fn read(bytes: &[u8], at: u64) -> Option<Self> {
        let quad = |from: usize| -> Option<u64> {
            let word = bytes.get(from..from + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(word))
        };
        let long = |from: usize| -> Option<u32> {
            let word = bytes.get(from..from + 4)?.try_into().ok()?;
            Some(u32::from_le_bytes(word))
        };
        let piece = |i: usize| -> Option<Piece> {
            let from = DISTANCE + 8 + i * 8;
            let (offset, bytes) = (long(from)?, long(from + 4)?);
            Some(Piece { offset, bytes })
        };
        if quad(0)? != MAGIC {
            return None;
        }
        Some(Self {
            layout: long(8)?,
            release: [long(12)?, long(16)?, long(20)?],
            page: long(24)?,
            statics: distance(quad, at, DISTANCE)?,
            table: piece(0)?,
            leaf: piece(1)?,
            others: piece(2)?,
            main: piece(3)?,
            surplus: piece(4)?,
            empty: piece(5)?,
            finished: piece(6)?,
            span: piece(7)?,
            heads: distance(quad, at, HEADS)?,
        })
    }

    /// Finds it among the notes of a segment, which lies at the address `at`.
    pub fn find(notes: &[u8], at: u64) -> Option<Self> {
        let (found, place) = note(notes, at, TYPE)?;
        Self::read(found, place)
    }
}

/// Where the words lie that keep what was said last, by the notes of a segment at the address `at`.
pub fn last_words(notes: &[u8], at: u64) -> Option<u64> {
    let (found, place) = note(notes, at, LAST_TYPE)?;
    let word = found.get(..8)?.try_into().ok()?;
    Some(place.wrapping_add(u64::from_le_bytes(word)))
}

/// What a note of Cairn's of a type says, and where it lies.
fn note(notes: &[u8], at: u64, wanted: u32) -> Option<(&[u8], u64)> {
    let mut rest = notes;
    let mut here = at;
    while let Some((sizes, behind)) = rest.split_at_checked(12) {
        let number = |i: usize| -> Option<u32> {
            Some(u32::from_le_bytes(sizes.get(i..i + 4)?.try_into().ok()?))
        };
        let (name, bytes) = (number(0)? as usize, number(4)? as usize);
        let (padded, all) = (name.next_multiple_of(4), bytes.next_multiple_of(4));
        let found = behind.get(padded..padded + bytes)?;
        if number(8)? == wanted && behind.get(..name)? == NAME {
            return Some((found, here + 12 + padded as u64));
        }
        rest = behind.get(padded + all..)?;
        here += 12 + (padded + all) as u64;
    }
    None
}

const _: () = assert!(HEADS + 8 == BYTES);

/// The address that a distance leads to, which is counted from its own place.
fn distance(quad: impl Fn(usize) -> Option<u64>, at: u64, place: usize) -> Option<u64> {
    let from = at.wrapping_add(place as u64);
    Some(from.wrapping_add(quad(place)?))
}

/// Single words outside the statics.
pub const HEADS_COUNT: usize = 34;
/// Bytes of what the second note says.
pub const HEADS_BYTES: usize = HEADS_COUNT * 8;

/// What the second note says: addresses of the words and small structures that lie outside the
/// statics. `src/note.rs` writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heads {
    /// The newest cache.
    pub newest: u64,
    /// Caches that wait for a thread: [`super::places::cache::PARKED`] addresses.
    pub parked: u64,
    /// Threads that have a cache.
    pub threads: u64,
    /// The registry of mapped chunks.
    pub registry: u64,
    /// Check mode's ring.
    pub quarantine: u64,
    /// The newest of side memory's mappings.
    pub mappings: u64,
    /// Requests from this size on are mapped.
    pub mmap_threshold: u64,
    /// Used top bytes above which top is trimmed.
    pub trim_threshold: u64,
    /// Bytes asked for beyond need.
    pub top_pad: u64,
    /// Most mapped chunks.
    pub mmap_max: u64,
    /// Whether the thresholds were set by hand, one byte.
    pub fixed: u64,
    /// Most arenas asked for, 0 for as many as CPUs.
    pub arena_max: u64,
    /// How long memory lies free before it goes back, milliseconds.
    pub purge_delay: u64,
    /// Length from which a heap grows by huge pages.
    pub huge_from: u64,
    /// Most entries of a class in a cache.
    pub cache_count: u64,
    /// Largest chunk that waits in a fastbin.
    pub max_fast: u64,
    /// The level of check mode.
    pub check: u64,
    /// Largest request that runs serve.
    pub run_max: u64,
    /// Largest request that caches serve.
    pub cache_max: u64,
    /// The byte of `M_PERTURB`.
    pub perturb: u64,
    /// The locks of the registry, of the list of caches and of side memory: each begins with its
    /// owner's word, 0 while it is free.
    pub locks: [u64; 3],
    /// Whether a thread of Cairn's own is wanted.
    pub background: u64,
    /// Bytes that the heap may hold, 0 for no limit.
    pub limit: u64,
    /// Whether nothing is handed out above.
    pub limit_hard: u64,
    /// What is known of samples: [`super::places::samples`].
    pub samples: u64,
    /// Which way slow operations go, one byte: [`super::places::samples::PLAIN`].
    pub stage: u64,
    /// The lock of the samples.
    pub samples_lock: u64,
    /// What is known of guarded objects: [`super::places::guards`].
    pub guards: u64,
    /// What is known of the stacks beside objects: [`super::places::stacks`].
    pub stacks: u64,
    /// The locks of these two.
    pub guards_lock: u64,
    /// See `guards_lock`.
    pub stacks_lock: u64,
    /// Address of the first heap of the program's own, 0 for none: [`super::places::named`].
    pub named: u64,
}

impl Heads {
    /// Reads them where they lie, at the address `at`; `None` if these are too few bytes.
    pub fn read(bytes: &[u8], at: u64) -> Option<Self> {
        let quad = |from: usize| -> Option<u64> {
            let word = bytes.get(from..from + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(word))
        };
        let head = |i: usize| distance(quad, at, i * 8);
        Some(Self {
            newest: head(0)?,
            parked: head(1)?,
            threads: head(2)?,
            registry: head(3)?,
            quarantine: head(4)?,
            mappings: head(5)?,
            mmap_threshold: head(6)?,
            trim_threshold: head(7)?,
            top_pad: head(8)?,
            mmap_max: head(9)?,
            fixed: head(10)?,
            arena_max: head(11)?,
            purge_delay: head(12)?,
            huge_from: head(13)?,
            cache_count: head(14)?,
            max_fast: head(15)?,
            check: head(16)?,
            run_max: head(17)?,
            cache_max: head(18)?,
            perturb: head(19)?,
            locks: [head(20)?, head(21)?, head(22)?],
            background: head(23)?,
            limit: head(24)?,
            limit_hard: head(25)?,
            samples: head(26)?,
            stage: head(27)?,
            samples_lock: head(28)?,
            guards: head(29)?,
            stacks: head(30)?,
            guards_lock: head(31)?,
            stacks_lock: head(32)?,
            named: head(33)?,
        })
    }
}
