//! Descriptors that Cairn holds for longer than a call, which is the background thread alone.
//!
//! A program may close what it did not open, and be given the number again for something of its
//! own. So each is known by what it leads to as well, and is asked for that before it is used.

use super::{errno, set_errno};
use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use libc::{c_long, stat};

/// A descriptor, or none.
pub(crate) struct Handle {
    /// The number and 1; 0 for none.
    number: AtomicUsize,
    /// What it leads to.
    device: AtomicUsize,
    inode: AtomicUsize,
}

/// What lies behind a path that may be watched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// A file.
    File,
    /// A pipe with a name.
    Pipe,
    /// A socket of this machine.
    Socket,
}

/// What a wait for two descriptors found.
#[derive(Clone, Copy, Default)]
pub(crate) struct Heard {
    /// Something came by the first one.
    pub first: bool,
    /// The first one is of no more use.
    pub broken: bool,
}

fn look(number: c_int) -> Option<stat> {
    let mut answer = MaybeUninit::<stat>::zeroed();
    // SAFETY: a place for the answer, all of which may be zeros.
    unsafe {
        let done = libc::syscall(libc::SYS_fstat, c_long::from(number), answer.as_mut_ptr()) == 0;
        done.then(|| answer.assume_init())
    }
}

fn close(number: c_int) {
    // SAFETY: the caller's own descriptor.
    unsafe { libc::syscall(libc::SYS_close, c_long::from(number)) };
}

impl Handle {
    /// None.
    pub(crate) const fn new() -> Self {
        Self {
            number: AtomicUsize::new(0),
            device: AtomicUsize::new(0),
            inode: AtomicUsize::new(0),
        }
    }

    fn keep(&self, number: c_int) {
        if let Some(what) = look(number) {
            self.device.store(what.st_dev as usize, Relaxed);
            self.inode.store(what.st_ino as usize, Relaxed);
            self.number.store(number as usize + 1, Relaxed);
        }
    }

    /// The number, if it still leads where it did. Two system calls of another thread's between
    /// this and its use, and it may not.
    fn number(&self) -> Option<c_int> {
        let number = self.number.load(Relaxed).checked_sub(1)? as c_int;
        let what = look(number)?;
        let same = what.st_dev as usize == self.device.load(Relaxed)
            && what.st_ino as usize == self.inode.load(Relaxed);
        same.then_some(number)
    }

    /// Whether there is one.
    pub(crate) fn is_there(&self) -> bool {
        self.number.load(Relaxed) != 0
    }

    /// Gives it up.
    pub(crate) fn close(&self) {
        let errno = errno();
        if let Some(number) = self.number() {
            close(number);
        }
        self.number.store(0, Relaxed);
        set_errno(errno);
    }

    /// Writes a byte, or whatever it is given; whether all of it was. Keeps `errno`.
    pub(crate) fn write(&self, bytes: &[u8]) -> bool {
        let errno = errno();
        let done = self.number().is_some_and(|number| {
            let (at, len) = (bytes.as_ptr(), bytes.len());
            // SAFETY: bytes to read.
            let done = unsafe { libc::syscall(libc::SYS_write, c_long::from(number), at, len) };
            done == len as c_long
        });
        set_errno(errno);
        done
    }

    /// Reads all that is there; false at its end.
    fn drain(&self) -> bool {
        let mut text = [0_u8; 256];
        let Some(number) = self.number() else {
            return false;
        };
        loop {
            let (to, len) = (text.as_mut_ptr(), text.len());
            // SAFETY: room for so many bytes.
            let got = unsafe { libc::syscall(libc::SYS_read, c_long::from(number), to, len) };
            match got {
                0 => return false,
                got if got < 0 => return errno() == libc::EAGAIN || errno() == libc::EINTR,
                got if (got as usize) < len => return true,
                _ => {}
            }
        }
    }

    /// Opens what is watched at a path; what it is.
    pub(crate) fn open(&self, path: &CStr) -> Option<Behind> {
        let mut answer = MaybeUninit::<stat>::zeroed();
        let here = c_long::from(libc::AT_FDCWD);
        // SAFETY: a path, and a place for the answer.
        let what = unsafe {
            let (path, to) = (path.as_ptr(), answer.as_mut_ptr());
            let no_flags = 0 as c_long;
            if libc::syscall(libc::SYS_newfstatat, here, path, to, no_flags) != 0 {
                return None;
            }
            answer.assume_init()
        };
        let behind = match what.st_mode & libc::S_IFMT {
            libc::S_IFREG => Behind::File,
            libc::S_IFIFO => Behind::Pipe,
            libc::S_IFSOCK => Behind::Socket,
            _ => return None,
        };
        let number = if behind == Behind::Socket {
            connect(path)?
        } else {
            // To write, too: a pipe then has no end when who writes leaves.
            let how = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
            // SAFETY: a path.
            let number =
                unsafe { libc::syscall(libc::SYS_openat, here, path.as_ptr(), c_long::from(how)) };
            c_int::try_from(number).ok().filter(|number| *number >= 0)?
        };
        self.keep(number);
        Some(behind)
    }
}

