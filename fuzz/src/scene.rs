//! The shadow: what is live, where, and what it holds.

use crate::program::{BEFORE, ask_wrongly, errno, look_at_info, set_errno};
use crate::source::Source;
use crate::system::{inside, system};
use crate::{fresh, threads::Threads};
use cairn::{Role, c};
use core::ffi::c_void;
use std::{ptr, slice};

const KIB: usize = 1 << 10;

/// Whether each step is told on stderr: `FUZZ_TRACE`, for the one input of a finding.
pub static TRACE: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Tells a step.
macro_rules! tell {
    ($($what:tt)*) => {
        if $crate::scene::TRACE.load(core::sync::atomic::Ordering::Relaxed) {
            eprintln!($($what)*);
        }
    };
}
pub(crate) use tell;
/// Live bytes from which on a run allocates nothing, and live objects.
const PLENTY: [usize; 8] = [
    32 * KIB,
    64 * KIB,
    64 * KIB,
    128 * KIB,
    128 * KIB,
    256 * KIB,
    256 * KIB,
    4 << 20,
];
const MANY: usize = 400;
/// The same for a long run, and its steps: caches reach their budget, and shed what is idle.
const VAST: (usize, usize, usize) = (32 << 20, 8000, 2500);
/// Bytes to which an object grows at most.
const LONG: usize = 8 << 20;
/// Bytes at either end of an object that are written and compared, and in its middle.
const EDGE: usize = 64;

/// How an object may be freed with its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// By `free_sized`.
    Plain,
    /// By `free_aligned_sized`, with this alignment.
    Aligned(usize),
    /// Not at all.
    Other,
}

/// A live object.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// Its address.
    pub at: usize,
    /// What was asked for.
    pub asked: usize,
    /// What may be written.
    pub usable: usize,
    /// What it holds.
    pub fill: u8,
    /// How it came.
    pub origin: Origin,
    /// Somebody wrote to it (`misuse`): what it holds is unknown.
    pub smeared: bool,
}

impl Object {
    /// As C has it.
    pub fn pointer(&self) -> *mut c_void {
        ptr::with_exposed_provenance_mut(self.at)
    }

    /// The stretches that are written and compared.
    fn stretches(&self) -> [(usize, usize); 3] {
        let n = self.usable;
        if n <= 4 * EDGE {
            return [(0, n), (0, 0), (0, 0)];
        }
        [(0, EDGE), (n / 2, EDGE / 4), (n - EDGE, EDGE)]
    }

    fn write(&self) {
        for (from, len) in self.stretches() {
            // SAFETY: a live object, to the end of its usable size.
            unsafe {
                self.pointer()
                    .cast::<u8>()
                    .add(from)
                    .write_bytes(self.fill, len)
            };
        }
    }

    fn holds(&self, from: usize, len: usize, value: u8) -> bool {
        // SAFETY: bytes of a live object, or of one that was just resized and holds them.
        let bytes = unsafe { slice::from_raw_parts(self.pointer().cast::<u8>().add(from), len) };
        bytes.iter().fold(0, |d, b| d | (b ^ value)) == 0
    }

    /// Fails if its contents changed.
    pub fn check(&self) {
        for (from, len) in self.stretches() {
            assert!(
                self.smeared || self.holds(from, len, self.fill),
                "{self:x?}: contents changed"
            );
        }
    }
}

/// One run.
pub struct Scene {
    /// Where its choices come from.
    pub source: Source,
    /// In order of address.
    pub live: Vec<Object>,
    /// Live bytes, and those from which on nothing is allocated.
    pub bytes: usize,
    plenty: usize,
    many: usize,
    /// Steps done.
    pub steps: usize,
    /// The threads that seem to run.
    pub threads: Threads,
    /// Something was written where the program may not write.
    pub tainted: bool,
    /// The newest freed objects.
    pub dead: Vec<Object>,
    /// Whether no system call is refused.
    pub calm: bool,
    /// Whether a knob may have turned the caches off.
    pub bypassed: bool,
}

impl Scene {
    /// An empty heap.
    pub fn new(mut source: Source) -> Self {
        Self {
            plenty: source.of(&PLENTY),
            many: MANY,
            source,
            live: Vec::with_capacity(512),
            bytes: 0,
            steps: 0,
            threads: Threads::new(),
            tainted: false,
            dead: Vec::with_capacity(64),
            calm: false,
            bypassed: false,
        }
    }

