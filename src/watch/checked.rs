//! Check mode (`MALLOC_CHECK_`): the routes of a process that watches itself.
//!
//! Every operation begins there with an empty cache, takes the slow way, and turns off it here
//! before a cache or a run is made: while the mode is off it costs nothing. Every object is a chunk with a header and a trailer,
//! or a mapping between guard pages; what is freed waits in the quarantine. Of the levels, and of
//! what each finds, `docs/check-mode.md` has the table.
//!
//! Trailers are written and, by the walk, read under the arena's lock: an object that is in use
//! always has a whole one, whichever thread looks.

use super::asked::asked;
use super::canary::{self, LEAST};
use super::quarantine::{self, Held};
use super::stacks::{kept, told};
use super::{FILL_LEVEL, WALK_LEVEL, guarded, looks, newest, perturb, samples};
use crate::arena::records;
use crate::arena::split::Fresh;
use crate::arena::supply::Growth;
use crate::arena::{Arena, owner};
use crate::arenas::candidates;
use crate::chunk::{Chunk, Kind};
use crate::config::{ALIGN, MAX_REQUEST, chunk_size, round_up};
use crate::knobs::Knobs;
use crate::mapped::{self, Bound};
use crate::named::Named;
use crate::vet::{self, Found, Why, refuse};
use crate::{cache, class, fatal, os, settings};
use core::ptr;

/// Mappings up to which an object of 0 bytes gets one of its own, so that touching it faults. Each
/// is two of those that the kernel counts, and it counts to 65,530.
const EMPTY: usize = 8192;
/// An object that had to move to grow gets this part of itself on top, in a heap.
const ROOM: usize = 8;
/// Objects that one free lets out of the quarantine at most, beside the one it takes the place of.
const AT_ONCE: usize = 64;

/// The number of the invariant that every object in use has a whole trailer.
pub(crate) const TRAILERS: u8 = 12;

/// Turns the mode on, before the first object exists.
pub(crate) fn begin(k: &Knobs) {
    let mut secret = [0; 2];
    os::secret(&mut secret);
    canary::set_key(secret);
    settings::begin_check(k);
    if settings::check() >= FILL_LEVEL {
        quarantine::open(k.quarantine_count, k.quarantine_bytes);
        if k.check_stacks != 0 {
            kept::begin(k.check_stacks);
            fatal::set_postscript(postscript);
        }
    }
    if settings::check() >= WALK_LEVEL {
        newest::open();
    }
}

/// Behind the last words: who asked for the object that they are about, and who freed it, where that is
/// known.
fn postscript(p: usize) {
    if let Some(object) = kept::find(p) {
        told::found();
        told::object(&told::Told {
            at: None,
            size: object.size,
            threads: [object.thread, object.freed_by],
            stacks: object.frames(),
        });
    }
}

/// Whether `p`, a live object, was asked for with `n` bytes. Without the mode nobody knows.
#[cold]
#[inline(never)]
pub(crate) fn is_exactly(p: usize, n: usize) -> bool {
    settings::check() != 0
        && match vet::look(p) {
            Found::Chunk(c, size) => asked(c, size) == n,
            Found::Mapped(asked) => asked == n,
            Found::Object(_) | Found::Guarded(_) | Found::Bad(_) => false,
        }
}

/// As `malloc`.
pub(crate) fn allocate(n: usize) -> *mut u8 {
    aligned(ALIGN, n)
}

/// As `memalign`; `align` is a power of two.
pub(crate) fn aligned(align: usize, n: usize) -> *mut u8 {
    let got = find(&Want {
        n,
        align: align.max(ALIGN),
        ..Want::default()
    });
    place(got, n)
}

/// As `calloc`. By a call, or the way without the mode would save registers for it.
#[cold]
#[inline(never)]
pub(crate) fn zeroed(n: usize) -> *mut u8 {
    let got = find(&Want {
        n,
        growth: Growth::Yes,
        ..Want::default()
    });
    clean(got, n)
}

