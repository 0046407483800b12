//! Looks at all of the heap: `check_heap`, every arena under its lock; and check mode's.

use super::fork;
use super::start::{self, Route};
use crate::arena::Arena;
use crate::arena::check::HeapReport;
use crate::arena::seen::{Broken, Role, View};
use crate::arena::shown::{self, Piece};
use crate::mapped::registry;
use crate::watch::{WALK_LEVEL, asked, canary, checked, looks};
use crate::{class, fatal, guards, named, settings};

/// Checks the invariants of every heap; for tests, and for programs that suspect themselves.
///
/// # Errors
/// The first invariant found broken, with the address at which it showed.
///
/// ```
/// let report = cairn::check_heap().expect("the heap is whole");
/// assert!(report.free <= report.chunks);
/// ```
pub fn check_heap() -> Result<HeapReport, Broken> {
    walk(&mut |_| {})
}

/// As [`check_heap`], and shows every chunk, heap by heap in address order. The arena is locked
/// meanwhile: `see` must not allocate from Cairn.
///
/// # Errors
/// As [`check_heap`].
///
/// ```
/// let mut free = 0;
/// let walked = cairn::walk(&mut |chunk| {
///     if chunk.role == cairn::Role::Free {
///         free += chunk.size;
///     }
/// });
/// assert!(walked.is_ok());
/// println!("{free} bytes of chunks are free");
/// ```
pub fn walk(see: &mut dyn FnMut(View)) -> Result<HeapReport, Broken> {
    start::ensure();
    let mut report = HeapReport::default();
    for arena in named::all() {
        walk_one(arena, &mut report, see)?;
    }
    Ok(report)
}

fn walk_one(
    arena: &Arena,
    report: &mut HeapReport,
    see: &mut dyn FnMut(View),
) -> Result<(), Broken> {
    let mut damaged = None;
    arena.lock().check(report, &mut |view| {
        if damaged.is_none() && !looks::is_whole(&view) {
            damaged = Some(Broken {
                invariant: checked::TRAILERS,
                address: view.payload,
            });
        }
        see(view);
    })?;
    damaged.map_or(Ok(()), Err)
}

/// Whose a piece of the heap is; see [`walk_objects`].
///
/// ```
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// let mut pieces = [0; 3];
/// let walked = cairn::walk_objects(&mut |object| pieces[object.state as usize] += 1);
/// assert!(walked.is_ok() && pieces[cairn::State::InUse as usize] > 0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The program's.
    InUse,
    /// Free, in the cache of a thread, or in check mode's quarantine.
    Cached,
    /// Free, for any thread that asks the arena.
    Free,
}

/// An object, or a piece of the heap that is free; see [`walk_objects`].
///
/// ```
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// let mut largest = None::<cairn::Object>;
/// let walked = cairn::walk_objects(&mut |object| {
///     if largest.is_none_or(|largest| object.usable > largest.usable) {
///         largest = Some(object);
///     }
/// });
/// assert!(walked.is_ok() && largest.is_some());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Object {
    /// Its first byte: of an object in use, what the program was given.
    pub address: usize,
    /// Bytes that an object in use may have written to; bytes of a free piece, without a header.
    pub usable: usize,
    /// Whose it is.
    pub state: State,
}

/// As [`walk`], and shows every object of the heap, the free ones too, arena by arena, and mapped
/// chunks at last. C has it by `cairn_walk_objects()`.
///
/// A chunk that is free may be reused as soon as its arena is given back. The arena is locked
/// meanwhile: a `see` that allocates from Cairn, or frees, ends the process.
///
/// # Errors
/// As [`check_heap`].
///
/// ```
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// let kept = vec![1_u8; 1000];
/// let (mut bytes, mut seen) = (0, false);
/// let walked = cairn::walk_objects(&mut |object| {
///     if object.state == cairn::State::InUse {
///         bytes += object.usable;
///         seen |= object.address == kept.as_ptr().addr();
///     }
/// });
/// assert!(walked.is_ok() && seen && bytes >= 1000);
/// ```
pub fn walk_objects(see: &mut dyn FnMut(Object)) -> Result<HeapReport, Broken> {
    let report = walk(&mut |view| show(&view, see))?;
    registry::with(|r| {
        r.each(|m| {
            see(Object {
                address: m.p,
                // In check mode no more than was asked for may be written.
                usable: if m.last == 0 {
                    m.base + m.len - m.p
                } else {
                    m.asked
                },
                state: State::InUse,
            });
        });
    });
    for slot in guards::all().filter(|slot| slot.state() == guards::State::InUse) {
        let place = slot.place();
        see(Object {
            address: place.p,
            usable: place.size,
            state: State::InUse,
        });
    }
    Ok(report)
}

/// What a chunk of the walk consists of; its arena is locked.
fn show(view: &View, see: &mut dyn FnMut(Object)) {
    let payload = view.payload;
    let whole = |state, usable| Object {
        address: payload,
        usable,
        state,
    };
    let room = class::usable(view.size);
    match view.role {
        Role::InUse if settings::check() != 0 => {
            // SAFETY: the walk has checked the header (I2), and the arena is locked.
            let asked = unsafe { canary::read(payload, room) };
            see(whole(State::InUse, asked.unwrap_or(0)));
        }
        Role::InUse => see(whole(State::InUse, room)),
        Role::Cached => see(whole(State::Cached, room)),
        Role::Fast | Role::Free => see(whole(State::Free, room)),
        Role::Top => see(whole(State::Free, view.size)),
        Role::Fence => {}
        Role::Run => shown::pieces(payload, &mut |piece, address, usable| {
            see(Object {
                address,
                usable,
                state: match piece {
                    Piece::InUse => State::InUse,
                    Piece::Cached => State::Cached,
                    Piece::Free => State::Free,
                },
            });
        }),
    }
}

/// Check mode's look at every object, in use or freed: ends the process if one was written past
/// its end or after its free.
fn inspect_all() {
    looks::at_apart();
    judge(check_heap().map(|_| ()));
}

/// Check mode's look at every object of an arena that is about to end, and at those that are apart.
pub(crate) fn inspect(arena: &Arena) {
    looks::at_apart();
    judge(walk_one(arena, &mut HeapReport::default(), &mut |_| {}));
}

fn judge(walked: Result<(), Broken>) {
    if let Err(broken) = walked {
        if broken.invariant == checked::TRAILERS {
            asked::overflowed(broken.address);
        }
        fatal::die("cairn: check_heap found a broken invariant", broken.address);
    }
}

/// Before `malloc_trim`: nothing waits any longer.
pub(crate) fn before_trim() {
    if settings::check() >= WALK_LEVEL {
        inspect_all();
    }
    checked::empty_quarantine();
}

/// At the process's end: the last chance to see what was written. Not from a signal handler that
/// interrupted the allocator and ends the process: what it interrupted is half done.
pub(crate) fn at_exit() {
    if start::route() == Route::Checked && settings::check() >= WALK_LEVEL && !fork::holds_any() {
        if looks::is_young_child() {
            looks::at_own();
        } else {
            inspect_all();
        }
    }
}
