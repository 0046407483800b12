//! What a program does beside its calls: time passes, it forks with handlers of its own, it moves
//! the break, and it asks wrongly in ways that C defines.

use crate::scene::{Scene, tell};
use crate::system::{inside, system};
use cairn::c;
use core::ffi::{c_char, c_int};
use std::{ptr, slice};

/// What the program's own bytes at the break hold.
const OWN: u8 = 0x77;
/// What `errno` holds before a call that has to keep it, or to say why it failed.
pub const BEFORE: c_int = 0x5eed;

/// `errno`.
pub fn errno() -> c_int {
    // SAFETY: libc returns this thread's own slot.
    unsafe { *libc::__errno_location() }
}

/// Sets it.
pub fn set_errno(to: c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = to };
}

/// The text of `malloc_info`, and what it returned.
fn info(options: c_int) -> (c_int, Vec<u8>) {
    let mut text: *mut c_char = ptr::null_mut();
    let mut len = 0;
    // SAFETY: the stream ends here; the C library's own heap holds its text, not Cairn's.
    unsafe {
        let stream = libc::open_memstream(&raw mut text, &raw mut len);
        assert!(!stream.is_null());
        let out = inside(|| c::malloc_info(options, stream));
        assert_eq!(libc::fclose(stream), 0);
        let bytes = slice::from_raw_parts(text.cast::<u8>(), len).to_vec();
        libc::free(text.cast());
        (out, bytes)
    }
}

/// `malloc_info` writes one whole element, or nothing when it is asked for what it does not know.
pub fn look_at_info() {
    let (out, text) = info(0);
    assert_eq!(out, 0);
    let text = String::from_utf8(text).unwrap_or_default();
    let whole = text.starts_with("<malloc version=\"1\">\n") && text.ends_with("</malloc>\n");
    let pairs = text.matches("<heap ").count() == text.matches("</heap>").count();
    assert!(whole && pairs, "malloc_info wrote {text}");
    assert_eq!(info(1), (libc::EINVAL, Vec::new()));
}

/// Alignments and products that C says are errors.
pub fn ask_wrongly(n: usize, align: usize) {
    let odd = align | (align >> 1) | 1;
    // SAFETY: no preconditions but the writable pointer; the null of `reallocarray` is one.
    unsafe {
        set_errno(BEFORE);
        assert!(inside(|| c::aligned_alloc(odd, n)).is_null());
        assert_eq!(errno(), libc::EINVAL);
        set_errno(BEFORE);
        let mut kept = ptr::dangling_mut();
        let out = inside(|| c::posix_memalign(&raw mut kept, odd, n));
        assert_eq!(
            (out, kept, errno()),
            (libc::EINVAL, ptr::dangling_mut(), BEFORE)
        );
        assert!(inside(|| c::memalign(usize::MAX - n % 4096, n)).is_null());
        assert_eq!(errno(), libc::EINVAL);
        set_errno(BEFORE);
        assert!(inside(|| c::calloc(usize::MAX / 2, 3)).is_null());
        assert_eq!(errno(), libc::ENOMEM);
        set_errno(BEFORE);
        assert!(inside(|| c::reallocarray(ptr::null_mut(), usize::MAX / 2, 3)).is_null());
        assert_eq!(errno(), libc::ENOMEM);
    }
}

impl Scene {
    /// Milliseconds, minutes.
    pub fn wait(&mut self) {
        let by = self.source.of(&[1, 8, 60, 700, 20_000]);
        tell!("{by} ms pass");
        system().clock += by;
    }

    /// A fork with handlers that allocate, which ran after Cairn's in the parent's preparation
    /// and run before Cairn's afterwards; and perhaps a fork of a signal handler within it.
    pub fn fork(&mut self, depth: usize) {
        let [Some(prepare), Some(parent), Some(child)] = system().fork else {
            return;
        };
        // SAFETY: the handlers, in the order in which `fork` calls them.
        inside(|| unsafe { prepare() });
        for _ in 0..self.source.below(6).saturating_sub(2) {
            match self.source.below(3) {
                0 => self.allocate(),
                1 => self.release(),
                _ => self.resize(),
            }
        }
        if depth == 0 && self.source.below(4) == 0 {
            self.fork(depth + 1);
        }
        let in_child = self.source.below(2) == 0;
        tell!("fork {depth}, child {in_child}");
        if in_child {
            system().streams = 0; // as libc does before it calls a handler
        }
        // SAFETY: as above.
        inside(|| unsafe { if in_child { child() } else { parent() } });
        if in_child {
            self.threads.only_this();
        }
        let held = system().streams;
        assert!(held <= depth, "{held} forks still hold the streams");
    }

    /// The program takes a piece of the break, or gives the last one back.
    pub fn move_the_break(&mut self) {
        let give = self.source.below(3) == 0;
        let len = 1 + self.source.below(9000);
        let s = system();
        if give {
            if let Some((from, to)) = s.foreign.last().copied().filter(|f| f.1 == s.brk.0) {
                tell!("the program gives {from:#x} to {to:#x} back");
                s.foreign.pop();
                s.move_brk(-((to - from) as isize));
            }
            return;
        }
        if s.foreign.len() == s.foreign.capacity() {
            return;
        }
        let Some(from) = s.move_brk(len as isize) else {
            return;
        };
        tell!("the program takes {from:#x}, {len} bytes, from the break");
        s.foreign.push((from, from + len));
        // SAFETY: bytes that the program just got.
        unsafe { ptr::with_exposed_provenance_mut::<u8>(from).write_bytes(OWN, len) };
    }

    /// The program's own bytes at the break are as it left them.
    pub fn check_foreign(&self) {
        for (from, to) in &system().foreign {
            // SAFETY: the program's bytes, which are mapped until it gives them back.
            let bytes = unsafe {
                slice::from_raw_parts(ptr::with_exposed_provenance::<u8>(*from), to - from)
            };
            let kept = bytes.iter().fold(0, |d, b| d | (b ^ OWN)) == 0;
            assert!(
                kept,
                "the program's bytes from {from:#x} to {to:#x} changed"
            );
        }
    }
}
