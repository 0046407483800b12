//! How a reader outside finds the heap: an ELF note of the library or program that has Cairn in it.
//!
//! The note lies on the first page of `libcairn.so`, which a core file has too. It holds numbers
//! that the linker knew: the address of the statics stands there as a distance, so that nothing
//! is relocated and no page copied. The section is `.note.cairn`, the name `Cairn`, the type 0x100.
//! `sync::tls` writes it.

/// Name of the note, with its end.
pub const NAME: &[u8; 6] = b"Cairn\0";
/// Type of the note.
pub const TYPE: u32 = 0x100;
/// What the descriptor begins with.
pub const MAGIC: u64 = u64::from_le_bytes(*b"cairn-md");
/// Changes with whatever a reader of [`crate::layout`] would read wrongly.
pub const LAYOUT: u32 = 1;
/// Pieces of the statics.
pub const PIECES: usize = 8;
/// Bytes of the descriptor.
pub const BYTES: usize = 40 + PIECES * 8;

/// Where the distance stands, which is counted from there.
const DISTANCE: usize = 32;

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
            statics: at
                .wrapping_add(DISTANCE as u64)
                .wrapping_add(quad(DISTANCE)?),
            table: piece(0)?,
            leaf: piece(1)?,
            others: piece(2)?,
            main: piece(3)?,
            surplus: piece(4)?,
            empty: piece(5)?,
            finished: piece(6)?,
            span: piece(7)?,
        })
    }

    /// Finds it among the notes of a segment, which lies at the address `at`.
    pub fn find(notes: &[u8], at: u64) -> Option<Self> {
        let mut rest = notes;
        let mut here = at;
        while let Some((sizes, behind)) = rest.split_at_checked(12) {
            let number = |i: usize| -> Option<u32> {
                Some(u32::from_le_bytes(sizes.get(i..i + 4)?.try_into().ok()?))
            };
            let (name, bytes) = (number(0)? as usize, number(4)? as usize);
            let (padded, all) = (name.next_multiple_of(4), bytes.next_multiple_of(4));
            let found = behind.get(padded..padded + bytes)?;
            if number(8)? == TYPE && behind.get(..name)? == NAME {
                return Self::read(found, here + 12 + padded as u64);
            }
            rest = behind.get(padded + all..)?;
            here += 12 + (padded + all) as u64;
        }
        None
    }
}

const _: () = assert!(DISTANCE + 8 + PIECES * 8 == BYTES);
