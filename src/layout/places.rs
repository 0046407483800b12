//! Where what stands in the heap's own structures, in bytes from the beginning of each. A reader
//! outside reads by these numbers; the owner of each structure compares them when compiling.

/// A lock: its owner, and the fork that took it.
const LOCK: usize = 16;
/// Bytes of a word.
const WORD: usize = 8;

/// A list of records: the first and the last one.
pub mod list {
    /// The first record.
    pub const FIRST: usize = 0;
    /// All of it.
    pub const BYTES: usize = 16;
}

/// A stack of addresses in side memory.
pub mod stack {
    /// Address of the oldest.
    pub const BASE: usize = 0;
    /// How many, 32 bits.
    pub const LEN: usize = 8;
    /// All of it.
    pub const BYTES: usize = 16;
}

/// An arena.
pub mod arena {
    use super::super::class::{CLASSES, RUNS};
    use super::super::counters;
    use super::{LOCK, WORD, list, stack};

    /// The word of its lock's owner, 0 while it is free.
    pub const LOCK_OWNER: usize = 0;
    /// Its number.
    pub const INDEX: usize = 2 * LOCK + WORD;
    /// Threads that refill from it.
    pub const THREADS: usize = INDEX + WORD;
    const STATE: usize = counters::OFFSET + counters::BYTES + (RUNS + 1) * WORD;
    /// Payload of top.
    pub const TOP_AT: usize = STATE + WORD;
    /// Where what was never used begins.
    pub const TOP_FRESH: usize = TOP_AT + WORD;
    /// The newest heap.
    pub const TOP_HEAP: usize = TOP_FRESH + WORD;
    const HEAPS: usize = TOP_AT + 5 * WORD;
    /// Bytes got from the system.
    pub const SYSTEM: usize = HEAPS;
    /// The most they ever were.
    pub const SYSTEM_PEAK: usize = SYSTEM + WORD;
    const DECAY: usize = HEAPS + 12 * WORD;
    const EXTENTS: usize = DECAY + 4 * WORD;
    /// Pages that are wholly free and were not given back.
    pub const IDLE: usize = EXTENTS + 2 * WORD;
    /// Bytes of slots that no object and no strip has.
    pub const SLOTS_FREE: usize = EXTENTS + 4 * WORD;
    /// Slots without objects.
    pub const SLOTS_EMPTY: usize = SLOTS_FREE + WORD + list::BYTES;
    /// All slots.
    pub const SLOTS_ALL: usize = SLOTS_EMPTY + WORD;
    const BY_BOUND: usize = SLOTS_ALL + WORD;
    /// Bytes of freed objects that rest.
    pub const RESTING: usize = BY_BOUND + 65 * list::BYTES;
    /// A stack of them for each run class, from 0 on.
    pub const RESTING_STACKS: usize = RESTING + 2 * WORD;
    /// Bytes of chunks that wait in fastbins.
    pub const WAITING: usize = RESTING_STACKS + (RUNS + 1) * stack::BYTES;
    const WAITING_STACKS: usize = WAITING + WORD + list::BYTES;
    /// Bytes of chunks in bins.
    pub const BINNED: usize = WAITING_STACKS + CLASSES * stack::BYTES;
    /// What a reader needs of it.
    pub const BYTES: usize = BINNED + WORD;

    /// Where the parts of its state lie, for the owner to compare.
    pub const PARTS: [usize; 8] = [
        STATE + WORD,
        HEAPS,
        DECAY,
        EXTENTS,
        SLOTS_FREE,
        RESTING,
        WAITING,
        BINNED,
    ];
    /// Where its state lies, likewise.
    pub const INSIDE: usize = STATE;
}

/// A heap of the program's own.
pub mod named {
    use super::WORD;

    /// The next one, in the order they were made.
    pub const NEXT: usize = 0;
    /// Whether it is one: 1, or 0 while it waits for the next that is made.
    pub const LIVE: usize = WORD;
    /// Bytes that it may have, 0 for any number.
    pub const LIMIT: usize = 2 * WORD;
    /// Bytes of its name.
    pub const NAME_LEN: usize = 3 * WORD;
    /// Its name.
    pub const NAME: usize = 4 * WORD;
    /// Bytes of the longest name.
    pub const NAME_MOST: usize = 32;
    /// Its arena, [`super::arena`]. The index of that, less [`super::super::sizes::MAX_ARENAS`] and
    /// one more, is its number.
    pub const ARENA: usize = NAME + NAME_MOST;
}

