//! Heaps of the program's own: an arena each, with a name and perhaps a bound, which no thread refills
//! from.
//!
//! Their objects go past the thread caches: each request and each free takes the arena's lock. They
//! are chunks, or mapped chunks with the heap's number, whatever their size; a region of theirs has a
//! word of its own, which no fast path knows, so that a plain `free` comes here by the slow way.
//!
//! What a heap is made of stays when it ends, for the next one: whoever looks up a stale address reads
//! what it was, or what it is now, never what it is not (I11).

mod serve;

pub(crate) use serve::{give, resize, resize_mapped};

use crate::arena::{Arena, arena_of};
use crate::config::{MAX_ARENAS, MAX_NAMED};
use crate::layout::places::named as places;
use crate::mapped::{owned, owners};
use crate::{arenas, region, side};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{
    AtomicPtr, AtomicU8, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// The first that was made; the others follow. Written with `arenas::LOCK` held.
pub(crate) static FIRST: AtomicPtr<Named> = AtomicPtr::new(ptr::null_mut());

/// It waits for the next heap that is made.
const NOBODYS: usize = 0;
/// It is one.
const LIVE: usize = 1;

/// A heap of the program's own.
#[repr(C, align(64))]
pub(crate) struct Named {
    next: AtomicPtr<Named>,
    state: AtomicUsize,
    bound: AtomicUsize,
    len: AtomicUsize,
    name: [AtomicU8; places::NAME_MOST],
    /// Where its objects are.
    pub arena: Arena,
}

const _: () = assert!(
    offset_of!(Named, next) == places::NEXT
        && offset_of!(Named, state) == places::LIVE
        && offset_of!(Named, bound) == places::LIMIT
        && offset_of!(Named, len) == places::NAME_LEN
        && offset_of!(Named, name) == places::NAME
        && offset_of!(Named, arena) == places::ARENA
);

/// Why there is no new heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// There are as many as there can be.
    TooMany,
    /// There is no memory for what is known of it.
    NoMemory,
}

/// Whether a heap can have this name: it stands in XML, in labels of metrics and in tables.
pub(crate) fn is_name(name: &str) -> bool {
    // (What the standard library says of characters may panic, says the linker.)
    let is_control = |c: char| matches!(c, '\0'..' ' | '\u{7f}'..='\u{9f}');
    let may = |c: char| !is_control(c) && !matches!(c, '"' | '\\' | '<' | '>' | '&');
    !name.is_empty() && name.len() <= places::NAME_MOST && name.chars().all(may)
}

/// All that were ever made, those that wait among them.
pub(crate) fn every() -> impl Iterator<Item = &'static Named> {
    let at = |p: &AtomicPtr<Named>| {
        // SAFETY: they live as long as the process.
        unsafe { p.load(Acquire).as_ref() }
    };
    core::iter::successors(at(&FIRST), move |named| at(&named.next))
}

/// The arenas of the program's own heaps.
pub(crate) fn all_of_programs() -> impl Iterator<Item = &'static Arena> {
    let own = every().filter(|named| named.is_live());
    own.map(|named| &named.arena)
}

/// All arenas: the threads', then those of the program's own heaps.
pub(crate) fn all() -> impl Iterator<Item = &'static Arena> {
    arenas::all().chain(all_of_programs())
}

/// The heap whose arena this is, if it is one of the program's own.
pub(crate) fn of_arena(arena: &Arena) -> Option<&'static Named> {
    if !arena.is_named() {
        return None;
    }
    let at = ptr::from_ref(arena).expose_provenance() - offset_of!(Named, arena);
    // SAFETY: an arena with such an index lies in one.
    unsafe { ptr::with_exposed_provenance::<Named>(at).as_ref() }
}

/// The heap that the object at `p` belongs to, if it is one of the program's own.
pub(crate) fn of(p: usize) -> Option<&'static Named> {
    match region::word(p) {
        region::NAMED => {
            // SAFETY: arenas live as long as the process.
            unsafe { arena_of(p).as_ref() }.and_then(of_arena)
        }
        0 => match owned::of(p) {
            0 => None,
            owner => every().find(|named| named.number() == owner),
        },
        _ => None,
    }
}

/// Makes one, with a name that can be one, and a bound in bytes, 0 for none.
pub(crate) fn make(name: &str, bound: usize) -> Result<&'static Named, Refused> {
    let _held = arenas::LOCK.acquire();
    let (mut count, mut last) = (0, None);
    for named in every() {
        if !named.is_live() {
            named.begin(name, bound);
            return Ok(named);
        }
        count += 1;
        last = Some(named);
    }
    if count == MAX_NAMED {
        return Err(Refused::TooMany);
    }
    let new = create(count).ok_or(Refused::NoMemory)?;
    new.begin(name, bound);
    let link = last.map_or(&FIRST, |last| &last.next);
    link.store(ptr::from_ref(new).cast_mut(), Release);
    Ok(new)
}

fn create(count: usize) -> Option<&'static Named> {
    let at = side::take(size_of::<Named>())?;
    let new: *mut Named = ptr::with_exposed_provenance_mut(at);
    // SAFETY: side memory just taken, large enough and aligned to a cache line; all but the arena are
    // numbers, which the arena lies behind.
    let new = unsafe {
        new.cast::<u8>().write_bytes(0, offset_of!(Named, arena));
        Arena::begin(&raw mut (*new).arena, MAX_ARENAS + count);
        &*new
    };
    if owners::enter(new.number(), &new.arena.beside) {
        return Some(new);
    }
    // SAFETY: nobody else knows it.
    unsafe { side::give(at, size_of::<Named>()) };
    None
}

impl Named {
    /// Whether it is one.
    pub(crate) fn is_live(&self) -> bool {
        self.state.load(Acquire) == LIVE
    }

    /// Its number, from 1 on.
    pub(crate) const fn number(&self) -> u32 {
        (self.arena.index - MAX_ARENAS + 1) as u32
    }

    /// Bytes that it may have, 0 for any number.
    pub(crate) fn bound(&self) -> usize {
        self.bound.load(Relaxed)
    }

    /// Its name.
    pub(crate) fn name(&self) -> Name {
        let mut bytes = [0; places::NAME_MOST];
        for (to, from) in bytes.iter_mut().zip(&self.name) {
            *to = from.load(Relaxed);
        }
        let len = self.len.load(Relaxed);
        Name { bytes, len }
    }

    fn begin(&self, name: &str, bound: usize) {
        for (to, from) in self.name.iter().zip(name.as_bytes()) {
            to.store(*from, Relaxed);
        }
        self.len.store(name.len().min(places::NAME_MOST), Relaxed);
        self.bound.store(bound, Relaxed);
        self.arena.set_bound(bound);
        self.state.store(LIVE, Release);
    }

    /// Ends it, with whatever is in it.
    ///
    /// # Safety
    /// Nobody uses it or anything in it any more.
    pub(crate) unsafe fn end(&self) {
        if self.arena.beside.load(Relaxed) != 0 {
            owned::end(self.number());
        }
        self.arena.end();
        let _held = arenas::LOCK.acquire();
        self.state.store(NOBODYS, Release);
    }
}

/// A name, as it was.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    bytes: [u8; places::NAME_MOST],
    len: usize,
}

impl Name {
    /// Its text. Of a heap that is being made it may be cut short.
    pub(crate) fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}
