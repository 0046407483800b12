//! A recorded process's files: `control` by the command, `p.PID.N` by each process, and
//! `p.PID.N.r.K` by its threads, a ring each. All are mapped and shared, so what a process wrote is
//! there after it was killed.

use core::sync::atomic::{AtomicU32, AtomicU64};

/// Names the directory of the files to a process.
pub const VARIABLE: &str = "CAIRN_RECORD_DIR";
/// First word of every file, and a number that changes with these structures.
pub const MAGIC: u64 = 0x0001_6e72_6961_6363;
/// Bytes before a ring's records.
pub const HEADER: usize = 4096;
/// Bytes of a ring's records; a power of two.
pub const RING: usize = 1 << 20;
/// Bytes of a record: a word.
pub const RECORD: usize = 8;
/// The most rings of a process: threads that live at once.
pub const RINGS: usize = 4096;
/// Bytes of a path in a [`Process`].
pub const PATH: usize = 1024;

/// The file of the command.
#[repr(C)]
#[derive(Debug)]
pub struct Control {
    /// [`MAGIC`].
    pub magic: AtomicU64,
    /// Counts up while the command drains the rings.
    pub beat: AtomicU64,
    /// Not zero once nothing shall be written any more.
    pub stop: AtomicU32,
    /// Why something is not recorded to its end: bits of [`Trouble`].
    pub trouble: AtomicU32,
}

/// The file of a process.
#[repr(C)]
#[derive(Debug)]
pub struct Process {
    /// [`MAGIC`], when the rest is there.
    pub magic: AtomicU64,
    /// Its number.
    pub pid: AtomicU32,
    /// The number of the process that started it.
    pub parent: AtomicU32,
    /// The clock when recording began.
    pub start: AtomicU64,
    /// Not zero once the handlers of `exit` have run.
    pub ended: AtomicU32,
    /// The program's path, which ends in a zero.
    pub program: [u8; PATH],
    /// The path of the library whose `malloc` serves, which ends in a zero.
    pub served: [u8; PATH],
}

/// Why a process is not recorded to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Trouble {
    /// No room for another ring.
    Room = 1,
    /// The rings were not drained.
    Drain = 2,
    /// More threads at once than there are rings.
    Threads = 4,
}

/// The start of a ring's file.
#[repr(C)]
#[derive(Debug)]
pub struct Ring {
    /// [`MAGIC`], when the rest is there.
    pub magic: AtomicU64,
    /// The thread that writes it, as the kernel numbers it.
    pub owner: AtomicU32,
    unused: AtomicU32,
    /// Bytes that were ever written.
    pub head: AtomicU64,
    /// On a cache line of the reader's own: bytes that were ever taken.
    pub tail: Apart,
}

/// A word on a line of its own.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct Apart(pub AtomicU64);

const _: () = assert!(size_of::<Ring>() <= HEADER && RING.is_power_of_two());

/// What a record says: the lowest 4 bits of its word. Of an object there are a size in 15 bits above,
/// and its address without the lowest 3 bits above that. Else the rest is what is named here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// `malloc`, and `new`.
    Malloc = 1,
    /// `calloc`.
    Calloc = 2,
    /// An allocation with an alignment, which an [`Kind::Align`] before it names.
    Aligned = 3,
    /// `free`, and `delete`.
    Free = 4,
    /// The old address of a `realloc`.
    From = 5,
    /// Its new address and size, right behind. No address: it failed.
    To = 6,
    /// The size of the record that follows, where 15 bits do not hold it.
    Size = 7,
    /// The alignment of the record that follows.
    Align = 8,
    /// How much of the memory that the next record frees was resident, of 255.
    Share = 9,
    /// From here on another thread writes; its number, from 0.
    Thread = 10,
    /// An allocation that failed; its size.
    Failed = 11,
    /// How much was resident at the end of a large object that was never freed: its address, and
    /// the share as its size.
    Rest = 12,
    /// The clock, for all records that follow up to the next of this kind: after an allocation,
    /// before a free. Not every record has its own.
    Clock = 13,
}

impl Kind {
    /// The kind of that number.
    pub fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Malloc,
            2 => Self::Calloc,
            3 => Self::Aligned,
            4 => Self::Free,
            5 => Self::From,
            6 => Self::To,
            7 => Self::Size,
            8 => Self::Align,
            9 => Self::Share,
            10 => Self::Thread,
            11 => Self::Failed,
            12 => Self::Rest,
            13 => Self::Clock,
            _ => return None,
        })
    }
}

/// Bits of a kind.
pub const KIND_BITS: u32 = 4;
/// Bits of a size.
pub const SIZE_BITS: u32 = 15;
/// The size in a record whose size is in the record before it.
pub const ELSEWHERE: u64 = (1 << SIZE_BITS) - 1;
/// The lowest bits of an address, which are left out.
pub const ALIGNED_BITS: u32 = 3;
/// The clock is read once for so many records, when the command has looked, and where an address was
/// another thread's.
pub const QUIET: u64 = 64;

/// A record of an object.
#[inline(always)]
pub fn object(kind: Kind, address: u64, size: u64) -> u64 {
    (address >> ALIGNED_BITS) << (KIND_BITS + SIZE_BITS) | size << KIND_BITS | kind as u64
}

/// A record of a number.
#[inline(always)]
pub fn number(kind: Kind, number: u64) -> u64 {
    number << KIND_BITS | kind as u64
}

/// Objects from this size on are looked at when they are freed, bytes.
pub const LARGE: usize = 128 << 10;
