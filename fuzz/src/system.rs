//! The system as Cairn sees it while a target runs: this program's own `mmap`, `sbrk`, `write`,
//! `abort` and a few more stand before libc's, for the whole process.
//!
//! Outside a call into Cairn they do what libc's do. Inside, mappings lie in a window of their
//! own at addresses that are the same in every run, calls can be refused on order, the break is
//! a window too, what is written to stderr is kept, and `abort` comes back to the target. So
//! Cairn itself needs no hook for any of it, and an input shows the same behaviour every time.

use crate::fresh;
use core::cell::{Cell, UnsafeCell};
use libc::{c_char, c_int, c_long, c_void, off_t, size_t, ssize_t};
use std::ptr;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
compile_error!("the fuzz targets know x86-64 Linux with glibc only");

/// A stretch of addresses.
pub type Range = (usize, usize);

/// Where things lie in a run.
#[derive(Clone, Copy)]
pub struct Layout {
    /// The break, from its beginning.
    pub brk: Range,
    /// Reservations, which are mapped without access first.
    pub reserved: Range,
    /// All other mappings.
    pub mapped: Range,
}

/// Most runs: nothing is asked of the kernel for the break and for reservations. Their pages stay
/// from run to run, and are cleared. An access where none is allowed does not fault.
pub const FAST: Layout = Layout {
    brk: (0x1000_1000_0000, 0x1000_2000_0000),
    reserved: (0x1000_4000_0000, 0x1000_8000_0000),
    mapped: (0x1000_8000_0000, 0x1001_0000_0000),
};
/// The others: every call is the kernel's, and both windows soon cross a boundary of 4 GiB, where
/// a leaf of Cairn's region table ends.
pub const STRICT: Layout = Layout {
    brk: (0x2000_fff8_0000, 0x2001_fff8_0000),
    reserved: (0x3000_ffc0_0000, 0x4000_0000_0000),
    mapped: (0x3000_ffc0_0000, 0x4000_0000_0000),
};
/// The descriptor of a file that only seems to be open.
const FILE: c_int = 1_000_000;
/// The only thread-specific key that Cairn makes.
const KEY: libc::pthread_key_t = 7;
/// Bytes of a wide span of Cairn's side memory, with its guard pages.
const WIDE: usize = (1 << 20) + 2 * 4096;
/// Bytes from which on it is cheaper to drop pages than to clear them.
const DROP: usize = 1 << 20;
/// Bytes kept of what was written to stderr.
const HEARD: usize = 512;

/// What the kernel and the C library keep for the run.
pub struct System {
    /// Where things lie.
    pub layout: Layout,
    /// Start and end of each mapping, in order of address.
    pub maps: Vec<Range>,
    /// Parts of fast reservations that may have been written.
    pub dirty: Vec<Range>,
    /// The break, and the most it ever was.
    pub brk: (usize, usize),
    /// Calls that pass before one is refused.
    pub passes: Option<u32>,
    /// Whether all that follow are refused too.
    pub onward: bool,
    /// Whether any was since the last look.
    pub refused: bool,
    /// What was written to stderr, the newest bytes last.
    pub heard: Vec<u8>,
    /// The destructor of Cairn's key.
    pub destructor: Option<unsafe extern "C" fn(*mut c_void)>,
    /// What the running thread has set for it.
    pub value: *mut c_void,
    /// The three handlers of `fork`.
    pub fork: [Option<unsafe extern "C" fn()>; 3],
    /// How often the lock of libc's list of streams is taken.
    pub streams: usize,
    /// What the program took of the break for itself.
    pub foreign: Vec<Range>,
    /// Milliseconds on the clock.
    pub clock: usize,
    /// The machine.
    pub machine: Machine,
}

/// What Cairn asks about the machine it runs on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// CPUs that the process may use; with 0 the kernel does not say.
    pub cpus: u32,
    /// What `/sys/fs/cgroup/cpu.max` holds, if it is there.
    pub quota: Option<Vec<u8>>,
    /// Whether `getrandom` answers.
    pub random: bool,
}

impl Machine {
    /// What most runs have: as many arenas as is worth it, and no quota.
    pub const PLAIN: Self = Self {
        cpus: 3,
        quota: None,
        random: true,
    };
}

