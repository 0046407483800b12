//! The system's primitives, each with its precondition. Nothing else in Cairn makes a system
//! call that has to do with memory, so this file is the list that `docs/limits.md` prints.
//!
//! All of them may change `errno`; the routes restore it where C demands it.
//!
//! They go through libc's `syscall`: the loader looks up every function that a library names,
//! whether or not it is ever called, and each process pays for it. `sbrk` is libc's own, see there.

mod cgroup;
mod cpus;
pub(crate) mod files;
mod futex;
pub(crate) mod guards;
pub(crate) mod handles;
pub(crate) mod limits;
pub(crate) mod names;
mod optional;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod signals;
pub(crate) mod stay;
pub(crate) mod streams;
pub(crate) mod threads;

pub(crate) use cpus::{affine, quota};
#[cfg(feature = "stats")]
pub(crate) use futex::nanoseconds;
pub(crate) use futex::{wait, wake};

use core::ffi::CStr;
use core::ops::Range;
use core::ptr;
#[cfg(not(target_arch = "x86_64"))]
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use libc::c_long;

cfg_if::cfg_if! {
    if #[cfg(target_arch = "x86_64")] {
        /// Bytes of a page: the architecture has one size, huge pages aside.
        #[inline(always)]
        pub(crate) const fn page() -> usize {
            4096
        }
    } else {
        /// Bytes of a page, 0 before the first question.
        static PAGE: AtomicUsize = AtomicUsize::new(0);

        /// Bytes of a page, which the kernel chooses.
        #[inline]
        pub(crate) fn page() -> usize {
            match PAGE.load(Relaxed) {
                0 => ask_page(),
                page => page,
            }
        }

        /// Reads what the kernel told the process at its start.
        #[cold]
        fn ask_page() -> usize {
            // SAFETY: getauxval has no precondition.
            let page = unsafe { libc::getauxval(libc::AT_PAGESZ) } as usize;
            let page = if page.is_power_of_two() { page } else { 4096 };
            PAGE.store(page, Relaxed);
            page
        }
    }
}

/// Whether the next call may reach the kernel; a test can refuse it.
#[inline(always)]
fn refused() -> bool {
    #[cfg(test)]
    {
        scripted::refuses()
    }
    #[cfg(not(test))]
    {
        false
    }
}

/// Tells a test how much more, or less, is mapped.
#[inline(always)]
fn count(_now: usize, _before: usize) {
    #[cfg(test)]
    {
        scripted::count(_now, _before);
    }
}

/// Whether a test lends the break to Cairn beside libc's malloc: in a process of one thread, the
/// two see each other's moves.
fn lent() -> bool {
    #[cfg(test)]
    {
        scripted::break_is_lent()
    }
    #[cfg(not(test))]
    {
        false
    }
}

/// What a call answered that maps: an address, or -1.
fn address(answer: c_long) -> Option<usize> {
    (answer != -1).then_some(answer as usize)
}

/// # Safety
/// `[at, at + len)` is whole pages of Cairn's memory, and nobody needs an access that is taken away.
unsafe fn protect(at: usize, len: usize, access: i32) -> bool {
    if cfg!(miri) {
        return !refused();
    }
    // SAFETY: the caller's.
    !refused() && unsafe { libc::syscall(libc::SYS_mprotect, at, len, c_long::from(access)) } == 0
}

/// # Safety
/// `[at, at + len)` is whole pages of Cairn's memory, and nobody needs what the advice gives away.
unsafe fn advise(at: usize, len: usize, advice: i32) -> bool {
    if cfg!(miri) {
        if advice == libc::MADV_DONTNEED {
            // SAFETY: the caller's.
            unsafe { ptr::with_exposed_provenance_mut::<u8>(at).write_bytes(0, len) };
        }
        return !refused();
    }
    // SAFETY: the caller's.
    !refused() && unsafe { libc::syscall(libc::SYS_madvise, at, len, c_long::from(advice)) } == 0
}

/// Maps `len` bytes (whole pages, not 0), readable and writable, or only reserved.
pub(crate) fn map(len: usize, committed: bool, name: &'static CStr) -> Option<usize> {
    if refused() {
        return None;
    }
    if cfg!(miri) {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh anonymous mapping.
        let at = unsafe { libc::mmap(ptr::null_mut(), len, access, flags, -1, 0) };
        return (at != libc::MAP_FAILED).then(|| at.expose_provenance());
    }
    let (access, extra) = if committed {
        (libc::PROT_READ | libc::PROT_WRITE, 0)
    } else {
        (libc::PROT_NONE, libc::MAP_NORESERVE)
    };
    let (access, none) = (c_long::from(access), 0 as c_long);
    let flags = c_long::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | extra);
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches nothing.
    let at = unsafe { libc::syscall(libc::SYS_mmap, none, len, access, flags, -1 as c_long, none) };
    let at = address(at)?;
    names::name(at, len, name);
    count(len, 0);
    Some(at)
}

