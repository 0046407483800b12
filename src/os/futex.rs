//! Sleeping until a word changes.

#[cfg(test)]
use super::scripted;
use super::{errno, set_errno};
use core::ptr;
use core::sync::atomic::AtomicUsize;
use libc::c_long;

/// Sleeps until [`wake`] is called for `word`, unless its lower half is not that of `value` any
/// more. It may return early. False where the kernel refuses to let anybody sleep so. Keeps
/// `errno`, since that a word has changed is no failure of whatever waits.
pub(crate) fn wait(word: &AtomicUsize, value: usize) -> bool {
    match futex(word, libc::FUTEX_WAIT, value as u32) {
        Ok(_) => true,
        Err(why) => why == libc::EAGAIN || why == libc::EINTR,
    }
}

/// Wakes one thread that sleeps on `word`, if one does. Keeps `errno`.
pub(crate) fn wake(word: &AtomicUsize) {
    let _ = futex(word, libc::FUTEX_WAKE, 1);
}

/// Nanoseconds since some fixed time, to tell how long somebody waited.
#[cfg(feature = "stats")]
pub(crate) fn nanoseconds() -> usize {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut t) };
    (t.tv_sec as usize)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(t.tv_nsec as usize)
}

/// A call on the lower half of `word`, for threads of this process; what it answers.
fn futex(word: &AtomicUsize, what: i32, value: u32) -> Result<c_long, i32> {
    const { assert!(cfg!(target_endian = "little")) };
    #[cfg(test)]
    if scripted::lets_nobody_sleep() {
        return Err(libc::ENOSYS);
    }
    let half: *const u32 = ptr::from_ref(word).cast();
    let what = what | libc::FUTEX_PRIVATE_FLAG;
    let ever = ptr::null::<libc::timespec>();
    let before = errno();
    // SAFETY: the word lives across the call, which reads it, and no time is given.
    let answer = unsafe { libc::syscall(libc::SYS_futex, half, what, value, ever) };
    if answer >= 0 {
        return Ok(answer);
    }
    let why = errno();
    set_errno(before);
    Err(why)
}
