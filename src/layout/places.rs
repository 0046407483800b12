//! Where what stands in the heap's own structures, in bytes from the beginning of each. A reader
//! outside reads by these numbers; the owner of each structure compares them when compiling.

use super::sizes::{LOCK, WORD};
pub use super::watched::{guards, samples, stacks, trace};

/// The limit's word where there was one and is none any more.
pub const NO_LIMIT: usize = usize::MAX;

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
    /// Bytes of the longest.
    pub const STRIP_MOST: usize = 16 << 10;
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
    /// The cover of a thread that is sampled, or 0: it begins with bins, too.
    pub const COVER: usize = LINKS + 2 * WORD;
    /// What a reader needs of it.
    pub const BYTES: usize = COVER + WORD;
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
