//! Who serves: the functions behind this library's, found on the first call. Whoever looks for them
//! may allocate, and gets memory from a buffer that is never freed.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::mem::transmute_copy;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicUsize, Ordering::*};

use libc::{c_int, c_void};

pub(crate) type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
pub(crate) type Calloc = unsafe extern "C" fn(usize, usize) -> *mut c_void;
pub(crate) type Realloc = unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void;
pub(crate) type Free = unsafe extern "C" fn(*mut c_void);
pub(crate) type Aligned = unsafe extern "C" fn(usize, usize) -> *mut c_void;
pub(crate) type PosixMemalign = unsafe extern "C" fn(*mut *mut c_void, usize, usize) -> c_int;

/// A function behind this library's.
pub(crate) struct Next(&'static CStr, AtomicPtr<c_void>);

impl Next {
    const fn named(name: &'static CStr) -> Self {
        Self(name, AtomicPtr::new(null_mut()))
    }

    /// The function, as its type; `None` while somebody looks for it, or if there is none.
    #[inline(always)]
    pub(crate) fn get<F: Copy>(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let mut at = self.1.load(Relaxed);
        if at.is_null() {
            at = self.find();
            if at.is_null() {
                return None;
            }
        }
        // SAFETY: the symbol of this name has this type.
        Some(unsafe { transmute_copy::<*mut c_void, F>(&at) })
    }

    #[cold]
    fn find(&self) -> *mut c_void {
        // The loader's lock lets one thread look; that one's own calls come here again.
        if LOOKS.load(Relaxed) != 0 && LOOKER.load(Relaxed) == own() {
            return null_mut();
        }
        while LOOKS.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
            core::hint::spin_loop();
        }
        LOOKER.store(own(), Relaxed);
        // SAFETY: the name is a C string.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.0.as_ptr()) };
        self.1.store(found, Relaxed);
        LOOKER.store(0, Relaxed);
        LOOKS.store(0, Release);
        found
    }
}

/// A name for this thread.
fn own() -> usize {
    // SAFETY: it returns a number.
    (unsafe { libc::syscall(libc::SYS_gettid) }) as usize
}

static LOOKS: AtomicU8 = AtomicU8::new(0);
static LOOKER: AtomicUsize = AtomicUsize::new(0);

pub(crate) static MALLOC: Next = Next::named(c"malloc");
pub(crate) static CALLOC: Next = Next::named(c"calloc");
pub(crate) static REALLOC: Next = Next::named(c"realloc");
pub(crate) static FREE: Next = Next::named(c"free");
pub(crate) static MEMALIGN: Next = Next::named(c"memalign");
pub(crate) static ALIGNED_ALLOC: Next = Next::named(c"aligned_alloc");
pub(crate) static POSIX_MEMALIGN: Next = Next::named(c"posix_memalign");
pub(crate) static VALLOC: Next = Next::named(c"valloc");
pub(crate) static PVALLOC: Next = Next::named(c"pvalloc");

/// Bytes for whoever looks; glibc's loader takes some hundred.
const EARLY: usize = 64 << 10;

#[repr(align(16))]
struct Buffer(UnsafeCell<[u8; EARLY]>);

// SAFETY: each byte is handed out once.
unsafe impl Sync for Buffer {}

static BUFFER: Buffer = Buffer(UnsafeCell::new([0; EARLY]));
static USED: AtomicUsize = AtomicUsize::new(0);

/// Zeroed memory from the buffer, or null.
#[cold]
pub(crate) fn early(size: usize) -> *mut c_void {
    if size > EARLY {
        return null_mut();
    }
    let at = USED.fetch_add(size.next_multiple_of(16), Relaxed);
    if at + size > EARLY {
        return null_mut();
    }
    BUFFER.0.get().cast::<u8>().wrapping_add(at).cast()
}

/// Whether that is from the buffer, and then how many bytes there are up to its end.
#[inline(always)]
pub(crate) fn early_rest(pointer: *mut c_void) -> Option<usize> {
    let offset = pointer.addr().wrapping_sub(BUFFER.0.get().addr());
    (offset < EARLY).then(|| EARLY - offset)
}