struct Shared(UnsafeCell<System>);
// SAFETY: reached by the one thread that runs the target.
unsafe impl Sync for Shared {}

static SYSTEM: Shared = Shared(UnsafeCell::new(System {
    layout: FAST,
    maps: Vec::new(),
    dirty: Vec::new(),
    brk: (FAST.brk.0, FAST.brk.0),
    passes: None,
    onward: false,
    refused: false,
    heard: Vec::new(),
    destructor: None,
    value: ptr::null_mut(),
    fork: [None; 3],
    streams: 0,
    foreign: Vec::new(),
    clock: 0,
    machine: Machine::PLAIN,
}));

std::thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The system of this run.
pub fn system() -> &'static mut System {
    // SAFETY: as above.
    unsafe { &mut *SYSTEM.0.get() }
}

/// Whether this thread is in Cairn.
pub fn is_inside() -> bool {
    INSIDE.get()
}

/// Enters Cairn, or leaves it.
pub fn set_inside(on: bool) {
    INSIDE.set(on);
}

/// Runs `f` inside.
#[inline(always)]
pub fn inside<R>(f: impl FnOnce() -> R) -> R {
    INSIDE.set(true);
    let out = f();
    INSIDE.set(false);
    out
}

impl System {
    /// Whether the call under way is one that was to be refused.
    fn refuses(&mut self) -> bool {
        let now = match self.passes {
            None => false,
            Some(0) => {
                if !self.onward {
                    self.passes = None;
                }
                true
            }
            Some(n) => {
                self.passes = Some(n - 1);
                false
            }
        };
        self.refused |= now;
        now
    }

    /// The lowest gap of `len` bytes in a window.
    fn gap(&self, len: usize, window: Range) -> Option<usize> {
        let mut at = window.0;
        for (from, to) in self
            .maps
            .iter()
            .filter(|m| m.0 >= window.0 && m.1 <= window.1)
        {
            if from - at >= len {
                return Some(at);
            }
            at = *to;
        }
        (at.checked_add(len)? <= window.1).then_some(at)
    }

    /// Whether an address is in the windows that need no kernel.
    fn is_played(&self, at: usize) -> bool {
        let within = |w: Range| w.0 <= at && at < w.1;
        within(FAST.brk) || within(FAST.reserved)
    }

    /// Clears what may have been written in a stretch of such a window.
    fn clear(&mut self, from: usize, to: usize) {
        if from < FAST.reserved.0 {
            return zero(from, to.min(self.brk.1));
        }
        let mut i = 0;
        while let Some((a, b)) = self.dirty.get(i).copied() {
            zero(a.max(from), b.min(to));
            i += 1;
        }
    }

    /// Clears all of it.
    pub fn clear_all(&mut self) {
        zero(FAST.brk.0, self.brk.1.min(FAST.brk.1));
        for (from, to) in self.dirty.drain(..) {
            zero(from, to);
        }
    }

    fn enter(&mut self, from: usize, to: usize) {
        let i = self.maps.partition_point(|m| m.0 < from);
        self.maps.insert(i, (from, to));
    }

    fn leave(&mut self, from: usize, to: usize) {
        let mut i = self.maps.partition_point(|m| m.1 <= from);
        while let Some((a, b)) = self.maps.get(i).copied().filter(|m| m.0 < to) {
            self.maps.remove(i);
            if a < from {
                self.maps.insert(i, (a, from));
                i += 1;
            }
            if to < b {
                self.maps.insert(i, (to, b));
                i += 1;
            }
        }
    }

    /// Whether `[from, to)` is memory that Cairn got and did not give back.
    pub fn owns(&self, from: usize, to: usize) -> bool {
        if self.layout.brk.0 <= from && from <= to && to <= self.brk.0 {
            return !self.foreign.iter().any(|f| f.0 < to && from < f.1);
        }
        let mut at = from;
        let mut i = self.maps.partition_point(|m| m.1 <= from);
        while at < to {
            match self.maps.get(i) {
                Some((a, b)) if *a <= at => at = *b,
                _ => return false,
            }
            i += 1;
        }
        true
    }
}

impl System {
    /// Moves the break for the program; where it was.
    pub fn move_brk(&mut self, delta: isize) -> Option<usize> {
        let passes = self.passes.take();
        // SAFETY: grows, or gives back what the program took.
        let old = unsafe { sbrk(delta) };
        self.passes = passes;
        (old.addr() != usize::MAX).then(|| old.addr())
    }
}

