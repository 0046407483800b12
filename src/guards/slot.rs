//! What is known of a slot of the pool. Written with the lock held; the state, the object and its size
//! are read without it.

use crate::layout::places::{guards as place, trace};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{
    AtomicU32, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// A stack, and whose it is.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Trace {
    /// The monotonic clock, milliseconds.
    pub when: usize,
    /// The kernel's number of the thread.
    pub thread: u32,
    /// Frames that follow.
    pub count: u32,
    /// Return addresses, with the numbers of their modules.
    pub frames: [u64; trace::FRAMES],
}

impl Trace {
    /// No stack of nobody.
    pub(crate) const NONE: Self = Self {
        when: 0,
        thread: 0,
        count: 0,
        frames: [0; trace::FRAMES],
    };
}

/// A slot; zeros are one that was never used.
#[repr(C)]
pub(crate) struct Slot {
    p: AtomicUsize,
    size: AtomicUsize,
    first: AtomicUsize,
    open: AtomicUsize,
    state: AtomicU32,
    _rest: u32,
    traces: UnsafeCell<[Trace; 2]>,
}

const _: () = assert!(
    offset_of!(Slot, p) == place::PAYLOAD
        && offset_of!(Slot, size) == place::SIZE
        && offset_of!(Slot, first) == place::OPEN
        && offset_of!(Slot, state) == place::STATE
        && offset_of!(Slot, traces) == place::TRACES
        && size_of::<Slot>() == place::SLOT
        && offset_of!(Trace, when) == trace::WHEN
        && offset_of!(Trace, thread) == trace::THREAD
        && offset_of!(Trace, count) == trace::COUNT
        && offset_of!(Trace, frames) == trace::FRAMES_AT
        && size_of::<Trace>() == trace::BYTES
);

/// What a slot's object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// There was none yet.
    Never,
    /// The program's.
    InUse,
    /// It was.
    Freed,
}

/// An object's bytes, and the pages around it that can be touched while it is in use.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The object.
    pub p: usize,
    /// Bytes that were asked for.
    pub size: usize,
    /// The first byte that can be touched.
    pub first: usize,
    /// How many can.
    pub open: usize,
}

impl Slot {
    /// What its object is.
    pub(crate) fn state(&self) -> State {
        match self.state.load(Acquire) {
            place::IN_USE => State::InUse,
            place::FREED => State::Freed,
            _ => State::Never,
        }
    }

    /// The last object, and where it lies.
    pub(crate) fn place(&self) -> Place {
        Place {
            p: self.p.load(Relaxed),
            size: self.size.load(Relaxed),
            first: self.first.load(Relaxed),
            open: self.open.load(Relaxed),
        }
    }

    /// Who asked for the last object, and who freed it.
    pub(crate) fn traces(&self) -> [Trace; 2] {
        // SAFETY: plain words in side memory, which stays (I11); who changes them meanwhile makes a
        // stack of two, not a fault.
        let mut traces = unsafe { self.traces.get().read_volatile() };
        if self.state() != State::Freed {
            traces[1] = Trace::NONE;
        }
        traces
    }

    /// The program's from now on. With the lock held.
    pub(super) fn hand_out(&self, at: Place, trace: &Trace) {
        self.p.store(at.p, Relaxed);
        self.size.store(at.size, Relaxed);
        self.first.store(at.first, Relaxed);
        self.open.store(at.open, Relaxed);
        self.set_trace(0, trace);
        self.state.store(place::IN_USE, Release);
    }

    /// The program's no more. With the lock held.
    pub(super) fn take_back(&self, trace: &Trace) {
        self.set_trace(1, trace);
        self.state.store(place::FREED, Release);
    }

    fn set_trace(&self, which: usize, trace: &Trace) {
        // SAFETY: with the lock held nobody else writes; `which` is 0 or 1.
        unsafe {
            let to = self.traces.get().cast::<Trace>().add(which & 1);
            (*to).when = trace.when;
            (*to).thread = trace.thread;
            (*to).count = trace.count;
            let count = (trace.count as usize).min(trace.frames.len());
            (&raw mut (*to).frames)
                .cast::<u64>()
                .copy_from_nonoverlapping(trace.frames.as_ptr(), count);
        }
    }
}