/// What was found for `n` bytes, all zero.
fn clean(got: Fresh, n: usize) -> *mut u8 {
    let p: *mut u8 = ptr::with_exposed_provenance_mut(got.p);
    if got.p != 0 {
        let dirty = got.clean_from.saturating_sub(got.p).min(n);
        // SAFETY: at most the `n` bytes just allocated.
        unsafe { p.write_bytes(0, dirty) };
    }
    p
}

/// As [`aligned`] or [`zeroed`], in a heap of the program's own.
pub(crate) fn allocate_in(heap: &'static Named, n: usize, align: usize, zero: bool) -> *mut u8 {
    let want = Want {
        n,
        align: align.max(ALIGN),
        heap: Some(heap),
        ..Want::default()
    };
    let got = find(&want);
    if !zero {
        return place(got, n);
    }
    clean(got, n)
}

/// A request.
pub(crate) struct Want {
    /// Bytes asked for.
    pub n: usize,
    /// A power of two, at least 16.
    pub align: usize,
    /// How a heap may grow for it.
    pub growth: Growth,
    /// It is for an object that has grown: room to grow further, where there is memory.
    pub grows: bool,
    /// The heap of the program's own that it is for.
    pub heap: Option<&'static Named>,
}

impl Default for Want {
    fn default() -> Self {
        Self {
            n: 0,
            align: ALIGN,
            growth: Growth::Yes,
            grows: false,
            heap: None,
        }
    }
}

/// What was found for `n` bytes, as a program may have it.
pub(crate) fn place(got: Fresh, n: usize) -> *mut u8 {
    let p = ptr::with_exposed_provenance_mut(got.p);
    perturb(p, n, !settings::perturb());
    p
}

/// Memory for a request; what waits in the quarantine is used before there is none.
pub(crate) fn find(want: &Want) -> Fresh {
    let none = Fresh {
        p: 0,
        clean_from: 0,
    };
    let least = want.n.checked_add(want.align);
    let least = least.and_then(|n| n.checked_add(LEAST));
    if least.is_none_or(|all| all > MAX_REQUEST) {
        return none;
    }
    let mut got = attempt(want);
    // Once: what other threads free meanwhile is theirs to find.
    if got.is_none() && empty_quarantine() {
        got = attempt(want);
    }
    if let Some(got) = got {
        looks::after(got.p);
        kept::allocated(got.p, want.n, samples::how());
    }
    got.unwrap_or(none)
}

fn attempt(want: &Want) -> Option<Fresh> {
    let size = chunk_size(want.n + LEAST);
    let more = chunk_size(want.n + LEAST + want.n / ROOM);
    let with_room = |size| match want.heap {
        Some(heap) => carve(&heap.arena, size, want),
        None => {
            let arenas = || candidates(cache::thread::arena());
            arenas().find_map(|a| carve(a, size, want))
        }
    };
    let map = |bound| {
        let map = |spare| match want.heap {
            Some(heap) => {
                let bytes = (want.n + want.align + ALIGN).next_multiple_of(os::page());
                heap.promised(bytes, || {
                    guarded::map(want.n, want.align, spare, bound, heap.number())
                })
            }
            None => guarded::map(want.n, want.align, spare, bound, 0),
        };
        let spare = round_up(want.n, os::page());
        let roomy = want.grows.then(|| map(spare)).flatten();
        let p = roomy.or_else(|| map(0))?;
        Some(Fresh { p, clean_from: p })
    };
    let chunk = || {
        let roomy = want.grows.then(|| with_room(more)).flatten();
        roomy.or_else(|| with_room(size))
    };
    let empty = want.n == 0 && mapped::totals().chunks < EMPTY;
    if empty || size >= settings::mmap_threshold() {
        map(Bound::Kept)
            .or_else(chunk)
            .or_else(|| map(Bound::Ignored))
    } else {
        chunk().or_else(|| map(Bound::Ignored))
    }
}

fn carve(arena: &Arena, size: usize, want: &Want) -> Option<Fresh> {
    let mut state = arena.lock();
    let carved = state.take(size, want.align, want.growth)?;
    sign(carved.chunk, want.n);
    state.audit();
    Some(Fresh {
        p: carved.chunk.payload(),
        clean_from: carved.clean_from,
    })
}

