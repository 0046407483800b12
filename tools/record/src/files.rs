//! The files of this process, when recording begins, and when it is over.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::ptr::{null, null_mut};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering::*};

use libc::{c_char, c_int, c_void};
use wire::spool::{Control, MAGIC, PATH, Process, Trouble, VARIABLE};

use crate::{clock, next, stream};

/// 1 while calls of one thread are recorded, 2 while those of several are, in a page that a fork
/// empties: a new process sees at once that the rings are another's, however it was made.
static LIVE: AtomicPtr<AtomicU64> = AtomicPtr::new((&raw const NEVER).cast_mut());
static NEVER: AtomicU64 = AtomicU64::new(0);
/// Nothing is recorded any more, or was ever to be.
static OFF: AtomicBool = AtomicBool::new(false);
/// The process whose thread is about to begin; another's is one that it forked from.
static BEGINS: AtomicI32 = AtomicI32::new(0);
static CONTROL: AtomicPtr<Control> = AtomicPtr::new(null_mut());
static PROCESS: AtomicPtr<Process> = AtomicPtr::new(null_mut());

struct Path(UnsafeCell<[u8; PATH]>);

// SAFETY: written by the one thread that begins, read after that.
unsafe impl Sync for Path {}

/// The directory, and behind it the process's file; both end in a zero.
static DIRECTORY: Path = Path(UnsafeCell::new([0; PATH]));
static FILE: Path = Path(UnsafeCell::new([0; PATH]));

/// Whether calls of this process are recorded right now.
#[inline(always)]
pub(crate) fn is_live() -> bool {
    // SAFETY: a static, or a page that stays mapped.
    unsafe { (*LIVE.load(Relaxed)).load(Relaxed) != 0 }
}

/// Whether more than one thread is recorded. To be asked after an allocation: who gets what another
/// thread freed is told here that there is one.
#[inline(always)]
pub(crate) fn has_threads() -> bool {
    // SAFETY: as above.
    unsafe { (*LIVE.load(Relaxed)).load(Relaxed) > 1 }
}

/// From now on there are several threads.
pub(crate) fn set_threads() {
    // SAFETY: as above.
    unsafe { (*LIVE.load(Relaxed)).store(2, SeqCst) };
}

/// Ends recording in this process.
#[cold]
pub(crate) fn end(why: Option<Trouble>) {
    OFF.store(true, Relaxed);
    // SAFETY: as above.
    unsafe { (*LIVE.load(Relaxed)).store(0, Relaxed) };
    if let (Some(why), Some(control)) = (why, control()) {
        control.trouble.fetch_or(why as u32, Relaxed);
    }
}

/// The command's file.
pub(crate) fn control() -> Option<&'static Control> {
    // SAFETY: null, or mapped for good.
    unsafe { CONTROL.load(Acquire).as_ref() }
}

/// Text that is put together in a buffer.
pub(crate) struct Text {
    bytes: [u8; PATH],
    length: usize,
}

impl Text {
    /// What stands in `start` before its zero.
    pub(crate) fn of(start: &[u8]) -> Self {
        let text = Self {
            bytes: [0; PATH],
            length: 0,
        };
        text.and(start)
    }

    /// With more behind it, if there is room.
    pub(crate) fn and(mut self, more: &[u8]) -> Self {
        for byte in more.iter().take_while(|byte| **byte != 0) {
            if let Some(place) = self.bytes.get_mut(self.length)
                && self.length + 1 < PATH
            {
                *place = *byte;
                self.length += 1;
            }
        }
        self
    }

    /// With a number behind it.
    pub(crate) fn number(self, mut number: u32) -> Self {
        let mut digits = [0_u8; 10];
        let mut first = digits.len();
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            first = at;
            if number == 0 {
                break;
            }
        }
        self.and(digits.get(first..).unwrap_or_default())
    }

    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }
}

/// The path of the process's file, to be continued.
pub(crate) fn file() -> Text {
    // SAFETY: it was written before recording began.
    Text::of(unsafe { &*FILE.0.get() })
}

/// Makes a file of that many bytes, all of them there, and maps it. The error's number if not.
pub(crate) fn make(path: &Text, size: usize) -> Result<*mut c_void, c_int> {
    if is_limited(size) {
        return Err(libc::ENOSPC);
    }
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
    // SAFETY: a C string; the mode is a number.
    let file = unsafe { libc::open(path.as_ptr(), flags, 0o600) };
    if file < 0 {
        // SAFETY: this thread's own.
        return Err(unsafe { *libc::__errno_location() });
    }
    // What is reserved cannot run out at a write.
    // SAFETY: the file is open.
    let full = unsafe { libc::posix_fallocate(file, 0, size.cast_signed() as libc::off_t) };
    let mapped = if full == 0 {
        map(file, size)
    } else {
        libc::MAP_FAILED
    };
    // SAFETY: opened above.
    unsafe { libc::close(file) };
    if mapped == libc::MAP_FAILED {
        // SAFETY: a C string; the file is this process's.
        unsafe { libc::unlink(path.as_ptr()) };
        return Err(if full == 0 { libc::ENOMEM } else { full });
    }
    Ok(mapped)
}

/// Whether this process may not write files of that size: to try would end it by a signal.
fn is_limited(size: usize) -> bool {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: it outlives the call.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } == 0;
    known && limit.rlim_cur < size as libc::rlim_t
}

