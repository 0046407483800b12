//! The pool of guarded objects (`CAIRN_GUARD`): slots between pages that nobody may touch.
//!
//! ```text
//!   | closed | slot 0              | closed | slot 1              | … | slot 127 | closed |
//!              object | closed                closed | object
//! ```
//!
//! An object lies at the left or at the right end of its slot; of the slot's pages only those that it
//! lies on are open, and after its free none. So whoever leaves its pages faults, and so does whoever
//! touches it after its free, until the slot is used again: at random, of the half that was freed
//! longest ago. What is open beside the object holds a pattern, which its free compares.
//!
//! The pool lies in no region of the table: its addresses are to the fast paths what a mapped chunk's
//! are, and the slow ones come here when the registry of those knows nothing.

mod slot;

use crate::config::{ALIGN, REGION, round_up};
use crate::layout::places::guards as place;
use crate::sync::Lock;
use crate::{os, side};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
pub(crate) use slot::{Place, Slot, State, Trace};

/// Largest object that is guarded, bytes.
pub(crate) const LARGEST: usize = 16 << 10;
/// Most bytes that are open at a time. With what is known of the slots (105 KiB) and of modules (64
/// KiB at most) this makes less than 512 KiB.
const MOST_OPEN: usize = 320 << 10;

/// What a reader outside sees.
#[repr(C)]
pub(crate) struct Head {
    interval: AtomicUsize,
    pool: AtomicUsize,
    pool_bytes: AtomicUsize,
    stride: AtomicUsize,
    at: AtomicUsize,
    taken: AtomicUsize,
    missed: AtomicUsize,
    /// Objects in use, and the bytes that are open.
    live: AtomicUsize,
    open: AtomicUsize,
}

const _: () = assert!(
    offset_of!(Head, interval) == place::INTERVAL
        && offset_of!(Head, pool) == place::POOL
        && offset_of!(Head, pool_bytes) == place::POOL_BYTES
        && offset_of!(Head, stride) == place::STRIDE
        && offset_of!(Head, at) == place::AT
        && offset_of!(Head, taken) == place::TAKEN
        && offset_of!(Head, missed) == place::MISSED
        && place::SLOTS <= u8::MAX as usize
);

/// The only one.
pub(crate) static HEAD: Head = Head {
    interval: AtomicUsize::new(0),
    pool: AtomicUsize::new(0),
    pool_bytes: AtomicUsize::new(0),
    stride: AtomicUsize::new(0),
    at: AtomicUsize::new(0),
    taken: AtomicUsize::new(0),
    missed: AtomicUsize::new(0),
    live: AtomicUsize::new(0),
    open: AtomicUsize::new(0),
};

/// Which slots can be used next, and by whose choice.
struct Queue {
    /// Slots without an object, those first that have been so for longest.
    slots: [u8; place::SLOTS],
    count: usize,
    /// The state of the generator of numbers.
    seed: u64,
}

struct Shared(UnsafeCell<Queue>);
// SAFETY: reached with `LOCK` held.
unsafe impl Sync for Shared {}

/// Guards the slots and their queue. Of the locks side memory's is further in.
pub(crate) static LOCK: Lock = Lock::new();
static QUEUE: Shared = Shared(UnsafeCell::new(Queue {
    slots: [0; place::SLOTS],
    count: 0,
    seed: 0,
}));
/// Pages are closed by their mapping: the kernel has no guards without.
static BY_MAPPING: AtomicBool = AtomicBool::new(false);

/// Mean bytes between two guarded objects; 0 while there are to be none.
#[inline(always)]
pub(crate) fn interval() -> usize {
    HEAD.interval.load(Relaxed)
}

/// Begins to guard, or ends it: objects that are guarded stay so.
pub(crate) fn set_interval(bytes: usize) {
    HEAD.interval.store(bytes, Relaxed);
}

/// Objects in use, and the bytes of their pages.
pub(crate) fn totals() -> (usize, usize) {
    (HEAD.live.load(Relaxed), HEAD.open.load(Relaxed))
}

/// Whether an address lies in the pool.
#[inline]
pub(crate) fn covers(p: usize) -> bool {
    p.wrapping_sub(HEAD.pool.load(Acquire)) < HEAD.pool_bytes.load(Relaxed)
}

/// Bytes of a slot's pages.
fn slot_bytes() -> usize {
    round_up(LARGEST, os::page())
}