    /// How many steps the run has beyond `least`: now and then thousands.
    pub fn more_than(&mut self, least: usize) -> usize {
        let more = self.source.byte();
        if self.source.is_rare() {
            (self.plenty, self.many) = (VAST.0, VAST.1);
            return VAST.2;
        }
        least + usize::from(more) / 4
    }

    /// A request: all regimes, the small ones most of the time.
    pub fn size(&mut self) -> usize {
        let s = &mut self.source;
        match s.below(64) {
            0..26 => s.below(129),
            26..38 => s.below(1100),
            38..46 => s.below(9 * KIB),
            46..53 => s.below(40 * KIB),
            53..56 => s.below(150 * KIB),
            56 => s.below(700 * KIB),
            // Where one regime ends and the next begins.
            57..63 => {
                let edges = [
                    16,
                    24,
                    32,
                    120,
                    128,
                    136,
                    1024,
                    1040,
                    1048,
                    4096,
                    32 * KIB,
                    64 * KIB,
                    128 * KIB,
                    65_000,
                ];
                let near = s.of(&edges) + s.below(33);
                near - 16
            }
            _ => s.of(&[
                usize::MAX,
                usize::MAX - 4096,
                isize::MAX as usize,
                1 << 47,
                1 << 62,
            ]),
        }
    }

    fn alignment(&mut self) -> usize {
        let s = &mut self.source;
        match s.below(16) {
            0..12 => 8 << s.below(7),
            12..15 => 1 << (10 + s.below(4)),
            _ => 1 << (14 + s.below(6)),
        }
    }

    /// Takes note of an object: its own memory, and nobody else's.
    fn hold(&mut self, object: Object) {
        let end = object.at + object.usable;
        assert!(
            system().owns(object.at, end),
            "{object:x?} is not Cairn's memory"
        );
        let i = self.live.partition_point(|o| o.at < object.at);
        for other in self.live.get(i).into_iter().chain(self.live[..i].last()) {
            assert!(
                other.at >= end || other.at + other.usable <= object.at,
                "{object:x?} overlaps {other:x?}"
            );
        }
        self.live.insert(i, object);
        self.bytes += object.usable;
        self.dead.retain(|d| d.at != object.at);
    }

    /// Takes one out of the shadow.
    pub fn pick(&mut self) -> Option<Object> {
        if self.live.is_empty() {
            return None;
        }
        let i = self.source.below(self.live.len());
        Some(self.forget(i))
    }

    /// Takes this one out.
    pub fn forget(&mut self, i: usize) -> Object {
        let object = self.live.remove(i);
        self.bytes -= object.usable;
        object
    }

    /// Vets a new object, and fills it.
    fn born(&mut self, p: *mut c_void, asked: usize, align: usize, zero: bool, origin: Origin) {
        let at = p.expose_provenance();
        tell!("{at:#x} of {asked} at {align}, {origin:?}, zero {zero}");
        if at == 0 {
            let excused = asked >= 1 << 46 || align >= 1 << 46;
            assert!(
                system().refused || excused || self.tainted,
                "no memory for {asked} bytes at {align}"
            );
            return;
        }
        assert!(asked < 1 << 46, "memory for {asked} bytes");
        assert!(
            at.is_multiple_of(align.max(16)),
            "{at:#x} is not at {align}"
        );
        // SAFETY: a live object.
        let usable = inside(|| unsafe { c::malloc_usable_size(p) });
        assert!(usable >= asked, "{at:#x}: {usable} of {asked} bytes");
        let mut object = Object {
            at,
            asked,
            usable,
            fill: self.source.byte(),
            origin,
            smeared: false,
        };
        self.hold(object);
        if zero && !self.tainted {
            let whole = asked <= 4 * EDGE || object.fill < 8;
            let ends = [
                (0, asked.min(EDGE)),
                (asked.saturating_sub(EDGE), asked.min(EDGE)),
            ];
            let zero = if whole {
                object.holds(0, asked, 0)
            } else {
                ends.iter().all(|(from, len)| object.holds(*from, *len, 0))
            };
            assert!(zero, "{object:x?} is not zero");
        }
        object.fill |= 1;
        object.write();
        let i = self.live.partition_point(|o| o.at < at);
        self.live[i] = object;
    }

