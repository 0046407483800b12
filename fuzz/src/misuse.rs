//! Sequences with misuse among the calls. A misuse that is one by itself (a double free, a
//! pointer that was never given out, a wrong size) is stopped at once, with its message and its
//! address. A write where the program may not write is stopped whenever Cairn meets it, or does
//! nobody else any harm: what is handed out afterwards is Cairn's memory, overlaps nothing that
//! is live, and what was not written to keeps its contents.

use crate::count;
use crate::fresh::{Fresh, survive};
use crate::operations::{MODES, STEPS, mode};
use crate::scene::{Object, Origin, Scene, tell};
use crate::source::Source;
use crate::system::{inside, kernel, system};
use cairn::c;
use core::ffi::c_void;
use std::ptr;

/// Every message there is, from its table.
const TABLE: &str = include_str!("../../docs/messages.md");

const FREE: &[&str] = &[
    "free(): double free detected in tcache 2",
    "free(): invalid pointer",
    "free(): invalid size",
    "munmap_chunk(): invalid pointer",
];
const TWICE: &[&str] = &["free(): double free detected in tcache 2"];
const RESIZE: &[&str] = &["realloc(): invalid pointer", "realloc(): invalid size"];
const USABLE: &[&str] = &["malloc_usable_size(): invalid pointer"];
const SIZE: &[&str] = &["free(): sized deallocation with a wrong size"];

/// Steps before a misuse, at least.
const EARLY: usize = 24;

/// What may end the process at this moment.
#[derive(Clone, Copy, Debug)]
enum Allowed {
    /// Nothing, unless something was overwritten: then any message.
    Damage,
    /// One of these texts, about this address.
    Texts(&'static [&'static str], usize),
}

struct Play {
    scene: Scene,
    allowed: Allowed,
    /// Whether small objects go through a thread's cache, so that a second free is known as one.
    plain: bool,
    /// Whether Cairn is in check mode.
    checked: bool,
    /// Steps before the first misuse.
    quiet: usize,
}

fn pointer(at: usize) -> *mut c_void {
    ptr::with_exposed_provenance_mut(at)
}

