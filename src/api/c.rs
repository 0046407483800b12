//! C's forms of what is beyond malloc's family; `cairn.h` declares them.

use super::{Options, Stats};
use crate::routes::check::{self, Object, State};
use crate::routes::sampled;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use libc::EINVAL;

/// The version of [`CStats`]: it rises when a field changes its meaning, not when one is added.
const STATS_VERSION: u32 = 1;

/// `struct cairn_stats`.
#[repr(C)]
pub struct CStats {
    version: u32,
    size: u32,
    stats: Stats,
}

/// The release, as a C string.
const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };

/// What `c_symbols!` calls first: the start, with a program's settings, unless it was.
#[inline(always)]
pub fn begin_with(options: &Options) {
    options.begin();
}

/// What `mallinfo` returns.
#[cfg(target_env = "gnu")]
pub type Mallinfo = libc::mallinfo;
/// What `mallinfo2` returns.
#[cfg(target_env = "gnu")]
pub type Mallinfo2 = libc::mallinfo2;
/// A stream of C's.
pub type Stream = libc::FILE;

/// `cairn_background`: [`crate::background`], on for anything but 0; 1 if it was on.
pub fn cairn_background(on: c_int) -> c_int {
    c_int::from(super::background(on != 0))
}

/// `cairn_limit`: [`crate::limit`], hard for anything but 0.
pub fn cairn_limit(bytes: usize, hard: c_int) -> usize {
    super::limit(bytes, hard != 0)
}

/// `cairn_version`: the release, a string that is never freed.
pub fn cairn_version() -> *const c_char {
    VERSION.as_ptr()
}

/// `cairn_stats`: [`crate::stats`] into a structure of so many bytes as its field `size` says, which
/// then says how many were written. 0, or `EINVAL` where there is no room for a figure.
///
/// # Safety
/// `out` is null, or leads to its field `size` and to so many bytes.
pub unsafe fn cairn_stats(out: *mut CStats) -> c_int {
    if out.is_null() {
        return EINVAL;
    }
    // SAFETY: the caller's.
    let room = unsafe { (*out).size } as usize;
    let len = room.min(size_of::<CStats>());
    if len <= core::mem::offset_of!(CStats, stats) {
        return EINVAL;
    }
    let all = CStats {
        version: STATS_VERSION,
        size: len as u32,
        stats: super::stats(),
    };
    // SAFETY: the caller's; no more than there is here and there.
    unsafe { ptr::copy_nonoverlapping((&raw const all).cast::<u8>(), out.cast(), len) };
    0
}

/// `cairn_trim`: [`crate::trim`]; 1 if anything went.
pub fn cairn_trim() -> c_int {
    c_int::from(super::trim())
}

/// `cairn_flush`: [`crate::flush`].
pub fn cairn_flush() {
    super::flush();
}

/// `cairn_idle`: [`crate::idle`]; 1 if anything went.
pub fn cairn_idle() -> c_int {
    c_int::from(super::idle())
}

/// `cairn_start_profile`: [`crate::start_profile`].
pub fn cairn_start_profile(interval: usize) {
    sampled::start_profile(interval);
}

/// `cairn_stop_profile`: [`crate::stop_profile`].
pub fn cairn_stop_profile() {
    sampled::stop_profile();
}

/// `cairn_profile_interval`: [`crate::profile_interval`].
pub fn cairn_profile_interval() -> usize {
    sampled::profile_interval()
}

/// `cairn_usable_size`: [`crate::usable_size`].
///
/// # Safety
/// As there.
pub unsafe fn cairn_usable_size(p: *const c_void) -> usize {
    // SAFETY: the caller's.
    unsafe { super::usable_size(p.cast()) }
}

/// What `cairn_walk_objects` calls: with what it was given, the object, its usable bytes, and its
/// state.
pub type Visit = unsafe extern "C" fn(*mut c_void, *mut c_void, usize, c_int);

/// `cairn_walk_objects`: [`crate::walk_objects`]; 0, or the number of the invariant that is broken.
/// Without a function to call it only checks.
///
/// # Safety
/// `see` may be called with `context`.
pub unsafe fn cairn_walk_objects(see: Option<Visit>, context: *mut c_void) -> c_int {
    let walked = check::walk_objects(&mut |object: Object| {
        let state = match object.state {
            State::InUse => 0,
            State::Cached => 1,
            State::Free => 2,
        };
        if let Some(see) = see {
            let p = ptr::with_exposed_provenance_mut(object.address);
            // SAFETY: the caller's.
            unsafe { see(context, p, object.usable, state) };
        }
    });
    walked.map_or_else(|broken| c_int::from(broken.invariant), |_| 0)
}
