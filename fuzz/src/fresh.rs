//! A fresh heap for every input, and the way back from a process that Cairn ended.
//!
//! The statics of Cairn lie on pages of their own (`state.ld`). A copy of them is made before
//! Cairn's first use, and the pages are made read-only. The first write to one faults, which notes
//! the page and lets it be written; a new run begins by copying the noted pages back.

use crate::system::{FAST, Layout, Machine, STRICT, is_inside, kernel, set_inside, system};
use core::arch::asm;
use core::cell::{Cell, UnsafeCell};
use core::ffi::{c_char, c_int, c_void};
use std::ffi::CString;
use std::{ptr, slice};

unsafe extern "C" {
    static mut __cairn_state_start: [u8; 0];
    static mut __cairn_state_end: [u8; 0];
    static mut environ: *const *const c_char;
    fn fuzz_call(body: unsafe extern "C" fn(*mut c_void), of: *mut c_void) -> c_int;
}

macro_rules! word {
    ($name:literal) => {
        concat!(
            $name,
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH")
        )
    };
}

macro_rules! get {
    ($name:literal) => {{
        let value: usize;
        // SAFETY: reads this thread's own word.
        unsafe {
            asm!(
                concat!("mov {o}, qword ptr [rip + ", word!($name), "@GOTTPOFF]"),
                "mov {v}, qword ptr fs:[{o}]",
                o = out(reg) _, v = lateout(reg) value,
                options(nostack, preserves_flags, readonly)
            );
        }
        value
    }};
}

macro_rules! set {
    ($name:literal, $value:expr) => {
        // SAFETY: writes this thread's own word.
        unsafe {
            asm!(
                concat!("mov {o}, qword ptr [rip + ", word!($name), "@GOTTPOFF]"),
                "mov qword ptr fs:[{o}], {v}",
                o = out(reg) _, v = in(reg) $value,
                options(nostack, preserves_flags)
            )
        }
    };
}

/// Cairn's thread-local words, for taking and for putting: what the running thread's cache is, and what
/// lies over it.
pub type Words = [usize; 2];

/// Those of the thread that runs.
pub fn words() -> Words {
    [get!("cairn_cache_"), get!("cairn_cache_to_put_")]
}

/// Sets them: another thread runs from now on.
pub fn set_words([to_take, to_put]: Words) {
    set!("cairn_cache_", to_take);
    set!("cairn_cache_to_put_", to_put);
}

std::thread_local! {
    /// The words of a thread that never called, once the pages are a mapping.
    static BEGINNING: Cell<Words> = const { Cell::new([0; 2]) };
    /// The environment of the process itself.
    static OWN: Cell<*const *const c_char> = const { Cell::new(ptr::null()) };
}

/// What a thread that never called has as its words.
pub fn beginning() -> Words {
    BEGINNING.get()
}

fn state() -> (usize, usize) {
    let (from, to) = (&raw mut __cairn_state_start, &raw mut __cairn_state_end);
    (from.expose_provenance(), to.expose_provenance())
}

/// Pieces of the break that the program takes at most.
const FOREIGN: usize = 8;
/// Bytes of a page of this machine.
const PAGE: usize = 4096;

/// Cairn's statics as they were, which of their pages were written since, and who else wants to
/// know of faults.
struct Snapshot {
    bytes: Vec<u8>,
    written: Vec<usize>,
    older: libc::sigaction,
}

/// Made once, by the thread that runs the targets.
struct Kept(UnsafeCell<Option<Snapshot>>);
// SAFETY: reached by the one thread that runs the targets, and by its own faults.
unsafe impl Sync for Kept {}
static SNAPSHOT: Kept = Kept(UnsafeCell::new(None));

/// A write to a page of Cairn's statics is noted and repeated; every other fault is somebody
/// else's.
unsafe extern "C" fn fault(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    let (from, to) = state();
    // SAFETY: the kernel's structure; the snapshot is made before the handler is set.
    unsafe {
        let at = (*info).si_addr().addr();
        let snapshot = (*SNAPSHOT.0.get()).as_mut();
        let Some(s) = snapshot else { return };
        let page = at & !(PAGE - 1);
        if (from..to).contains(&at) && !s.written.contains(&page) {
            // There is room: a place for each page.
            s.written.push(page);
            open(page, PAGE);
            return;
        }
        libc::sigaction(libc::SIGSEGV, &raw const s.older, ptr::null_mut());
    }
}

/// Makes pages readable and writable.
///
/// # Safety
/// They are this program's own.
unsafe fn open(at: usize, len: usize) {
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the caller's. Past our own `mprotect`, since Cairn may be running.
    unsafe { kernel(libc::SYS_mprotect, [at, len, rw as usize, 0, 0, 0]) };
}

/// Whether an address is one of Cairn's statics.
pub fn is_static(at: usize) -> bool {
    let (from, to) = state();
    (from..to).contains(&at)
}

/// Reserves a window of addresses.
fn reserve(from: usize, to: usize, protection: c_int) {
    let at = ptr::with_exposed_provenance_mut(from);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping replaces none.
    let got = unsafe {
        libc::mmap(
            at,
            to - from,
            protection,
            flags | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        )
    };
    assert_eq!(got, at, "the window is taken");
}

