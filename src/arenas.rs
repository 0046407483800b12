//! All arenas: the main one, and as many more as the process may use CPUs.

use crate::arena::Arena;
use crate::config::MAX_ARENAS;
use crate::statics::STATICS;
use crate::sync::Lock;
use crate::{os, settings, side};
use core::ptr;
use core::sync::atomic::{
    AtomicPtr, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Guards the making of arenas. Of the locks only the start's is further out.
pub(crate) static LOCK: Lock = Lock::new();
/// CPUs that the cgroup's quota leaves. It is the start's: to ask is to open a file, which may end a
/// process that is in a sandbox by now.
static QUOTA: AtomicUsize = AtomicUsize::new(0);

/// Sets how many CPUs the quota leaves.
pub(crate) fn set_quota(n: usize) {
    QUOTA.store(n, Relaxed);
}

/// The arena that uses the break.
pub(crate) fn main() -> &'static Arena {
    // SAFETY: zeros are an arena without a heap, and the piece is nothing else anywhere.
    unsafe { STATICS.main.of() }
}

/// The arenas but the main one, by index, less one.
fn others() -> &'static [AtomicPtr<Arena>; MAX_ARENAS] {
    // SAFETY: zeros are null, and the piece is nothing else anywhere.
    unsafe { STATICS.others.of() }
}

/// The arenas there are, by index.
pub(crate) fn all() -> impl Iterator<Item = &'static Arena> {
    let others = others().iter().map_while(|a| {
        // SAFETY: arenas live in side memory as long as the process (I11).
        unsafe { a.load(Acquire).as_ref() }
    });
    core::iter::once(main()).chain(others)
}

/// The arena a new thread refills from: the least used one, or a new one while there are fewer
/// than CPUs. The first thread gets the main arena.
pub(crate) fn assign() -> &'static Arena {
    let _held = LOCK.acquire();
    // The affinity of today, as glibc asks for it: it may have changed since the start.
    let limit = || match settings::arena_max() {
        0 => os::affine().min(QUOTA.load(Relaxed)).max(1),
        n => n,
    };
    let (mut best, mut count) = (main(), 0);
    for a in all() {
        if a.threads.load(Relaxed) < best.threads.load(Relaxed) {
            best = a;
        }
        count += 1;
    }
    if best.threads.load(Relaxed) != 0
        && count < MAX_ARENAS
        && count < limit()
        && let Some(new) = create(count)
    {
        best = new;
    }
    best.threads.fetch_add(1, Relaxed);
    best
}

/// Which arena is looked after next.
static TURN: AtomicUsize = AtomicUsize::new(0);
/// Free bytes from which an arena is worth a look.
const WORTH: usize = 2 << 20;

/// After every few slow operations in one arena, which settle that: looks after another, since the
/// threads that use it may all wait for something.
pub(crate) fn look_after_another(mine: &Arena) {
    let any = others().first().is_some_and(|a| !a.load(Relaxed).is_null());
    if any {
        look_after(Some(mine));
    }
}

/// Looks after the next arena in turn, for who takes no slow way at all. Nobody waits for it.
pub(crate) fn look_after(mine: Option<&Arena>) {
    let n = all().count();
    let turn = TURN.fetch_add(1, Relaxed);
    let next = match mine {
        Some(mine) => mine.index + 1 + turn.checked_rem(n - 1).unwrap_or(0),
        None => turn,
    };
    if let Some(arena) = all().nth(next.checked_rem(n).unwrap_or(0))
        && arena.idle.load(Relaxed) >= WORTH
        && let Some(state) = arena.try_lock()
    {
        state.settle();
    }
}

/// The thread's own arena, then, when that finds no memory, the others: the break may be stuck
/// while reservations are not, and the other way round.
pub(crate) fn candidates(mine: &'static Arena) -> impl Iterator<Item = &'static Arena> {
    core::iter::once(mine).chain(all().filter(move |a| !ptr::eq(*a, mine)))
}

#[cold]
#[inline(never)]
fn create(index: usize) -> Option<&'static Arena> {
    let place = others().get(index - 1)?;
    let new: *mut Arena = ptr::with_exposed_provenance_mut(side::take(size_of::<Arena>())?);
    // SAFETY: side memory just taken, large enough and aligned to a cache line.
    unsafe { Arena::begin(new, index) };
    place.store(new, Release);
    // SAFETY: written above.
    unsafe { new.as_ref() }
}
