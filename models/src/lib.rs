//! Cairn's atomic protocols under loom: the shipped sources, read by `build.rs`, between stand-ins
//! for what they call. The models are in `tests/`; `docs/testing.md` says what each was seen to
//! catch.
#![allow(
    dead_code,
    missing_docs,
    unused_imports,
    unused_doc_comments,
    clippy::all,
    reason = "shipped sources in a crate that uses a part of each, and stand-ins for the rest"
)]

pub mod stand_in;
pub use stand_in::{background, chunk, class, config, fatal, granules, limit, relief, watch};
pub use stand_in::{guards, knobs, mapped, os, settings, side, statics};

macro_rules! shipped {
    ($file:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $file));
    };
}

pub mod sync {
    mod bell {
        shipped!("sync_bell.rs");
    }
    mod lock {
        shipped!("sync_lock.rs");
    }
    pub use crate::stand_in::tls;
    pub use bell::Bell;
    pub use lock::{Guard, Lock};
}

pub mod layout {
    pub mod sizes {
        pub use crate::stand_in::config::*;
    }
    pub mod table {
        shipped!("layout_table.rs");
    }
    pub use crate::stand_in::places;
}

pub mod arena {
    pub use crate::stand_in::arena::*;
    pub mod records {
        shipped!("arena_records.rs");

        #[repr(C)]
        struct Blank {
            records: [Record; GROUP],
            maps: [Granules; GROUP],
        }

        /// Memory for so many bytes of records, as the system gives it: zeros.
        pub fn blank(bytes: usize) -> usize {
            assert!(bytes <= size_of::<Blank>() && core::mem::offset_of!(Blank, maps) < bytes);
            let blank = |_| Record {
                heap: ptr::null_mut(),
                base: 0,
                next: ptr::null_mut(),
                prev: ptr::null_mut(),
                pending: 0,
                free: 0,
                bound: 0,
                pages: super::page_states::Pages::NONE,
                search: 0,
                listed: false,
                states: 0,
                map: ptr::null_mut(),
            };
            crate::stand_in::leak(Blank {
                records: core::array::from_fn(blank),
                maps: core::array::from_fn(|_| Granules::new()),
            })
        }
    }
}

pub mod pages {
    shipped!("pages.rs");
}

pub mod purge;

pub mod region {
    shipped!("region.rs");

    use crate::stand_in::statics::Zero;
    use std::array::from_fn;

    impl Zero for Table {
        fn zero() -> Self {
            Self {
                root: from_fn(|_| AtomicUsize::new(0)),
                none: from_fn(|_| AtomicUsize::new(0)),
            }
        }
    }
    impl Zero for Leaf {
        fn zero() -> Self {
            Self {
                word: from_fn(|_| AtomicUsize::new(0)),
                group: from_fn(|_| Group {
                    records: AtomicUsize::new(0),
                    states: from_fn(|_| AtomicUsize::new(0)),
                }),
            }
        }
    }

    /// Memory for a leaf, likewise.
    pub fn blank_leaf() -> usize {
        crate::stand_in::leak(Leaf::zero())
    }

    pub const LEAF_SIZE: usize = size_of::<Leaf>();
}

pub mod arenas {
    shipped!("arenas.rs");
}

/// None of these models has a heap of the program's own.
pub mod named {
    use crate::arena::Arena;

    pub struct Named {
        pub arena: Arena,
    }
    pub fn every() -> impl Iterator<Item = &'static Named> {
        core::iter::empty()
    }
    pub fn all() -> impl Iterator<Item = &'static Arena> {
        crate::arenas::all()
    }
}

pub mod cache {
    pub use crate::stand_in::cache::*;
    pub mod thread {
        shipped!("cache_thread.rs");

        /// The destructor of the thread's key.
        pub fn end_of_thread() {
            while let Some(value) = crate::stand_in::value_at_end() {
                // SAFETY: as `pthread_setspecific` was given it.
                unsafe { finish(value) }
            }
        }
    }
}

pub mod routes {
    pub mod start {
        shipped!("routes_start.rs");
    }
    pub mod fork {
        shipped!("routes_fork.rs");

        pub fn before() {
            prepare();
        }
        pub fn in_parent() {
            parent();
        }
        pub fn in_child() {
            child();
        }
    }
}
