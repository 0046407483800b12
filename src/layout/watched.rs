//! [`super::places`] of what is known of objects that are watched: samples, guarded ones, and who
//! allocated and freed them.

use super::sizes::{LOCK, WORD};

/// What is known of samples.
pub mod samples {
    use super::{LOCK, WORD};

    /// Mean bytes between two samples, 0 while there are none. A tool may write it.
    pub const INTERVAL: usize = 0;
    /// Address of the memory that the following lie in; 0 while there is none.
    pub const AT: usize = 2 * WORD;
    /// Records that were ever in use: the first so many.
    pub const RECORDS: usize = 3 * WORD;
    /// Bytes of sites.
    pub const SITES: usize = 4 * WORD;
    /// Modules.
    pub const MODULES: usize = 5 * WORD;
    /// Samples for which there was no room.
    pub const DROPPED: usize = 6 * WORD;
    /// The monotonic clock, milliseconds, when the first sample was taken.
    pub const SINCE: usize = 7 * WORD;
    /// Estimated bytes in use: now, at the mark of the profile of the peak, and when that was.
    pub const SPACE: usize = 8 * WORD;
    /// What a reader needs of it.
    pub const BYTES: usize = 11 * WORD;
    /// Bytes of its lock, which lies elsewhere.
    pub const LOCK_BYTES: usize = LOCK;

    /// Of the byte that says which way slow operations go: nothing is watched. A tool that begins to
    /// sample turns it, once the interval is written, to the other value.
    pub const PLAIN: u8 = 1;
    /// Requests are counted while the interval is not 0.
    pub const SAMPLED: u8 = 3;

    /// Most samples of live objects.
    pub const MOST_RECORDS: usize = 1 << 16;
    /// Bytes of a record: payload (0 for none), bytes asked for, objects it stands for, birth in
    /// milliseconds; then, 32 bits each, its site, a link, its thread.
    pub const RECORD: usize = 48;
    /// Where modules lie in the memory.
    pub const MODULES_AT: usize = MOST_RECORDS * RECORD;
    /// Most modules.
    pub const MOST_MODULES: usize = 256;
    /// Bytes of a module: first byte, one past the last, what is added to addresses of its file,
    /// then its path, which ends with a zero.
    pub const MODULE: usize = 256;
    /// Of a module: its path.
    pub const PATH: usize = 3 * WORD;
    /// Where sites lie in the memory.
    pub const SITES_AT: usize = MODULES_AT + MOST_MODULES * MODULE;
    /// Most bytes of sites.
    pub const MOST_SITES: usize = 16 << 20;
    /// Bytes of a site without its frames: a hash; a link and the number of frames, 32 bits each;
    /// objects and bytes that were allocated, that were freed, and that were in use at the peak, as
    /// numbers with a fraction; samples taken and freed, 32 bits each; how many lived for how long.
    /// Each frame is an address, with the number of its module, from 1 on, in the upper 16 bits.
    pub const SITE: usize = 2 * WORD + 6 * WORD + WORD + LIVES * 4;
    /// Lengths of life that are told apart: the first is below a millisecond, each other one ends
    /// at four times the one before.
    pub const LIVES: usize = 16;
}

/// A stack as it is kept beside an object, and by whom.
pub mod trace {
    use super::WORD;

    /// The monotonic clock, milliseconds.
    pub const WHEN: usize = 0;
    /// The thread, 32 bits; 0 while there is no stack.
    pub const THREAD: usize = WORD;
    /// How many frames, 32 bits.
    pub const COUNT: usize = WORD + 4;
    /// Return addresses, innermost first, each with the number of its module, from 1 on, in the upper
    /// 16 bits ([`super::stacks`]).
    pub const FRAMES_AT: usize = 2 * WORD;
    /// Most frames.
    pub const FRAMES: usize = 48;
    /// All of it.
    pub const BYTES: usize = FRAMES_AT + FRAMES * WORD;
}

/// Guarded objects.
pub mod guards {
    use super::{WORD, trace};