/// A slot by its number.
fn slot(i: usize) -> Option<&'static Slot> {
    let at = HEAD.at.load(Acquire);
    if at == 0 || i >= place::SLOTS {
        return None;
    }
    // SAFETY: side memory for so many, which were zeros first and stay (I11).
    Some(unsafe { &*ptr::with_exposed_provenance::<Slot>(at).add(i) })
}

/// All slots.
pub(crate) fn all() -> impl Iterator<Item = &'static Slot> {
    (0..place::SLOTS).map_while(slot)
}

/// The slots that an address of the pool may have to do with: the one that it lies in, and those
/// beside it.
pub(crate) fn near(p: usize) -> [Option<&'static Slot>; 3] {
    let offset = p.wrapping_sub(HEAD.pool.load(Relaxed));
    match offset.checked_div(HEAD.stride.load(Relaxed)) {
        Some(i) if covers(p) => [i.checked_sub(1).and_then(slot), slot(i), slot(i + 1)],
        _ => [None; 3],
    }
}

/// The slot that has, or last had, its object at `p`.
pub(crate) fn at(p: usize) -> Option<&'static Slot> {
    let is_it = |slot: &&'static Slot| slot.state() != State::Never && slot.place().p == p;
    near(p).into_iter().flatten().find(is_it)
}

fn byte(at: usize) -> *mut u8 {
    ptr::with_exposed_provenance_mut(at)
}

impl Place {
    /// The bytes beside the object that are open.
    fn beside(&self) -> impl Iterator<Item = usize> + use<> {
        (self.first..self.p).chain(self.p + self.size..self.first + self.open)
    }

    fn paint(&self) {
        for at in self.beside() {
            // SAFETY: open, and nobody's.
            unsafe { byte(at).write_volatile(place::pattern(at)) };
        }
    }

    /// The first byte beside the object that somebody wrote to.
    fn damaged(&self) -> Option<usize> {
        // SAFETY: open as long as the object is in use.
        self.beside()
            .find(|&at| unsafe { byte(at).read_volatile() } != place::pattern(at))
    }

    /// # Safety
    /// A slot without an object.
    unsafe fn open(&self) -> bool {
        // SAFETY: the caller's.
        unsafe {
            if BY_MAPPING.load(Relaxed) {
                os::commit(self.first, self.open)
            } else {
                os::guards::remove(self.first, self.open)
            }
        }
    }

    /// # Safety
    /// A slot without an object.
    unsafe fn close(&self) -> bool {
        // SAFETY: the caller's.
        unsafe {
            !BY_MAPPING.load(Relaxed) && os::guards::install(self.first, self.open)
                || os::guards::shut(self.first, self.open) && BY_MAPPING.load(Relaxed)
        }
    }
}

/// Makes the pool, all of it closed. With the lock held.
fn make() -> bool {
    if HEAD.at.load(Relaxed) != 0 {
        return true;
    }
    let page = os::page();
    let stride = page + slot_bytes();
    let bytes = place::SLOTS * stride + page;
    // Regions of its own, so that no other part's word is read for its addresses.
    let span = round_up(bytes, REGION);
    let Some(slots) = side::take(place::SLOTS * size_of::<Slot>()) else {
        return false;
    };
    let Some(from) = os::map(span + REGION, false, c"cairn guards") else {
        return false;
    };
    let pool = round_up(from, REGION);
    // SAFETY: a reservation that nobody knows yet.
    unsafe {
        // An emulator may say yes to advice that it does not know. Under valgrind the advice is the
        // kernel's, and the answer valgrind's own, which says yes of any address.
        let without = os::commit(pool, bytes)
            && os::guards::install(pool, bytes)
            && !os::guards::is_readable(pool);
        BY_MAPPING.store(!without, Relaxed);
        if !without {
            os::guards::remove(pool, bytes);
            os::guards::shut(pool, bytes);
        }
        // A huge page would be resident as a whole.
        os::advise_huge(pool, bytes, false);
        let queue = &mut *QUEUE.0.get();
        for (i, slot) in queue.slots.iter_mut().enumerate() {
            *slot = i as u8;
        }
        queue.count = place::SLOTS;
        let mut secret = [0; 2];
        os::secret(&mut secret);
        queue.seed = secret[0] | 1;
    }
    HEAD.stride.store(stride, Relaxed);
    HEAD.pool_bytes.store(bytes, Relaxed);
    HEAD.pool.store(pool, Release);
    HEAD.at.store(slots, Release);
    true
}