    /// A call that gives memory, or null and `ENOMEM`.
    fn or_why(f: impl FnOnce() -> *mut c_void) -> *mut c_void {
        set_errno(BEFORE);
        let p = inside(f);
        assert!(
            !p.is_null() || errno() == libc::ENOMEM,
            "null, and errno is {}",
            errno()
        );
        p
    }

    /// One of the calls that give memory.
    pub fn allocate(&mut self) {
        let n = self.size();
        if self.bytes + n.min(1 << 20) > self.plenty || self.live.len() >= self.many {
            return self.release();
        }
        let which = self.source.below(32);
        system().refused = false;
        // SAFETY: none of these has a precondition but `posix_memalign`'s writable pointer.
        unsafe {
            match which {
                0..16 => self.born(Self::or_why(|| c::malloc(n)), n, 16, false, Origin::Plain),
                16..21 => {
                    let count = 1 + self.source.below(7);
                    let p = Self::or_why(|| c::calloc(count, n.div_ceil(count)));
                    let all = n.div_ceil(count).saturating_mul(count);
                    self.born(p, all, 16, true, Origin::Plain);
                }
                21 => {
                    let p = Self::or_why(|| c::realloc(ptr::null_mut(), n));
                    self.born(p, n, 16, false, Origin::Plain);
                }
                22 => {
                    // One that is no power of two is rounded up.
                    let align = self.alignment();
                    let odd = align - self.source.below(align / 2);
                    let p = Self::or_why(|| c::memalign(odd, n));
                    self.born(p, n, align, false, Origin::Other);
                }
                23..25 => {
                    let align = self.alignment();
                    let p = Self::or_why(|| c::aligned_alloc(align, n));
                    self.born(p, n, align, false, Origin::Aligned(align));
                }
                25..27 => {
                    let align = self.alignment();
                    let mut p = ptr::null_mut();
                    set_errno(BEFORE);
                    let error = inside(|| c::posix_memalign(&raw mut p, align, n));
                    assert_eq!(error, if p.is_null() { libc::ENOMEM } else { 0 });
                    // As glibc leaves it.
                    let left = if p.is_null() { libc::ENOMEM } else { BEFORE };
                    assert_eq!(errno(), left);
                    self.born(p, n, align, false, Origin::Other);
                }
                27 => self.born(Self::or_why(|| c::valloc(n)), n, 4096, false, Origin::Other),
                28 => {
                    let whole = n.checked_next_multiple_of(4096).unwrap_or(n);
                    self.born(
                        Self::or_why(|| c::pvalloc(n)),
                        whole,
                        4096,
                        false,
                        Origin::Other,
                    );
                }
                29 => self.born(inside(|| c::malloc_or_null(n)), n, 16, false, Origin::Plain),
                30 => {
                    let align = self.alignment();
                    let p = inside(|| c::memalign_or_null(align, n));
                    self.born(p, n, align, false, Origin::Aligned(align));
                }
                _ => self.as_rust(n),
            }
        }
    }

    /// By way of `GlobalAlloc`, and back at once or after a resize.
    fn as_rust(&mut self, n: usize) {
        use core::alloc::{GlobalAlloc, Layout};
        let align = self.alignment();
        let m = self.size();
        let Ok(layout) = Layout::from_size_align(n.clamp(1, 1 << 20), align) else {
            return;
        };
        let heap = cairn::Cairn;
        // SAFETY: layouts of at least a byte; the object is freed with the one it has.
        unsafe {
            let zero = m & 1 == 0;
            let p = inside(|| {
                if zero {
                    heap.alloc_zeroed(layout)
                } else {
                    heap.alloc(layout)
                }
            });
            self.born(p.cast(), layout.size(), align, zero, Origin::Other);
            if p.is_null() {
                return;
            }
            tell!("as rust, at {align} to {m}");
            let i = self.live.partition_point(|o| o.at < p.addr());
            let old = self.forget(i);
            let new = m.clamp(1, 1 << 20);
            let q = inside(|| heap.realloc(p, layout, new));
            if q.is_null() {
                assert!(system().refused || self.tainted);
                inside(|| heap.dealloc(p, layout));
                return;
            }
            let moved = Object {
                at: q.expose_provenance(),
                ..old
            };
            let kept = old.usable.min(layout.size()).min(new).min(EDGE);
            assert!(
                old.smeared || moved.holds(0, kept, old.fill),
                "{old:x?} lost contents"
            );
            self.born(q.cast(), new, align, false, Origin::Other);
            let i = self.live.partition_point(|o| o.at < q.addr());
            let object = self.forget(i);
            object.check();
            let layout = Layout::from_size_align_unchecked(new, align);
            inside(|| heap.dealloc(q, layout));
        }
    }

