//! What a user may set: `mallopt`, `GLIBC_TUNABLES` and the `MALLOC_*_` variables, under the
//! names, number formats and ranges of glibc; and the `CAIRN_*` variables.
//!
//! A value that can't be used is ignored, and never ends the program. The environment is read
//! once, in place, before the first chunk exists.

mod reading;
mod text;

use crate::config::{CACHE_LIMIT, HUGE_FROM, PURGE_DELAY, RUN_LIMIT};
use core::ffi::CStr;
use libc::{c_char, c_int};
use reading::Reading;
pub(crate) use text::Amount;

/// `mallopt`'s parameter numbers, as `<malloc.h>` gives them.
mod option {
    use libc::c_int;

    pub(super) const M_MXFAST: c_int = 1;
    pub(super) const M_TRIM_THRESHOLD: c_int = -1;
    pub(super) const M_TOP_PAD: c_int = -2;
    pub(super) const M_MMAP_THRESHOLD: c_int = -3;
    pub(super) const M_MMAP_MAX: c_int = -4;
    pub(super) const M_CHECK_ACTION: c_int = -5;
    pub(super) const M_PERTURB: c_int = -6;
    pub(super) const M_ARENA_TEST: c_int = -7;
    pub(super) const M_ARENA_MAX: c_int = -8;
    /// Cairn's own; glibc has none above 1.
    pub(super) const M_CAIRN_BACKGROUND: c_int = 0x4341_0001;
}

/// Largest `mxfast`, bytes: glibc's `MAX_FAST_SIZE`.
pub(crate) const MXFAST_LIMIT: u64 = 20 * size_of::<usize>() as u64;
/// Largest `tcache_count`, objects: glibc's `MAX_TCACHE_COUNT`.
pub(crate) const TCACHE_COUNT_LIMIT: u64 = u16::MAX as u64;
/// Most objects that can wait in the quarantine.
pub(crate) const QUARANTINE_LIMIT: u64 = 1 << 24;
/// Most frames of a stack.
pub(crate) const FRAMES_LIMIT: usize = 64;
/// The `check` level at which every request gets a header of its own.
const CHECK_HEADERS: u32 = 3;

/// The settings of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Knobs {
    /// Requests of at least this many bytes get a mapping of their own. Set by hand it has no
    /// upper bound, as in glibc 2.36.
    pub mmap_threshold: usize,
    /// The two thresholds stay as they are; else they follow the sizes that are freed.
    pub mmap_threshold_fixed: bool,
    /// Bytes of free top from which memory goes back to the system.
    pub trim_threshold: usize,
    /// That was set, itself: it is obeyed at once, in threads too.
    pub trim_by_hand: bool,
    /// Bytes that are asked of the system beyond the need, and kept by a trim.
    pub top_pad: usize,
    /// Most mapped chunks at one time.
    pub mmap_max: usize,
    /// Freed memory is filled with this byte, allocated memory with its complement; 0: neither.
    pub perturb: u8,
    /// Most arenas; 0: as many as the CPUs suggest.
    pub arena_max: usize,
    /// Number of arenas up to which the CPUs are not counted.
    pub arena_test: usize,
    /// Largest request, in bytes, that waits in a fastbin after its free.
    pub mxfast: usize,
    /// Level of checks beyond those that are always on, 0 to 3.
    pub check: u32,
    /// Most objects that the thread cache keeps of one class; 0: no thread cache.
    pub tcache_count: usize,
    /// Largest request, in bytes, that the thread cache serves.
    pub tcache_max: usize,
    /// Accepted for glibc's sake; Cairn's refills are bounded in another way.
    pub tcache_unsorted_limit: usize,
    /// Largest request, in bytes, that is served from runs; 0: the classic heap.
    pub run_max: usize,
    /// How long memory lies free before it goes back to the system, milliseconds.
    pub purge_delay: usize,
    /// A thread of Cairn's own gives memory back where the program has stopped calling.
    pub background: bool,
    /// How much memory the heap may hold.
    pub limit: Amount,
    /// Nothing is handed out above it.
    pub limit_hard: bool,
    /// Length of a heap from which it grows by huge pages, bytes.
    pub huge_from: usize,
    /// One line at exit says that Cairn served the process; a fatal line shows its address.
    pub verbose: bool,
    /// See `verbose`.
    pub address: bool,
    /// What is mapped gets a name in the kernel's list.
    pub names: bool,
    /// In check mode: the byte that freed memory is filled with.
    pub free_fill: u8,
    /// In check mode: most bytes of freed memory that wait.
    pub quarantine_bytes: usize,
    /// In check mode: most freed objects that wait; 0: none does.
    pub quarantine_count: usize,
    /// From where on a report is written.
    pub report_at: Amount,
    /// The signal on which one is written; 0: none.
    pub report_signal: u8,
    /// Its path, as the address and the length of the environment's bytes; a length of 0: not said.
    pub report_file: (usize, usize),
    /// The heap is sampled from the start.
    pub profile: bool,
    /// Mean bytes between two samples.
    pub profile_interval: usize,
    /// Stacks of samples are read by frame pointers.
    pub profile_pointers: bool,
    /// In check mode from level 2 on: most frames of a stack that is kept beside an object; 0: none is.
    pub check_stacks: usize,
    /// Mean bytes between two guarded objects; 0: none is.
    pub guard: usize,
    /// An access that a guard stopped is told on stderr.
    pub guard_report: bool,
}

