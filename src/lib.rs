//! Cairn: a malloc in glibc's tradition.
//!
//! Boundary-tag chunks on the break and in mapped heaps, fastbins and size-class bins, thread
//! caches in front, runs for the smallest objects, direct mappings for the largest, and checks
//! that are always on.
//!
//! The rooms, bottom-up; an arrow may only point down the list, and a test holds the files to it:
//!
//! | room | what it knows |
//! | --- | --- |
//! | `layout` | what a reader outside shares: sizes, the header's word, classes, the table's arithmetic, counters |
//! | `config`, `fatal`, `knobs` | constants, last words, the environment |
//! | `os`, `statics` | the system's primitives; the static bytes, and who has which |
//! | `sync` | locks, a bell, and the thread-local word |
//! | `settings`, `limit`, `mark`, `side` | the knobs in force; what the heap may hold; whether the process grew by much; memory for the allocator's own data |
//! | `class`, `chunk`, `pages`, `granules` | size classes; headers, feet and tags; sets of pages, and of 16 bytes each |
//! | `region`, `object` | what an address is; an object's state |
//! | `mapped`, `guards` | one mapping each; the pool of guarded objects |
//! | `arena` | bins, fastbins, runs, top, records: everything behind one lock |
//! | `arenas`, `vet` | which arenas there are; what a pointer is |
//! | `named` | heaps of the program's own, with a name |
//! | `cache` | a thread's arrays |
//! | `watch` | check mode: trailers, quarantine, guarded mappings; the report before the kill; samples and their stacks |
//! | `relief`, `background` | all that is free goes back, near a limit say; the thread that gives memory back where nobody calls |
//! | `routes` | which part serves a request; start, fork, check, sampling |
//! | `stats` | the figures of the whole heap, and their texts |
//! | `note` | where a reader outside finds what is not among the static bytes |
//! | `api` | figures, trim, idle, walks and settings, for Rust and for C |
//! | `c`, `global` | the interfaces |
//!
//! `c` and `layout` are public for the library that is preloaded and for readers outside, and no
//! part of the crate's promise.

#![cfg_attr(not(any(test, miri)), no_std)]
// What needs a feature says so, where docs.rs builds the pages.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!("cairn supports Linux on x86-64 and aarch64; no other target");

#[cfg(not(any(target_env = "gnu", target_env = "musl", doc)))]
compile_error!("cairn needs glibc, or musl, where it serves Rust programs as GlobalAlloc");

/// The name of a hidden symbol, with the crate's version: two versions can live in one program.
#[cfg(not(miri))]
macro_rules! versioned {
    ($name:literal) => {
        concat!(
            $name,
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH")
        )
    };
}

mod api;
mod arena;
mod arenas;
mod background;
#[doc(hidden)]
pub mod c;
mod cache;
mod chunk;
mod class;
mod config;
mod fatal;
mod global;
mod granules;
mod guards;
mod knobs;
#[doc(hidden)]
pub mod layout;
mod limit;
mod mapped;
mod mark;
mod named;
#[cfg(not(miri))]
mod note;
mod object;
mod os;
mod pages;
mod region;
mod relief;
mod routes;
mod settings;
mod side;
mod statics;
mod stats;
mod sync;
mod vet;
mod watch;

pub use api::{Heap, HeapError, HeapName, HeapStats};
pub use api::{Options, Stats, VERSION, background, flush, idle, limit, stats, trim, usable_size};
pub use arena::check::HeapReport;
pub use arena::seen::{Broken, Role, View};
pub use global::{Cairn, CairnWith};
pub use routes::check::{Object, State, check_heap, walk, walk_objects};
pub use routes::sampled::{profile_interval, start_profile, stop_profile};