/// Clears memory, by the way that costs less.
fn zero(from: usize, to: usize) {
    if from >= to {
        return;
    }
    let (a, b) = (from.next_multiple_of(4096), to & !4095);
    // SAFETY: pages of a window that `fresh` has mapped.
    let clear = |from: usize, to: usize| unsafe {
        ptr::with_exposed_provenance_mut::<u8>(from).write_bytes(0, to - from);
    };
    if to - from < DROP {
        return clear(from, to);
    }
    clear(from, a);
    // SAFETY: as above.
    unsafe {
        kernel(
            libc::SYS_madvise,
            [a, b - a, libc::MADV_DONTNEED as usize, 0, 0, 0],
        )
    };
    clear(b, to);
}

/// A call of the kernel; the negative of `errno` when it fails.
///
/// # Safety
/// As the call's.
pub(crate) unsafe fn kernel(number: c_long, args: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = args;
    let out: isize;
    // SAFETY: the caller's.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => out,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    out
}

fn set_errno(e: c_int) {
    // SAFETY: libc returns this thread's own slot.
    unsafe { *libc::__errno_location() = e }
}

/// As C does it: -1 and `errno`.
fn answer(out: isize) -> isize {
    if (-4095..0).contains(&out) {
        set_errno(-out as c_int);
        return -1;
    }
    out
}

fn refusal() -> isize {
    answer(-(libc::ENOMEM as isize))
}

/// `mmap`.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mmap(
    at: *mut c_void,
    len: size_t,
    prot: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    let mut args = [
        at.addr(),
        len,
        prot as usize,
        flags as usize,
        fd as isize as usize,
        offset as usize,
    ];
    if !is_inside() {
        // SAFETY: the caller's.
        let out = answer(unsafe { kernel(libc::SYS_mmap, args) });
        return ptr::with_exposed_provenance_mut(out as usize);
    }
    let s = system();
    if s.refuses() {
        return ptr::with_exposed_provenance_mut(refusal() as usize);
    }
    if flags & libc::MAP_FIXED != 0 {
        assert!(
            s.owns(at.addr(), at.addr() + len),
            "mmap over foreign {at:?}"
        );
        if s.is_played(at.addr()) {
            s.clear(at.addr(), at.addr() + len);
            return at;
        }
        // SAFETY: the caller's.
        let out = answer(unsafe { kernel(libc::SYS_mmap, args) });
        return ptr::with_exposed_provenance_mut(out as usize);
    }
    let reserves = prot == libc::PROT_NONE;
    let window = if reserves {
        s.layout.reserved
    } else {
        s.layout.mapped
    };
    let len = len.next_multiple_of(4096);
    // Cairn then takes a small span for its side memory, and there is less to clear.
    let wide = s.layout.brk == FAST.brk && reserves && len == WIDE;
    let Some(gap) = s.gap(len, window).filter(|_| !wide) else {
        return ptr::with_exposed_provenance_mut(refusal() as usize);
    };
    if !s.is_played(gap) {
        args[0] = gap;
        args[3] |= libc::MAP_FIXED_NOREPLACE as usize;
        // SAFETY: the caller's; a new mapping replaces none.
        if answer(unsafe { kernel(libc::SYS_mmap, args) }) == -1 {
            return ptr::with_exposed_provenance_mut(usize::MAX);
        }
    }
    s.enter(gap, gap + len);
    ptr::with_exposed_provenance_mut(gap)
}

/// `munmap`.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn munmap(at: *mut c_void, len: size_t) -> c_int {
    if is_inside() {
        if system().refuses() {
            return refusal() as c_int;
        }
        let to = at.addr() + len.next_multiple_of(4096);
        assert!(
            system().owns(at.addr(), to),
            "munmap of foreign {at:?}, {len}"
        );
        system().leave(at.addr(), to);
        if system().is_played(at.addr()) {
            system().clear(at.addr(), to);
            return 0;
        }
    }
    // SAFETY: the caller's.
    answer(unsafe { kernel(libc::SYS_munmap, [at.addr(), len, 0, 0, 0, 0]) }) as c_int
}

