//! A thread's cache from its beginning to its end.
//!
//! ```text
//!   EMPTY --first slow call--> a cache of its own --thread ends--> FINISHED
//!     ^                         |  ^                        |
//!     |-- no room for its key --'  |---- parked, a few <----'   (else: all given back)
//!     '-- M_PERTURB ---------------'  (emptied, kept by its key; comes back with M_PERTURB 0)
//! ```
//!
//! A thread ends when its destructors have had all their rounds: what those of other keys free
//! costs what a free costs.
//!
//! A finished thread's small cache is parked for the next thread that begins: where threads come
//! and go, neither end costs a hundred visits to the arena. A large one is given back at once.

use super::{Cache, all, cover};
use crate::arena::Arena;
use crate::layout::places::cache as places;
use crate::sync::tls;
use crate::{arenas, settings, side, statics};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// Caches that may wait for a new thread.
const PARKED: usize = places::PARKED;
/// A cache whose arrays could hold more than this many bytes is not parked.
const PARK_ROOM: usize = 512 << 10;

/// Rounds of destructors of thread-specific data that a thread goes through at most while some set
/// their values again (`PTHREAD_DESTRUCTOR_ITERATIONS`, in glibc and musl). A power of two: the low
/// bits of the key's value count them.
const ROUNDS: usize = 4;

/// The key, and 1; 0 for none.
static KEY: AtomicUsize = AtomicUsize::new(0);
/// Threads whose word leads to a cache of their own. Each of them also counts for its arena.
pub(crate) static THREADS: AtomicUsize = AtomicUsize::new(0);
/// Forks between the first process and this one. A signal handler may fork in the middle of a
/// count; the child goes on with half of it, and this tells it so.
static FORKS: AtomicUsize = AtomicUsize::new(0);
/// How often the process was trimmed.
static TRIMS: AtomicUsize = AtomicUsize::new(0);
/// Set when every call must take the slow way (`M_PERTURB`).
static BYPASS: AtomicBool = AtomicBool::new(false);
/// A cache is in one place only: whoever swaps it out owns it, with all that was written before
/// it was put there (acquire and release).
pub(crate) static PARK: [AtomicPtr<Cache>; PARKED] =
    [const { AtomicPtr::new(ptr::null_mut()) }; PARKED];

/// Makes the key whose destructor hands a thread's cache over. Once.
pub(crate) fn init() {
    let mut key = 0;
    // SAFETY: `finish` takes what `pthread_setspecific` was given, and is never unloaded
    // (`os::stay`).
    if unsafe { libc::pthread_key_create(&raw mut key, Some(finish)) } == 0 {
        KEY.store(key as usize + 1, Relaxed);
    }
}

/// Threads that have a cache.
pub(crate) fn count() -> usize {
    THREADS.load(Relaxed)
}

/// From now on all threads do without: this one and those that have no cache yet at once, the
/// others from the next time that their cache has to ask an arena.
pub(crate) fn bypass() {
    BYPASS.store(true, Relaxed);
    leave();
}

/// From now on threads have caches again, each from its next call that could use one.
pub(crate) fn restore() {
    BYPASS.store(false, Relaxed);
}

/// Whether threads are to do without.
pub(crate) fn is_bypassed() -> bool {
    BYPASS.load(Relaxed)
}

/// Empties this thread's cache, which its key's value keeps.
fn leave() {
    if let Some(cache) = existing() {
        part(cache, statics::empty());
        // SAFETY: the words no longer lead to it, and its thread is this one.
        unsafe { (*cache).drain() };
    }
}

/// Turns the words from the cache, if they lead there, to where there is none; the thread counts no
/// more.
fn part(cache: *mut Cache, to: usize) {
    if existing() != Some(cache) {
        return;
    }
    let forks = FORKS.load(Acquire);
    tls::set_to_take(to);
    tls::set_to_put(to);
    THREADS.fetch_sub(1, Relaxed);
    // SAFETY: a cache's arena is set before it is published, and arenas live forever.
    unsafe { (*(*cache).arena).threads.fetch_sub(1, Relaxed) };
    recount_after(forks);
}

/// Counts anew if a fork came between: then this is the child, and its only thread.
fn recount_after(forks: usize) {
    if FORKS.fetch_add(0, AcqRel) != forks {
        recount();
    }
}

/// This thread's cache, if it has one.
pub(crate) fn existing() -> Option<*mut Cache> {
    cache_at(tls::to_put())
}

/// The same, for who takes: none where requests are counted in front of it.
pub(super) fn uncovered() -> Option<*mut Cache> {
    cache_at(tls::to_take())
}

/// The cache that a thread's word leads to, if it is one.
#[inline(always)]
fn cache_at(word: usize) -> Option<*mut Cache> {
    let cache: *mut Cache = ptr::with_exposed_provenance_mut(word);
    // What is no cache has zeros there, and is as long as that.
    // SAFETY: bins and strip, and the word behind them.
    let arena = unsafe { (&raw const (*cache).arena).read() };
    (!arena.is_null()).then_some(cache)
}

