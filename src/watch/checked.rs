//! Check mode (`MALLOC_CHECK_`): the routes of a process that watches itself.
//!
//! Every operation begins there with an empty cache, takes the slow way, and turns off it here
//! before a cache or a run is made: while the mode is off it costs nothing. Every object is a chunk with a header and a trailer,
//! or a mapping between guard pages; what is freed waits in the quarantine. Of the levels, and of
//! what each finds, `docs/check-mode.md` has the table.
//!
//! Trailers are written and, by the walk, read under the arena's lock: an object that is in use
//! always has a whole one, whichever thread looks.

use super::canary::{self, LEAST};
use super::quarantine::{self, Held};
use super::{FREED, guarded, perturb};
use crate::arena::check::{Role, View};
use crate::arena::records;
use crate::arena::split::{Fresh, Growth};
use crate::arena::{Arena, owner};
use crate::arenas::candidates;
use crate::chunk::{Chunk, Kind};
use crate::config::{ALIGN, MAX_REQUEST, chunk_size};
use crate::knobs::Knobs;
use crate::vet::{self, Found, Why, found, refuse};
use crate::{cache, class, fatal, os, settings};
use core::ptr;

/// The number of the invariant that every object in use has a whole trailer.
pub(crate) const TRAILERS: u8 = 12;

/// Turns the mode on, before the first object exists.
pub(crate) fn begin(k: &Knobs) {
    let mut secret = [0; 2];
    os::secret(&mut secret);
    canary::set_key(secret);
    settings::begin_check(k);
    if settings::check() >= FREED {
        quarantine::open(k.quarantine_count, k.quarantine_bytes);
    }
}

/// The last words for an object with a damaged trailer.
#[cold]
pub(crate) fn overflowed(p: usize) -> ! {
    fatal::die("memory clobbered past end of allocated block", p)
}

/// What was asked for; the process ends when the trailer is damaged.
#[cold]
#[inline(never)]
pub(crate) fn asked(c: Chunk, size: usize) -> usize {
    // SAFETY: a chunk in use, whole with its header (I1, I2).
    match unsafe { canary::read(c.payload(), class::usable(size)) } {
        Some(n) => n,
        None => overflowed(c.payload()),
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
            Found::Object(_) | Found::Bad(_) => false,
        }
}

/// As `malloc`.
pub(crate) fn allocate(n: usize) -> *mut u8 {
    aligned(ALIGN, n)
}

/// As `memalign`; `align` is a power of two.
pub(crate) fn aligned(align: usize, n: usize) -> *mut u8 {
    let p = ptr::with_exposed_provenance_mut(find(n, align.max(ALIGN)).p);
    perturb(p, n, !settings::perturb());
    p
}

/// As `calloc`.
pub(crate) fn zeroed(n: usize) -> *mut u8 {
    let got = find(n, ALIGN);
    let p: *mut u8 = ptr::with_exposed_provenance_mut(got.p);
    if got.p != 0 {
        let dirty = got.clean_from.saturating_sub(got.p).min(n);
        // SAFETY: at most the `n` bytes just allocated.
        unsafe { p.write_bytes(0, dirty) };
    }
    p
}

/// Memory for `n` bytes; what waits in the quarantine is used before there is none.
fn find(n: usize, align: usize) -> Fresh {
    let none = Fresh {
        p: 0,
        clean_from: 0,
    };
    let least = n.checked_add(align).and_then(|n| n.checked_add(LEAST));
    if least.is_none_or(|all| all > MAX_REQUEST) {
        return none;
    }
    loop {
        if let Some(got) = attempt(n, align) {
            return got;
        }
        if !empty_quarantine() {
            return none;
        }
    }
}

fn attempt(n: usize, align: usize) -> Option<Fresh> {
    let map = || {
        let p = guarded::map(n, align)?;
        Some(Fresh { p, clean_from: p })
    };
    let size = chunk_size(n + LEAST);
    let chunk = || candidates(cache::thread::arena()).find_map(|a| carve(a, size, align, n));
    if size >= settings::mmap_threshold() {
        map().or_else(chunk)
    } else {
        chunk().or_else(map)
    }
}

fn carve(arena: &Arena, size: usize, align: usize, n: usize) -> Option<Fresh> {
    let mut state = arena.lock();
    let carved = state.take(size, align, Growth::Sparse)?;
    sign(carved.chunk, n);
    state.audit();
    Some(Fresh {
        p: carved.chunk.payload(),
        clean_from: carved.clean_from,
    })
}

/// Writes a chunk's trailer. Its arena is locked.
fn sign(c: Chunk, n: usize) {
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
        // No run is ever made in check mode.
        Found::Object(_) => refuse(Why::Inside, p),
    }
    os::set_errno(errno);
}

/// Whether a mapping at `p` is in the quarantine; chunks there say so themselves.
fn waits(p: usize) -> bool {
    !quarantine::all(|held| held.p != p)
}