impl Play {
    /// One of the calls that take a pointer, which has to be the process's last.
    fn condemned(&mut self, at: usize, free: &'static [&'static str], what: &str) {
        let n = self.scene.size();
        let which = self.scene.source.below(8);
        let texts = match which {
            0 if n != 0 => RESIZE,
            1 => USABLE,
            _ => free,
        };
        tell!("{what} {at:#x}, way {which}, {n}");
        self.allowed = Allowed::Texts(texts, at);
        let p = pointer(at);
        // SAFETY: none; this is the misuse.
        inside(|| unsafe {
            match which {
                0 => drop(c::realloc(p, n)),
                1 => drop(c::malloc_usable_size(p)),
                2 => c::free_sized(p, n),
                3 => c::free_aligned_sized(p, 64, n),
                _ => c::free(p),
            }
        });
        panic!("{what} of {at:#x} was not stopped (way {which}, {n})");
    }

    fn free_twice(&mut self) {
        let Some(object) = self.scene.pick() else {
            return;
        };
        self.scene.free(object);
        // A small request at a large alignment may have a large chunk.
        let cached = self.plain && object.usable <= 1000 && !self.scene.bypassed;
        let exact = cached && !self.scene.tainted;
        self.condemned(
            object.at,
            if exact { TWICE } else { FREE },
            "second free at once",
        );
    }

    fn free_late(&mut self) {
        let s = &mut self.scene;
        if s.dead.is_empty() {
            return;
        }
        let i = s.source.below(s.dead.len());
        let at = s.dead[i].at;
        // Handed out again it is somebody's, and nobody can tell.
        if s.live.iter().all(|o| o.at != at) {
            self.condemned(at, FREE, "late second free");
        }
    }

    fn free_inside(&mut self) {
        let s = &mut self.scene;
        if s.live.is_empty() {
            return;
        }
        let i = s.source.below(s.live.len());
        let object = s.live[i];
        if object.usable < 2 {
            return;
        }
        let mut by = 1 + s.source.below(object.usable - 1);
        if s.source.below(4) != 0 && object.usable > 16 {
            by = 16 + by / 16 * 16;
        }
        if by < object.usable {
            self.condemned(object.at + by, FREE, "free inside an object");
        }
    }

    fn free_nothing(&mut self) {
        static GLOBAL: [u64; 8] = [0x51; 8];
        let local = [0x51_u64; 8];
        let system = system();
        let s = &mut self.scene.source;
        let near = s.below(4096);
        let at = match s.below(10) {
            0 => local.as_ptr().addr() + near % 64,
            1 => GLOBAL.as_ptr().addr() + near % 64,
            2 => 1 + near,
            3 => usize::MAX - near,
            4 => (1 << 47) + near * 16,
            5 => system.layout.brk.0 + near,
            6 => system.brk.0.saturating_sub(near),
            7 => system.layout.brk.1 - near * 64,
            8 if !system.maps.is_empty() => {
                let i = s.below(system.maps.len());
                system.maps[i].0 + near * 16
            }
            _ => usize::from(s.byte()) << 40 | near << 4,
        };
        if at != 0 && self.scene.live.iter().all(|o| o.at != at) {
            self.condemned(at, FREE, "free of what is nobody's");
        }
    }

    /// A free with a size that this object cannot have, or might.
    fn free_wrong_size(&mut self) {
        let Some(object) = self.scene.pick() else {
            return;
        };
        let n = self.scene.size();
        if object.smeared || object.origin == Origin::Other {
            return self.scene.free(object);
        }
        object.check();
        // Further from the truth than any rounding: a class's, a rest too small to cut; pages
        // round too far to tell.
        let pages = (object.at + object.usable).is_multiple_of(4096);
        let below = object.usable - object.usable / 8;
        let close = pages || object.usable >= 30_000 || n.saturating_add(64) >= below;
        // An aligned object is as large as a multiple of its alignment, in a run by itself, in a
        // chunk with the header and with a rest too small to cut.
        let same = match object.origin {
            Origin::Aligned(align) => {
                n.max(1).div_ceil(align) == object.asked.max(1).div_ceil(align)
                    || n <= object.usable && (n + 8).next_multiple_of(align) + 24 >= object.usable
            }
            _ => false,
        };
        let surely = !same && (n > object.usable || !close);
        tell!("free {:#x} of {} as of {n}", object.at, object.asked);
        self.allowed = Allowed::Texts(SIZE, object.at);
        // SAFETY: none where the size is wrong; this is the misuse.
        inside(|| unsafe {
            match object.origin {
                Origin::Aligned(align) => c::free_aligned_sized(object.pointer(), align, n),
                _ => c::free_sized(object.pointer(), n),
            }
        });
        assert!(!surely, "{object:x?} was freed with a size of {n}");
        self.allowed = Allowed::Damage;
        self.scene.bury(object);
    }

    /// Writes bytes, if a program could: nothing happens where it has no access.
    fn smear(&mut self, at: usize, len: usize, what: &str) {
        let s = system();
        let committed = at < s.layout.reserved.0
            || at >= s.layout.reserved.1
            || s.layout.reserved == s.layout.mapped
            || s.dirty.iter().any(|d| d.0 <= at && at + len <= d.1);
        if !s.owns(at, at + len) || !committed || len == 0 {
            return;
        }
        let mut bytes = [0_u8; 64];
        let bytes = &mut bytes[..len];
        let here = libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: len,
        };
        let there = libc::iovec {
            iov_base: pointer(at),
            iov_len: len,
        };
        // SAFETY: no precondition.
        let me = unsafe { libc::getpid() } as usize;
        let args = [
            me,
            (&raw const here).addr(),
            1,
            (&raw const there).addr(),
            1,
            0,
        ];
        // SAFETY: reads memory into the buffer, if it can.
        if unsafe { kernel(libc::SYS_process_vm_readv, args) } != len as isize {
            return;
        }
        let how = self.scene.source.below(6);
        match how {
            0 => bytes.fill(0),
            1 => bytes.fill(0xff),
            2 => {
                let bit = self.scene.source.below(len * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            3 => {
                let byte = self.scene.source.below(len);
                bytes[byte] = self.scene.source.byte();
            }
            4 => bytes[0] = bytes[0].wrapping_add(16),
            _ => bytes.iter_mut().for_each(|b| *b = self.scene.source.byte()),
        }
        // SAFETY: writes where the program could as well; this is the misuse.
        if unsafe { kernel(libc::SYS_process_vm_writev, args) } != len as isize {
            return;
        }
        tell!("{what}: {len} bytes at {at:#x}, {how}: {bytes:x?}");
        self.scene.tainted = true;
        for object in &mut self.scene.live {
            object.smeared |= object.at < at + len && at < object.at + object.usable;
        }
    }

    fn any_live(&mut self) -> Option<Object> {
        let s = &mut self.scene;
        if s.live.is_empty() {
            return None;
        }
        let i = match s.source.below(4) {
            // The one in front of top, often.
            0 => s.live.len() - 1,
            _ => s.source.below(s.live.len()),
        };
        Some(s.live[i])
    }

    fn overflow(&mut self) {
        let Some(object) = self.any_live() else {
            return;
        };
        let gap = match self.scene.source.below(3) {
            0 => self.scene.source.below(256),
            _ => 0,
        };
        let len = 1 + self.scene.source.below(32);
        self.smear(object.at + object.usable + gap, len, "overflow");
    }

    fn underflow(&mut self) {
        let Some(object) = self.any_live() else {
            return;
        };
        let len = 1 + self.scene.source.below(32);
        self.smear(object.at - len, len, "underflow");
    }

    fn write_after_free(&mut self) {
        let s = &mut self.scene;
        if s.dead.is_empty() {
            return;
        }
        let i = s.source.below(s.dead.len());
        let object = s.dead[i];
        // A mapping that is gone may be the allocator's own memory next, as anybody's. In check mode
        // mappings begin as its own memory does: reserved, without access.
        let layout = system().layout;
        let alike = self.checked || layout.reserved == layout.mapped;
        if alike && object.at > layout.reserved.0 && object.usable > 30_000 {
            return;
        }
        let at = match s.source.below(4) {
            0 => object.at - 16 + s.source.below(16),
            1 => object.at + s.source.below(object.usable.max(1)),
            2 => object.at + object.usable - 8,
            _ => object.at,
        };
        let len = 1 + s.source.below(16);
        self.smear(at, len, "write after free");
    }

    fn step(&mut self) {
        self.allowed = Allowed::Damage;
        if self.scene.steps < self.quiet || self.scene.source.below(24) != 0 {
            return self.scene.step();
        }
        self.scene.steps += 1;
        match self.scene.source.below(32) {
            0 => self.free_twice(),
            1 => self.free_late(),
            2 => self.free_inside(),
            3 => self.free_nothing(),
            4..8 => self.free_wrong_size(),
            8..16 => self.overflow(),
            16..21 => self.underflow(),
            _ => self.write_after_free(),
        }
    }
}

