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
pub use stand_in::{checked, chunk, class, config, fatal, granules};
pub use stand_in::{knobs, mapped, os, own, settings, side};

macro_rules! shipped {
    ($file:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $file));
    };
}

pub mod sync {
    mod lock {
        shipped!("sync_lock.rs");
    }
    pub use crate::stand_in::tls;
    pub use lock::{Guard, Lock};
}

pub mod arena {
    pub use crate::stand_in::arena::*;
}

pub mod region {
    shipped!("region.rs");

    /// Memory for a leaf, as the system gives it: zeros.
    pub fn blank_leaf() -> usize {
        crate::stand_in::leak(Leaf::new())
    }

    /// Memory for a record, likewise.
    pub fn blank_record() -> usize {
        crate::stand_in::leak(Record {
            heap: ptr::null_mut(),
            base: 0,
            next: ptr::null_mut(),
            prev: ptr::null_mut(),
            pending: 0,
            free: 0,
            bound: 0,
            purged: 0,
            search: 0,
            listed: false,
            states: 0,
            map: crate::granules::Granules::new(),
        })
    }

    pub const LEAF_BYTES: usize = size_of::<Leaf>();
}

pub mod arenas {
    shipped!("arenas.rs");
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

pub mod heap {
    pub use crate::stand_in::checked;
    pub mod start {
        shipped!("heap_start.rs");
    }
    pub mod fork {
        shipped!("heap_fork.rs");

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
