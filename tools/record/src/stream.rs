//! A thread's ring: a word a record, and how much of them is there.

use core::cell::UnsafeCell;
use core::hint;
use core::ptr::{null, null_mut};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering::*};

use libc::timespec;
use wire::spool::{
    Control, ELSEWHERE, HEADER, Kind, MAGIC, QUIET, RECORD, RING, RINGS, Ring, Trouble, number,
    object,
};

use crate::users::{self, User};
use crate::{clock, files, word};

/// The most records of one call: a size, an alignment and a share before it, a `realloc`'s two, and
/// the clock before each.
const MOST: u64 = 8 * RECORD as u64;
/// How long a thread sleeps until it looks again whether its ring has room, nanoseconds: about as long
/// as the command takes for a part of it. A nap costs as much as some hundred calls.
const NAP: i64 = 400_000;
/// So many naps without a beat of the command, and nobody drains the rings: some ten seconds.
const PATIENCE: u32 = 20_000;
/// The word of a thread that gets no ring.
const NONE: usize = 1;

/// What a thread has of its ring.
pub(crate) struct Stream {
    ring: *mut Ring,
    data: *mut u8,
    /// Bytes that were ever written, published or not.
    head: u64,
    /// Up to where there is room.
    limit: u64,
    control: *const Control,
    /// How often the command had looked when the clock was read, and where it is read again.
    beat: u64,
    due: u64,
    /// This thread, among all that wrote here or in a process that this one was forked from.
    user: User,
}

/// On lines of its own: a thread writes its place at each call, and another thread's place on the same
/// line, or on the one that the processor fetches with it, would cost both many times the call.
#[repr(align(128))]
struct Place(UnsafeCell<Stream>);

// SAFETY: the thread whose number the ring has is the one that uses it.
unsafe impl Sync for Place {}

static PLACES: [Place; RINGS] = [const {
    Place(UnsafeCell::new(Stream {
        ring: null_mut(),
        data: null_mut(),
        head: 0,
        limit: 0,
        control: null(),
        beat: 0,
        due: 0,
        user: User::NONE,
    }))
}; RINGS];
/// The rings that are there, for threads that look for one.
static MADE: [AtomicPtr<Ring>; RINGS] = [const { AtomicPtr::new(null_mut()) }; RINGS];
static COUNT: AtomicUsize = AtomicUsize::new(0);
static THREADS: AtomicU32 = AtomicU32::new(0);
/// Goes on in a process that is forked: what its parent's threads used is no other thread's there.
static USERS: AtomicU32 = AtomicU32::new(0);

/// This thread's stream, if its calls are recorded and there is room for one.
#[inline(always)]
pub(crate) fn current() -> Option<&'static mut Stream> {
    let mut at = word::get();
    if at <= NONE || !files::is_live() {
        at = start();
        if at <= NONE {
            return None;
        }
    }
    // SAFETY: the word is the address of a place that is this thread's alone.
    let stream = unsafe { &mut *(at as *mut Stream) };
    stream.has_room().then_some(stream)
}

/// Nothing of another process's: its rings are not mapped here.
pub(crate) fn forget_all() {
    for made in &MADE {
        made.store(null_mut(), Relaxed);
    }
    COUNT.store(0, Relaxed);
    THREADS.store(0, Relaxed);
}

/// Finds this thread a ring.
#[cold]
#[inline(never)]
fn start() -> usize {
    let live = files::is_live();
    if live && word::get() == NONE {
        return NONE;
    }
    let saved = errno();
    let at = if live || files::begin() { claim() } else { 0 };
    set_errno(saved);
    at
}

/// The ring of a thread that is gone, or a new one.
fn claim() -> usize {
    // Whatever happens on the way is not recorded.
    word::set(NONE);
    // SAFETY: both return numbers.
    let (process, thread) = unsafe {
        (
            libc::getpid(),
            libc::syscall(libc::SYS_gettid) as libc::pid_t,
        )
    };
    let own = thread.unsigned_abs();
    for (made, place) in MADE.iter().zip(&PLACES).take(COUNT.load(Acquire)) {
        // SAFETY: null, or mapped as long as the process lives.
        let Some(ring) = (unsafe { made.load(Acquire).as_ref() }) else {
            continue;
        };
        let owner = ring.owner.load(Acquire);
        let takes = || ring.owner.compare_exchange(owner, own, AcqRel, Relaxed);
        if (owner == own || is_gone(process, owner)) && takes().is_ok() {
            return begin(place, made.load(Relaxed));
        }
    }
    let at = COUNT.fetch_add(1, AcqRel);
    let (Some(made), Some(place)) = (MADE.get(at), PLACES.get(at)) else {
        COUNT.store(RINGS, Relaxed);
        if let Some(control) = files::control() {
            control.trouble.fetch_or(Trouble::Threads as u32, Relaxed);
        }
        return NONE;
    };
    let path = files::file().and(b".r.").number(at as u32);
    match files::make(&path, HEADER + RING) {
        Ok(mapped) => {
            let ring: *mut Ring = mapped.cast();
            // SAFETY: just mapped, of that size.
            unsafe {
                // A process that is forked has rings of its own.
                libc::madvise(mapped, HEADER + RING, libc::MADV_DONTFORK);
                (*ring).owner.store(own, Relaxed);
                (*ring).magic.store(MAGIC, Release);
            }
            made.store(ring, Release);
            begin(place, ring)
        }
        Err(error) => {
            files::end((error == libc::ENOSPC).then_some(Trouble::Room));
            NONE
        }
    }
}

