//! The C++ operators, as far as Rust can write them.
//!
//! ```text
//!  new T ──► allocate ──► pointer                     (cxx/<arch>.rs, hot)
//!               │ NULL
//!               ▼
//!        ┌─► std::get_new_handler() ─ none ─► jump to std::__throw_bad_alloc
//!        │      │ a handler                            (out_of_memory)
//!        │      ▼
//!        │   handler() ── throws: unwinds through one assembly frame
//!        │      │ returns
//!        └── allocate again ──► pointer
//! ```
//!
//! An exception must not meet a Rust frame, so the operators and the loop are
//! assembly with unwinding tables of their own (but no personality: nothing
//! is cleaned up or caught there); Rust is called only for what returns.
//!
//! **The C++ runtime is looked up when it is needed.** A C program has none
//! and needs none, one may be loaded later, and one that a plugin brought
//! along is not in the global scope at all.
//!
//! **The forms that the standard defines by another form** (`new[]` by `new`,
//! sized `delete` by plain `delete`, `nothrow` by a `try` around the throwing
//! form) matter to a program that replaces some of them. Such a program is
//! legal, and with Cairn's own `delete(void *, size_t)` it would see memory of
//! its own `operator new` go straight to Cairn. So these forms ask first
//! whether another library's or the program's base form stands in front of
//! Cairn's; if so, the runtime's own definition takes the call and does what
//! the standard says. A `nothrow` form hands over to the runtime's when there
//! is no memory, too: that one has the `catch` that a throwing handler needs.
//! Without a C++ runtime nobody can have installed a handler, and it returns
//! `NULL`.

use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::valgrind;
use core_cairn::c;
use libc::{RTLD_DEFAULT, RTLD_LAZY, RTLD_NOLOAD, c_void};

cfg_if::cfg_if! {
    if #[cfg(target_arch = "x86_64")] {
        #[path = "x86_64.rs"]
        mod arch;
    } else if #[cfg(target_arch = "aarch64")] {
        #[path = "aarch64.rs"]
        mod arch;
    } else {
        compile_error!("libcairn.so is written for x86-64 and aarch64 only");
    }
}

/// What plain `new` promises: `__STDCPP_DEFAULT_NEW_ALIGNMENT__`, in bytes.
const DEFAULT_ALIGNMENT: usize = 16;

/// The C++ runtimes that may be in the process outside the global scope.
const RUNTIMES: [&CStr; 2] = [c"libstdc++.so.6", c"libc++.so.1"];

/// One derived form: its name, and the runtime's definition once found.
struct Form {
    name: &'static CStr,
    /// Null: not looked up, or no runtime yet. [`Form::OWN`]: Cairn's own. It
    /// lies elsewhere, since what the loader writes is closed afterwards.
    theirs: &'static AtomicPtr<c_void>,
}

impl Form {
    /// Stands for "serve it yourself"; no function lies at this address.
    const OWN: *mut c_void = ptr::without_provenance_mut(1);

    /// The runtime's definition behind Cairn's, which stands at `own`; null
    /// when there is none to hand over to.
    ///
    /// A library that was loaded late, by `dlopen`, stands behind the runtime
    /// and not before it: there the runtime's form leads to another
    /// allocator, and Cairn's own has to serve whoever found it by `dlsym`.
    fn runtime(&self, own: *mut c_void) -> *mut c_void {
        let known = self.theirs.load(Ordering::Relaxed);
        if known == Self::OWN {
            return ptr::null_mut();
        }
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name is a C string; the caller's scope is Cairn's.
        let theirs = if unsafe { libc::dlsym(RTLD_DEFAULT, self.name.as_ptr()) } == own {
            find_in_runtimes(self.name)
        } else {
            Self::OWN
        };
        // Two threads that look at once find the same.
        self.theirs.store(theirs, Ordering::Relaxed);
        if theirs == Self::OWN {
            ptr::null_mut()
        } else {
            theirs
        }
    }
}

