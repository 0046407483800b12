//! What Cairn has beyond malloc's family, for Rust here and for C in `c.rs`, with one meaning.

pub(crate) mod c;
pub(crate) mod c_heap;
mod heap;
mod options;
mod stats;
#[cfg(all(feature = "c-symbols", target_env = "gnu"))]
mod symbols;

pub use heap::{Heap, HeapError, HeapName, HeapStats};
pub use options::Options;
pub use stats::{Stats, stats};

use crate::routes::{self, start, trim as trimming};

/// The release of the library, as `major.minor.patch`. C has it by `cairn_version()`.
///
/// ```
/// assert_eq!(cairn::VERSION.split('.').count(), 3);
/// ```
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Gives back to the system whatever is free, in all arenas; whether anything went. C has it by
/// `cairn_trim()`, and by `malloc_trim(0)`.
///
/// This thread's cache and those that wait for a thread are emptied first. Other threads empty
/// theirs when they next ask an arena. It takes time: each page that goes has to come again when
/// the program wants it back.
///
/// ```
/// drop(vec![1_u8; 4 << 20]);
/// cairn::trim();
/// ```
pub fn trim() -> bool {
    start::ensure();
    trimming::trim(0)
}

/// Whether a thread of Cairn's own gives memory back where the program has stopped calling, from now
/// on; whether that was so before. C has it by `cairn_background()`, and `CAIRN_BACKGROUND=1` says
/// the same from the start.
///
/// A process with one thread has none until a second one comes, nor has a static program, or one
/// in check mode.
///
/// ```
/// assert!(!cairn::background(true));
/// assert!(cairn::background(false));
/// ```
pub fn background(on: bool) -> bool {
    start::set_background(on)
}

/// Limits what the heap of the process may hold from now on, bytes, 0 for no limit; what the limit was,
/// 0 for none. C has it by `cairn_limit()`; `CAIRN_LIMIT`, `CAIRN_LIMIT_HARD` and [`Options::limit`] say
/// the same from the start.
///
/// Near it, caches shrink, and all that is free goes back before more is handed out. What is held already
/// counts: pages of the heap that were handed out and did not go back, whether or not they were touched,
/// and mapped chunks. With `hard` a request that would come to more is refused (a null pointer, in C
/// with `ENOMEM`); what is held above the limit stays. In check mode there is none.
///
/// ```
/// assert_eq!(cairn::limit(1 << 30, false), 0);
/// assert_eq!(cairn::limit(0, false), 1 << 30);
/// ```
pub fn limit(bytes: usize, hard: bool) -> usize {
    start::set_limit(bytes, hard)
}

/// Empties this thread's cache into its arena, where other threads are served from it. C has it by
/// `cairn_flush()`.
///
/// Nothing goes to the system. A thread that ends does this by itself.
///
/// ```
/// let words: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
/// drop(words);
/// cairn::flush();
/// ```
pub fn flush() {
    trimming::flush();
}

/// Says that this thread waits for long now; whether any memory went to the system. C has it by
/// `cairn_idle()`.
///
/// Its cache is emptied as by [`flush`]. If no other thread allocates from the same arena, what is
/// free there goes back to the system at once, but for `M_TOP_PAD` bytes at the heap's end: a process
/// that does nothing frees nothing either, and memory goes back by itself only then. The thread may
/// go on as if nothing had been said. In check mode threads have no caches, and nothing happens.
///
/// ```
/// use std::{sync::mpsc, thread};
///
/// let (work, jobs) = mpsc::channel::<Vec<u8>>();
/// let worker = thread::spawn(move || {
///     loop {
///         let job = match jobs.try_recv() {
///             Ok(job) => job,
///             Err(mpsc::TryRecvError::Disconnected) => break,
///             Err(mpsc::TryRecvError::Empty) => {
///                 cairn::idle();
///                 match jobs.recv() {
///                     Ok(job) => job,
///                     Err(_) => break,
///                 }
///             }
///         };
///         drop(job);
///     }
/// });
/// work.send(vec![0; 1000]).unwrap();
/// drop(work);
/// worker.join().unwrap();
/// ```
pub fn idle() -> bool {
    trimming::idle()
}

/// Bytes at `p` that may be written, at least as many as were asked for; 0 where `p` is null, or
/// where another allocator than Cairn gave it out. C has it by `cairn_usable_size()`.
///
/// # Safety
/// `p` is null, or an object that some allocator gave out and that nobody has freed since.
///
/// ```
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// let hundred = Box::new([0_u8; 100]);
/// // SAFETY: a live object.
/// assert!(unsafe { cairn::usable_size(hundred.as_ptr()) } >= 100);
/// ```
pub unsafe fn usable_size(p: *const u8) -> usize {
    routes::usable(p.addr()).unwrap_or(0)
}
