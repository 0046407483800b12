//! Single words outside the statics.

use crate::cache::{all, thread};
use crate::layout::places::{registry, samples};
use crate::mapped::registry::REGISTRY;
use crate::watch::quarantine::RING;
use crate::watch::samples::HEAD;
use crate::{class, named, settings, side};
use core::ptr;
use core::sync::atomic::AtomicUsize;

/// Bytes that are written of each of them: of the longest.
pub(super) const WORDS: usize = samples::BYTES;
const _: () = assert!(WORDS >= registry::BYTES);

/// Addresses of what lies outside the statics, as the second note names it (`note`).
pub(super) fn all() -> [usize; 21] {
    let word = |at: &'static AtomicUsize| ptr::from_ref(at).expose_provenance();
    [
        ptr::from_ref(&all::NEWEST).expose_provenance(),
        ptr::from_ref(&thread::PARK).expose_provenance(),
        word(&thread::THREADS),
        ptr::from_ref(&REGISTRY).expose_provenance(),
        ptr::from_ref(&RING).expose_provenance(),
        word(&side::MAPPINGS),
        word(&settings::MMAP_THRESHOLD),
        word(&settings::TRIM_THRESHOLD),
        word(&settings::TOP_PAD),
        word(&settings::MMAP_MAX),
        ptr::from_ref(&settings::FIXED).expose_provenance(),
        word(&settings::ARENA_MAX),
        word(&settings::PURGE_DELAY),
        word(&settings::HUGE_FROM),
        word(&settings::CACHE_COUNT),
        word(&settings::MAX_FAST),
        word(&settings::CHECK),
        word(&class::RUN_MAX),
        word(&class::CACHE_MAX),
        ptr::from_ref(&HEAD).expose_provenance(),
        ptr::from_ref(&named::FIRST).expose_provenance(),
    ]
}
