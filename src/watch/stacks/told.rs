//! A stack as lines on stderr, in the form that tools for sanitizers read:
//!
//! ```text
//!     #0 0x1e12 (/usr/bin/program+0x1e12)
//! ```
//!
//! Both numbers are the address in the module's file, of the call for all frames but the one that
//! faulted: where the module lies in memory is nobody's affair who reads the lines. Cairn's own frames are left out where it is a library. Nothing is allocated.

use super::{Module, known_modules};
use crate::fatal::{LineBuffer, write_all};
use crate::guards::Trace;
use crate::layout::places::samples as place;
use crate::os::{self, files};
use crate::watch::samples;
use crate::watch::unwind::{self, FRAMES, Object};
use core::ptr;

/// Bytes of a line.
const LINE: usize = 320;
/// Bytes of a path that are shown.
const PATH: usize = place::MODULE;

/// Writes a line to stderr.
pub(crate) fn say<const N: usize>(line: &LineBuffer<N>) {
    write_all(libc::STDERR_FILENO, line.as_bytes());
}

/// A stack that is being written, frame by frame.
pub(crate) struct Stack {
    shown: usize,
    seen: usize,
}

impl Stack {
    pub(crate) const fn new() -> Self {
        Self { shown: 0, seen: 0 }
    }

    /// Writes a frame: an address in code, and of the module it lies in the first byte, what is added
    /// to its file's addresses, and its path, if it has one.
    fn frame(&mut self, pc: usize, module: Option<(usize, usize, &[u8])>) {
        if let (0, Some((start, _, path))) = (self.shown, module)
            && !path.is_empty()
            && start == files::object()
        {
            return;
        }
        let mut line = LineBuffer::<LINE>::new();
        line.push_str("    #");
        line.push_dec(self.shown);
        if let Some((_, bias, path)) = module {
            let at = pc.wrapping_sub(bias);
            line.push_str(" 0x");
            line.push_hex(at);
            line.push_str(" (");
            if path.is_empty() {
                let mut own = [0; PATH];
                let n = files::link(c"/proc/self/exe", &mut own);
                line.push_bytes(own.get(..n).unwrap_or_default());
            } else {
                line.push_bytes(path);
            }
            line.push_str("+0x");
            line.push_hex(at);
            line.push_str(")");
        } else {
            line.push_str(" code of no file");
        }
        line.push_str("\n");
        say(&line);
        self.shown += 1;
    }

    /// Writes a frame of a walk; whether there is room for more. The first one is where the program
    /// was, each other one what it called from.
    pub(crate) fn frame_of(&mut self, pc: usize, object: Option<&Object>) -> bool {
        let pc = pc.wrapping_sub(usize::from(self.seen != 0));
        let module = object.map(|o| {
            // SAFETY: the loader's string.
            let path = unsafe { text(ptr::with_exposed_provenance(o.name)) };
            (o.start, o.bias, path)
        });
        self.frame(pc, module);
        self.seen += 1;
        self.seen < FRAMES
    }
}

/// The beginning of a C string.
///
/// # Safety
/// It is one, and stays.
unsafe fn text(at: *const u8) -> &'static [u8] {
    let mut len = 0;
    // SAFETY: the caller's; up to its end.
    unsafe {
        while len < PATH && at.add(len).read() != 0 {
            len += 1;
        }
        core::slice::from_raw_parts(at, len)
    }
}

/// A module's path.
fn path(module: &Module) -> &[u8] {
    let len = module.path.iter().position(|byte| *byte == 0);
    module.path.get(..len.unwrap_or(PATH)).unwrap_or(&[])
}

/// Writes frames that were kept.
fn frames(all: &[u64]) {
    let modules = known_modules();
    let mut stack = Stack::new();
    for frame in all {
        let pc = (*frame & ((1 << 48) - 1)) as usize;
        let module = modules.get(frame >> 48);
        let module = module.map(|m| (m.start, m.bias, path(m)));
        stack.frame(pc.wrapping_sub(1), module);
    }
}

/// The frames of a stack that was kept.
pub(crate) fn frames_of(trace: &Trace) -> &[u64] {
    trace.frames.get(..trace.count as usize).unwrap_or_default()
}

/// An object, and who asked for it and who freed it; a thread of 0 where nobody did, or it is not known.
pub(crate) struct Told<'a> {
    /// Its address, if that is to be shown.
    pub at: Option<usize>,
    /// Bytes that were asked for.
    pub size: usize,
    /// The threads.
    pub threads: [u32; 2],
    /// The stacks.
    pub stacks: [&'a [u64]; 2],
}

/// Writes all that is known of an object.
pub(crate) fn object(told: &Told<'_>) {
    let [taken, freed] = told.threads;
    let mut line = LineBuffer::<LINE>::new();
    line.push_str("object of ");
    line.push_dec(told.size);
    line.push_str(" bytes");
    if let Some(at) = told.at {
        line.push_str(" at 0x");
        line.push_hex(at);
    }
    line.push_str(", allocated by thread ");
    line.push_dec(taken as usize);
    line.push_str(":\n");
    say(&line);
    frames(told.stacks[0]);
    if freed != 0 {
        let mut line = LineBuffer::<LINE>::new();
        line.push_str("freed by thread ");
        line.push_dec(freed as usize);
        line.push_str(":\n");
        say(&line);
        frames(told.stacks[1]);
    }
}

/// Writes who has found something.
pub(crate) fn found() {
    let mut line = LineBuffer::<LINE>::new();
    line.push_str("found by thread ");
    line.push_dec(os::thread_number() as usize);
    line.push_str(":\n");
    say(&line);
    here();
}

/// Writes this thread's stack.
pub(crate) fn here() {
    let mut stack = Stack { shown: 0, seen: 1 };
    unwind::walk(samples::how(), &mut |pc, object| stack.frame_of(pc, object));
}