    /// Resizes one.
    pub fn resize(&mut self) {
        let Some(old) = self.pick() else { return };
        old.check();
        let n = match self.source.below(4) {
            0 => self.size(),
            // As a vector grows, and as it is cut to length.
            1 => old.asked + old.asked / 2 + 1,
            2 => old.asked / 2,
            _ => old.asked + 1 + self.source.below(64),
        };
        let n = if n < 1 << 46 { n.min(LONG) } else { n };
        let whole = self.source.below(4) != 0;
        tell!("resize {:#x} of {} to {n}", old.at, old.asked);
        system().refused = false;
        set_errno(BEFORE);
        // SAFETY: a live object, which the shadow forgot.
        let p = inside(|| unsafe {
            if whole {
                c::realloc(old.pointer(), n)
            } else {
                c::reallocarray(old.pointer(), 1, n)
            }
        });
        if n == 0 {
            assert!(p.is_null(), "realloc to nothing gave {p:?}");
            assert_eq!(errno(), BEFORE);
            return self.bury(old);
        }
        if p.is_null() {
            assert_eq!(errno(), libc::ENOMEM);
            assert!(
                n >= 1 << 46 || system().refused || self.tainted,
                "no memory for {n} bytes"
            );
            self.hold(old);
            return;
        }
        let new = Object {
            at: p.expose_provenance(),
            asked: n,
            origin: Origin::Plain,
            ..old
        };
        for (from, len) in old.stretches() {
            // What was usable before is kept, not only what was asked for, as far as `n` goes.
            let len = (from + len).min(n).min(old.asked).saturating_sub(from);
            let kept = old.smeared || new.holds(from, len, old.fill);
            assert!(kept, "{old:x?} lost contents in {new:x?}");
        }
        self.born(p, n, 16, false, Origin::Plain);
    }

    /// Remembers a freed object.
    pub fn bury(&mut self, object: Object) {
        if self.dead.len() == 48 {
            self.dead.remove(0);
        }
        self.dead.push(object);
    }

    /// Frees one, in one of the ways that it allows.
    pub fn release(&mut self) {
        if let Some(object) = self.pick() {
            self.free(object);
        }
    }

    /// Frees this one, which the shadow forgot.
    pub fn free(&mut self, object: Object) {
        object.check();
        let which = self.source.below(4);
        tell!(
            "free {:#x} of {}, {:?}, way {which}",
            object.at,
            object.asked,
            object.origin
        );
        set_errno(BEFORE);
        // SAFETY: a live object, with the size it was asked for.
        inside(|| unsafe {
            match object.origin {
                Origin::Plain if which == 0 => c::free_sized(object.pointer(), object.asked),
                Origin::Aligned(align) if which < 2 => {
                    c::free_aligned_sized(object.pointer(), align, object.asked);
                }
                _ => c::free(object.pointer()),
            }
        });
        assert_eq!(errno(), BEFORE, "free changed errno");
        self.bury(object);
    }

    fn burst(&mut self) -> usize {
        let most = if self.many > MANY { 900 } else { 24 };
        1 + self.source.below(most)
    }

    /// Several in one stretch of addresses, or every other one.
    fn release_many(&mut self) {
        if self.live.is_empty() {
            return;
        }
        let (mut i, step) = (self.source.below(self.live.len()), self.source.below(2));
        for _ in 0..self.burst() {
            if i >= self.live.len() {
                break;
            }
            let object = self.forget(i);
            self.free(object);
            i += step;
        }
    }

    /// Several of one size.
    fn allocate_many(&mut self) {
        let n = self.size().min(20 * KIB);
        system().refused = false;
        for _ in 0..self.burst() {
            if self.bytes > self.plenty || self.live.len() >= self.many {
                break;
            }
            // SAFETY: no precondition.
            let p = inside(|| unsafe { c::malloc(n) });
            self.born(p, n, 16, false, Origin::Plain);
            self.steps += 1;
        }
    }