/// This thread's cache, made if need be; `None` when the thread must do without.
pub(crate) fn current() -> Option<*mut Cache> {
    if tls::to_put() != statics::empty() {
        if BYPASS.load(Relaxed) {
            leave();
        }
        return existing();
    }
    let key = match KEY.load(Relaxed).checked_sub(1) {
        Some(key) if !BYPASS.load(Relaxed) => key as libc::pthread_key_t,
        _ => return None, // without the destructor a cache would be lost with its thread
    };
    let forks = FORKS.load(Acquire);
    // SAFETY: the key is ours.
    let cache = match own_cache(unsafe { libc::pthread_getspecific(key) }) {
        (cache, _) if !cache.is_null() => count_in(cache),
        _ => match unpark() {
            Some(cache) => cache,
            None => create()?,
        },
    };
    // Published before `pthread_setspecific`, which may allocate and so come back here.
    tls::set_to_put(cache.expose_provenance());
    tls::set_to_take(cache.expose_provenance());
    THREADS.fetch_add(1, Relaxed);
    recount_after(forks);
    // SAFETY: the key is ours.
    if unsafe { libc::pthread_setspecific(key, cache.cast()) } == 0 {
        return Some(cache);
    }
    // Nobody would hand it over at the thread's end. What refused was memory, so the next call
    // that could use a cache tries again; until then the thread goes on as before its first.
    part(cache, statics::empty());
    // SAFETY: the words no longer lead to it.
    unsafe { hand_over(cache) };
    None
}

fn create() -> Option<*mut Cache> {
    let cache: *mut Cache = ptr::with_exposed_provenance_mut(side::take(size_of::<Cache>())?);
    // SAFETY: side memory just taken. All but the first arrays is zeroed, which is an empty
    // cache; those need no value and may never be touched.
    unsafe {
        cache.cast::<u8>().write_bytes(0, offset_of!(Cache, first));
        (*cache).arena = arenas::assign();
        all::enter(cache);
    }
    Some(cache)
}

/// The arena this thread allocates from.
pub(crate) fn arena() -> &'static Arena {
    // SAFETY: a cache's arena is set before it is published, and arenas live forever.
    existing().map_or(arenas::main(), |c| unsafe { &*(*c).arena })
}

/// The cache that a value of the key names, and the rounds of destructors it has been through.
fn own_cache(value: *mut libc::c_void) -> (*mut Cache, usize) {
    let rounds = value.addr() % ROUNDS;
    (value.cast::<u8>().wrapping_sub(rounds).cast(), rounds)
}

/// The thread ends, but for the rounds of destructors still to come. In the last its cache is
/// parked or given back, and it never gets another.
unsafe extern "C" fn finish(value: *mut libc::c_void) {
    let (cache, rounds) = own_cache(value);
    let next = value.cast::<u8>().wrapping_add(1).cast();
    let key = KEY.load(Relaxed).wrapping_sub(1) as libc::pthread_key_t;
    // SAFETY: the key is ours.
    if rounds + 1 < ROUNDS && unsafe { libc::pthread_setspecific(key, next) } == 0 {
        return;
    }
    part(cache, statics::finished());
    // Also where it had given up its cache.
    tls::set_to_take(statics::finished());
    tls::set_to_put(statics::finished());
    if count() <= 1 {
        // The background thread is not to be what keeps the process.
        settings::BELL.ring_after_store();
    }
    // SAFETY: the key's value is this thread's cache; the words no longer lead to it.
    unsafe { hand_over(cache) };
}

/// Parks a cache, or gives it back.
///
/// # Safety
/// Nobody else can reach the cache.
unsafe fn hand_over(cache: *mut Cache) {
    // SAFETY: the caller's.
    unsafe {
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
        all::leave(cache);
        cover::give((*cache).cover.get());
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
    Some(count_in(taken))
}

/// Counts for the arena of a cache that this thread takes.
fn count_in(cache: *mut Cache) -> *mut Cache {
    // SAFETY: this thread's; its arena lives forever.
    unsafe { (*(*cache).arena).threads.fetch_add(1, Relaxed) };
    cache
}

/// How often the process was trimmed.
pub(crate) fn trims() -> usize {
    TRIMS.load(Relaxed)
}

/// Gives back what this thread's cache and the parked ones hold, for `malloc_trim`. Other threads
/// give back what theirs hold when they next take the slow way.
pub(crate) fn flush() {
    TRIMS.fetch_add(1, Relaxed);
    flush_own();
    flush_parked();
}

/// Gives back what the parked caches hold, and the caches.
pub(crate) fn flush_parked() {
    for place in &PARK {
        let cache = place.swap(ptr::null_mut(), Acquire);
        if !cache.is_null() {
            // SAFETY: swapped out, so ours.
            unsafe { discard(cache) };
        }
    }
}

/// Gives back what this thread's cache holds.
pub(crate) fn flush_own() {
    let _lifted = cover::lift();
    if let Some(cache) = existing() {
        // SAFETY: this thread's own cache.
        unsafe { (*cache).flush() };
    }
}

/// After `fork` one thread is left.
pub(crate) fn only_thread() {
    FORKS.fetch_add(1, AcqRel);
    recount();
}

/// Counts this thread as the only one.
fn recount() {
    let mine = usize::from(existing().is_some());
    THREADS.store(mine, Relaxed);
    for a in arenas::all() {
        a.threads.store(0, Relaxed);
    }
    if mine == 1 {
        arena().threads.store(1, Relaxed);
    }
}
