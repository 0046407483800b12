//! Settings that a program brings itself.

use crate::config::{CACHE_LIMIT, RUN_LIMIT};
use crate::knobs::{Amount, Knobs, MXFAST_LIMIT, QUARANTINE_LIMIT, TCACHE_COUNT_LIMIT};
use crate::routes::start;

/// Settings for [`Cairn::with`](crate::Cairn::with), which hold from the first allocation on.
///
/// Each has the meaning and the default of the knob that it names (`docs/knobs.md`). In order of precedence:
/// `mallopt`, `GLIBC_TUNABLES`, the environment's variables, these, the defaults. So whoever runs the
/// program can still change them, unless it says [`ignore_environment`](Self::ignore_environment). In
/// a privileged process (`AT_SECURE`) the environment counts for nothing, and these hold.
///
/// A value above the largest that can be used means that one.
///
/// ```
/// const OPTIONS: cairn::Options = cairn::Options::new()
///     .purge_delay(5)
///     .arena_max(2)
///     .trim_threshold(1 << 20);
///
/// #[global_allocator]
/// static HEAP: cairn::CairnWith = cairn::Cairn::with(OPTIONS);
///
/// assert_eq!(vec![1; 3].len(), 3);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    knobs: Knobs,
    environment: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

const fn at_most(value: usize, most: u64) -> usize {
    if value as u64 > most {
        most as usize
    } else {
        value
    }
}

