//! A Rust program with C code: which of its functions Cairn serves. It ends silently if that is what
//! its feature says.

use std::ffi::{CStr, CString, c_char, c_void};
use std::process::ExitCode;

/// Beside the environment, which it ignores: every object has a header, and so 24 bytes where it
/// would have 32 without these.
#[cfg(feature = "exported")]
const OPTIONS: cairn::Options = cairn::Options::new().run_max(0).ignore_environment();

#[cfg(feature = "exported")]
#[global_allocator]
static HEAP: cairn::CairnWith = cairn::Cairn::with(OPTIONS);
#[cfg(not(feature = "exported"))]
#[global_allocator]
static HEAP: cairn::Cairn = cairn::Cairn;

#[cfg(feature = "exported")]
cairn::c_symbols!(OPTIONS);

/// Whether C's objects are Cairn's.
const ONE_HEAP: bool = cfg!(feature = "exported");

unsafe extern "C" {
    fn code_greeting(length: usize) -> *mut c_char;
    fn code_free(object: *mut c_void);
    fn code_aligned(alignment: usize, size: usize) -> *mut c_void;
}

/// Bytes of an object of Cairn's, else 0.
fn usable<T>(p: *const T) -> usize {
    // SAFETY: every caller has a live object of one of the two allocators.
    unsafe { cairn::usable_size(p.cast()) }
}

/// Says what is wrong.
fn holds(what: &str, is_so: bool) -> bool {
    if !is_so {
        eprintln!("broken: {what}");
    }
    is_so
}

fn main() -> ExitCode {
    let boxed = Box::new([0_u8; 24]);
    let mut all = holds("Rust is served", usable(&raw const *boxed) >= 24);
    // SAFETY: each object is freed once, by who gave it out, or by the other where they are one.
    unsafe {
        let greeting = code_greeting(100);
        all &= holds(
            "a C function is served",
            (usable(greeting) >= 101) == ONE_HEAP,
        );
        code_free(greeting.cast());

        let aligned = code_aligned(4096, 100);
        all &= holds("with an alignment", (usable(aligned) >= 100) == ONE_HEAP);
        all &= holds("as asked for", aligned.addr().is_multiple_of(4096));
        code_free(aligned);

        let text = libc::strdup(c"by the C library".as_ptr());
        all &= holds("strdup is served", (usable(text) >= 17) == ONE_HEAP);
        all &= holds("with its text", CStr::from_ptr(text) == c"by the C library");
        libc::free(text.cast());

        let name = libc::realpath(c"/".as_ptr(), core::ptr::null_mut());
        all &= holds("realpath is served", (usable(name) != 0) == ONE_HEAP);
        libc::free(name.cast());

        if ONE_HEAP {
            all &= holds("the settings are in force", usable(&raw const *boxed) == 24);
            // One heap: what one side gives the other may free.
            let text = CString::from_raw(code_greeting(50));
            all &= holds("Rust frees C's", text.as_bytes() == [b'c'; 50]);
            drop(text);
            code_free(CString::new("Rust's").unwrap_or_default().into_raw().cast());
            let before = cairn::stats().mapped_chunks;
            let large = code_greeting(40 << 20);
            all &= holds(
                "figures have C's",
                cairn::stats().mapped_chunks == before + 1,
            );
            code_free(large.cast());
            all &= holds(
                "mallopt is Cairn's",
                libc::mallopt(libc::M_ARENA_TEST, 0) == 1,
            );
        }
    }
    let threads: Vec<_> = (0..4)
        .map(|n| std::thread::spawn(move || format!("{n}").repeat(1000).len()))
        .collect();
    for thread in threads {
        all &= holds("threads end", thread.join().is_ok_and(|len| len == 1000));
    }
    all &= holds("the heap is whole", cairn::check_heap().is_ok());
    ExitCode::from(u8::from(!all))
}
