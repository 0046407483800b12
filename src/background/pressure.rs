//! The system is short of memory: systemd's protocol (`MEMORY_PRESSURE.md` of its documents), by
//! the background thread.
//!
//! `$MEMORY_PRESSURE_WATCH` names what is watched: a file of the kernel's pressure figures, which
//! is polled for what is urgent, or a pipe with a name, or a socket, either of which is read.
//! `$MEMORY_PRESSURE_WRITE` is what is written there first, in base64.

use crate::os::handles::{self, Behind, Handle};
use crate::settings::BELL;
use crate::side;
use core::ffi::{CStr, c_char};
use core::ptr;
use core::slice;
use core::sync::atomic::{AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

/// Bytes of the longest value that is looked at: a path's.
const LONGEST: usize = 4096;

/// A value of the environment in side memory: its address and length; 0 for none.
struct Kept {
    at: AtomicUsize,
    len: AtomicUsize,
}

/// The path, with its NUL.
static WATCH: Kept = Kept::new();
/// What is to be written.
static WRITE: Kept = Kept::new();
/// What is watched.
static WATCHED: Handle = Handle::new();
/// Where the bell is heard meanwhile.
static HEARS: Handle = Handle::new();

impl Kept {
    const fn new() -> Self {
        Self {
            at: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
        }
    }

    /// Takes a copy that `fill` makes of what has so many bytes at most; it says how many.
    fn keep(&self, most: usize, fill: impl FnOnce(&mut [u8]) -> Option<usize>) {
        if self.at.load(Relaxed) != 0 || most == 0 || most > LONGEST {
            return;
        }
        let Some(at) = side::take(most) else {
            return;
        };
        // SAFETY: side memory just taken, which holds bytes of some value.
        let room = unsafe { slice::from_raw_parts_mut(ptr::with_exposed_provenance_mut(at), most) };
        room.fill(0);
        if let Some(len) = fill(room) {
            self.len.store(len, Relaxed);
            self.at.store(at, Release);
        }
    }

    fn get(&self) -> Option<&'static [u8]> {
        let at = self.at.load(Acquire);
        // SAFETY: side memory that was filled before, and is not changed any more (I11).
        (at != 0).then(|| unsafe {
            slice::from_raw_parts(ptr::with_exposed_provenance(at), self.len.load(Relaxed))
        })
    }
}

/// Copies the two variables: their program may change its environment later.
///
/// # Safety
/// As of `Knobs::from_environment`.
pub(crate) unsafe fn remember(mut entry: *const *const c_char) {
    if entry.is_null() {
        return;
    }
    loop {
        // SAFETY: the caller's: the null at the end was not passed.
        let variable = unsafe { *entry };
        if variable.is_null() {
            return;
        }
        // SAFETY: a C string.
        let text = unsafe { CStr::from_ptr(variable) }.to_bytes();
        if let Some(path) = text.strip_prefix(b"MEMORY_PRESSURE_WATCH=") {
            WATCH.keep(path.len() + 1, |room| {
                room.get_mut(..path.len())?.copy_from_slice(path);
                Some(path.len() + 1)
            });
        } else if let Some(code) = text.strip_prefix(b"MEMORY_PRESSURE_WRITE=") {
            WRITE.keep(code.len(), |room| decode(code, room));
        }
        // SAFETY: this was not the last.
        entry = unsafe { entry.add(1) };
    }
}

/// The value of a digit of base64.
const fn digit(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    } as u32)
}

/// Decodes base64 (RFC 4648, with or without what fills it up, blanks between); how many bytes.
fn decode(code: &[u8], to: &mut [u8]) -> Option<usize> {
    let (mut bits, mut have, mut len) = (0_u32, 0, 0);
    let mut digits = code.iter().filter(|byte| !byte.is_ascii_whitespace());
    for byte in digits.by_ref() {
        if *byte == b'=' {
            break;
        }
        bits = (bits << 6) | digit(*byte)?;
        have += 6;
        if have >= 8 {
            have -= 8;
            *to.get_mut(len)? = (bits >> have) as u8;
            len += 1;
        }
    }
    // Behind the first filler there is at most another one, and what is left over is zero.
    let whole = have < 6 && bits & ((1 << have) - 1) == 0;
    (whole && digits.all(|byte| *byte == b'=')).then_some(len)
}

/// What the thread watches.
pub(super) struct Watch {
    urgent: bool,
}

impl Watch {
    /// Opens what is to be watched, if anything is.
    pub(super) fn open() -> Option<Self> {
        let path = CStr::from_bytes_with_nul(WATCH.get()?).ok()?;
        if path == c"/dev/null" {
            return None; // off, by the protocol
        }
        let behind = WATCHED.open(path)?;
        let ready = WRITE.get().is_none_or(|bytes| WATCHED.write(bytes));
        if !ready || !handles::pipe(&HEARS, &BELL.rope) {
            close();
            return None;
        }
        Some(Self {
            urgent: behind == Behind::File,
        })
    }

    /// Waits for the bell, or so many milliseconds. Whether the system is short of memory; nothing
    /// where there is nothing to watch any more.
    pub(super) fn wait(&self, time: Option<usize>) -> Option<bool> {
        let heard = handles::hear(&WATCHED, self.urgent, &HEARS, time);
        if heard.broken {
            close();
            return None;
        }
        Some(heard.first)
    }
}

/// Gives up all descriptors.
pub(super) fn close() {
    if WATCHED.is_there() || HEARS.is_there() {
        WATCHED.close();
        BELL.rope.close();
        HEARS.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_or_refused() {
        let cases: [(&[u8], Option<&[u8]>); 11] = [
            (b"", Some(b"")),
            (b"Zg==", Some(b"f")),
            (b"Zm8=", Some(b"fo")),
            (b"Zm9v", Some(b"foo")),
            (b"Zm9vYg", Some(b"foob")),
            (
                b"c29tZSAyMDAwMDAgMjAwMDAwMAA=",
                Some(b"some 200000 2000000\0"),
            ),
            (b"Zm9v\nYmFy", Some(b"foobar")),
            (b"Zg=a", None),
            (b"Z", None),
            (b"Zh==", None),
            (b"Zm9*", None),
        ];
        for (code, means) in cases {
            let mut room = [0; 64];
            let got = decode(code, &mut room).map(|len| &room[..len]);
            assert_eq!(got, means, "{}", code.escape_ascii());
        }
    }
}
