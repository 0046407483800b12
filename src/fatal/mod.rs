//! The end of a process whose heap can no longer be trusted: one line, then SIGABRT.
//!
//! The line is built on the stack and leaves by `write(2)`, because at this point neither the
//! heap nor stdio may be relied on.
//!
//! The address that the line is about is left out unless the user asks for it: a server that forks
//! and answers with its children's last words would tell an attacker where the heap lies. Words
//! keep it for debuggers.

mod kept;

mod line;

use core::mem::transmute;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicPtr,
    Ordering::{Acquire, Relaxed, Release},
};
use libc::{c_int, c_long};
pub(crate) use line::LineBuffer;

/// Bytes of the longest fatal line: a message of at most 96, `: 0x`, 16 digits, the newline,
/// rounded up.
const LINE: usize = 128;

/// Writes all of `text` to a descriptor, or as much as the descriptor takes.
///
/// A handler's signal interrupts nothing, a short write is continued, an error ends it: there is
/// nobody to tell.
#[inline(never)]
pub(crate) fn write_all(descriptor: c_int, text: &[u8]) {
    let mut rest = text;
    while !rest.is_empty() {
        // The bare call: libc's is a point where a thread may be cancelled.
        let to = c_long::from(descriptor);
        // SAFETY: `rest` is initialised memory of that length, and the call only reads it.
        let written = unsafe { libc::syscall(libc::SYS_write, to, rest.as_ptr(), rest.len()) };
        match usize::try_from(written) {
            // A descriptor that accepts nothing, without an error, would never be done.
            Ok(0) => return,
            Ok(count) => rest = rest.get(count..).unwrap_or(&[]),
            Err(_) if is_interrupted() => {}
            Err(_) => return,
        }
    }
}

fn is_interrupted() -> bool {
    // SAFETY: libc's address of this thread's errno is valid for the thread's life.
    unsafe { *libc::__errno_location() == libc::EINTR }
}

/// Said behind a message about memory that is not Cairn's.
const FOREIGN: &str = "cairn: no heap, run or mapped chunk of this allocator holds that address; \
                       if the program did get it from a malloc, it was another allocator's\n";

/// Whether the line shows it.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Whether fatal lines are to show the address.
pub(crate) fn show_address(on: bool) {
    SHOWN.store(on, Relaxed);
}

/// Writes the message and a newline to stderr, and raises SIGABRT. The line is `<message>` or, where
/// that was asked for, `<message>: 0x<address>`.
///
/// Allocates nothing and takes no lock of Cairn's, so it may be called anywhere, also while the
/// arena is locked.
#[cold]
#[inline(never)]
pub(crate) fn die(message: &'static str, address: usize) -> ! {
    say(message, address);
    add(address);
    // SAFETY: abort takes nothing and leaves nothing.
    unsafe { libc::abort() }
}

/// As [`die`], for an address that no part of Cairn knows: a second line names the usual reason.
#[cold]
#[inline(never)]
pub(crate) fn die_foreign(message: &'static str, address: usize) -> ! {
    say(message, address);
    write_all(libc::STDERR_FILENO, FOREIGN.as_bytes());
    add(address);
    // SAFETY: as in `die`.
    unsafe { libc::abort() }
}

/// Ends a debug build whose audit failed: the message names the invariant.
#[cfg(debug_assertions)]
pub(crate) fn die_of(invariant: u8, address: usize) -> ! {
    let mut line = LineBuffer::<LINE>::new();
    line.push_str("cairn: broken invariant I");
    line.push_dec(usize::from(invariant));
    line.push_str("\n");
    write_all(libc::STDERR_FILENO, line.as_bytes());
    die("cairn: check_heap found a broken invariant", address)
}

/// Set once the last words are written: what follows may find locks held for good.
static DYING: AtomicBool = AtomicBool::new(false);

/// Ends a process that is already dying, when the program's own handler of SIGABRT allocates and
/// finds the lock under which the corruption showed: without a second message.
pub(crate) fn end_if_dying() {
    if DYING.load(Relaxed) {
        // SAFETY: neither takes memory of ours; abort does not return.
        unsafe {
            libc::signal(libc::SIGABRT, libc::SIG_DFL);
            libc::abort()
        }
    }
}

/// What says more of an address, behind the last words. It allocates nothing and takes no lock.
pub(crate) type Postscript = fn(usize);
/// See [`set_postscript`]; null for none.
static POSTSCRIPT: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sets what is written behind the last words: who knows more of the address is no part that this one
/// may know.
pub(crate) fn set_postscript(what: Postscript) {
    POSTSCRIPT.store(what as *mut (), Release);
}

fn add(address: usize) {
    let what = POSTSCRIPT.load(Acquire);
    if !what.is_null() {
        // SAFETY: nothing else is ever stored there.
        unsafe { transmute::<*mut (), Postscript>(what)(address) };
    }
}

fn say(message: &'static str, address: usize) {
    kept::keep(message, address);
    // Tests in this process ask for the address.
    #[cfg(test)]
    hook::call(line(message, Some(address)).as_bytes());
    let shown = SHOWN.load(Relaxed).then_some(address);
    write_all(libc::STDERR_FILENO, line(message, shown).as_bytes());
    DYING.store(true, Relaxed);
}

