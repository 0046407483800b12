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
//! | `config`, `fatal`, `knobs`, `report` | constants, last words, the environment, texts |
//! | `os`, `sync` | the system's primitives; locks and the thread-local word |
//! | `settings`, `side` | the knobs in force; memory for the allocator's own data |
//! | `class`, `chunk`, `granules` | size classes; headers, feet and tags; sets of 16 bytes each |
//! | `region` | what an address is |
//! | `checked` | check mode: trailers behind objects, the quarantine, the newest objects |
//! | `arena` | bins, fastbins, runs, top: everything behind one lock |
//! | `own`, `arenas`, `mapped` | static memory; which arenas there are; one mapping each |
//! | `cache` | a thread's arrays |
//! | `heap` | routes: which part serves, what a pointer is |
//! | `c`, `global` | the interfaces |
//!
//! Four arrows point up, and why: `sync::tls` names the blank of `own` that a thread's word starts
//! with; `region` and `arena::slack` name the static of `own` that their tables are a part of; and
//! `region` names the `Heap` its records belong to without looking inside.

#![cfg_attr(not(test), no_std)]

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!("cairn supports Linux on x86-64 and aarch64 (the latter untested); no other target");

#[cfg(not(any(target_env = "gnu", doc)))]
compile_error!("cairn replaces glibc's malloc and needs glibc");

mod arena;
mod arenas;
pub mod c;
mod cache;
mod checked;
mod chunk;
mod class;
mod config;
mod fatal;
mod global;
mod granules;
mod heap;
mod knobs;
mod mapped;
mod os;
mod own;
mod region;
mod report;
mod settings;
mod side;
mod sync;

pub use arena::check::{Broken, HeapReport, Role, View};
pub use global::Cairn;
pub use heap::check::{check_heap, walk};
