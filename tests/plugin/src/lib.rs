//! What somebody's plug-in looks like: Cairn inside, a few functions outside, and nothing that
//! would tell its linker or its host that it is to stay.
#![allow(clippy::vec_box, reason = "an allocation for each is what is wanted")]

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[global_allocator]
static HEAP: cairn::Cairn = cairn::Cairn;

/// How much was allocated before any other constructor ran, Cairn's among them.
static EARLY: AtomicUsize = AtomicUsize::new(0);

#[used]
#[unsafe(link_section = ".init_array.00001")]
static FIRST: extern "C" fn() = first;

extern "C" fn first() {
    EARLY.store(work(100), Relaxed);
}

thread_local! {
    static KEPT: RefCell<Vec<Box<u64>>> = const { RefCell::new(Vec::new()) };
}

/// Allocates `n` objects, and frees them; their sum.
#[unsafe(no_mangle)]
pub extern "C" fn work(n: usize) -> usize {
    let all: Vec<Box<u64>> = (0..n as u64).map(Box::new).collect();
    all.iter().map(|one| **one as usize).sum()
}

/// Allocates `n` objects that live as long as the thread: their destructor is the standard
/// library's affair, which asks libc to keep the plug-in until then.
#[unsafe(no_mangle)]
pub extern "C" fn keep(n: usize) -> usize {
    KEPT.with(|kept| {
        let mut kept = kept.borrow_mut();
        kept.extend((0..n as u64).map(Box::new));
        kept.len()
    })
}

/// What was allocated before any other constructor.
#[unsafe(no_mangle)]
pub extern "C" fn early() -> usize {
    EARLY.load(Relaxed)
}

/// Memory that the host keeps.
#[unsafe(no_mangle)]
pub extern "C" fn make(n: usize) -> *mut u64 {
    Box::into_raw(Box::new(n as u64))
}

/// Takes it back; what it holds.
///
/// # Safety
/// It is [`make`]'s, and was not taken back before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn take(made: *mut u64) -> usize {
    // SAFETY: the caller's.
    unsafe { *Box::from_raw(made) as usize }
}
