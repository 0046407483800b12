//! `c_symbols!`: a Rust program serves its C code too.

/// Exports malloc's family from a Rust program, so that all of the process is served by Cairn: the
/// program's Rust code, C and C++ libraries that are linked into it, shared libraries, and the C
/// library itself (`strdup`, `getline`, `fopen`).
///
/// With the feature `c-symbols`, once, in the program's own crate:
///
/// ```
/// #[global_allocator]
/// static HEAP: cairn::Cairn = cairn::Cairn;
///
/// cairn::c_symbols!();
///
/// let text = unsafe { libc::strdup(c"the C library asked Cairn".as_ptr()) };
/// // SAFETY: a live object.
/// assert!(unsafe { cairn::usable_size(text.cast()) } >= 26);
/// unsafe { libc::free(text.cast()) };
/// ```
///
/// A program with settings gives them to both, since the loader may ask for memory before Rust does:
///
/// ```
/// const OPTIONS: cairn::Options = cairn::Options::new().purge_delay(5);
///
/// #[global_allocator]
/// static HEAP: cairn::CairnWith = cairn::Cairn::with(OPTIONS);
///
/// cairn::c_symbols!(OPTIONS);
/// ```
///
/// # The trap
///
/// With a global allocator alone a program has two heaps: Rust's is Cairn, C's is the C library's. That
/// is safe as long as each side frees what it was given by its own, and wrong where they mix:
/// `CString::from_raw` of what `strdup` gave, or C's `free` of a `Box`. Such a program ends with Cairn's
/// message about a foreign pointer, or dies in libc's `free`. With this macro there is one heap, and
/// the mix works by accident: code that relies on it breaks in the program that does without.
///
/// Nor can a library decide this. Cargo unites features: if the feature alone exported `malloc`, any
/// dependency could replace the allocator of a program that never asked. So the feature only makes
/// the macro known, and the program's own crate says it. A library must not: two that did so would
/// not link, and a shared library with a `malloc` of its own serves itself, or nobody, by the order
/// in which the loader finds them.
///
/// Three things to know:
///
/// - The program must be linked dynamically with the C library, as is usual. One that is linked
///   statically (`-C target-feature=+crt-static`) has libc's `malloc` inside already.
/// - Another crate that exports `malloc` (`mimalloc` with `override`, `tikv-jemallocator` with
///   `unprefixed_malloc_on_supported_platforms`) cannot be in the same program: the linker refuses the
///   second.
/// - C++'s operators come from the C++ library, which asks this `malloc`; they are not exported.
///
/// To see that it took effect: `nm -D program | grep ' T malloc'`.
#[cfg_attr(docsrs, doc(cfg(feature = "c-symbols")))]
#[macro_export]
macro_rules! c_symbols {
    () => {
        $crate::c_symbols! { @with (const { $crate::Options::new() }) }
    };
    (@with ($options:expr)) => {
        const _: () = {
            use ::core::ffi::{c_int, c_void};
            use $crate::c;

            static SETTINGS_OF_C_SYMBOLS: $crate::Options = $options;

            $crate::c_symbols! { @export
                malloc(n: usize) -> *mut c_void;
                free(p: *mut c_void);
                calloc(count: usize, size: usize) -> *mut c_void;
                realloc(p: *mut c_void, n: usize) -> *mut c_void;
                reallocarray(p: *mut c_void, count: usize, size: usize) -> *mut c_void;
                memalign(align: usize, n: usize) -> *mut c_void;
                aligned_alloc(align: usize, n: usize) -> *mut c_void;
                posix_memalign(out: *mut *mut c_void, align: usize, n: usize) -> c_int;
                valloc(n: usize) -> *mut c_void;
                pvalloc(n: usize) -> *mut c_void;
                malloc_usable_size(p: *mut c_void) -> usize;
                free_sized(p: *mut c_void, n: usize);
                free_aligned_sized(p: *mut c_void, align: usize, n: usize);
                mallopt(parameter: c_int, value: c_int) -> c_int;
                malloc_trim(pad: usize) -> c_int;
                mallinfo() -> c::Mallinfo;
                mallinfo2() -> c::Mallinfo2;
                malloc_stats();
                malloc_info(options: c_int, stream: *mut c::Stream) -> c_int;
            }

            /// The name that `free` had once.
            ///
            /// # Safety
            /// As `free`.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn cfree(p: *mut c_void) {
                // SAFETY: the caller's.
                unsafe { c::free(p) }
            }
        };
    };
    (@export $($name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?;)+) => {
        $(
            /// C's function of that name.
            ///
            /// # Safety
            /// As C's.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $kind),*) $(-> $result)? {
                c::begin_with(&SETTINGS_OF_C_SYMBOLS);
                // SAFETY: the caller's.
                unsafe { c::$name($($argument),*) }
            }
        )+
    };
    ($options:expr) => {
        $crate::c_symbols! { @with ($options) }
    };
}