impl Queue {
    /// The next number (Marsaglia, "Xorshift RNGs", 2003).
    fn next(&mut self) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 16) as usize
    }

    /// Takes out one of the half that waits for longest.
    fn take(&mut self) -> Option<usize> {
        let half = self.count.div_ceil(2);
        let from = self.next().checked_rem(half)?;
        let slot = *self.slots.get(from)?;
        let mut rest = self.slots.iter_mut().take(self.count).skip(from).peekable();
        while let (Some(place), Some(next)) = (rest.next(), rest.peek()) {
            *place = **next;
        }
        self.count -= 1;
        Some(usize::from(slot))
    }

    fn put(&mut self, slot: usize) {
        if let Some(place) = self.slots.get_mut(self.count) {
            *place = slot as u8;
            self.count += 1;
        }
    }
}

/// Where an object lies in the slot whose pages begin at `from`.
fn lay(from: usize, n: usize, align: usize, left: bool) -> Place {
    let page = os::page();
    let room = n.max(1);
    let p = if left {
        from
    } else {
        (from + slot_bytes() - room) & !(align - 1)
    };
    let first = p & !(page - 1);
    Place {
        p,
        size: n,
        first,
        open: round_up(p + room, page) - first,
    }
}

/// A guarded object of `n` bytes at a multiple of `align`, a power of two; all zero. `None` where it is
/// too large, or no slot or no page is left for it.
pub(crate) fn take(n: usize, align: usize, trace: &Trace) -> Option<usize> {
    let align = align.max(ALIGN);
    // A signal handler that interrupted whoever is in here gets an object as any other.
    if n > LARGEST || align > os::page() || LOCK.is_mine() {
        return None;
    }
    let _held = LOCK.acquire();
    let got = take_locked(n, align, trace);
    let count = if got.is_some() {
        &HEAD.taken
    } else {
        &HEAD.missed
    };
    count.store(count.load(Relaxed) + 1, Relaxed);
    got
}

fn take_locked(n: usize, align: usize, trace: &Trace) -> Option<usize> {
    let is_full = |more: usize| HEAD.open.load(Relaxed) + more > MOST_OPEN;
    if is_full(round_up(n.max(1), os::page())) || !make() {
        return None;
    }
    // SAFETY: the lock is held.
    let queue = unsafe { &mut *QUEUE.0.get() };
    let i = queue.take()?;
    let from = HEAD.pool.load(Relaxed) + i * HEAD.stride.load(Relaxed) + os::page();
    let at = lay(from, n, align, queue.next() & 1 == 0);
    // SAFETY: a slot that nobody has.
    if !unsafe { at.open() } {
        queue.put(i);
        return None;
    }
    at.paint();
    slot(i)?.hand_out(at, trace);
    HEAD.live.store(HEAD.live.load(Relaxed) + 1, Relaxed);
    HEAD.open.store(HEAD.open.load(Relaxed) + at.open, Relaxed);
    Some(at.p)
}

/// The first byte beside a slot's object that somebody wrote to, while it is in use.
pub(crate) fn damaged(slot: &Slot) -> Option<usize> {
    (slot.state() == State::InUse)
        .then(|| slot.place().damaged())
        .flatten()
}

/// What came of a free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Given {
    /// It is done.
    Back,
    /// A signal handler interrupted whoever is in here: the object stays in use for good.
    Never,
    /// There is no object in use.
    NoObject,
    /// Somebody wrote beside the object, at this address.
    Damaged(usize),
}

/// Takes the object at `p` back.
pub(crate) fn give(p: usize, trace: &Trace) -> Given {
    if LOCK.is_mine() {
        return Given::Never;
    }
    let _held = LOCK.acquire();
    let Some(slot) = at(p).filter(|slot| slot.state() == State::InUse) else {
        return Given::NoObject;
    };
    let at = slot.place();
    if let Some(damaged) = at.damaged() {
        return Given::Damaged(damaged);
    }
    slot.take_back(trace);
    HEAD.live.store(HEAD.live.load(Relaxed) - 1, Relaxed);
    // SAFETY: the slot has no object any more. One whose pages the kernel would not close as the
    // others are (it locks them in memory, say) is used no more.
    if unsafe { at.close() } {
        HEAD.open.store(HEAD.open.load(Relaxed) - at.open, Relaxed);
        let offset = at.first - HEAD.pool.load(Relaxed);
        if let Some(i) = offset.checked_div(HEAD.stride.load(Relaxed)) {
            // SAFETY: the lock is held.
            unsafe { (*QUEUE.0.get()).put(i) };
        }
    }
    Given::Back
}