/// Gives a mapping back.
///
/// # Safety
/// `[at, at + len)` is whole pages of Cairn's own mappings and nothing uses them any more.
pub(crate) unsafe fn unmap(at: usize, len: usize) -> bool {
    if cfg!(miri) {
        return !refused(); // parts of mappings stay
    }
    // SAFETY: the caller's.
    let done = !refused() && unsafe { libc::syscall(libc::SYS_munmap, at, len) } == 0;
    if done {
        count(0, len);
    }
    done
}

/// Makes reserved pages readable and writable.
///
/// # Safety
/// `[at, at + len)` is whole pages inside one of Cairn's reservations.
pub(crate) unsafe fn commit(at: usize, len: usize) -> bool {
    // SAFETY: the caller's.
    unsafe { protect(at, len, libc::PROT_READ | libc::PROT_WRITE) }
}

/// Takes pages' memory and every access to them away, and keeps their addresses; they read as zero
/// when they are committed again. On failure they stay accessible, whatever they hold.
///
/// # Safety
/// `[at, at + len)` is whole pages of Cairn's own mappings whose contents nothing needs.
pub(crate) unsafe fn seal(at: usize, len: usize) -> bool {
    // Not by a mapping in their place: where that fails the addresses may be somebody else's.
    // SAFETY: the caller's.
    unsafe { purge(at, len) && protect(at, len, libc::PROT_NONE) }
}

/// Returns the pages' memory; they read as zero afterwards when this says true.
///
/// # Safety
/// `[at, at + len)` is whole pages of Cairn's memory whose contents nothing needs.
pub(crate) unsafe fn purge(at: usize, len: usize) -> bool {
    // SAFETY: the caller's.
    unsafe { advise(at, len, libc::MADV_DONTNEED) }
}

/// Asks that memory here be given in huge pages when it is touched for the first time, or that
/// none be made of it from now on. Advice: nothing depends on its being taken.
///
/// # Safety
/// `[at, at + len)` is whole pages of Cairn's memory.
pub(crate) unsafe fn advise_huge(at: usize, len: usize, on: bool) {
    let advice = if on {
        libc::MADV_HUGEPAGE
    } else {
        libc::MADV_NOHUGEPAGE
    };
    // SAFETY: the caller's.
    unsafe { advise(at, len, advice) };
}

/// Moves or resizes a mapping; the old one stays whole on failure.
///
/// # Safety
/// `[at, at + old)` is one of Cairn's mappings, and the caller owns it.
pub(crate) unsafe fn remap(at: usize, old: usize, new: usize) -> Option<usize> {
    if refused() {
        return None;
    }
    if cfg!(miri) {
        return None; // the caller copies
    }
    let may_move = c_long::from(libc::MREMAP_MAYMOVE);
    // SAFETY: the caller's.
    let at = unsafe { libc::syscall(libc::SYS_mremap, at, old, new, may_move) };
    let at = address(at)?;
    count(new, old);
    Some(at)
}

/// Moves the break by `delta` bytes and returns where it was. `sbrk(0)` always succeeds.
///
/// libc's own `sbrk` is used, not the system call: a program that moves the break too goes
/// through libc, and libc remembers where it believes the break to be.
pub(crate) fn sbrk(delta: isize) -> Option<usize> {
    if delta != 0 && refused() {
        return None;
    }
    // SAFETY: growing touches nothing that exists; only the arena that owns the break shrinks
    // it, and only over its own free top.
    let at = unsafe { libc::sbrk(delta) };
    (at != libc::MAP_FAILED).then(|| at.expose_provenance())
}

/// Fills `out` with secret bytes: `getrandom`, else what the kernel left at `AT_RANDOM`.
pub(crate) fn secret(out: &mut [u64; 2]) {
    let p = out.as_mut_ptr();
    // SAFETY: `out` is 16 writable bytes.
    let got = unsafe { libc::syscall(libc::SYS_getrandom, p, 16usize, libc::GRND_NONBLOCK) };
    if got == 16 {
        return;
    }
    // SAFETY: getauxval has no precondition; AT_RANDOM points to 16 bytes the kernel wrote.
    unsafe {
        let at = libc::getauxval(libc::AT_RANDOM) as usize;
        if at != 0 {
            let from: *const u64 = ptr::with_exposed_provenance(at);
            // The stack protector and libc's pointer guard are cut from these bytes: mix them
            // so that a tag that leaks is not the canary.
            let (a, b) = (from.read_unaligned(), from.add(1).read_unaligned());
            out[0] = (a ^ 0x9e37_79b9_7f4a_7c15)
                .wrapping_mul(b | 1)
                .rotate_left(29);
            out[1] = (b ^ 0xbf58_476d_1ce4_e5b9)
                .wrapping_mul(a | 1)
                .rotate_left(41);
        }
    }
}