    /// Mean bytes between two of them, 0 while there are none.
    pub const INTERVAL: usize = 0;
    /// First byte of the pool, 0 while there is none, and its length.
    pub const POOL: usize = WORD;
    /// See [`POOL`].
    pub const POOL_BYTES: usize = 2 * WORD;
    /// Bytes from one slot of the pool to the next. Each begins with a page that is always closed;
    /// behind the last there is one more.
    pub const STRIDE: usize = 3 * WORD;
    /// Address of what is known of the slots, side by side.
    pub const AT: usize = 4 * WORD;
    /// Objects that were guarded, and those for which there was no slot.
    pub const TAKEN: usize = 5 * WORD;
    /// See [`TAKEN`].
    pub const MISSED: usize = 6 * WORD;
    /// What a reader needs of it.
    pub const BYTES: usize = 7 * WORD;

    /// Slots of the pool.
    pub const SLOTS: usize = 128;
    /// Of a slot: its object, 0 before the first.
    pub const PAYLOAD: usize = 0;
    /// Of a slot: bytes that were asked for.
    pub const SIZE: usize = WORD;
    /// Of a slot: the first byte that can be touched, and how many can, while it is in use.
    pub const OPEN: usize = 2 * WORD;
    /// Of a slot: what its object is, 32 bits: 0 before the first, [`IN_USE`], [`FREED`].
    pub const STATE: usize = 4 * WORD;
    /// In use.
    pub const IN_USE: u32 = 1;
    /// Freed, and nothing of it can be touched.
    pub const FREED: u32 = 2;
    /// Of a slot: who asked for it, then who freed it ([`super::trace`]).
    pub const TRACES: usize = 5 * WORD;
    /// Bytes of a slot.
    pub const SLOT: usize = TRACES + 2 * trace::BYTES;

    /// What the open bytes beside an object hold: never 0, so that a string's end shows.
    pub const fn pattern(at: usize) -> u8 {
        (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 | 1
    }
}

/// Stacks that are kept beside objects: the modules that their frames lie in, and in check mode those
/// stacks themselves, each once, and whose they are.
pub mod stacks {
    use super::WORD;

    /// Address of the modules, 0 while there are none: as of samples
    /// ([`super::samples::MODULE`], at most [`super::samples::MOST_MODULES`]).
    pub const MODULES_AT: usize = 0;
    /// How many.
    pub const MODULES: usize = WORD;
    /// Address of what check mode keeps, 0 while there is nothing: stacks, then objects.
    pub const AT: usize = 2 * WORD;
    /// Bytes of stacks.
    pub const USED: usize = 3 * WORD;
    /// Stacks for which there was no room.
    pub const DROPPED: usize = 4 * WORD;
    /// What a reader needs of it.
    pub const BYTES: usize = 5 * WORD;

    /// Most bytes of stacks.
    pub const MOST_STACKS: usize = 7 << 20;
    /// Bytes of a stack without its frames: a hash; a link and the number of frames, 32 bits each.
    /// Frames are as those of [`super::trace`]. It is named by its place in words, and 1.
    pub const STACK: usize = 2 * WORD;
    /// Where objects lie.
    pub const OBJECTS_AT: usize = MOST_STACKS;
    /// log2 of the groups of objects: an object is in the group that [`group`] says, or nowhere.
    pub const GROUPS: u32 = 15;
    /// Objects of a group.
    pub const WAYS: usize = 8;
    /// Bytes of an object: its address, 0 for a free place; bytes that were asked for; then, 32 bits
    /// each, the stack that asked for it and the thread, the stack that freed it (0: in use) and the
    /// thread.
    pub const OBJECT: usize = 4 * WORD;
    /// Where what follows the objects lies.
    pub const END: usize = OBJECTS_AT + (WAYS << GROUPS) * OBJECT;

    /// The group of the object at `p`.
    pub const fn group(p: usize) -> usize {
        p.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - GROUPS)
    }
}