/// Whether no thread of this process has that number any more.
fn is_gone(process: libc::pid_t, thread: u32) -> bool {
    // SAFETY: signal 0 is none.
    let found = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, 0) };
    found != 0 && errno() == libc::ESRCH
}

/// The ring is this thread's now, and says so.
fn begin(place: &'static Place, ring: *mut Ring) -> usize {
    let at = place.0.get();
    // SAFETY: the ring's owner is this thread, so the place is.
    unsafe {
        let head = (*ring).head.load(Acquire);
        at.write(Stream {
            ring,
            data: ring.cast::<u8>().add(HEADER),
            head,
            limit: (*ring).tail.0.load(Acquire) + RING as u64,
            control: files::control().map_or(null(), core::ptr::from_ref),
            beat: 0,
            due: 0,
            user: User::of(USERS.fetch_add(1, Relaxed) + 1),
        });
        let own = THREADS.fetch_add(1, Relaxed);
        if own > 0 {
            files::set_threads();
        }
        if !(*at).has_room() {
            return NONE;
        }
        (*at).clock(clock::now());
        (*at).put(number(Kind::Thread, u64::from(own)));
        (*at).publish();
    }
    word::set(at.addr());
    at.addr()
}

impl Stream {
    /// Whether a whole call can be written; waits for that if need be.
    #[inline(always)]
    fn has_room(&mut self) -> bool {
        self.limit - self.head >= MOST || self.wait()
    }

    /// One record, to be published.
    #[inline(always)]
    pub(crate) fn put(&mut self, word: u64) {
        let at = (self.head as usize) & (RING - 1);
        // SAFETY: the ring has room, which a record never crosses, being a part of it.
        unsafe { self.data.add(at).cast::<u64>().write(word) };
        self.head += RECORD as u64;
    }

    /// The clock, for what follows.
    #[inline(always)]
    pub(crate) fn clock(&mut self, now: u64) {
        self.put(number(Kind::Clock, now));
    }

    /// Whether the next record needs the clock: now and then, and where threads are to be put in
    /// order for each use of an address that another thread used last. To be asked before a free and
    /// after an allocation.
    #[inline(always)]
    pub(crate) fn needs_clock(&mut self, address: usize) -> bool {
        let in_order = !files::has_threads() || users::was(address, self.user);
        // SAFETY: mapped as long as the process lives.
        let beat = unsafe { (*self.control).beat.load(Relaxed) };
        if self.head < self.due && beat == self.beat && in_order {
            return false;
        }
        (self.due, self.beat) = (self.head + QUIET * RECORD as u64, beat);
        true
    }

    /// The clock, where a use of an address needs it.
    #[inline(always)]
    pub(crate) fn order(&mut self, address: usize) {
        if self.needs_clock(address) {
            self.clock(clock::now());
        }
    }

    /// An address with a size, which gets a record of its own where it is large.
    #[inline(always)]
    pub(crate) fn object(&mut self, kind: Kind, address: usize, size: usize) {
        let mut short = size as u64;
        if short >= ELSEWHERE {
            self.put(number(Kind::Size, short));
            short = ELSEWHERE;
        }
        self.put(object(kind, address as u64, short));
    }

    /// Lets the command see what was put.
    #[inline(always)]
    pub(crate) fn publish(&self) {
        // SAFETY: mapped as long as the process lives.
        unsafe { (*self.ring).head.store(self.head, Release) };
    }

    /// Waits until the command has taken something.
    #[cold]
    #[inline(never)]
    fn wait(&mut self) -> bool {
        let saved = errno();
        let mut naps = 0;
        let mut beat = 0;
        let has_room = loop {
            // SAFETY: mapped as long as the process lives.
            self.limit = unsafe { (*self.ring).tail.0.load(Acquire) } + RING as u64;
            if self.limit - self.head >= MOST {
                break true;
            }
            let Some(control) = files::control() else {
                break false;
            };
            let now = control.beat.load(Relaxed);
            if control.stop.load(Relaxed) != 0 {
                files::end(None);
                break false;
            }
            if now != beat {
                (beat, naps) = (now, 0);
            }
            naps += 1;
            if naps > PATIENCE {
                files::end(Some(Trouble::Drain));
                break false;
            }
            let nap = timespec {
                tv_sec: 0,
                tv_nsec: NAP,
            };
            // SAFETY: the time outlives the call.
            unsafe { libc::nanosleep(&raw const nap, null_mut()) };
            hint::spin_loop();
        };
        set_errno(saved);
        has_room
    }
}

pub(crate) fn errno() -> i32 {
    // SAFETY: this thread's own.
    unsafe { *libc::__errno_location() }
}

pub(crate) fn set_errno(value: i32) {
    // SAFETY: this thread's own.
    unsafe { *libc::__errno_location() = value };
}
