//! When check mode looks at objects that nobody brings, from level 3 on.
//!
//! Each request looks at a few of the newest objects and at one that waits, each free at a few of
//! those that were freed last: a damage shows near what did it. `malloc_trim` and the exit look at
//! everything. A forked child that ends soon looks at what it had itself: the rest is its parent's,
//! too, and a look at a large heap would take many times as long as the fork.

use super::asked::asked;
use super::quarantine::{self, Held};
use super::{WALK_LEVEL, canary, guarded, newest};
use crate::arena::seen::{Role, View};
use crate::arena::{Arena, Locked, arena_of, records};
use crate::chunk::{Chunk, Kind};
use crate::{class, fatal, region, settings};
use core::ptr;

/// Bytes of a freed object that are compared while it waits; when it leaves, all are.
const SLICE: usize = 128;
/// How many came behind a freed object each time it is looked at; see [`newest::AGES`].
const FREED_AGES: [usize; 3] = [1, 16, 256];

/// Whether what a walk shows, its arena locked, is anything but an object with a damaged trailer.
pub(crate) fn is_whole(view: &View) -> bool {
    settings::check() == 0
        || view.role != Role::InUse
        // SAFETY: the walk has checked the header (I2), and the arena is locked.
        || unsafe { canary::read(view.payload, class::usable(view.size)) }.is_some()
}

/// Whether one of a freed object's first `most` bytes was written to.
fn was_written(held: &Held, most: usize) -> bool {
    // SAFETY: a freed chunk, whose memory stays accessible while it waits and until its owner, who
    // took it out, gives it on.
    !held.mapped && !unsafe { canary::is_filled(held.base, held.len.min(most), held.fill) }
}

fn was_damaged(held: Option<Held>) {
    if let Some(held) = held {
        fatal::die(
            "malloc(): memory corruption (freed memory was written)",
            held.p,
        );
    }
}

/// Ends the process if a freed object was written to.
pub(crate) fn at_freed(held: &Held) {
    was_damaged(Some(*held).filter(|held| was_written(held, usize::MAX)));
}

/// As [`at_freed`], of those for which `f` says true.
pub(crate) fn at_freed_where(mut f: impl FnMut(&Held) -> bool) {
    was_damaged(quarantine::find(0, |held| {
        f(held) && was_written(held, usize::MAX)
    }));
}

/// After a request was served with the object at `p`.
pub(crate) fn after(p: usize) {
    if settings::check() < WALK_LEVEL {
        return;
    }
    newest::enter(p);
    let mut at = None;
    for age in newest::AGES {
        at_live(newest::aged(age), &mut at);
    }
    drop(at);
    was_damaged(quarantine::find_in_turn(|held| was_written(held, SLICE)));
}

/// After an object went into the quarantine.
pub(crate) fn after_free() {
    if settings::check() >= WALK_LEVEL {
        was_damaged(quarantine::find_aged(&FREED_AGES, |held| {
            was_written(held, SLICE)
        }));
    }
}

/// Ends the process if there is an object at `p` that was written past its end. `p` may be
/// anything that once was one. The arena that was looked at last stays locked for the next.
fn at_live<'a>(p: usize, last: &mut Option<(&'a Arena, Locked<'a>)>) {
    if p == 0 {
        return;
    }
    if region::word(p) == 0 {
        *last = None;
        return guarded::look_at(p);
    }
    // SAFETY: arenas live as long as the process (I11).
    let Some(arena) = (unsafe { arena_of(p).as_ref() }) else {
        *last = None;
        return;
    };
    if last
        .as_ref()
        .is_none_or(|(locked, _)| !ptr::eq(*locked, arena))
    {
        *last = None;
        *last = Some((arena, arena.lock()));
    }
    // Again under the lock: memory goes back under it, and comes to other arenas' heaps.
    // SAFETY: heaps live forever (I11); with the word there and the arena locked the region is
    // committed.
    unsafe {
        if !region::is_chunks(region::word(p))
            || !ptr::eq(arena_of(p), arena)
            || p < (*records::heap_of(p)).first()
        {
            return;
        }
        let c = Chunk::at(p);
        let head = c.head();
        if c.is_used() && head.is(Kind::Plain) && head.size() != 0 {
            asked(c, head.size());
        }
    }
}

/// Looks at what waits in the quarantine and at all mappings, and ends the process if one was
/// written past its end or after its free.
pub(crate) fn at_apart() {
    was_damaged(quarantine::find(0, |held| was_written(held, usize::MAX)));
    guarded::inspect_all();
}

/// Whether this is a forked child whose own objects are all remembered.
pub(crate) fn is_young_child() -> bool {
    newest::is_child() && newest::own() <= newest::PLACES
}

/// Looks at what a forked child was given and what it freed.
pub(crate) fn at_own() {
    let inherited = quarantine::inherited();
    was_damaged(quarantine::find(inherited, |held| {
        was_written(held, usize::MAX)
    }));
    let mut at = None;
    for age in 0..newest::own() {
        at_live(newest::aged(age), &mut at);
    }
}

/// In the child of a fork.
pub(crate) fn in_child() {
    if settings::check() >= WALK_LEVEL {
        newest::in_child();
        quarantine::in_child();
    }
}
