//! The knobs in force in a process.

use crate::find::Instance;
use crate::target::Target;
use cairn::layout::places::NO_LIMIT;

/// The knobs in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Requests from this size on are mapped, bytes.
    pub mmap_threshold: u64,
    /// Used top bytes above which top is trimmed.
    pub trim_threshold: u64,
    /// Bytes asked for beyond need.
    pub top_pad: u64,
    /// Most mapped chunks.
    pub mmap_max: u64,
    /// The thresholds were set by hand.
    pub fixed: bool,
    /// Most arenas asked for; 0 for as many as CPUs.
    pub arena_max: u64,
    /// How long memory lies free before it goes back, milliseconds.
    pub purge_delay: u64,
    /// Length from which a heap grows by huge pages, bytes.
    pub huge_from: u64,
    /// Whether a thread of Cairn's own is wanted (not 0).
    pub background: u64,
    /// Bytes that the heap may hold; 0 for no limit.
    pub limit: u64,
    /// Whether nothing is handed out above (not 0).
    pub limit_hard: u64,
    /// The level of check mode.
    pub check: u64,
    /// Largest request that runs serve, bytes.
    pub run_max: u64,
    /// Largest request that caches serve, bytes.
    pub cache_max: u64,
}

/// The limit's word where there is none any more.
const NONE: u64 = NO_LIMIT as u64;

/// Reads them.
pub(crate) fn read(target: &dyn Target, instance: &Instance) -> Settings {
    let heads = &instance.heads;
    let word = |at| target.word(at).unwrap_or(0);
    let mut byte = [0];
    target.read(heads.fixed, &mut byte);
    Settings {
        mmap_threshold: word(heads.mmap_threshold),
        trim_threshold: word(heads.trim_threshold),
        top_pad: word(heads.top_pad),
        mmap_max: word(heads.mmap_max),
        fixed: byte != [0],
        arena_max: word(heads.arena_max),
        purge_delay: word(heads.purge_delay),
        huge_from: word(heads.huge_from),
        background: word(heads.background),
        limit: match word(heads.limit) {
            NONE => 0,
            bytes => bytes,
        },
        limit_hard: word(heads.limit_hard),
        check: word(heads.check),
        run_max: word(heads.run_max),
        cache_max: word(heads.cache_max),
    }
}