/// Milliseconds since some fixed time, as exact as the kernel's tick: a few nanoseconds, and no
/// system call, where the kernel offers it so.
pub(crate) fn now() -> usize {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut t) };
    (t.tv_sec as usize)
        .wrapping_mul(1000)
        .wrapping_add(t.tv_nsec as usize / 1_000_000)
}

/// The kernel's number of this thread.
pub(crate) fn thread_number() -> u32 {
    // SAFETY: no precondition.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// Lets another thread run.
pub(crate) fn yield_now() {
    #[cfg(miri)]
    return std::thread::yield_now();
    #[cfg(not(miri))]
    // SAFETY: no precondition.
    unsafe {
        libc::syscall(libc::SYS_sched_yield)
    };
}

/// Sleeps; by the raw call, since libc's is a cancellation point.
pub(crate) fn sleep(nanoseconds: i64) {
    if cfg!(miri) {
        return yield_now();
    }
    let t = libc::timespec {
        tv_sec: 0,
        tv_nsec: nanoseconds,
    };
    // SAFETY: `t` lives across the call and no remainder is asked for.
    unsafe { libc::syscall(libc::SYS_nanosleep, &raw const t, 0usize) };
}

/// `errno` of this thread.
#[inline]
pub(crate) fn errno() -> i32 {
    // SAFETY: libc returns this thread's own slot.
    unsafe { *libc::__errno_location() }
}

/// Sets `errno` of this thread.
#[inline]
pub(crate) fn set_errno(value: i32) {
    // SAFETY: libc returns this thread's own slot.
    unsafe { *libc::__errno_location() = value }
}

/// Whether `malloc` lies in the object and a function of libc's does not.
fn is_ours(malloc: usize, libc: usize, object: Range<usize>) -> bool {
    object.contains(&malloc) && !object.contains(&libc)
}

cfg_if::cfg_if! {
    if #[cfg(miri)] {
        /// Whether the process's `malloc` is this very object's: under Miri nobody has a break.
        pub(crate) fn serves_malloc() -> bool {
            lent()
        }
    } else if #[cfg(target_arch = "x86_64")] {
        /// Whether the process's `malloc` is this very object's.
        ///
        /// Where it is not (a Rust program with Cairn as its global allocator, a library opened
        /// late), libc's malloc uses the break from any thread, and `sbrk` takes no lock: two
        /// users are then given the same bytes sooner or later. In a static program the object has
        /// libc too, and the `malloc` in it is libc's.
        pub(crate) fn serves_malloc() -> bool {
            let (bound, libc, from, to): (usize, usize, usize, usize);
            // SAFETY: reads two entries of the global offset table and forms two addresses.
            unsafe {
                core::arch::asm!(
                    ".hidden __ehdr_start",
                    ".hidden _end",
                    "mov {b}, qword ptr [rip + malloc@GOTPCREL]",
                    "mov {l}, qword ptr [rip + __errno_location@GOTPCREL]",
                    "lea {f}, [rip + __ehdr_start]",
                    "lea {t}, [rip + _end]",
                    b = out(reg) bound, l = out(reg) libc, f = out(reg) from, t = out(reg) to,
                    options(pure, readonly, nostack, preserves_flags),
                );
            }
            is_ours(bound, libc, from..to) || lent()
        }
    } else if #[cfg(target_arch = "aarch64")] {
        /// Whether the process's `malloc` is this very object's, as above.
        pub(crate) fn serves_malloc() -> bool {
            let (bound, libc, from, to): (usize, usize, usize, usize);
            // SAFETY: reads two entries of the global offset table and forms two addresses.
            unsafe {
                core::arch::asm!(
                    ".hidden __ehdr_start",
                    ".hidden _end",
                    "adrp {b}, :got:malloc",
                    "ldr {b}, [{b}, :got_lo12:malloc]",
                    "adrp {l}, :got:__errno_location",
                    "ldr {l}, [{l}, :got_lo12:__errno_location]",
                    "adrp {f}, __ehdr_start",
                    "add {f}, {f}, :lo12:__ehdr_start",
                    "adrp {t}, _end",
                    "add {t}, {t}, :lo12:_end",
                    b = out(reg) bound, l = out(reg) libc, f = out(reg) from, t = out(reg) to,
                    options(pure, readonly, nostack, preserves_flags),
                );
            }
            is_ours(bound, libc, from..to) || lent()
        }
    }
}
