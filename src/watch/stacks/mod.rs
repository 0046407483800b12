//! Stacks that are kept: how one is taken and named, and those that stand beside objects.

pub(crate) mod kept;
mod modules;
pub(crate) mod told;

use super::unwind::{self, FRAMES, How, Object};
use crate::guards::Trace;
use crate::layout::places::{samples, stacks as place};
use crate::sync::Lock;
use crate::{os, side};
use core::mem::{MaybeUninit, offset_of};
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
pub(crate) use modules::{Module, Modules};

/// What a reader outside sees.
#[repr(C)]
pub(crate) struct Head {
    modules_at: AtomicUsize,
    modules: AtomicUsize,
    at: AtomicUsize,
    used: AtomicUsize,
    dropped: AtomicUsize,
}

const _: () = assert!(
    offset_of!(Head, modules_at) == place::MODULES_AT
        && offset_of!(Head, modules) == place::MODULES
        && offset_of!(Head, at) == place::AT
        && offset_of!(Head, used) == place::USED
        && offset_of!(Head, dropped) == place::DROPPED
        && size_of::<Head>() == place::BYTES
);

/// Guards [`HEAD`] and what it leads to. Of the locks side memory's is further in.
pub(crate) static LOCK: Lock = Lock::new();
/// The only one.
pub(crate) static HEAD: Head = Head {
    modules_at: AtomicUsize::new(0),
    modules: AtomicUsize::new(0),
    at: AtomicUsize::new(0),
    used: AtomicUsize::new(0),
    dropped: AtomicUsize::new(0),
};

/// Objects of one stack that are told apart; frames in further ones have no module.
const OBJECTS: usize = 16;

/// A stack as it is kept: where each frame is, and in which module. It is filled in place, since a
/// thread's own stack may be small.
pub(crate) struct Stack {
    frames: [u64; FRAMES],
    count: usize,
    /// Of each frame: the place of its object, and 1; 0 for none.
    of: [u8; FRAMES],
    objects: [MaybeUninit<Object>; OBJECTS],
    known: usize,
}

impl Head {
    fn set_kept(&self, at: usize) {
        self.at.store(at, Release);
    }
}

impl Stack {
    /// None yet.
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self {
            frames: [0; FRAMES],
            count: 0,
            of: [0; FRAMES],
            objects: [const { MaybeUninit::uninit() }; OBJECTS],
            known: 0,
        }
    }

    /// Reads this thread's, at most so many frames, Cairn's own included. Takes no lock.
    #[inline(never)]
    pub(crate) fn read(&mut self, how: How, most: usize) {
        unwind::walk(how, &mut |pc, object| {
            self.push(pc, object);
            self.count < most
        });
    }

    fn push(&mut self, pc: usize, object: Option<&Object>) {
        let place = object.map_or(0, |object| self.place_of(object));
        if let (Some(frame), Some(of)) =
            (self.frames.get_mut(self.count), self.of.get_mut(self.count))
        {
            *frame = pc as u64;
            *of = place;
            self.count += 1;
        }
    }

    /// The objects that are known.
    fn objects(&self) -> &[Object] {
        let known = self.objects.get(..self.known).unwrap_or_default();
        // SAFETY: as many were written.
        unsafe { core::slice::from_raw_parts(known.as_ptr().cast(), known.len()) }
    }

    fn place_of(&mut self, object: &Object) -> u8 {
        // Most frames lie where the one before does.
        let same = |o: &Object| o.start == object.start;
        if let Some(i) = self.objects().iter().rposition(same) {
            return i as u8 + 1;
        }
        let Some(place) = self.objects.get_mut(self.known) else {
            return 0;
        };
        place.write(*object);
        self.known += 1;
        self.known as u8
    }

    /// Its frames.
    pub(crate) fn frames(&self) -> &[u64] {
        self.frames.get(..self.count).unwrap_or_default()
    }

    /// Writes the number of its module into each frame; a hash of them all.
    pub(crate) fn name(&mut self, modules: &Modules) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut numbers = [0; OBJECTS];
        for (number, object) in numbers.iter_mut().zip(self.objects()) {
            *number = modules.number(object);
        }
        for (frame, of) in self.frames.iter_mut().zip(&self.of).take(self.count) {
            let place = usize::from(*of).wrapping_sub(1);
            let number = numbers.get(place).copied().unwrap_or(0);
            *frame |= number << 48;
            hash = (hash ^ *frame).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 29;
        }
        hash
    }

    /// Whether these are its frames.
    ///
    /// # Safety
    /// `count` frames lie there.
    pub(crate) unsafe fn is_at(&self, frames: *const u64, count: usize) -> bool {
        let same = |(i, frame): (usize, &u64)| {
            // SAFETY: the caller's.
            unsafe { *frames.add(i) == *frame }
        };
        count == self.count && self.frames().iter().enumerate().all(same)
    }
}

/// The modules of stacks beside objects; made if need be, with the lock held.
fn modules() -> Option<Modules> {
    if HEAD.modules_at.load(Relaxed) == 0 {
        let at = side::forever(samples::MOST_MODULES * samples::MODULE)?;
        HEAD.modules_at.store(at, Release);
    }
    Some(known_modules())
}

/// The modules as they are.
pub(crate) fn known_modules() -> Modules {
    Modules {
        at: HEAD.modules_at.load(Acquire),
        count: &HEAD.modules,
    }
}

/// This thread's stack, for an object to be kept beside. No lock of Cairn's is held, or the caller is
/// a signal handler: then no frame has a module.
#[inline(never)]
pub(crate) fn trace(how: How) -> Trace {
    let mut stack = Stack::new();
    stack.read(how, FRAMES);
    if !LOCK.is_mine() {
        let _held = LOCK.acquire();
        if let Some(modules) = modules() {
            stack.name(&modules);
        }
    }
    let mut trace = Trace {
        when: os::now(),
        thread: os::thread_number(),
        ..Trace::NONE
    };
    for (to, from) in trace.frames.iter_mut().zip(stack.frames()) {
        *to = *from;
        trace.count += 1;
    }
    trace
}
