//! A thread's cache from its beginning to its end.
//!
//! ```text
//!   EMPTY --first slow call--> a cache of its own --thread ends--> FINISHED
//!                               ^                        |
//!                               '---- parked, one a CPU <-'   (else: all given back)
//! ```
//!
//! A finished thread's small cache is parked for the next thread that begins: where threads come
//! and go, neither end costs a hundred visits to the arena. A large one is given back at once.

use super::{Cache, EMPTY, FINISHED};
use crate::arena::Arena;
use crate::sync::tls;
use crate::{arenas, side};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// Caches that may wait for a new thread.
const PARKED: usize = 4;
/// A cache whose arrays could hold more than this many bytes is not parked.
const PARK_ROOM: usize = 512 << 10;

static KEY: AtomicUsize = AtomicUsize::new(usize::MAX);
static THREADS: AtomicUsize = AtomicUsize::new(0);
/// Set when every call must take the slow way (`M_PERTURB`).
static BYPASS: AtomicBool = AtomicBool::new(false);
/// A cache is in one place only: whoever swaps it out owns it, with all that was written before
/// it was put there (acquire and release).
static PARK: [AtomicPtr<Cache>; PARKED] = [const { AtomicPtr::new(ptr::null_mut()) }; PARKED];

/// Makes the key whose destructor hands a thread's cache over. Once.
pub fn init() {
    let mut key = 0;
    // SAFETY: `finish` takes what `pthread_setspecific` was given.
    if unsafe { libc::pthread_key_create(&raw mut key, Some(finish)) } == 0 {
        KEY.store(key as usize, Relaxed);
    }
}

/// Threads that have a cache.
pub fn count() -> usize {
    THREADS.load(Relaxed)
}

/// From now on all threads do without: this one and those that have no cache yet at once, the
/// others from the next time that their cache has to ask an arena.
pub fn bypass() {
    BYPASS.store(true, Relaxed);
    leave();
}

fn leave() {
    if let Some(cache) = existing() {
        tls::set(ptr::from_ref(&FINISHED).expose_provenance());
        // SAFETY: the word no longer leads to it, and its thread is this one.
        unsafe { (*cache).drain() };
    }
}

/// This thread's cache, if it has one.
pub fn existing() -> Option<*mut Cache> {
    let at = tls::get();
    let none = at == ptr::from_ref(&EMPTY).addr() || at == ptr::from_ref(&FINISHED).addr();
    (!none).then(|| ptr::with_exposed_provenance_mut(at))
}

/// This thread's cache, made if need be; `None` when the thread must do without.
pub fn current() -> Option<*mut Cache> {
    if tls::get() != ptr::from_ref(&EMPTY).addr() {
        if BYPASS.load(Relaxed) {
            leave();
        }
        return existing();
    }
    let key = KEY.load(Relaxed);
    if key == usize::MAX || BYPASS.load(Relaxed) {
        return None; // without the destructor a cache would be lost with its thread
    }
    let cache = match unpark() {
        Some(cache) => cache,
        None => create()?,
    };
    THREADS.fetch_add(1, Relaxed);
    // Published before `pthread_setspecific`, which may allocate and so come back here.
    tls::set(cache.expose_provenance());
    // SAFETY: the key is ours.
    unsafe { libc::pthread_setspecific(key as libc::pthread_key_t, cache.cast()) };
    Some(cache)
}

fn create() -> Option<*mut Cache> {
    let cache: *mut Cache = ptr::with_exposed_provenance_mut(side::take(size_of::<Cache>())?);
    // SAFETY: side memory just taken. All but the first arrays is zeroed, which is an empty
    // cache; those need no value and may never be touched.
    unsafe {
        cache.cast::<u8>().write_bytes(0, offset_of!(Cache, first));
        (*cache).arena = arenas::assign();
    }
    Some(cache)
}

/// The arena this thread allocates from.
pub fn arena() -> &'static Arena {
    // SAFETY: a cache's arena is set before it is published, and arenas live forever.
    existing().map_or(arenas::main(), |c| unsafe { &*(*c).arena })
}

/// The thread ends: its cache is parked or given back, and it never gets another.
unsafe extern "C" fn finish(cache: *mut libc::c_void) {
    let cache: *mut Cache = cache.cast();
    tls::set(ptr::from_ref(&FINISHED).expose_provenance());
    THREADS.fetch_sub(1, Relaxed);
    // SAFETY: the key's value is this thread's cache; the word no longer leads to it.
    unsafe {
        (*(*cache).arena).threads.fetch_sub(1, Relaxed);
        if (*cache).capacity() > PARK_ROOM || !park(cache) {
            discard(cache);
        }
    }
}

/// # Safety
/// Nobody else can reach the cache.
unsafe fn discard(cache: *mut Cache) {
    // SAFETY: the caller's.
    unsafe {
        (*cache).drain();
        side::give(cache.expose_provenance(), size_of::<Cache>());
    }
}

fn park(cache: *mut Cache) -> bool {
    PARK.iter().any(|place| {
        place
            .compare_exchange(ptr::null_mut(), cache, AcqRel, Relaxed)
            .is_ok()
    })
}

fn unpark() -> Option<*mut Cache> {
    let taken = PARK.iter().find_map(|place| {
        if place.load(Relaxed).is_null() {
            return None;
        }
        let cache = place.swap(ptr::null_mut(), Acquire);
        (!cache.is_null()).then_some(cache)
    })?;
    // SAFETY: swapped out, so ours; its arena lives forever.
    unsafe { (*(*taken).arena).threads.fetch_add(1, Relaxed) };
    Some(taken)
}

/// Gives back what this thread's cache and the parked ones hold, for `malloc_trim`.
pub fn flush() {
    if let Some(cache) = existing() {
        // SAFETY: this thread's own cache.
        unsafe { (*cache).flush() };
    }
    for place in &PARK {
        let cache = place.swap(ptr::null_mut(), Acquire);
        if !cache.is_null() {
            // SAFETY: swapped out, so ours.
            unsafe { discard(cache) };
        }
    }
}

/// After `fork` one thread is left.
pub fn only_thread() {
    let mine = usize::from(existing().is_some());
    THREADS.store(mine, Relaxed);
    for a in arenas::all() {
        a.threads.store(0, Relaxed);
    }
    if mine == 1 {
        arena().threads.store(1, Relaxed);
    }
}