/// `mremap`, without the address that only `MREMAP_FIXED` takes.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mremap(
    at: *mut c_void,
    old: size_t,
    new: size_t,
    flags: c_int,
    to: *mut c_void,
) -> *mut c_void {
    let mut args = [at.addr(), old, new, flags as usize, to.addr(), 0];
    if !is_inside() {
        // SAFETY: the caller's.
        let out = answer(unsafe { kernel(libc::SYS_mremap, args) });
        return ptr::with_exposed_provenance_mut(out as usize);
    }
    let from = at.addr();
    assert!(system().owns(from, from + old), "mremap of foreign {at:?}");
    if system().refuses() {
        return ptr::with_exposed_provenance_mut(refusal() as usize);
    }
    let fits = new <= old
        || !system()
            .maps
            .iter()
            .any(|m| m.0 < from + new && from + old <= m.0);
    if fits {
        args[3] = 0;
    } else {
        let Some(gap) = system().gap(new, system().layout.mapped) else {
            return ptr::with_exposed_provenance_mut(refusal() as usize);
        };
        args[3] = (libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED) as usize;
        args[4] = gap;
    }
    // SAFETY: the caller's; the place is free.
    let out = answer(unsafe { kernel(libc::SYS_mremap, args) });
    if out != -1 {
        system().leave(from, from + old);
        system().enter(out as usize, out as usize + new);
    }
    ptr::with_exposed_provenance_mut(out as usize)
}

/// `mprotect`.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mprotect(at: *mut c_void, len: size_t, prot: c_int) -> c_int {
    if is_inside() {
        assert!(
            system().owns(at.addr(), at.addr() + len),
            "mprotect of foreign {at:?}"
        );
        if system().refuses() {
            return refusal() as c_int;
        }
        if system().is_played(at.addr()) {
            system().dirty.push((at.addr(), at.addr() + len));
            return 0;
        }
    }
    // SAFETY: the caller's.
    let out = unsafe { kernel(libc::SYS_mprotect, [at.addr(), len, prot as usize, 0, 0, 0]) };
    answer(out) as c_int
}

/// `madvise`.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn madvise(at: *mut c_void, len: size_t, advice: c_int) -> c_int {
    if is_inside() && fresh::is_static(at.addr()) {
        if system().refuses() {
            return refusal() as c_int;
        }
        assert_eq!(advice, libc::MADV_DONTNEED);
        // SAFETY: the caller's: contents that nothing needs.
        unsafe { at.write_bytes(0, len) };
        return 0;
    }
    if is_inside() {
        assert!(
            system().owns(at.addr(), at.addr() + len),
            "madvise of foreign {at:?}"
        );
        if system().refuses() {
            return refusal() as c_int;
        }
        if system().is_played(at.addr()) {
            match advice {
                libc::MADV_DONTNEED => system().clear(at.addr(), at.addr() + len),
                libc::MADV_HUGEPAGE | libc::MADV_NOHUGEPAGE => {}
                _ => panic!("advice {advice}"),
            }
            return 0;
        }
    }
    // SAFETY: the caller's.
    let out = unsafe {
        kernel(
            libc::SYS_madvise,
            [at.addr(), len, advice as usize, 0, 0, 0],
        )
    };
    answer(out) as c_int
}

/// `sbrk` in the window; only Cairn calls it, since libc's own malloc has another way to it.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sbrk(delta: isize) -> *mut c_void {
    let s = system();
    let old = s.brk.0;
    let new = old.wrapping_add_signed(delta);
    let failed = ptr::with_exposed_provenance_mut(usize::MAX);
    if delta != 0 && (s.refuses() || new < s.layout.brk.0 || new > s.layout.brk.1) {
        set_errno(libc::ENOMEM);
        return failed;
    }
    assert!(
        s.foreign.iter().all(|f| f.1 <= new),
        "the break goes back over the program's own bytes"
    );
    let (low, high) = (
        old.min(new).next_multiple_of(4096),
        old.max(new).next_multiple_of(4096),
    );
    if s.is_played(s.layout.brk.0) {
        if new < old {
            zero(new, old);
        }
    } else if high > low {
        let (prot, flags) = if delta > 0 {
            (libc::PROT_READ | libc::PROT_WRITE, 0)
        } else {
            (libc::PROT_NONE, libc::MAP_NORESERVE)
        };
        let flags = flags | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        let args = [
            low,
            high - low,
            prot as usize,
            flags as usize,
            usize::MAX,
            0,
        ];
        // SAFETY: pages of the window.
        if unsafe { kernel(libc::SYS_mmap, args) } < 0 {
            set_errno(libc::ENOMEM);
            return failed;
        }
    }
    s.brk = (new, s.brk.1.max(new));
    ptr::with_exposed_provenance_mut(old)
}