/// Copies Cairn's statics, and watches them from now on. Once, before Cairn's first use.
fn take_snapshot() {
    let (from, to) = state();
    assert!(to - from > 1 << 20, "state.ld did not find Cairn's statics");
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    reserve(FAST.brk.0, FAST.brk.1, rw);
    reserve(FAST.reserved.0, FAST.reserved.1, rw);
    reserve(STRICT.brk.0, STRICT.brk.1, libc::PROT_NONE);
    // SAFETY: the pages between the two symbols hold Cairn's statics and nothing else.
    unsafe {
        let bytes = slice::from_raw_parts(ptr::with_exposed_provenance::<u8>(from), to - from);
        let bytes = bytes.to_vec();
        let mut ours: libc::sigaction = std::mem::zeroed();
        let handler: unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = fault;
        ours.sa_sigaction = handler as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        let mut older = std::mem::zeroed();
        libc::sigaction(libc::SIGSEGV, ptr::null(), &raw mut older);
        let written = Vec::with_capacity((to - from) / PAGE);
        *SNAPSHOT.0.get() = Some(Snapshot {
            bytes,
            written,
            older,
        });
        assert_eq!(
            libc::sigaction(libc::SIGSEGV, &raw const ours, ptr::null_mut()),
            0
        );
        let at = ptr::with_exposed_provenance_mut(from);
        assert_eq!(libc::mprotect(at, to - from, libc::PROT_READ), 0);
        OWN.set(environ);
    }
    BEGINNING.set(words());
}

/// Copies back what was written.
fn restore() {
    let (from, _) = state();
    // SAFETY: one thread; pages between the two symbols that were made writable.
    unsafe {
        let Some(s) = (*SNAPSHOT.0.get()).as_ref() else {
            return;
        };
        for page in &s.written {
            let old = s.bytes.as_ptr().add(page - from);
            ptr::with_exposed_provenance_mut::<u8>(*page).copy_from_nonoverlapping(old, PAGE);
        }
    }
}

/// A heap that was never used, in a process whose environment is `variables`.
pub struct Fresh {
    _variables: Vec<CString>,
    _table: Vec<*const c_char>,
}

impl Fresh {
    /// Puts everything back to the beginning.
    pub fn new(variables: Vec<CString>, strict: bool) -> Self {
        Self::on(Machine::PLAIN, variables, strict)
    }

    /// The same, on another machine.
    pub fn on(machine: Machine, variables: Vec<CString>, strict: bool) -> Self {
        assert!(!is_inside());
        if beginning() == [0; 2] {
            take_snapshot();
        }
        restore();
        set_words(beginning());
        let s = system();
        let old: Layout = s.layout;
        for (from, to) in s.maps.drain(..) {
            if (FAST.reserved.0..FAST.reserved.1).contains(&from) {
                continue;
            }
            // SAFETY: mappings of the heap that is no more.
            unsafe { libc::munmap(ptr::with_exposed_provenance_mut(from), to - from) };
        }
        s.clear_all();
        if old.brk == STRICT.brk && s.brk.1 > old.brk.0 {
            let to = s.brk.1.next_multiple_of(PAGE);
            // SAFETY: the window's own pages.
            unsafe { libc::munmap(ptr::with_exposed_provenance_mut(old.brk.0), to - old.brk.0) };
            reserve(old.brk.0, to, libc::PROT_NONE);
        }
        s.layout = if strict { STRICT } else { FAST };
        s.brk = (s.layout.brk.0, s.layout.brk.0);
        (s.passes, s.onward, s.refused) = (None, false, false);
        s.heard.clear();
        s.value = ptr::null_mut();
        (s.destructor, s.fork, s.streams) = (None, [None; 3], 0);
        s.foreign.clear();
        s.foreign.reserve(FOREIGN);
        (s.clock, s.machine) = (1000, machine);
        let mut table: Vec<_> = variables.iter().map(|v| v.as_ptr()).collect();
        table.push(ptr::null());
        // SAFETY: one thread; the table lives until the drop puts the old one back.
        unsafe { environ = table.as_ptr() };
        Self {
            _variables: variables,
            _table: table,
        }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // SAFETY: as in `new`.
        unsafe { environ = OWN.get() };
    }
}

/// Runs `body`; what Cairn said last if it ended the process in it, in which case `body` was left
/// as it was.
pub fn survive<T>(body: fn(&mut T), of: &mut T) -> Option<String> {
    struct Call<'a, T> {
        body: fn(&mut T),
        of: &'a mut T,
    }
    unsafe extern "C" fn run<T>(call: *mut c_void) {
        // SAFETY: the pointer that `survive` passes.
        let call = unsafe { &mut *call.cast::<Call<'_, T>>() };
        (call.body)(call.of);
    }
    let mut call = Call { body, of };
    // SAFETY: `run` takes this very pointer.
    let died = unsafe { fuzz_call(run::<T>, (&raw mut call).cast()) } != 0;
    set_inside(false);
    died.then(|| String::from_utf8_lossy(&system().heard).into_owned())
}