impl Knobs {
    /// What holds when nobody sets anything.
    pub(crate) const DEFAULT: Self = Self {
        mmap_threshold: 128 * 1024,
        mmap_threshold_fixed: false,
        trim_threshold: 128 * 1024,
        trim_by_hand: false,
        top_pad: 128 * 1024,
        mmap_max: 65536,
        perturb: 0,
        arena_max: 0,
        // glibc's NARENAS_FROM_NCORES(1) on 64-bit systems.
        arena_test: 8,
        mxfast: CACHE_LIMIT,
        check: 0,
        tcache_count: 1024,
        tcache_max: CACHE_LIMIT,
        tcache_unsorted_limit: 0,
        run_max: RUN_LIMIT,
        purge_delay: PURGE_DELAY,
        background: false,
        limit: Amount::Off,
        limit_hard: false,
        huge_from: HUGE_FROM,
        verbose: false,
        address: false,
        names: false,
        // A word of it is no address, so following a stale pointer faults.
        free_fill: 0xde,
        quarantine_bytes: 16 << 20,
        quarantine_count: 16 << 10,
        report_at: Amount::Off,
        report_signal: 0,
        report_file: (0, 0),
        profile: false,
        profile_interval: 512 << 10,
        profile_pointers: false,
        check_stacks: 16,
        guard: 0,
        guard_report: false,
    };

    /// These settings, and what an environment asks for over them; a privileged process (`secure`)
    /// ignores it.
    ///
    /// A `GLIBC_TUNABLES` entry goes before the variable of the same meaning, wherever the two
    /// stand; of two equal variables the first counts, of two equal tunables the last, as in
    /// glibc. `CAIRN_RUN_MAX` above [`RUN_LIMIT`] means [`RUN_LIMIT`].
    ///
    /// # Safety
    /// `environ` is null, or an array of pointers to C strings that ends with null, none of
    /// which changes during the call.
    pub(crate) unsafe fn under_environment(
        self,
        environ: *const *const c_char,
        secure: bool,
    ) -> Self {
        let mut reading = Reading::over(self);
        if secure || environ.is_null() {
            return reading.finish();
        }
        let mut entry = environ;
        loop {
            // SAFETY: the contract: `entry` has not passed the null at the array's end.
            let variable = unsafe { *entry };
            if variable.is_null() {
                break;
            }
            // SAFETY: the contract: a C string that does not change while it is borrowed.
            reading.variable(unsafe { CStr::from_ptr(variable) }.to_bytes());
            // SAFETY: the entry read was not the last.
            entry = unsafe { entry.add(1) };
        }
        reading.finish()
    }

    /// `mallopt`: 1 if the value was taken or the parameter is unknown, 0 if out of range.
    pub(crate) fn set_option(&mut self, parameter: c_int, value: c_int) -> c_int {
        // The sign is kept as C does when it turns an int into a size_t: -1 is "without limit".
        let wide = i64::from(value) as u64;
        let taken = match parameter {
            option::M_MXFAST => self.set(Knob::Mxfast, wide),
            option::M_TRIM_THRESHOLD => self.set(Knob::TrimThreshold, wide),
            option::M_TOP_PAD => self.set(Knob::TopPad, wide),
            option::M_MMAP_THRESHOLD => self.set(Knob::MmapThreshold, wide),
            // No mapping is within a negative bound.
            option::M_MMAP_MAX => self.set(Knob::MmapMax, u64::from(value.max(0).unsigned_abs())),
            option::M_PERTURB => self.set(Knob::Perturb, wide & 0xff),
            option::M_CHECK_ACTION => {
                self.set(Knob::Check, u64::from(value.unsigned_abs()));
                true
            }
            // glibc answers 1 to a count below 1, and does nothing.
            option::M_ARENA_TEST => value <= 0 || self.set(Knob::ArenaTest, wide),
            option::M_ARENA_MAX => value <= 0 || self.set(Knob::ArenaMax, wide),
            option::M_CAIRN_BACKGROUND => {
                self.background = value != 0;
                true
            }
            _ => true,
        };
        c_int::from(taken)
    }

