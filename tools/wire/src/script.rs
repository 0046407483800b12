//! What the replayer does: a header, the threads, and for each thread its steps, one behind another.

/// First word of a script.
pub const MAGIC: u64 = 0x0001_7970_6c72_6363;

/// The start of the file.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u64,
    /// How many [`Thread`]s follow.
    pub threads: u64,
    /// Places for objects that live at once.
    pub slots: u64,
    /// The largest request, bytes.
    pub largest: u64,
}

/// A thread of the script, in order of their starts.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Thread {
    /// Where its steps begin in the file, bytes.
    pub offset: u64,
    /// How many there are.
    pub steps: u64,
    /// How many threads, of those that end first, have to be over before it starts.
    pub after: u64,
    /// Its place in the order of ends.
    pub end: u64,
}

/// One call.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    /// Nanoseconds since the thread's last one in the low 48 bits; above, what it does: [`Act`],
    /// and the alignment's logarithm in the highest byte.
    pub time: u64,
    /// The size in the low 48 bits; above, the object's turn in its slot.
    pub size: u64,
    /// The object's place.
    pub slot: u32,
    /// How much of it is touched, of 255.
    pub touch: u32,
}

/// What a step does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Act {
    /// `malloc`.
    Malloc = 1,
    /// `calloc`.
    Calloc = 2,
    /// `posix_memalign`.
    Aligned = 3,
    /// `free`.
    Free = 4,
    /// `realloc`; the object keeps its slot and gets the next turn.
    Realloc = 5,
}

/// Bits of a time, a size, or an address.
pub const LOW: u64 = (1 << 48) - 1;
/// Where the upper 16 bits begin.
pub const HIGH: u32 = 48;
/// Where the alignment begins.
pub const ALIGNMENT: u32 = 56;
