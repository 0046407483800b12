//! The second note: where a reader outside finds what lies outside the statics.
//!
//! The first one (`sync::tls`) names it by a symbol, so whoever links that links this. Distances
//! again, numbers that the linker knows: see `layout::descriptor`.

use crate::cache::{all, thread};
use crate::layout::descriptor;
use crate::mapped::registry;
use crate::routes::start;
use crate::watch::{quarantine, samples};
use crate::{class, settings, side};
use core::arch::global_asm;

// The order is that of [`descriptor::Heads`].
global_asm!(
    ".pushsection .note.cairn,\"a\",@note",
    ".p2align 2",
    ".long {name_bytes}, {bytes}, {note_type}",
    ".asciz \"Cairn\"",
    ".p2align 2",
    concat!(".globl ", versioned!("cairn_heads_")),
    concat!(".hidden ", versioned!("cairn_heads_")),
    concat!(versioned!("cairn_heads_"), ":"),
    ".quad {newest} - .",
    ".quad {parked} - .",
    ".quad {threads} - .",
    ".quad {registry} - .",
    ".quad {quarantine} - .",
    ".quad {mappings} - .",
    ".quad {mmap_threshold} - .",
    ".quad {trim_threshold} - .",
    ".quad {top_pad} - .",
    ".quad {mmap_max} - .",
    ".quad {fixed} - .",
    ".quad {arena_max} - .",
    ".quad {purge_delay} - .",
    ".quad {huge_from} - .",
    ".quad {cache_count} - .",
    ".quad {max_fast} - .",
    ".quad {check} - .",
    ".quad {run_max} - .",
    ".quad {cache_max} - .",
    ".quad {perturb} - .",
    ".quad {registry_lock} - .",
    ".quad {caches_lock} - .",
    ".quad {side_lock} - .",
    ".quad {samples} - .",
    ".quad {stage} - .",
    ".quad {samples_lock} - .",
    ".popsection",
    name_bytes = const descriptor::NAME.len(),
    bytes = const descriptor::HEADS_BYTES,
    note_type = const descriptor::HEADS_TYPE,
    newest = sym all::NEWEST,
    parked = sym thread::PARK,
    threads = sym thread::THREADS,
    registry = sym registry::REGISTRY,
    quarantine = sym quarantine::RING,
    mappings = sym side::MAPPINGS,
    mmap_threshold = sym settings::MMAP_THRESHOLD,
    trim_threshold = sym settings::TRIM_THRESHOLD,
    top_pad = sym settings::TOP_PAD,
    mmap_max = sym settings::MMAP_MAX,
    fixed = sym settings::FIXED,
    arena_max = sym settings::ARENA_MAX,
    purge_delay = sym settings::PURGE_DELAY,
    huge_from = sym settings::HUGE_FROM,
    cache_count = sym settings::CACHE_COUNT,
    max_fast = sym settings::MAX_FAST,
    check = sym settings::CHECK,
    run_max = sym class::RUN_MAX,
    cache_max = sym class::CACHE_MAX,
    perturb = sym settings::PERTURB,
    registry_lock = sym registry::LOCK,
    caches_lock = sym all::LOCK,
    side_lock = sym side::LOCK,
    samples = sym samples::HEAD,
    stage = sym start::STAGE,
    samples_lock = sym samples::LOCK,
);