fn connect(path: &CStr) -> Option<c_int> {
    let mut address = MaybeUninit::<libc::sockaddr_un>::zeroed();
    let bytes = path.to_bytes_with_nul();
    // SAFETY: zeros are an address; the path fits, or nothing is copied.
    unsafe {
        let at = address.as_mut_ptr();
        (*at).sun_family = libc::AF_UNIX as libc::sa_family_t;
        let room = &raw mut (*at).sun_path;
        if bytes.len() > (*room).len() {
            return None;
        }
        room.cast::<u8>().copy_from(bytes.as_ptr(), bytes.len());
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let (family, kind) = (c_long::from(libc::AF_UNIX), c_long::from(kind));
        let number = libc::syscall(libc::SYS_socket, family, kind, 0 as c_long);
        if number < 0 {
            return None;
        }
        let len = size_of::<libc::sockaddr_un>();
        if libc::syscall(libc::SYS_connect, number, at, len) != 0 {
            close(number as c_int);
            return None;
        }
        Some(number as c_int)
    }
}

/// A pipe: who hears it, and who rings.
pub(crate) fn pipe(hears: &Handle, rings: &Handle) -> bool {
    let mut both = [0 as c_int; 2];
    let how = c_long::from(libc::O_CLOEXEC | libc::O_NONBLOCK);
    // SAFETY: room for two numbers.
    if unsafe { libc::syscall(libc::SYS_pipe2, both.as_mut_ptr(), how) } != 0 {
        return false;
    }
    let [from, to] = both;
    hears.keep(from);
    rings.keep(to);
    true
}

/// Waits until something comes by one of the two, or so many milliseconds; what came is taken.
pub(crate) fn hear(first: &Handle, urgent: bool, second: &Handle, time: Option<usize>) -> Heard {
    let events = if urgent { libc::POLLPRI } else { libc::POLLIN };
    let entry = |handle: &Handle, events| libc::pollfd {
        fd: handle.number().unwrap_or(-1),
        events,
        revents: 0,
    };
    let mut both = [entry(first, events), entry(second, libc::POLLIN)];
    let limit = libc::timespec {
        tv_sec: (time.unwrap_or(0) / 1000) as libc::time_t,
        tv_nsec: (time.unwrap_or(0) % 1000) as c_long * 1_000_000,
    };
    let limit = if time.is_some() {
        &raw const limit
    } else {
        ptr::null()
    };
    // SAFETY: two entries, and a time or none.
    let got = unsafe {
        let no_mask = ptr::null::<u64>();
        libc::syscall(
            libc::SYS_ppoll,
            both.as_mut_ptr(),
            2_usize,
            limit,
            no_mask,
            8_usize,
        )
    };
    if got < 0 {
        return Heard {
            first: false,
            broken: errno() != libc::EINTR,
        };
    }
    let [one, two] = both;
    if two.revents != 0 {
        second.drain();
    }
    let came = one.revents & events != 0;
    let ended = one.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0;
    Heard {
        first: came,
        // Of a file that is urgent nothing is read.
        broken: ended && !(urgent && came) || one.fd < 0 || (came && !urgent && !first.drain()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test reports by panicking")]

    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsRawFd, IntoRawFd};

    /// The kernel's figures of pressure say `POLLPRI`, and can be read at any time: what is there to be
    /// read is no news. Bytes out of band stand in for them.
    #[test]
    fn of_what_is_urgent_nothing_else_is_heard() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let mut tells = TcpStream::connect(address).expect("a connection");
        let (told, _) = listener.accept().expect("its other end");
        told.set_nonblocking(true).expect("no waits");
        let (watched, hears, rings) = (Handle::new(), Handle::new(), Handle::new());
        watched.keep(told.into_raw_fd());
        assert!(pipe(&hears, &rings));

        tells.write_all(b"read me").expect("a write");
        let plain = hear(&watched, false, &hears, Some(5000));
        assert!(plain.first && !plain.broken, "a pipe or a socket");
        tells.write_all(b"read me").expect("a write");
        let quiet = hear(&watched, true, &hears, Some(50));
        assert!(!quiet.first && !quiet.broken, "a file");
        // SAFETY: a byte to read.
        let sent = unsafe { libc::send(tells.as_raw_fd(), c"!".as_ptr().cast(), 1, libc::MSG_OOB) };
        assert_eq!(sent, 1);
        let urgent = hear(&watched, true, &hears, Some(5000));
        assert!(urgent.first && !urgent.broken, "a file that has news");

        assert!(rings.write(b"!"), "and the bell is heard beside");
        for handle in [&watched, &hears, &rings] {
            handle.close();
        }
    }
}
