//! The file: its name, its records, and the buffers that both need.

use crate::layout::report::{BYTES, FILE, HEAD, LAYOUT, MAGIC, PAYLOAD};
use crate::os::files::{self, File};
use core::ffi::CStr;
use core::ptr;

/// Bytes of a path, its NUL included.
const PATH: usize = 512;
/// What a report is called unless the user says otherwise.
const NAME: &[u8] = b"cairn-report.%p.%n";
/// Names that are tried, of reports that lie there already.
const TRIES: usize = 64;
/// Bytes of the last record, and somewhat more.
const END_ROOM: usize = 64;
/// A limit of files below which there is no report.
const LEAST: usize = 4096;
/// Bytes that are written at once.
const BUFFER: usize = HEAD + PAYLOAD;

/// Memory for all that a report needs, taken at the start.
#[repr(C)]
pub(super) struct Rooms {
    /// What the user said of its path.
    pattern: [u8; PATH],
    pattern_len: usize,
    /// Reports so far.
    written: usize,
    path: [u8; PATH],
    /// What goes to the file next.
    buffer: [u8; BUFFER],
    /// What is read next, and what is made of it.
    pub scratch: [u8; 8192],
    /// See `scratch`.
    pub payload: [u8; 8192],
    /// A page of a heap.
    pub page: [u8; 4096],
}

impl Rooms {
    /// # Safety
    /// `at` is memory for it; the bytes that the pair names are there.
    pub(super) unsafe fn begin(at: *mut Self, (file, len): (usize, usize)) {
        let (from, len) = match len {
            // SAFETY: a static of so many bytes.
            0 => (NAME.as_ptr(), NAME.len()),
            _ => (ptr::with_exposed_provenance(file), len.min(PATH)),
        };
        // SAFETY: the caller's. Zeros are numbers.
        unsafe {
            at.write_bytes(0, 1);
            (&raw mut (*at).pattern)
                .cast::<u8>()
                .copy_from_nonoverlapping(from, len);
            (*at).pattern_len = len;
        }
    }

    /// The path of a report of this number; `None` where it is too long.
    fn name(&mut self, number: usize) -> Option<&CStr> {
        let mut len = 0;
        let mut put = |bytes: &[u8]| {
            self.path
                .get_mut(len..len + bytes.len())?
                .copy_from_slice(bytes);
            len += bytes.len();
            Some(())
        };
        let mut digits = [0; 20];
        let pattern = self.pattern.get(..self.pattern_len)?;
        let mut rest = pattern;
        let mut is_numbered = false;
        while let [byte, behind @ ..] = rest {
            rest = behind;
            match (byte, behind) {
                (b'%', [b'p', behind @ ..]) => {
                    put(decimal(files::process(), &mut digits))?;
                    rest = behind;
                }
                (b'%', [b'n', behind @ ..]) => {
                    put(decimal(number, &mut digits))?;
                    is_numbered = true;
                    rest = behind;
                }
                _ => put(&[*byte])?,
            }
        }
        if !is_numbered && number != 1 {
            put(b".")?;
            put(decimal(number, &mut digits))?;
        }
        put(b"\0")?;
        CStr::from_bytes_until_nul(self.path.get(..len)?).ok()
    }

    /// Makes the file of the next report: one that nobody has yet.
    fn make(&mut self) -> Option<File> {
        for _ in 0..TRIES {
            let number = self.written + 1;
            let made = File::make(self.name(number)?);
            match made {
                Ok(file) => {
                    self.written = number;
                    return Some(file);
                }
                Err(libc::EEXIST) => self.written = number,
                Err(_) => return None,
            }
        }
        None
    }
}

/// A number in digits.
fn decimal(mut n: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut first = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        first -= 1;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    digits.get(first..).unwrap_or(&[])
}

/// A file that is being written.
pub(super) struct Out<'a> {
    file: File,
    buffer: &'a mut [u8; BUFFER],
    len: usize,
    /// Bytes of it, written or not yet.
    bytes: usize,
    /// The most that it may have, but for the last record.
    most: usize,
    /// Something was left out.
    cut: bool,
}

/// The other buffers.
pub(super) struct Scratch<'a> {
    /// See [`Rooms`].
    pub scratch: &'a mut [u8; 8192],
    /// See [`Rooms`].
    pub payload: &'a mut [u8; 8192],
    /// See [`Rooms`].
    pub page: &'a mut [u8; 4096],
}