    fn turn_a_knob(&mut self) {
        let s = &mut self.source;
        let (parameter, value) = match s.below(10) {
            0 => (libc::M_TRIM_THRESHOLD, s.below(1 << 20) as i32),
            1 => (libc::M_TOP_PAD, s.below(1 << 17) as i32),
            2 => (libc::M_MMAP_THRESHOLD, s.below(1 << 20) as i32),
            3 => (libc::M_MMAP_MAX, s.below(16) as i32),
            4 => (libc::M_MXFAST, s.below(200) as i32),
            5 => (libc::M_ARENA_MAX, s.below(5) as i32),
            6 => (libc::M_CHECK_ACTION, s.below(8) as i32),
            7 => (libc::M_PERTURB, s.below(3) as i32 * 77),
            8 if s.below(8) == 0 => (libc::M_TOP_PAD, -1),
            _ => (s.below(30) as i32 - 15, i32::from(s.byte()) - 128),
        };
        tell!("mallopt {parameter} {value}");
        // SAFETY: no precondition.
        let answer = inside(|| unsafe { c::mallopt(parameter, value) });
        assert!(answer == 0 || answer == 1);
        self.bypassed |= parameter == libc::M_PERTURB;
    }

    fn look(&mut self) {
        let (n, align) = (self.size() >> 1, self.alignment());
        // SAFETY: no preconditions.
        unsafe {
            match self.source.below(8) {
                0 => drop(inside(|| c::mallinfo2())),
                1 => drop(inside(|| c::mallinfo())),
                2 => inside(|| c::malloc_stats()),
                3 => assert_eq!(inside(|| c::malloc_usable_size(ptr::null_mut())), 0),
                4 => inside(|| c::free(ptr::null_mut())),
                5 | 6 => look_at_info(),
                _ => ask_wrongly(n, align),
            }
        }
    }

    /// The heap's own invariants.
    pub fn check_heap(&mut self) {
        let report = inside(cairn::check_heap);
        assert!(self.tainted || report.is_ok(), "{report:x?}");
    }

    /// One step.
    pub fn step(&mut self) {
        self.steps += 1;
        match self.source.below(128) {
            0..44 => self.allocate(),
            44..84 => self.release(),
            84..102 => self.resize(),
            102..105 => self.allocate_many(),
            105..108 => self.release_many(),
            108..113 => {
                let next = self.source.below(5);
                tell!("thread {next}");
                self.threads.switch(next);
            }
            114..116 => {
                tell!("thread ends");
                self.threads.end();
            }
            113 => self.wait(),
            116 => self.fork(0),
            117..119 => self.turn_a_knob(),
            119..121 => self.look(),
            121..123 => {
                let pad = self.size();
                tell!("trim {pad}");
                // SAFETY: no precondition.
                inside(|| unsafe { c::malloc_trim(pad) });
            }
            123..126 if !self.calm => {
                let s = system();
                s.passes = match self.source.below(4) {
                    0 => None,
                    _ => Some(self.source.below(8) as u32),
                };
                s.onward = self.source.below(3) == 0;
                tell!("refuse after {:?}, onward {}", s.passes, s.onward);
            }
            126 if self.source.below(4) == 0 => self.check_heap(),
            127 if self.source.below(16) == 0 => self.move_the_break(),
            _ => {
                if !self.live.is_empty() {
                    let i = self.source.below(self.live.len());
                    self.live[i].check();
                }
            }
        }
    }

    /// Frees all; now and then looks whether nothing is left.
    pub fn end(&mut self) {
        let s = system();
        (s.passes, s.onward) = (None, false);
        self.check_foreign();
        while let Some(object) = self.live.pop() {
            self.bytes -= object.usable;
            object.check();
            // SAFETY: a live object, which the shadow forgot.
            inside(|| unsafe { c::free(object.pointer()) });
        }
        if self.source.below(4) != 0 {
            return;
        }
        let mut in_use = 0;
        let report = inside(|| cairn::walk(&mut |v| in_use += usize::from(v.role == Role::InUse)));
        assert!(self.tainted || report.is_ok(), "{report:x?}");
        if self.tainted {
            return;
        }
        assert_eq!(report.map(|r| r.objects), Ok(0), "objects that nobody owns");
        assert_eq!(in_use, 0, "chunks that nobody owns");
        // SAFETY: no precondition.
        let trimmed = inside(|| unsafe {
            c::malloc_trim(0);
            c::mallinfo2()
        });
        assert_eq!(trimmed.hblks, 0, "mapped chunks that nobody owns");
        self.check_heap();
        let _ = fresh::words();
    }
}
