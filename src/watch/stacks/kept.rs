//! Check mode's stacks: each once, and beside each object the two that it has to do with.
//!
//! ```text
//!   stacks, one behind the other | objects, in groups by address | index of stacks
//! ```
//!
//! All of it is one piece of side memory of a fixed length, of which only what is used is resident.
//! Where there is no room for a stack it is dropped and counted; where a group is full an object that
//! was freed makes room, or any.

use super::{HEAD, LOCK, Stack, modules};
use crate::layout::places::stacks as place;
use crate::watch::unwind::{How, known};
use crate::{os, side};
use core::ptr;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Lists of stacks, by hash.
const LISTS: usize = 1 << 14;
/// Bytes of all of it.
const BYTES: usize = place::END + LISTS * 4;

/// Most frames of a stack; 0: none is kept.
static DEPTH: AtomicUsize = AtomicUsize::new(0);

/// What is known of an object.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Object {
    /// Its address, 0 for a free place.
    pub p: usize,
    /// Bytes that were asked for.
    pub size: usize,
    allocated: u32,
    /// Who asked for it.
    pub thread: u32,
    freed: u32,
    /// Who freed it.
    pub freed_by: u32,
}

#[repr(C)]
struct Head {
    hash: u64,
    next: u32,
    frames: u32,
}

const _: () = assert!(size_of::<Object>() == place::OBJECT && size_of::<Head>() == place::STACK);

/// Begins to keep stacks of so many frames; once, at the start.
pub(crate) fn begin(depth: usize) {
    if depth == 0 || cfg!(miri) {
        return;
    }
    if let Some(at) = side::take(BYTES) {
        known::begin();
        HEAD.set_kept(at);
        DEPTH.store(depth, Release);
    }
}

/// Whether stacks are kept.
pub(crate) fn is_on() -> bool {
    DEPTH.load(Relaxed) != 0
}

fn word<T>(offset: usize) -> *mut T {
    ptr::with_exposed_provenance_mut(HEAD.at.load(Acquire) + offset)
}

/// The places of an address's group.
fn group(p: usize) -> impl Iterator<Item = *mut Object> + Clone {
    let first = place::OBJECTS_AT + place::group(p) * place::WAYS * place::OBJECT;
    (0..place::WAYS).map(move |i| word(first + i * place::OBJECT))
}

/// A stack by its place, in words and 1.
fn stack_at(number: u32) -> *mut Head {
    word((number as usize).wrapping_sub(1).wrapping_mul(8) % place::MOST_STACKS)
}

fn frames_of(head: *mut Head) -> *mut u64 {
    head.wrapping_add(1).cast()
}

/// The number of a stack; 0 where there is no room for it. With the lock held.
fn number(stack: &mut Stack) -> u32 {
    let Some(modules) = modules() else {
        return 0;
    };
    let hash = stack.name(&modules);
    let list = word::<u32>(place::END).wrapping_add(hash as usize % LISTS);
    // SAFETY: lists and stacks of the memory (I11), with the lock held.
    unsafe {
        let mut at = *list;
        while at != 0 {
            let head = stack_at(at);
            if (*head).hash == hash && stack.is_at(frames_of(head), (*head).frames as usize) {
                return at;
            }
            at = (*head).next;
        }
        let (used, frames) = (HEAD.used.load(Relaxed), stack.frames());
        let bytes = place::STACK + frames.len() * 8;
        if used + bytes > place::MOST_STACKS {
            HEAD.dropped.store(HEAD.dropped.load(Relaxed) + 1, Relaxed);
            return 0;
        }
        let at = (used / 8 + 1) as u32;
        let head = stack_at(at);
        head.write(Head {
            hash,
            next: *list,
            frames: frames.len() as u32,
        });
        frames_of(head).copy_from_nonoverlapping(frames.as_ptr(), frames.len());
        *list = at;
        HEAD.used.store(used + bytes, Release);
        at
    }
}

/// Does something with this thread's stack and number, unless this is a signal handler that interrupted
/// whoever is in here.
#[inline(never)]
fn with(how: How, f: &mut dyn FnMut(u32, u32)) {
    let depth = DEPTH.load(Relaxed);
    if depth == 0 || LOCK.is_mine() {
        return;
    }
    let errno = os::errno();
    let mut stack = Stack::new();
    stack.read(how, depth);
    let thread = os::thread_number();
    {
        let _held = LOCK.acquire();
        let number = number(&mut stack);
        f(number, thread);
    }
    os::set_errno(errno);
}

/// An object of `n` bytes was handed out at `p`. No lock is held. Keeps `errno`.
pub(crate) fn allocated(p: usize, n: usize, how: How) {
    if p == 0 {
        return;
    }
    with(how, &mut |stack, thread| {
        // SAFETY: places of the memory (I11), with the lock held.
        unsafe {
            let find = |is_it: fn(&Object, usize) -> bool| group(p).find(|o| is_it(&**o, p));
            let to = find(|o, p| o.p == p)
                .or_else(|| find(|o, _| o.p == 0))
                .or_else(|| find(|o, _| o.freed_by != 0))
                .or_else(|| group(p).nth(p >> 4 & (place::WAYS - 1)));
            if let Some(to) = to {
                to.write(Object {
                    p,
                    size: n,
                    allocated: stack,
                    thread,
                    freed: 0,
                    freed_by: 0,
                });
            }
        }
    });
}

/// The object at `p` is about to be freed. No lock is held. Keeps `errno`.
pub(crate) fn freed(p: usize, how: How) {
    with(how, &mut |stack, thread| {
        // SAFETY: as in `allocated`.
        unsafe {
            if let Some(o) = group(p).find(|o| (**o).p == p) {
                ((*o).freed, (*o).freed_by) = (stack, thread);
            }
        }
    });
}

/// What is known of the object at `p`, or around it: for last words, so without the lock.
pub(crate) fn find(p: usize) -> Option<Object> {
    if !is_on() {
        return None;
    }
    let all = (0..place::WAYS << place::GROUPS)
        .map(|i| word::<Object>(place::OBJECTS_AT + i * place::OBJECT));
    // SAFETY: as in `allocated`; who changes them meanwhile makes wrong words, not a fault.
    let read = |o: *mut Object| unsafe { o.read_volatile() };
    let has = |o: &Object| o.p != 0 && p.wrapping_sub(o.p) < o.size.max(1);
    let exact = group(p).map(read).find(|o| o.p == p && p != 0);
    exact
        .or_else(|| all.clone().map(read).find(|o| has(o) && o.freed_by == 0))
        .or_else(|| all.map(read).find(has))
}

impl Object {
    /// The frames that asked for it, then those that freed it.
    pub(crate) fn frames(&self) -> [&'static [u64]; 2] {
        [self.allocated, self.freed].map(|number| {
            if number == 0 {
                return [].as_slice();
            }
            let head = stack_at(number);
            // SAFETY: a stack that was written stays (I11).
            unsafe {
                let count = ((*head).frames as usize).min(crate::watch::unwind::FRAMES);
                core::slice::from_raw_parts(frames_of(head), count)
            }
        })
    }
}