impl<'a> Out<'a> {
    /// Begins a file.
    pub(super) fn begin(rooms: &'a mut Rooms) -> Option<(Self, Scratch<'a>)> {
        // A byte beyond the process's limit would end it by SIGXFSZ.
        let longest = files::longest();
        if longest < LEAST {
            return None;
        }
        let file = rooms.make()?;
        let mut out = Self {
            file,
            buffer: &mut rooms.buffer,
            len: 0,
            bytes: 0,
            most: FILE.min(longest - END_ROOM),
            cut: false,
        };
        out.put(&MAGIC.to_le_bytes());
        out.put(&LAYOUT.to_le_bytes());
        let scratch = Scratch {
            scratch: &mut rooms.scratch,
            payload: &mut rooms.payload,
            page: &mut rooms.page,
        };
        Some((out, scratch))
    }

    fn put(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len();
        while !bytes.is_empty() {
            let room = self.buffer.get_mut(self.len..).unwrap_or(&mut []);
            let n = room.len().min(bytes.len());
            for (to, from) in room.iter_mut().zip(bytes) {
                *to = *from;
            }
            self.len += n;
            bytes = bytes.get(n..).unwrap_or(&[]);
            if self.len == BUFFER {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        if !self.file.write(self.buffer.get(..self.len).unwrap_or(&[])) {
            // A full disk: what is there is read as far as it goes.
            self.cut = true;
            self.bytes = self.most;
        }
        self.len = 0;
    }

    /// Writes a record, unless the file would become too long.
    pub(super) fn record(&mut self, kind: u64, at: usize, payload: &[u8]) {
        let len = HEAD + payload.len().next_multiple_of(8);
        if self.bytes.saturating_add(len) > self.most {
            self.cut = true;
            self.bytes = self.most;
            return;
        }
        self.put(&kind.to_le_bytes());
        self.put(&(at as u64).to_le_bytes());
        self.put(&(payload.len() as u64).to_le_bytes());
        self.put(payload);
        let over = payload.len() % 8;
        if over != 0 {
            self.put([0; 8].get(over..).unwrap_or(&[]));
        }
    }

    /// Something is left out.
    pub(super) const fn leave_out(&mut self) {
        self.cut = true;
    }

    /// Writes what lies at an address, at most 8192 bytes.
    pub(super) fn bytes(&mut self, memory: &File, at: usize, len: usize, room: &mut [u8; 8192]) {
        let room = room.get_mut(..len).unwrap_or(&mut []);
        let got = memory.read_at(room, at);
        self.record(BYTES, at, room.get(..got).unwrap_or(&[]));
    }

    /// Ends the file.
    pub(super) fn end(mut self) {
        let cut = u64::from(self.cut);
        // Room for this one there is.
        self.bytes = 0;
        self.record(crate::layout::report::END, 0, &cut.to_le_bytes());
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

    use super::*;
    use std::boxed::Box;
    use std::format;
    use std::string::{String, ToString as _};

    fn name(pattern: &str, number: usize) -> Option<String> {
        let mut rooms = Box::<Rooms>::new_uninit();
        let (at, len) = (pattern.as_ptr().expose_provenance(), pattern.len());
        // SAFETY: memory for it, and the pattern's bytes.
        let mut rooms = unsafe {
            Rooms::begin(rooms.as_mut_ptr(), (at, len));
            rooms.assume_init()
        };
        rooms
            .name(number)
            .map(|name| name.to_str().unwrap().to_string())
    }

    #[test]
    fn a_report_s_name_has_the_process_and_its_number() {
        let pid = std::process::id();
        assert_eq!(name("", 3), Some(format!("cairn-report.{pid}.3")));
        assert_eq!(name("/a/%p-%n%", 12), Some(format!("/a/{pid}-12%")));
        assert_eq!(name("/a/b", 1).as_deref(), Some("/a/b"));
        assert_eq!(name("/a/b", 2).as_deref(), Some("/a/b.2"));
        assert_eq!(name(&"%p".repeat(250), 1), None, "too long");
        assert_eq!(name(&"x".repeat(2000), 1), None, "too long");
    }
}