/// `write`; what Cairn says on stderr is kept.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, from: *const c_void, len: size_t) -> ssize_t {
    if is_inside() && fd == libc::STDERR_FILENO {
        // SAFETY: the caller's.
        let text = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), len) };
        let heard = &mut system().heard;
        heard.extend_from_slice(text);
        let surplus = heard.len().saturating_sub(HEARD);
        heard.drain(..surplus);
        return len as ssize_t;
    }
    // SAFETY: the caller's.
    answer(unsafe { kernel(libc::SYS_write, [fd as usize, from.addr(), len, 0, 0, 0]) })
}

unsafe extern "C" {
    fn fuzz_return() -> !;
    fn __libc_malloc(n: size_t) -> *mut c_void;
}

/// `abort`: out of Cairn it goes back to the target.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn abort() -> ! {
    if is_inside() && !std::thread::panicking() {
        set_inside(false);
        // SAFETY: inside means that `fuzz_call` is under way (`fresh::survive`).
        unsafe { fuzz_return() }
    }
    set_inside(false);
    // SAFETY: the process ends here. A fuzzer's own handler comes first: it keeps the input.
    unsafe {
        libc::raise(libc::SIGABRT);
        libc::signal(libc::SIGABRT, libc::SIG_DFL);
        libc::raise(libc::SIGABRT);
        libc::_exit(134)
    }
}

/// `syscall`: the secret is the same in every run, the machine is the run's.
///
/// # Safety
/// As C's; the arguments travel as those of any function with seven words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    let to = ptr::with_exposed_provenance_mut::<u64>;
    if is_inside() {
        let machine = &system().machine;
        let no = |e: c_int| answer(-(e as isize)) as c_long;
        match (number, &machine.quota) {
            (libc::SYS_getrandom, _) if !machine.random => return no(libc::ENOSYS),
            (libc::SYS_getrandom, _) => {
                // SAFETY: the caller's buffer of `b` bytes.
                unsafe { to(a).cast::<u8>().write_bytes(0x5a, b) };
                return b as c_long;
            }
            (libc::SYS_sched_getaffinity, _) if machine.cpus == 0 => return no(libc::EINVAL),
            (libc::SYS_sched_getaffinity, _) => {
                // SAFETY: the caller's buffer, cleared by it, of at least a word.
                unsafe { to(c).write((1 << machine.cpus) - 1) };
                return 8;
            }
            // One thread plays all, and a fork's child is played by it too.
            (libc::SYS_futex, _) => panic!("a wait for a lock, or a wake-up, with one thread"),
            (libc::SYS_openat, None) => return no(libc::ENOENT),
            (libc::SYS_openat, Some(_)) => return FILE.into(),
            (libc::SYS_read, Some(text)) => {
                assert_eq!(a, FILE as usize);
                let len = text.len().min(c);
                let into = ptr::with_exposed_provenance_mut::<u8>(b);
                // SAFETY: the caller's buffer of `c` bytes.
                unsafe { into.copy_from_nonoverlapping(text.as_ptr(), len) };
                return len as c_long;
            }
            (libc::SYS_close, Some(_)) => {
                assert_eq!(a, FILE as usize);
                return 0;
            }
            _ => {}
        }
        let at = ptr::with_exposed_provenance_mut::<c_void>(a);
        // SAFETY: the caller's; Cairn makes these calls by their numbers.
        unsafe {
            match number {
                libc::SYS_mmap => {
                    let offset = f as off_t;
                    let p = mmap(at, b, c as c_int, d as c_int, e as c_int, offset);
                    return p.addr() as c_long;
                }
                libc::SYS_mremap => {
                    let to = ptr::with_exposed_provenance_mut(e);
                    return mremap(at, b, c, d as c_int, to).addr() as c_long;
                }
                libc::SYS_munmap => return munmap(at, b).into(),
                libc::SYS_mprotect => return mprotect(at, b, c as c_int).into(),
                libc::SYS_madvise => return madvise(at, b, c as c_int).into(),
                libc::SYS_write => {
                    let from = ptr::with_exposed_provenance(b);
                    return write(a as c_int, from, c) as c_long;
                }
                _ => {}
            }
        }
    }
    // SAFETY: the caller's.
    answer(unsafe { kernel(number, [a, b, c, d, e, f]) }) as c_long
}