/// Writes a chunk's trailer. Its arena is locked.
pub(crate) fn sign(c: Chunk, n: usize) {
    // SAFETY: a chunk in use that was taken or resized for `n` bytes and a trailer.
    unsafe { canary::write(c.payload(), class::usable(c.head().size()), n) };
}

/// As `free`, for anything but null. Keeps `errno`.
pub(crate) fn free(p: usize) {
    let errno = os::errno();
    match vet::look(p) {
        Found::Chunk(c, size) => chunk(c, size),
        Found::Mapped(_) => mapping(p),
        Found::Bad(Why::Foreign) if waits(p) => refuse(Why::Freed, p),
        Found::Bad(why) => refuse(why, p),
        // No run is ever made in check mode, and nothing is guarded by chance.
        Found::Object(_) | Found::Guarded(_) => refuse(Why::Inside, p),
    }
    os::set_errno(errno);
}

/// Whether a mapping at `p` is in the quarantine; chunks there say so themselves.
fn waits(p: usize) -> bool {
    quarantine::find(0, |held| held.p == p).is_some()
}

fn chunk(c: Chunk, size: usize) {
    let p = c.payload();
    asked(c, size);
    kept::freed(p, samples::how());
    // SAFETY: a chunk's region has a record (I8).
    let mut state = unsafe { owner(records::of(p)) }.lock();
    // Again under the lock: of two threads that free the same chunk, one comes second.
    if !c.is_used() {
        refuse(Why::Freed, p);
    }
    c.mark(false);
    if settings::check() < FILL_LEVEL {
        perturb(
            ptr::with_exposed_provenance_mut(p),
            class::usable(size),
            settings::perturb(),
        );
        state.release(c, size);
        state.audit();
        state.settle();
        return;
    }
    // From here on it is freed by its tag, in use to its neighbours, and this thread's.
    drop(state);
    let held = Held {
        p,
        base: p,
        len: class::usable(size),
        fill: settings::free_fill(),
        mapped: false,
    };
    // SAFETY: the whole payload, which the program has given back.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(p).write_bytes(held.fill, held.len) };
    confine(held);
}

fn mapping(p: usize) {
    kept::freed(p, samples::how());
    let Some(taken) = guarded::take(p) else {
        fatal::die("munmap_chunk(): invalid pointer", p);
    };
    if settings::check() >= FILL_LEVEL && taken.seal() {
        confine(Held {
            p,
            base: taken.base,
            len: taken.len,
            fill: 0,
            mapped: true,
        });
    } else {
        taken.discard();
    }
}

/// Sends an object into the quarantine, and lets go what it displaces: of small objects that a
/// large one displaces some now, and the rest with the frees to come.
fn confine(held: Held) {
    if let Some(out) = quarantine::hold(held) {
        let_go(out);
    }
    for _ in 0..AT_ONCE {
        let Some(out) = quarantine::surplus() else {
            break;
        };
        let_go(out);
    }
    looks::after_free();
}

/// Lets everything go that waits; whether there was anything.
pub(crate) fn empty_quarantine() -> bool {
    // Not what other threads free meanwhile, or there might be no end to it.
    let waiting = quarantine::count();
    for _ in 0..waiting {
        let Some(out) = quarantine::oldest() else {
            break;
        };
        let_go(out);
    }
    waiting != 0
}

/// Gives an object's memory back to the heap or the system.
fn let_go(held: Held) {
    if held.mapped {
        return guarded::discard_sealed(held.base, held.len);
    }
    looks::at_freed(&held);
    // SAFETY: a chunk that was vetted when it was freed (I1), and its region's record (I8).
    let (c, mut state) = unsafe { (Chunk::at(held.p), owner(records::of(held.p)).lock()) };
    let head = c.head();
    if !c.is_freed() || !head.is(Kind::Plain) || class::usable(head.size()) != held.len {
        fatal::die("malloc(): memory corruption (fast)", held.p);
    }
    state.release(c, head.size());
    state.audit();
    state.settle();
}