fn map(file: c_int, size: usize) -> *mut c_void {
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, of a file that is open.
    unsafe { libc::mmap(null_mut(), size, rights, libc::MAP_SHARED, file, 0) }
}

/// Begins to record this process, if that is asked for and not yet done.
#[cold]
pub(crate) fn begin() -> bool {
    if OFF.load(Relaxed) {
        return false;
    }
    // SAFETY: it returns a number.
    let own = unsafe { libc::getpid() };
    loop {
        let other = BEGINS.load(Relaxed);
        if other != own
            && BEGINS
                .compare_exchange(other, own, Acquire, Relaxed)
                .is_ok()
        {
            break;
        }
        if is_live() {
            return true;
        }
        if OFF.load(Relaxed) {
            return false;
        }
        // SAFETY: it takes nothing.
        unsafe { libc::sched_yield() };
    }
    let done = is_live() || set_up(own);
    BEGINS.store(0, Release);
    done
}

fn set_up(own: libc::pid_t) -> bool {
    if control().is_none() && !find_control() {
        return false;
    }
    if control().is_none_or(|control| control.stop.load(Relaxed) != 0) {
        end(None);
        return false;
    }
    // SAFETY: nobody else begins.
    let directory = unsafe { &*DIRECTORY.0.get() };
    for turn in 0..u32::MAX {
        let path = Text::of(directory)
            .and(b"/p.")
            .number(own.unsigned_abs())
            .and(b".")
            .number(turn);
        match make(&path, size_of::<Process>()) {
            Ok(at) => {
                // SAFETY: nobody else begins, and nobody reads before.
                unsafe { *FILE.0.get() = path.bytes };
                describe(at.cast(), own);
                break;
            }
            Err(libc::EEXIST) => {}
            Err(error) => {
                end((error == libc::ENOSPC).then_some(Trouble::Room));
                return false;
            }
        }
    }
    stream::forget_all();
    if !make_live() {
        end(None);
        return false;
    }
    true
}

/// Finds the directory and maps the command's file. Before the C library has the environment, the
/// question is put off.
fn find_control() -> bool {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: a word of the C library's.
    if unsafe { environ.is_null() } {
        return false;
    }
    let mut name = [0_u8; 32];
    for (to, from) in name.iter_mut().zip(VARIABLE.bytes()) {
        *to = from;
    }
    // SAFETY: both are C strings; the C library's is copied at once.
    let directory = unsafe {
        let value = libc::getenv(name.as_ptr().cast());
        if value.is_null() {
            end(None);
            return false;
        }
        Text::of(CStr::from_ptr(value).to_bytes())
    };
    let path = Text::of(&directory.bytes).and(b"/control");
    // SAFETY: a C string.
    let file = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    if file < 0 {
        end(None);
        return false;
    }
    let at = map(file, size_of::<Control>());
    // SAFETY: opened above.
    unsafe { libc::close(file) };
    if at == libc::MAP_FAILED {
        end(None);
        return false;
    }
    // SAFETY: nobody else begins.
    unsafe { *DIRECTORY.0.get() = directory.bytes };
    CONTROL.store(at.cast(), Release);
    true
}

/// Fills the process's file.
fn describe(process: *mut Process, own: libc::pid_t) {
    // SAFETY: just mapped and zeroed, of that size; the command reads it once the first word is set.
    unsafe {
        (*process).pid.store(own.unsigned_abs(), Relaxed);
        (*process)
            .parent
            .store(libc::getppid().unsigned_abs(), Relaxed);
        (*process).start.store(clock::now(), Relaxed);
        let program = (&raw mut (*process).program).cast::<c_char>();
        libc::readlink(c"/proc/self/exe".as_ptr(), program, PATH - 1);
        let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
        let serves: Option<next::Malloc> = next::MALLOC.get();
        let serves = serves.map_or(null(), |serves| serves as *const c_void);
        if libc::dladdr(serves, found.as_mut_ptr()) != 0 {
            let name = found.assume_init().dli_fname;
            libc::strncpy((&raw mut (*process).served).cast(), name, PATH - 1);
        }
        (*process).magic.store(MAGIC, Release);
    }
    PROCESS.store(process, Relaxed);
}

/// Says that recording is on, in a page that a fork empties.
fn make_live() -> bool {
    let mut live = LIVE.load(Relaxed);
    if core::ptr::eq(live, &raw const NEVER) {
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping; then advice about it.
        unsafe {
            let page = libc::mmap(null_mut(), 1, rights, flags, -1, 0);
            if page == libc::MAP_FAILED || libc::madvise(page, 1, libc::MADV_WIPEONFORK) != 0 {
                return false;
            }
            live = page.cast();
        }
        LIVE.store(live, Release);
    }
    // SAFETY: the page stays mapped.
    unsafe { (*live).store(1, Release) };
    true
}

/// The loader calls this before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = at_start;

extern "C" fn at_start() {
    stream::current();
}

/// The loader calls this after the handlers of `exit`.
#[used]
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = at_exit;

extern "C" fn at_exit() {
    if !is_live() {
        return;
    }
    crate::large::at_exit();
    // SAFETY: null, or mapped for good.
    if let Some(process) = unsafe { PROCESS.load(Relaxed).as_ref() } {
        process.ended.store(1, Relaxed);
    }
}
