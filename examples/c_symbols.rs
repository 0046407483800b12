//! A Rust program on Cairn whose C code, and the C library in it, are on Cairn too.
//!
//! `cargo run --release --features c-symbols --example c_symbols`

use std::ffi::CStr;
use std::process::ExitCode;

/// One place for what both halves begin with: the loader may ask for memory before Rust does.
const OPTIONS: cairn::Options = cairn::Options::new().purge_delay(10);

#[global_allocator]
static HEAP: cairn::CairnWith = cairn::Cairn::with(OPTIONS);

cairn::c_symbols!(OPTIONS);

fn main() -> ExitCode {
    let rust = String::from("a string of Rust's");
    // SAFETY: a C string; what strdup returns is one, too, or null.
    let c = unsafe { libc::strdup(c"a string of the C library's".as_ptr()) };
    if c.is_null() {
        return ExitCode::FAILURE;
    }
    // SAFETY: as above.
    let text = unsafe { CStr::from_ptr(c) };
    println!("{rust}, and {}", text.to_string_lossy());
    // SAFETY: live objects.
    let sizes = unsafe {
        [
            cairn::usable_size(rust.as_ptr()),
            cairn::usable_size(c.cast()),
        ]
    };
    // SAFETY: C's object goes back by C's function, which is right with one heap and with two.
    unsafe { libc::free(c.cast()) };
    println!("bytes that Cairn gave for them: {sizes:?}");
    if sizes.contains(&0) {
        println!("one of them is not Cairn's");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