fn chunk(c: Chunk, size: usize) {
    let p = c.payload();
    asked(c, size);
    // SAFETY: a chunk's region has a record (I8).
    let mut state = unsafe { owner(records::of(p)) }.lock();
    // Again under the lock: of two threads that free the same chunk, one comes second.
    if !c.is_used() {
        refuse(Why::Freed, p);
    }
    c.mark(false);
    if settings::check() < FREED {
        perturb(
            ptr::with_exposed_provenance_mut(p),
            class::usable(size),
            settings::perturb(),
        );
        state.release(c, size);
        state.settle();
        state.audit();
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
    let Some(taken) = guarded::take(p) else {
        fatal::die("munmap_chunk(): invalid pointer", p);
    };
    if settings::check() >= FREED && taken.seal() {
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

/// Sends an object into the quarantine, and lets go what it displaces.
fn confine(held: Held) {
    if let Some(out) = quarantine::hold(held) {
        let_go(out);
    }
    while let Some(out) = quarantine::surplus() {
        let_go(out);
    }
}

/// Lets everything go that waits; whether there was anything.
pub(crate) fn empty_quarantine() -> bool {
    let mut any = false;
    while let Some(out) = quarantine::oldest() {
        let_go(out);
        any = true;
    }
    any
}

/// Ends the process if a freed object was written to.
fn inspect(held: &Held) {
    // SAFETY: a freed chunk, whose memory stays accessible.
    if !held.mapped && !unsafe { canary::is_filled(held.base, held.len, held.fill) } {
        fatal::die(
            "malloc(): memory corruption (freed memory was written)",
            held.p,
        );
    }
}

/// Gives an object's memory back to the heap or the system.
fn let_go(held: Held) {
    if held.mapped {
        return guarded::discard_sealed(held.base, held.len);
    }
    inspect(&held);
    // SAFETY: a chunk that was vetted when it was freed (I1), and its region's record (I8).
    let (c, mut state) = unsafe { (Chunk::at(held.p), owner(records::of(held.p)).lock()) };
    let head = c.head();
    if !c.is_freed() || !head.is(Kind::Plain) || class::usable(head.size()) != held.len {
        fatal::die("malloc(): memory corruption (fast)", held.p);
    }
    state.release(c, head.size());
    state.settle();
    state.audit();
}

/// As `realloc` at a multiple of `align`, for a live object and `n` not 0.
pub(crate) fn resize(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    let what = found(p.addr());
    let have = match what {
        Found::Chunk(c, size) => asked(c, size),
        Found::Mapped(asked) => asked,
        Found::Object(_) | Found::Bad(_) => return ptr::null_mut(),
    };
    if n > MAX_REQUEST {
        return ptr::null_mut();
    }
    let stays = match what {
        Found::Chunk(c, size) => chunk_stays(c, size, n),
        Found::Mapped(_) => n == have,
        _ => false,
    };
    if stays && p.addr().is_multiple_of(align) {
        return p;
    }
    let new = aligned(align, n);
    if new.is_null() {
        // What is to become smaller can always stay.
        let shrunk = n <= have && shorten(what, p.addr(), n);
        return if shrunk { p } else { new };
    }
    // SAFETY: two live objects of these sizes.
    unsafe { new.copy_from_nonoverlapping(p, have.min(n)) };
    free(p.expose_provenance());
    new
}

/// Whether a chunk now holds `n` bytes and their trailer where it is.
fn chunk_stays(c: Chunk, size: usize, n: usize) -> bool {
    let wanted = chunk_size(n.saturating_add(LEAST));
    // What has become large is to have its guard pages.
    if wanted > size && wanted >= settings::mmap_threshold() {
        return false;
    }
    // SAFETY: a chunk's region has a record (I8).
    let mut state = unsafe { owner(records::of(c.payload())) }.lock();
    if !c.is_used() {
        fatal::die("realloc(): invalid pointer", c.payload());
    }
    if wanted <= size {
        if settings::check() >= FREED {
            // What is cut off is freed memory, too.
            let (from, to) = (c.payload() + n, c.payload() + class::usable(size));
            // SAFETY: the program has given these bytes of its object back.
            unsafe {
                ptr::with_exposed_provenance_mut::<u8>(from)
                    .write_bytes(settings::free_fill(), to - from);
            }
        }
        state.shrink(c, wanted);
    } else if !state.extend(c, wanted) {
        return false;
    }
    sign(c, n);
    state.settle();
    state.audit();
    true
}

/// Makes an object that could not move smaller where it is.
fn shorten(what: Found, p: usize, n: usize) -> bool {
    match what {
        Found::Chunk(c, size) => chunk_stays(c, size, n),
        Found::Mapped(_) => guarded::shorten(p, n),
        Found::Object(_) | Found::Bad(_) => false,
    }
}

/// Whether what a walk shows, its arena locked, is anything but an object with a damaged trailer.
pub(crate) fn is_whole(view: &View) -> bool {
    settings::check() == 0
        || view.role != Role::InUse
        // SAFETY: the walk has checked the header (I2), and the arena is locked.
        || unsafe { canary::read(view.payload, class::usable(view.size)) }.is_some()
}

/// Looks at what waits in the quarantine and at all mappings, and ends the process if one was
/// written past its end or after its free.
pub(crate) fn inspect_apart() {
    quarantine::all(|held| {
        inspect(held);
        true
    });
    guarded::inspect_all();
}