/// Most misuse meets a heap that was used for a while: its bins are filled, and arenas and caches
/// there. In half of these runs a generator makes the quiet part, and the input is spent on what
/// comes after.
fn run(play: &mut Play) {
    let steps = play.scene.more_than(STEPS);
    let source = &mut play.scene.source;
    play.quiet = match source.below(8) {
        0 => EARLY,
        _ => steps / 2 + source.below(steps),
    };
    let generated = source.below(2) == 0;
    tell!("{} quiet steps, generated {generated}", play.quiet);
    play.scene.source.hold(generated);
    while play.scene.steps < play.quiet {
        play.step();
    }
    play.scene.source.hold(false);
    let end = play.scene.steps + steps;
    while play.scene.steps < end {
        play.step();
    }
    play.allowed = Allowed::Damage;
    play.scene.end();
}

/// Whether what Cairn said begins with this text, and this address if there is one.
fn is_said(said: &str, text: &str, address: Option<usize>) -> bool {
    said.lines().any(|line| {
        line.strip_prefix(text)
            .and_then(|rest| rest.strip_prefix(": 0x"))
            .is_some_and(|hex| address.is_none_or(|a| hex == format!("{a:x}")))
    })
}

/// The messages of the table.
fn messages() -> impl Iterator<Item = &'static str> {
    let rows = TABLE.lines().filter_map(|l| l.strip_prefix("| `"));
    rows.flat_map(|row| row.split(" |").next())
        .flat_map(|cell| cell.split('`'))
        .filter(|text| text.len() > 6)
}

/// The target.
///
/// # Panics
/// When Cairn breaks a promise, lets a misuse pass that it has to stop, or says the wrong thing.
pub fn misuse(data: &[u8]) {
    let mut source = Source::new(data);
    let text = source.of(&MODES);
    tell!("environment {text:?}");
    let heap = Fresh::new(mode(text), source.below(16) == 0);
    let calm = source.below(4) != 0;
    let mut play = Play {
        scene: Scene::new(source),
        allowed: Allowed::Damage,
        plain: text.is_empty() && calm,
        checked: text.starts_with("MALLOC_CHECK_"),
        quiet: EARLY,
    };
    play.scene.calm = calm;
    let died = survive(run, &mut play);
    drop(heap);
    count(play.scene.steps);
    let Some(said) = died else { return };
    tell!("ended at step {}: {said}", play.scene.steps);
    let fits = match play.allowed {
        Allowed::Texts(texts, at) => texts.iter().any(|t| is_said(&said, t, Some(at))),
        Allowed::Damage => false,
    };
    let damage = play.scene.tainted && messages().any(|text| is_said(&said, text, None));
    assert!(
        fits || damage,
        "ended at step {} with {said:?}, allowed was {:?}, tainted {}",
        play.scene.steps,
        play.allowed,
        play.scene.tainted
    );
}