/// A heap.
pub mod heap {
    /// Its arena.
    pub const ARENA: usize = 0;
    /// First byte.
    pub const BASE: usize = 8;
    /// One past the last byte that may be used.
    pub const END: usize = 16;
    /// One past the reservation; 0 for the break.
    pub const LIMIT: usize = 32;
    /// From here on some of it was asked for in huge pages; 0 if none was.
    pub const HUGE: usize = 40;
    /// The next older one.
    pub const OLDER: usize = 48;
    /// All of it.
    pub const BYTES: usize = 64;
}

/// What an arena knows of a region.
pub mod record {
    /// Its heap.
    pub const HEAP: usize = 0;
    /// First byte of the region.
    pub const BASE: usize = 8;
    /// Bytes of chunks that wait and start here, 32 bits.
    pub const PENDING: usize = 32;
    /// As a slot: free granules, 32 bits.
    pub const FREE: usize = 36;
    /// Pages that are wholly free and may hold memory, 16 bits.
    pub const IDLE: usize = 48;
    /// Pages that are wholly free and went back, 16 bits.
    pub const GONE: usize = 50;
    /// Its state page; 0 if it never was a slot.
    pub const STATES: usize = 80;
    /// Address of its map, a bit a granule.
    pub const MAP: usize = 88;
    /// Bytes of the map.
    pub const MAP_BYTES: usize = super::super::sizes::GRANULES / 8;
    /// All of it.
    pub const BYTES: usize = 128;
}

/// A thread's cache.
pub mod cache {
    use super::super::class::CLASSES;
    use super::WORD;

    /// Of a class's bin: one past the newest entry.
    pub const TOP: usize = 0;
    /// Of a class's bin: the oldest entry.
    pub const BASE: usize = 8;
    /// Of a class's bin: one past the room for entries.
    pub const LIMIT: usize = 16;
    /// Bytes of a bin.
    pub const BIN: usize = 32;
    /// Bytes of an entry, which begins with the payload.
    pub const ENTRY: usize = 16;
    /// Where the strip's next object begins; behind it, where the strip ends.
    pub const STRIP: usize = (CLASSES + 1) * BIN;
    /// Its arena.
    pub const ARENA: usize = STRIP + 3 * WORD;
    const USES: usize = ARENA + 5 * WORD;
    /// Bytes of what is known of a class's use.
    pub const USE: usize = 8;
    /// The places for chunks above the classes.
    pub const PLACES: usize = USES + CLASSES * USE;
    /// How many.
    pub const PLACE_COUNT: usize = 4;
    /// Bytes of a place, which begins with the size of its chunk.
    pub const PLACE: usize = 40;
    /// Of a place: the payload of the chunk it holds, or 0.
    pub const PLACE_HOLDS: usize = 16;
    /// The newer cache, then the older one.
    pub const LINKS: usize = PLACES + PLACE_COUNT * PLACE + 4 * WORD;
    /// What a reader needs of it.
    pub const BYTES: usize = LINKS + 2 * WORD;
    /// Caches that wait for a thread, at most.
    pub const PARKED: usize = 4;
}

/// The registry of mapped chunks.
pub mod registry {
    /// Its table.
    pub const TABLE: usize = 0;
    /// Places of the table.
    pub const PLACES: usize = 8;
    /// Chunks, bytes, and the most of each.
    pub const TOTALS: usize = 32;
    /// All of it.
    pub const BYTES: usize = 64;
    /// Of a place: the payload, 0 for none; then the first byte and the length of the mapping.
    pub const PAYLOAD: usize = 0;
    /// Of a place in check mode: what was asked for.
    pub const ASKED: usize = 24;
    /// Of a place in check mode: the first byte of the guard behind.
    pub const LAST: usize = 32;
    /// Of a place: whether the mapping is empty and the kernel would not take it.
    pub const STUCK: usize = 40;
    /// Of a place: the number of the heap of the program's own that it belongs to, 0 for none, 32
    /// bits.
    pub const OWNER: usize = 44;
    /// Bytes of a place.
    pub const PLACE: usize = 48;
}

/// Check mode's ring of freed objects.
pub mod quarantine {
    /// Its table.
    pub const TABLE: usize = 0;
    /// Places of the table.
    pub const PLACES: usize = 8;
    /// Place of the oldest.
    pub const FIRST: usize = 16;
    /// How many.
    pub const COUNT: usize = 24;
    /// What a reader needs of it.
    pub const BYTES: usize = 32;
    /// Of an object: its payload, the first byte that waits, and how many bytes do.
    pub const PAYLOAD: usize = 0;
    /// Of an object: whether it is a mapping of its own.
    pub const MAPPED: usize = 25;
    /// Bytes of a place.
    pub const PLACE: usize = 32;
}

/// What is written of each mapping of side memory: the next older one's place, its first byte and
/// its length.
pub mod mapping {
    /// All of it.
    pub const BYTES: usize = 24;
}

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