    /// Takes a value, or returns false and changes nothing.
    fn set(&mut self, knob: Knob, value: u64) -> bool {
        if !knob.range().contains(&value) {
            return false;
        }
        let size = value as usize;
        match knob {
            Knob::Check => self.check = value as u32,
            Knob::TopPad => self.top_pad = size,
            Knob::Perturb => self.perturb = value as u8,
            Knob::MmapMax => self.mmap_max = size,
            Knob::MmapThreshold => self.mmap_threshold = size,
            Knob::TrimThreshold => (self.trim_threshold, self.trim_by_hand) = (size, true),
            Knob::ArenaMax => self.arena_max = size,
            Knob::ArenaTest => self.arena_test = size,
            Knob::TcacheMax => self.tcache_max = size,
            Knob::TcacheCount => self.tcache_count = size,
            Knob::TcacheUnsortedLimit => self.tcache_unsorted_limit = size,
            Knob::Mxfast => self.mxfast = size,
            // Both kinds that glibc knows are one here: advice, from a heap's beginning.
            Knob::Hugetlb => self.huge_from = if value == 0 { usize::MAX } else { 0 },
        }
        if matches!(
            knob,
            Knob::TopPad | Knob::MmapMax | Knob::MmapThreshold | Knob::TrimThreshold
        ) {
            self.mmap_threshold_fixed = true;
        }
        true
    }
}

/// The settings that glibc has a name for.
#[derive(Clone, Copy)]
enum Knob {
    Check,
    TopPad,
    Perturb,
    MmapMax,
    MmapThreshold,
    TrimThreshold,
    ArenaMax,
    ArenaTest,
    TcacheMax,
    TcacheCount,
    TcacheUnsortedLimit,
    Mxfast,
    Hugetlb,
}

/// A setting, its tunable's name, its variable's name.
type Name = (Knob, &'static [u8], Option<&'static [u8]>);

/// Each setting, its tunable behind `glibc.malloc.`, and its variable behind `MALLOC_` if any.
const NAMES: [Name; 13] = [
    (Knob::Check, b"check", Some(b"CHECK_")),
    (Knob::TopPad, b"top_pad", Some(b"TOP_PAD_")),
    (Knob::Perturb, b"perturb", Some(b"PERTURB_")),
    (Knob::MmapMax, b"mmap_max", Some(b"MMAP_MAX_")),
    (
        Knob::MmapThreshold,
        b"mmap_threshold",
        Some(b"MMAP_THRESHOLD_"),
    ),
    (
        Knob::TrimThreshold,
        b"trim_threshold",
        Some(b"TRIM_THRESHOLD_"),
    ),
    (Knob::ArenaMax, b"arena_max", Some(b"ARENA_MAX")),
    (Knob::ArenaTest, b"arena_test", Some(b"ARENA_TEST")),
    (Knob::TcacheMax, b"tcache_max", None),
    (Knob::TcacheCount, b"tcache_count", None),
    (Knob::TcacheUnsortedLimit, b"tcache_unsorted_limit", None),
    (Knob::Mxfast, b"mxfast", None),
    (Knob::Hugetlb, b"hugetlb", None),
];

impl Knob {
    /// The values that can be used.
    const fn range(self) -> core::ops::RangeInclusive<u64> {
        match self {
            Self::Check => 0..=3,
            Self::Perturb => 0..=u8::MAX as u64,
            Self::MmapMax => 0..=c_int::MAX as u64,
            Self::ArenaMax | Self::ArenaTest => 1..=u64::MAX,
            Self::TcacheMax => 0..=CACHE_LIMIT as u64,
            Self::TcacheCount => 0..=TCACHE_COUNT_LIMIT,
            Self::Mxfast => 0..=MXFAST_LIMIT,
            Self::Hugetlb => 0..=2,
            Self::TopPad
            | Self::MmapThreshold
            | Self::TrimThreshold
            | Self::TcacheUnsortedLimit => 0..=u64::MAX,
        }
    }

    /// This setting's bit in a set.
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

#[cfg(test)]
mod tests;
