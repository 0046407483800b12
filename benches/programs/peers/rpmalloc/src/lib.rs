//! The newest rpmalloc under malloc's names.
//!
//! `operator new` gives null where it should throw: no workload gets there.

use core::ffi::{c_char, c_int, c_uint, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

// The crate brings the static library; its Rust items are not used.
extern crate rpmalloc_sys;

include!("../../forward.rs");

forward! {
    malloc(n: usize) -> *mut c_void = rpmalloc(n);
    free(p: *mut c_void) = rpfree(p);
    calloc(count: usize, n: usize) -> *mut c_void = rpcalloc(count, n);
    realloc(p: *mut c_void, n: usize) -> *mut c_void = rprealloc(p, n);
    memalign(align: usize, n: usize) -> *mut c_void = rpmemalign(align, n);
    aligned_alloc(align: usize, n: usize) -> *mut c_void = rpaligned_alloc(align, n);
    posix_memalign(out: *mut *mut c_void, align: usize, n: usize) -> c_int = rpposix_memalign(out, align, n);
    malloc_usable_size(p: *mut c_void) -> usize = rpmalloc_usable_size(p);

    // operator new, new[], and their nothrow forms.
    _Znwm(n: usize) -> *mut c_void = rpmalloc(n);
    _Znam(n: usize) -> *mut c_void = rpmalloc(n);
    _ZnwmRKSt9nothrow_t(n: usize, p: *mut c_void) -> *mut c_void = rpmalloc(n);
    _ZnamRKSt9nothrow_t(n: usize, p: *mut c_void) -> *mut c_void = rpmalloc(n);

    // operator delete, delete[], and their nothrow, sized and aligned forms.
    _ZdlPv(p: *mut c_void) = rpfree(p);
    _ZdaPv(p: *mut c_void) = rpfree(p);
    _ZdlPvRKSt9nothrow_t(p: *mut c_void, n: usize) = rpfree(p);
    _ZdaPvRKSt9nothrow_t(p: *mut c_void, n: usize) = rpfree(p);
    _ZdlPvm(p: *mut c_void, n: usize) = rpfree(p);
    _ZdaPvm(p: *mut c_void, n: usize) = rpfree(p);
    _ZdlPvSt11align_val_t(p: *mut c_void, align: usize) = rpfree(p);
    _ZdaPvSt11align_val_t(p: *mut c_void, align: usize) = rpfree(p);
    _ZdlPvSt11align_val_tRKSt9nothrow_t(p: *mut c_void, align: usize, n: usize) = rpfree(p);
    _ZdaPvSt11align_val_tRKSt9nothrow_t(p: *mut c_void, align: usize, n: usize) = rpfree(p);
    _ZdlPvmSt11align_val_t(p: *mut c_void, n: usize, align: usize) = rpfree(p);
    _ZdaPvmSt11align_val_t(p: *mut c_void, n: usize, align: usize) = rpfree(p);
}

const PAGE: usize = 4096;

unsafe extern "C" {
    fn rpmalloc(n: usize) -> *mut c_void;
    fn rpfree(p: *mut c_void);
    fn rprealloc(p: *mut c_void, n: usize) -> *mut c_void;
    fn rpaligned_alloc(align: usize, n: usize) -> *mut c_void;
    fn rpmalloc_thread_initialize();
    fn rpmalloc_thread_finalize(release: c_int);
    fn pthread_key_create(key: *mut c_uint, end: unsafe extern "C" fn(*mut c_void)) -> c_int;
    fn pthread_setspecific(key: c_uint, value: *const c_void) -> c_int;
    fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
}

/// Aligned `operator new` has its arguments the other way round.
macro_rules! aligned_new {
    ($($symbol:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $symbol(n: usize, align: usize) -> *mut c_void {
                // SAFETY: any size; the compiler passes a power of two.
                unsafe { rpaligned_alloc(align, n) }
            }
        )*
    };
}

aligned_new! {
    _ZnwmSt11align_val_t
    _ZnamSt11align_val_t
    _ZnwmSt11align_val_tRKSt9nothrow_t
    _ZnamSt11align_val_tRKSt9nothrow_t
}

#[unsafe(no_mangle)]
unsafe extern "C" fn valloc(n: usize) -> *mut c_void {
    // SAFETY: any size, a power of two.
    unsafe { rpaligned_alloc(PAGE, n) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pvalloc(n: usize) -> *mut c_void {
    // SAFETY: any size, a power of two.
    unsafe { rpaligned_alloc(PAGE, n.next_multiple_of(PAGE)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn reallocarray(p: *mut c_void, count: usize, n: usize) -> *mut c_void {
    match count.checked_mul(n) {
        // SAFETY: the caller's.
        Some(bytes) => unsafe { rprealloc(p, bytes) },
        None => null_mut(),
    }
}

/// What a thread was to run.
struct Start {
    run: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
}

/// The key whose destructor gives a thread's heap back; made before the first other thread.
static KEY: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn at_thread_exit(_: *mut c_void) {
    // SAFETY: the thread is at its end.
    unsafe { rpmalloc_thread_finalize(1) };
}

unsafe extern "C" fn run(start: *mut c_void) -> *mut c_void {
    // SAFETY: `pthread_create` below made it for this thread alone.
    unsafe {
        rpmalloc_thread_initialize();
        let Start { run, argument } = start.cast::<Start>().read();
        rpfree(start);
        pthread_setspecific(KEY.load(Relaxed), core::ptr::dangling::<c_void>());
        run(argument)
    }
}

#[unsafe(link_section = ".init_array")]
#[used]
static AT_START: extern "C" fn() = at_start;

extern "C" fn at_start() {
    let mut key = 0;
    // SAFETY: `key` outlives the call.
    unsafe { pthread_key_create(&raw mut key, at_thread_exit) };
    KEY.store(key, Relaxed);
}

type Create = unsafe extern "C" fn(
    *mut c_void,
    *const c_void,
    unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    *mut c_void,
) -> c_int;

/// Threads give their heap back at their end, as rpmalloc's own preload library has it.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut c_void,
    attributes: *const c_void,
    run_this: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    argument: *mut c_void,
) -> c_int {
    const RTLD_NEXT: *mut c_void = usize::MAX as *mut c_void;
    const EAGAIN: c_int = 11;
    // SAFETY: the name ends in 0; the function found is libc's, of this type; `start` is memory
    // for one `Start`.
    unsafe {
        let found = dlsym(RTLD_NEXT, c"pthread_create".as_ptr());
        let start = rpmalloc(size_of::<Start>()).cast::<Start>();
        if found.is_null() || start.is_null() {
            return EAGAIN;
        }
        start.write(Start {
            run: run_this,
            argument,
        });
        let create = core::mem::transmute::<*mut c_void, Create>(found);
        let made = create(thread, attributes, run, start.cast());
        if made != 0 {
            rpfree(start.cast());
        }
        made
    }
}