/// Whether a derived form need not look who serves it. Rises, for good, when
/// the first look finds every form that others are defined by to be Cairn's.
/// The assembly reads it; the loader has bound all symbols before that.
static ALL_OWN: AtomicBool = AtomicBool::new(false);

/// Called by a derived form until [`ALL_OWN`] holds: where to jump, or null to
/// go on. `own` is the form's address in this library.
extern "C" fn stand_in(form: &Form, own: *mut c_void) -> *mut c_void {
    if valgrind::serves() {
        return under_valgrind(form, own);
    }
    if arch::base_forms_are_own() {
        ALL_OWN.store(true, Ordering::Relaxed);
        return ptr::null_mut();
    }
    form.runtime(own)
}

/// Where a form goes that valgrind has left to Cairn, while it serves the
/// others: to the runtime's, which calls those, or to the one it is made of.
/// (A version knows all forms but two, or an old one none with an alignment.)
fn under_valgrind(form: &Form, own: *mut c_void) -> *mut c_void {
    let theirs = form.runtime(own);
    if !theirs.is_null() {
        theirs
    } else if ptr::eq(form, &raw const DELETE_ALIGNED_SIZED) {
        delete_aligned as *mut c_void
    } else if ptr::eq(form, &raw const DELETE_ARRAY_ALIGNED_SIZED) {
        delete_array_aligned as *mut c_void
    } else {
        ptr::null_mut()
    }
}

/// The sized form by the one without a size.
extern "C" fn delete_aligned(p: *mut c_void, _: usize, align: usize) {
    // SAFETY: C++ asks the same of both callers, but for the size.
    unsafe { arch::own_delete_aligned()(p, align) }
}

/// As [`delete_aligned`], of an array.
extern "C" fn delete_array_aligned(p: *mut c_void, _: usize, align: usize) {
    // SAFETY: C++ asks the same of both callers, but for the size.
    unsafe { arch::own_delete_array_aligned()(p, align) }
}

/// Called by a `nothrow` form that got no memory: where to jump, or null to
/// return `NULL`.
extern "C" fn catching(form: &Form, own: *mut c_void) -> *mut c_void {
    form.runtime(own)
}

/// `size` bytes at the default alignment, or null.
extern "C" fn allocate(size: usize) -> *mut c_void {
    // SAFETY: any size may be asked for.
    unsafe { c::malloc_or_null(size) }
}

/// `size` bytes at a multiple of `align`, or null; null also for an alignment
/// that is no power of two, which [`is_alignment`] then tells apart.
extern "C" fn allocate_aligned(size: usize, align: usize) -> *mut c_void {
    if align <= DEFAULT_ALIGNMENT && is_alignment(align) {
        return allocate(size);
    }
    if !is_alignment(align) {
        return ptr::null_mut();
    }
    // SAFETY: the alignment is a power of two.
    unsafe { c::memalign_or_null(align, size) }
}

/// Whether a handler could help at all: no memory has another alignment.
extern "C" fn is_alignment(align: usize) -> bool {
    align.is_power_of_two()
}

/// The installed `std::new_handler`, or null.
extern "C" fn new_handler() -> *mut c_void {
    let found = find(c"_ZSt15get_new_handlerv");
    if found.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the name is that of `std::new_handler get_new_handler() noexcept`
    // in every C++ runtime, and a handler is a pointer to a function.
    unsafe {
        let get: extern "C" fn() -> *mut c_void = core::mem::transmute(found);
        get()
    }
}

/// Where a throwing form jumps when there is no memory and no handler: never
/// null. A program without a C++ runtime cannot catch, and ends here.
extern "C" fn out_of_memory() -> *mut c_void {
    let found = find(c"_ZSt17__throw_bad_allocv");
    if found.is_null() {
        const MESSAGE: &CStr = c"operator new: out of memory\n";
        // SAFETY: the message is that long; what write returns does not
        // matter, as abort does not return.
        unsafe {
            libc::syscall(
                libc::SYS_write,
                libc::c_long::from(libc::STDERR_FILENO),
                MESSAGE.as_ptr(),
                MESSAGE.count_bytes(),
            );
            libc::abort()
        }
    }
    found
}