/// A setter a line: its name and kind, a value for its example, what it changes, and the documentation
/// in front.
macro_rules! settings {
    ($($(#[$doc:meta])+ $name:ident($value:ident: $kind:ty = $example:expr) |$knobs:ident| $change:block)+) => {
        impl Options {
            $(
                $(#[$doc])+
                #[doc = concat!(
                    "\n```\nconst OPTIONS: cairn::Options = cairn::Options::new().",
                    stringify!($name), "(", stringify!($example), ");\n",
                    "assert_ne!(OPTIONS, cairn::Options::new());\n```",
                )]
                #[must_use]
                pub const fn $name(mut self, $value: $kind) -> Self {
                    let $knobs = &mut self.knobs;
                    $change
                    self
                }
            )+
        }
    };
}

settings! {
    /// From this size on, bytes, a request that no free memory holds gets a mapping of its own.
    /// (`M_MMAP_THRESHOLD`; 128 KiB, rising by use, which setting it ends.)
    mmap_threshold(bytes: usize = 1 << 20) |k| { k.mmap_threshold = bytes; k.mmap_threshold_fixed = true; }
    /// Used and freed bytes at a heap's end up to which none go back. (`M_TRIM_THRESHOLD`; 128 KiB,
    /// rising by use, which setting it ends.)
    trim_threshold(bytes: usize = 1 << 20) |k| { (k.trim_threshold, k.trim_by_hand) = (bytes, true); k.mmap_threshold_fixed = true; }
    /// Bytes asked of the system beyond the need, and kept by a trim. (`M_TOP_PAD`; 128 KiB. Setting
    /// it ends the rise of the thresholds.)
    top_pad(bytes: usize = 1 << 20) |k| { k.top_pad = bytes; k.mmap_threshold_fixed = true; }
    /// Most mapped chunks at a time, a preference. (`M_MMAP_MAX`; 65536. Setting it ends the rise of
    /// the thresholds.)
    mmap_max(chunks: usize = 1000) |k| {
        k.mmap_max = at_most(chunks, i32::MAX as u64);
        k.mmap_threshold_fixed = true;
    }
    /// Fills freed memory with this byte and new memory with its complement; 0: neither.
    /// (`M_PERTURB`; 0.)
    perturb(byte: u8 = 0x55) |k| { k.perturb = byte; }
    /// Most arenas; 0: as many as there are CPUs. (`M_ARENA_MAX`; 0.)
    arena_max(arenas: usize = 2) |k| { k.arena_max = arenas; }
    /// Largest request, bytes, whose chunk waits in a fastbin when a cache spills it; at most 160.
    /// (`M_MXFAST`; 32 KiB where nobody sets it.)
    mxfast(bytes: usize = 160) |k| { k.mxfast = at_most(bytes, MXFAST_LIMIT); }
    /// The level of check mode, 0 to 3 (`docs/check-mode.md`). (`MALLOC_CHECK_`; 0.)
    check(level: u8 = 3) |k| { k.check = at_most(level as usize, 3) as u32; }
    /// Most objects of a class in a thread's cache, at most 65535; 0: no cache.
    /// (`glibc.malloc.tcache_count`; 1024.)
    tcache_count(objects: usize = 32) |k| { k.tcache_count = at_most(objects, TCACHE_COUNT_LIMIT); }
    /// Largest request, bytes, that a thread's cache serves, at most 32 KiB.
    /// (`glibc.malloc.tcache_max`; 32 KiB.)
    tcache_max(bytes: usize = 1024) |k| { k.tcache_max = at_most(bytes, CACHE_LIMIT as u64); }
    /// Largest request, bytes, that is served from runs, at most 512, rounded down to 16; 0: every
    /// object has a header. (`CAIRN_RUN_MAX`; 512.)
    run_max(bytes: usize = 128) |k| { k.run_max = at_most(bytes, RUN_LIMIT as u64); }
    /// Milliseconds that memory lies free before its pages go back. (`CAIRN_PURGE_DELAY`; 25.)
    purge_delay(milliseconds: u32 = 1000) |k| { k.purge_delay = milliseconds as usize; }
    /// Bytes of a heap from which it grows by huge pages; [`usize::MAX`]: never. (`CAIRN_HUGE_FROM`,
    /// which counts MiB; 8 MiB.)
    huge_from(bytes: usize = usize::MAX) |k| { k.huge_from = bytes; }
    /// Bytes that the heap may hold; 0: any number. Near them, caches shrink, and all that is free goes
    /// back before more is handed out. (`CAIRN_LIMIT`, which knows shares of a cgroup's limit too; 0.)
    limit(bytes: usize = 1 << 30) |k| {
        k.limit = if bytes == 0 { Amount::Off } else { Amount::Bytes(bytes) };
    }
    /// Whether what is above [`limit`](Self::limit) is refused. (`CAIRN_LIMIT_HARD`; false.)
    ///
    /// ```
    /// #[global_allocator]
    /// static HEAP: cairn::CairnWith =
    ///     cairn::Cairn::with(cairn::Options::new().limit(64 << 20).limit_hard(true));
    ///
    /// let mut bytes = Vec::<u8>::new();
    /// assert!(bytes.try_reserve(256 << 20).is_err());
    /// assert!(bytes.try_reserve(1 << 20).is_ok());
    /// ```
    limit_hard(on: bool = true) |k| { k.limit_hard = on; }
    /// Whether a fatal line shows the address. (`CAIRN_ADDRESS`; false.)
    show_address(on: bool = true) |k| { k.address = on; }
    /// Whether what is mapped has a name in `/proc/PID/maps`. (`CAIRN_NAMES`; false.)
    name_mappings(on: bool = true) |k| { k.names = on; }
    /// In check mode, what freed memory is filled with. (`CAIRN_FREE_FILL`; 222.)
    free_fill(byte: u8 = 0) |k| { k.free_fill = byte; }
    /// In check mode, most bytes of freed memory that wait. (`CAIRN_QUARANTINE_BYTES`; 16 MiB.)
    quarantine_bytes(bytes: usize = 1 << 20) |k| { k.quarantine_bytes = at_most(bytes, i64::MAX as u64); }
    /// In check mode, most freed objects that wait, at most 2^24; 0: none does.
    /// (`CAIRN_QUARANTINE_COUNT`; 16384.)
    quarantine_count(objects: usize = 1000) |k| { k.quarantine_count = at_most(objects, QUARANTINE_LIMIT); }
}

impl Options {
    /// The defaults.
    ///
    /// ```
    /// assert_eq!(cairn::Options::new(), cairn::Options::default());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self {
            knobs: Knobs::DEFAULT,
            environment: true,
        }
    }

    /// No variable of the environment changes anything; `mallopt` still does.
    ///
    /// ```
    /// const OPTIONS: cairn::Options = cairn::Options::new().arena_max(1).ignore_environment();
    ///
    /// #[global_allocator]
    /// static HEAP: cairn::CairnWith = cairn::Cairn::with(OPTIONS);
    ///
    /// assert_eq!(cairn::stats().arenas, 1);
    /// ```
    #[must_use]
    pub const fn ignore_environment(mut self) -> Self {
        self.environment = false;
        self
    }

    /// The start, with these settings, unless it was.
    #[inline]
    pub(crate) fn begin(&self) {
        start::ensure_with(&self.knobs, self.environment);
    }
}
