//! A thread of Cairn's own, made by libc, so that what libc does to all threads reaches it too:
//! `setuid` and its kin, above all.
//!
//! libc's functions are looked for by name, and only where somebody wants such a thread: each
//! symbol that a library names costs every process.

use super::{errno, optional, set_errno};
use core::ffi::{CStr, c_int, c_void};
use core::mem::{self, MaybeUninit};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};
use libc::{pthread_attr_t, pthread_t};

/// What a thread runs.
pub(crate) type Body = extern "C" fn(*mut c_void) -> *mut c_void;

type Create =
    unsafe extern "C" fn(*mut pthread_t, *const pthread_attr_t, Body, *mut c_void) -> c_int;
type Init = unsafe extern "C" fn(*mut pthread_attr_t) -> c_int;
type SetSize = unsafe extern "C" fn(*mut pthread_attr_t, usize) -> c_int;
type SetState = unsafe extern "C" fn(*mut pthread_attr_t, c_int) -> c_int;

/// Bytes of stack: of addresses, since what is not touched costs nothing. A thread that comes to be
/// the last of its process runs what `atexit` was given.
const STACK: usize = 256 << 10;

/// All signals but those that libc sends its own threads: glibc's two behind the last that has a
/// name, musl's three.
const BLOCKED: u64 = if cfg!(target_env = "gnu") {
    !(0b11 << 31)
} else {
    !(0b111 << 31)
};

/// The four functions, null where they are not known.
static FOUND: [AtomicPtr<c_void>; 4] = [const { AtomicPtr::new(ptr::null_mut()) }; 4];
const NAMES: [&CStr; 4] = [
    c"pthread_create",
    c"pthread_attr_init",
    c"pthread_attr_setstacksize",
    c"pthread_attr_setdetachstate",
];
/// Questions for the number of threads so far.
static ASKED: AtomicUsize = AtomicUsize::new(0);
/// Questions between two that the kernel answers.
const ASK: usize = 64;

/// Looks for libc's functions. It takes the loader's lock: not to be called where the program may
/// hold any of its own. Whether there are all.
pub(crate) fn prepare() -> bool {
    if cfg!(miri) {
        return false;
    }
    let Some(dlsym) = optional::table().dlsym else {
        return false;
    };
    let errno = errno();
    for (place, name) in FOUND.iter().zip(NAMES) {
        if place.load(Relaxed).is_null() {
            // SAFETY: a name that ends in NUL.
            place.store(unsafe { dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }, Relaxed);
        }
    }
    set_errno(errno);
    is_prepared()
}

/// Whether a thread can be made.
pub(crate) fn is_prepared() -> bool {
    FOUND.iter().all(|place| !place.load(Relaxed).is_null())
}

/// Replaces this thread's mask of blocked signals; what it was.
fn block(mask: u64) -> u64 {
    let mut old = 0_u64;
    let (new, old_at) = (&raw const mask, &raw mut old);
    let how = libc::c_long::from(libc::SIG_SETMASK);
    // SAFETY: two masks of the length that is named.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, new, old_at, size_of::<u64>()) };
    old
}

/// Makes a thread that nobody joins, with all signals blocked but libc's own; whether there is one.
/// Not where signals are blocked already, if that is `plain`: a handler may run, which interrupted
/// libc. Keeps `errno`. libc may allocate. No lock of Cairn's is held.
pub(crate) fn make(body: Body, plain: bool) -> bool {
    let [create, init, set_size, set_state] = FOUND.each_ref().map(|place| place.load(Relaxed));
    if !is_prepared() {
        return false;
    }
    let errno = errno();
    let before = block(BLOCKED);
    if plain && before != 0 {
        block(before);
        set_errno(errno);
        return false;
    }
    let mut attributes = MaybeUninit::<pthread_attr_t>::zeroed();
    let mut thread = MaybeUninit::<pthread_t>::zeroed();
    // SAFETY: libc's functions under their names, whose types these are; places for what they
    // write. The body takes nothing and is never unloaded (`os::stay`).
    let made = unsafe {
        let create: Create = mem::transmute(create);
        let init: Init = mem::transmute(init);
        let set_size: SetSize = mem::transmute(set_size);
        let set_state: SetState = mem::transmute(set_state);
        let at = attributes.as_mut_ptr();
        init(at) == 0
            && set_state(at, libc::PTHREAD_CREATE_DETACHED) == 0
            && set_size(at, STACK) == 0
            && create(thread.as_mut_ptr(), at, body, ptr::null_mut()) == 0
    };
    block(before);
    set_errno(errno);
    made
}

/// Whether the process has had a second thread, as far as libc says.
fn has_made() -> bool {
    let flag = optional::table().single_threaded;
    // SAFETY: libc's variable. It is written once, as the second thread is made.
    !flag.is_null() && unsafe { flag.read_volatile() } == 0
}

/// Whether the process has a second thread; for who asks again and again, most times without an
/// answer.
pub(crate) fn has_second() -> bool {
    has_made() && ASKED.fetch_add(1, Relaxed).is_multiple_of(ASK) && count() > 1
}

/// The threads of the process; 0 where the kernel does not say.
pub(crate) fn count() -> usize {
    let errno = errno();
    let mut answer = MaybeUninit::<libc::stat>::zeroed();
    let path = c"/proc/self/task".as_ptr();
    let at = libc::c_long::from(libc::AT_FDCWD);
    // SAFETY: a path, and a place for the answer, all of which may be zeros.
    let links = unsafe {
        let to = answer.as_mut_ptr();
        if libc::syscall(libc::SYS_newfstatat, at, path, to, 0 as libc::c_long) != 0 {
            0
        } else {
            (*to).st_nlink as usize
        }
    };
    set_errno(errno);
    // A folder each, beside its own two names.
    links.saturating_sub(2)
}