/// A function of the C++ runtime, wherever it is loaded; else null.
fn find(name: &CStr) -> *mut c_void {
    // SAFETY: the name is a C string.
    let found = unsafe { libc::dlsym(RTLD_DEFAULT, name.as_ptr()) };
    if found.is_null() {
        find_in_runtimes(name)
    } else {
        found
    }
}

fn find_in_runtimes(name: &CStr) -> *mut c_void {
    RUNTIMES
        .iter()
        .map(|runtime| find_in_library(runtime, name))
        .find(|found| !found.is_null())
        .unwrap_or(ptr::null_mut())
}

/// `name` in a library that is loaded already: none is loaded for it.
fn find_in_library(library: &CStr, name: &CStr) -> *mut c_void {
    // SAFETY: both names are C strings. The handle is given back; the library
    // stays, as those who loaded it still hold it.
    unsafe {
        let handle = libc::dlopen(library.as_ptr(), RTLD_LAZY | RTLD_NOLOAD);
        if handle.is_null() {
            return ptr::null_mut();
        }
        let found = libc::dlsym(handle, name.as_ptr());
        libc::dlclose(handle);
        found
    }
}

/// The forms that the standard defines by others, for the assembly.
macro_rules! forms {
    ($($form:ident = $name:literal;)+) => {
        $(static $form: Form = Form {
            name: $name,
            theirs: {
                static THEIRS: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
                &THEIRS
            },
        };)+
    };
}

forms! {
    NEW_NOTHROW = c"_ZnwmRKSt9nothrow_t";
    NEW_ARRAY = c"_Znam";
    NEW_ARRAY_NOTHROW = c"_ZnamRKSt9nothrow_t";
    NEW_ALIGNED_NOTHROW = c"_ZnwmSt11align_val_tRKSt9nothrow_t";
    NEW_ARRAY_ALIGNED = c"_ZnamSt11align_val_t";
    NEW_ARRAY_ALIGNED_NOTHROW = c"_ZnamSt11align_val_tRKSt9nothrow_t";
    DELETE_SIZED = c"_ZdlPvm";
    DELETE_NOTHROW = c"_ZdlPvRKSt9nothrow_t";
    DELETE_ARRAY = c"_ZdaPv";
    DELETE_ARRAY_SIZED = c"_ZdaPvm";
    DELETE_ARRAY_NOTHROW = c"_ZdaPvRKSt9nothrow_t";
    DELETE_ALIGNED_SIZED = c"_ZdlPvmSt11align_val_t";
    DELETE_ALIGNED_NOTHROW = c"_ZdlPvSt11align_val_tRKSt9nothrow_t";
    DELETE_ARRAY_ALIGNED = c"_ZdaPvSt11align_val_t";
    DELETE_ARRAY_ALIGNED_SIZED = c"_ZdaPvmSt11align_val_t";
    DELETE_ARRAY_ALIGNED_NOTHROW = c"_ZdaPvSt11align_val_tRKSt9nothrow_t";
}

/// `operator delete` of memory that names nothing but itself.
extern "C" fn release(p: *mut c_void) {
    // SAFETY: C++ asks of its caller what free asks of ours.
    unsafe { c::free(p) }
}

/// `operator delete` with the size that `new` was given, or so the program says.
extern "C" fn release_sized(p: *mut c_void, size: usize) {
    // SAFETY: C++ asks of its caller what free asks of ours.
    unsafe { c::delete_sized(p, DEFAULT_ALIGNMENT, size) }
}

/// `operator delete` with the size and alignment that `new` was given, or so
/// the program says, in the order C++ has them.
extern "C" fn release_aligned_sized(p: *mut c_void, size: usize, align: usize) {
    // SAFETY: C++ asks of its caller what free asks of ours.
    unsafe { c::delete_sized(p, align, size) }
}
