//! Reads the heap of a process that runs on Cairn, or of a core file, from outside.
//!
//! Nothing is injected and nothing runs in the process; written is a word or two when it is to be
//! sampled, and nothing else ever. What is read is not believed: each link is
//! compared with what is mapped, each walk is bounded by it, and what makes no sense is dropped and
//! counted ([`Heap::torn`]). So a process may be read while it runs, and memory that somebody
//! damaged on purpose yields wrong figures at worst.
//!
//! ```text
//!   process, core,     where bytes come from, and which of them are resident
//!   report, pagemap,
//!   registers          where a thread stood
//!   find               the descriptors in it; who serves malloc if there is none
//!   tables, mapped     arenas, heaps; what has a mapping of its own
//!   settings           the knobs in force
//!   caches             what threads hold
//!   visit, walk        chunk by chunk, object by object, in address order
//!   place              what an address is: which piece it lies in, and what lies beside that
//!   pages              the same page by page
//!   account, stats     what adds up to the resident memory; the heap's own figures
//!   samples            sampled objects and the stacks that asked for them; begin and end of sampling
//!   guards             guarded objects, check mode's, and the stacks beside them: what an address is
//!   trim               what malloc_trim would give back
//!   summary            sums alone, for every second
//! ```

pub mod account;
pub mod caches;
pub mod core;
pub mod find;
pub mod guards;
pub mod mapped;
pub mod maps;
mod pagemap;
pub mod pages;
pub mod place;
pub mod process;
pub mod registers;
pub mod report;
pub mod samples;
mod settings;
pub mod stats;
pub mod stop;
pub mod summary;
pub mod tables;
pub mod target;
pub mod trim;
pub mod visit;
pub mod walk;

pub use find::Instance;
pub use tables::Heap;
pub use target::{Error, Target};