/// `clock_gettime`: on the clock that Cairn reads, time passes when the run says so. A fuzzer
/// looks at its own from a signal's handler, perhaps inside.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, to: *mut libc::timespec) -> c_int {
    if is_inside() && clock == libc::CLOCK_MONOTONIC_COARSE {
        let now = system().clock;
        let now = libc::timespec {
            tv_sec: (now / 1000) as libc::time_t,
            tv_nsec: (now % 1000 * 1_000_000) as c_long,
        };
        // SAFETY: the caller's.
        unsafe { *to = now };
        return 0;
    }
    let args = [clock as usize, to.addr(), 0, 0, 0, 0];
    // SAFETY: the caller's.
    answer(unsafe { kernel(libc::SYS_clock_gettime, args) }) as c_int
}

/// `getauxval`: the kernel's own random bytes are the same in every run.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getauxval(of: libc::c_ulong) -> libc::c_ulong {
    static RANDOM: [u8; 16] = *b"sixteen of chaos";
    if is_inside() && of == libc::AT_RANDOM {
        return RANDOM.as_ptr().expose_provenance() as libc::c_ulong;
    }
    type Get = unsafe extern "C" fn(libc::c_ulong) -> libc::c_ulong;
    // SAFETY: the caller's.
    unsafe { next::<Get>(c"getauxval")(of) }
}

/// libc's function behind the one here.
unsafe fn next<F: Copy>(name: &std::ffi::CStr) -> F {
    // SAFETY: a name that ends in NUL.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr().cast::<c_char>()) };
    assert!(!found.is_null() && size_of::<F>() == size_of_val(&found));
    // SAFETY: the caller names the function's own type.
    unsafe { std::mem::transmute_copy(&found) }
}

/// `pthread_key_create`.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_key_create(
    key: *mut libc::pthread_key_t,
    destructor: Option<unsafe extern "C" fn(*mut c_void)>,
) -> c_int {
    if is_inside() {
        system().destructor = destructor;
        // SAFETY: the caller's.
        unsafe { *key = KEY };
        return 0;
    }
    type Create = unsafe extern "C" fn(
        *mut libc::pthread_key_t,
        Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> c_int;
    // SAFETY: the caller's.
    unsafe { next::<Create>(c"pthread_key_create")(key, destructor) }
}

/// `pthread_setspecific`.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_setspecific(
    key: libc::pthread_key_t,
    value: *const c_void,
) -> c_int {
    if is_inside() {
        assert_eq!(key, KEY);
        system().value = value.cast_mut();
        return 0;
    }
    type Set = unsafe extern "C" fn(libc::pthread_key_t, *const c_void) -> c_int;
    // SAFETY: the caller's.
    unsafe { next::<Set>(c"pthread_setspecific")(key, value) }
}

/// `pthread_atfork`: the handlers are kept for a fork that only seems to happen.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_atfork(
    prepare: Option<unsafe extern "C" fn()>,
    parent: Option<unsafe extern "C" fn()>,
    child: Option<unsafe extern "C" fn()>,
) -> c_int {
    system().fork = [prepare, parent, child];
    0
}

/// The lock of libc's list of streams. Nobody else reaches it by this name; libc has its own ways.
#[unsafe(no_mangle)]
pub extern "C" fn _IO_list_lock() {
    system().streams += 1;
}

/// Gives it back.
#[unsafe(no_mangle)]
pub extern "C" fn _IO_list_unlock() {
    let s = system();
    assert!(s.streams > 0, "given back more often than taken");
    s.streams -= 1;
}

/// `malloc` of libc under this program's name, so that Cairn takes itself for the process's
/// malloc and uses the break.
///
/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc(n: size_t) -> *mut c_void {
    // SAFETY: the caller's.
    unsafe { __libc_malloc(n) }
}