fn line(message: &str, address: Option<usize>) -> LineBuffer<LINE> {
    let mut line = LineBuffer::new();
    line.push_str(message);
    if let Some(address) = address {
        line.push_str(": 0x");
        line.push_hex(address);
    }
    line.push_str("\n");
    line
}

/// Lets a test of this crate see the line instead of dying of it.
#[cfg(test)]
#[allow(
    clippy::panic,
    reason = "a test's way out of a function that never returns"
)]
pub(crate) mod hook {
    use std::cell::Cell;
    use std::panic;
    use std::string::String;

    std::thread_local! {
        static ARMED: Cell<bool> = const { Cell::new(false) };
    }

    /// What the hook throws: the fatal line, without its newline.
    struct Died(String);

    /// Leaves `die` with the line if this thread is in [`fatal_line`].
    pub(super) fn call(line: &[u8]) {
        if ARMED.get() {
            let line = String::from_utf8_lossy(line);
            panic::resume_unwind(std::boxed::Box::new(Died(line.trim_end().into())));
        }
    }

    /// The line with which `body` ends the process; `None` if it does not.
    ///
    /// Locks that `body` holds when it dies stay held unless their guards unwind.
    pub(crate) fn fatal_line(body: impl FnOnce()) -> Option<String> {
        ARMED.set(true);
        let end = panic::catch_unwind(panic::AssertUnwindSafe(body));
        ARMED.set(false);
        match end {
            Ok(()) => None,
            Err(cause) => match cause.downcast::<Died>() {
                Ok(died) => Some(died.0),
                Err(other) => panic::resume_unwind(other),
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    fn text<const N: usize>(line: &LineBuffer<N>) -> String {
        String::from_utf8(line.as_bytes().into()).unwrap()
    }

    #[test]
    fn numbers_read_as_printf_writes_them() {
        for number in [
            0,
            1,
            9,
            10,
            15,
            16,
            4095,
            1 << 32,
            usize::MAX - 1,
            usize::MAX,
        ] {
            let mut line = LineBuffer::<80>::new();
            line.push_dec(number);
            line.push_str("|");
            line.push_hex(number);
            line.push_str("|");
            line.push_dec_padded(number, 10);
            assert_eq!(text(&line), std::format!("{number}|{number:x}|{number:10}"));
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_stays_in_bounds() {
        let mut line = LineBuffer::<8>::new();
        line.push_str("abcdef");
        line.push_dec(12345);
        line.push_str("never");
        assert_eq!(text(&line), "abcdef12");

        let mut none = LineBuffer::<0>::new();
        none.push_hex(usize::MAX);
        assert!(none.as_bytes().is_empty());
    }

    #[test]
    fn the_longest_message_and_address_keep_their_newline() {
        let message: &'static str = std::string::String::leak("x".repeat(96));
        let line = hook::fatal_line(|| die(message, usize::MAX)).unwrap();
        assert!(line.ends_with("x: 0xffffffffffffffff"), "{line}");
        assert!(message.len() + ": 0xffffffffffffffff\n".len() <= LINE);
    }

    #[test]
    fn death_names_the_message_and_the_address() {
        let line = hook::fatal_line(|| die("free(): invalid pointer", 0xdead_beef));
        assert_eq!(line.as_deref(), Some("free(): invalid pointer: 0xdeadbeef"));
        assert_eq!(hook::fatal_line(|| ()), None);
    }

    #[test]
    fn death_is_one_line_on_stderr_and_sigabrt() {
        assert_eq!(last_words(false), b"munmap_chunk(): invalid pointer\n");
        assert_eq!(last_words(true), b"munmap_chunk(): invalid pointer: 0x10\n");
    }

    /// What a child writes that dies.
    fn last_words(address: bool) -> Vec<u8> {
        let mut ends = [0; 2];
        // SAFETY: the array has room for the two descriptors.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        // SAFETY: the child calls only async-signal-safe functions before it dies.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let no_core = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            // SAFETY: the structure outlives the call; the descriptor is the pipe's.
            unsafe {
                libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
                libc::dup2(ends[1], libc::STDERR_FILENO);
            }
            show_address(address);
            die("munmap_chunk(): invalid pointer", 0x10);
        }
        // SAFETY: the descriptor is open and this end is not used here.
        unsafe { libc::close(ends[1]) };
        let mut heard = Vec::new();
        let mut byte = 0_u8;
        // SAFETY: one byte is read into one byte.
        while unsafe { libc::read(ends[0], (&raw mut byte).cast(), 1) } == 1 {
            heard.push(byte);
        }
        let mut status = 0;
        // SAFETY: the child is ours and was not waited for; the descriptor is open.
        unsafe {
            libc::waitpid(child, &raw mut status, 0);
            libc::close(ends[0]);
        }
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGABRT);
        heard
    }

    #[test]
    fn writing_to_a_closed_descriptor_ends() {
        write_all(-1, b"lost");
    }
}
