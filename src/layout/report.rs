//! The file that a process writes of itself: its records, which a reader outside takes for the
//! process's memory.
//!
//! ```text
//! MAGIC, LAYOUT | record | record | …
//! record        | kind, address, bytes, 8 bytes each | payload | zeros up to 8 bytes |
//! ```
//!
//! A file that ends in the middle is read as far as it goes: whoever wrote it may have been killed.

/// What the file begins with.
pub const MAGIC: u64 = u64::from_le_bytes(*b"cairn-rp");
/// Changes with whatever a reader of these records would read wrongly.
pub const LAYOUT: u64 = 1;
/// Bytes in front of a record's payload.
pub const HEAD: usize = 24;
/// Bytes of a record's payload at most.
pub const PAYLOAD: usize = 64 << 10;
/// Bytes of a file at most; what a larger one would hold is left out, and [`END`] says so.
pub const FILE: usize = 256 << 20;

/// Words: the process's number, bytes of a page, [`MARK`]'s or [`ASKED`]'s number, bytes in use as
/// they were counted, the mark, the limit (0: none).
pub const WRITER: u64 = 1;
/// A piece of `/proc/self/smaps`; the pieces in a row are its text.
pub const MAPS: u64 = 2;
/// Bytes as they lie at the address.
pub const BYTES: u64 = 3;
/// Runs of pages from the address on: bits of what is known of each ([`PRESENT`] and so on), and
/// their number, 32 bits each. What no other record tells of these pages is zeros.
pub const PAGES: u64 = 4;
/// 4096 bytes at the address, packed: a bit for each that is not 0, then those.
pub const PACKED: u64 = 5;
/// The size words of chunks side by side, 32 bits each: the address is the first one's payload.
pub const HEADS: u64 = 6;
/// The name of the program.
pub const COMMAND: u64 = 7;
/// The end: 1 if anything was left out.
pub const END: u64 = 8;

/// It was written at a mark.
pub const MARK: u64 = 1;
/// It was written on a signal.
pub const ASKED: u64 = 2;

/// A page is in memory.
pub const PRESENT: u32 = 1;
/// A page is in swap.
pub const SWAPPED: u32 = 2;
/// A page is of a file, or shared memory.
pub const OF_FILE: u32 = 4;
/// A page is this process's alone.
pub const ALONE: u32 = 8;

/// Bytes that [`PACKED`] packs.
pub const PACK: usize = 4096;
/// Bytes of its bits.
pub const PACK_BITS: usize = PACK / 8;
