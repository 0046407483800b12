//! What the protocols call, as little of it as they need. Contents that a protocol hands from
//! thread to thread lie in loom's cells, so that an access without an order between the threads
//! fails the model.

use atomic::{AtomicUsize, Ordering::Relaxed};
use loom::cell::UnsafeCell as Watched;
use std::cell::Cell;
use std::ptr;

/// `core`'s cell, each use of which counts as a write.
pub struct UnsafeCell<T>(Watched<T>);

impl<T> UnsafeCell<T> {
    pub fn new(value: T) -> Self {
        Self(Watched::new(value))
    }
    pub fn get(&self) -> *mut T {
        self.0.with_mut(|p| p)
    }
}

/// Likewise, of what is copied in and out: each use counts as a read or a write.
pub struct GuardedCell<T>(Watched<T>);

impl<T: Copy> GuardedCell<T> {
    pub fn new(value: T) -> Self {
        Self(Watched::new(value))
    }
    #[track_caller]
    pub fn get(&self) -> T {
        // SAFETY: loom fails the model if somebody else writes.
        self.0.with(|p| unsafe { *p })
    }
    #[track_caller]
    pub fn set(&self, value: T) {
        // SAFETY: loom fails the model if somebody else is here.
        self.0.with_mut(|p| unsafe { *p = value });
    }
}

/// Where what stands is compared elsewhere, with the sizes that are shipped.
pub mod places {
    pub mod list {
        pub const FIRST: usize = 0;
        pub const BYTES: usize = 0;
    }
    pub mod record {
        pub const HEAP: usize = 0;
        pub const BASE: usize = 0;
        pub const PENDING: usize = 0;
        pub const FREE: usize = 0;
        pub const STATES: usize = 0;
        pub const MAP: usize = 0;
        pub const BYTES: usize = 0;
    }
    pub mod cache {
        pub const PARKED: usize = 4;
    }
    pub mod samples {
        pub const PLAIN: u8 = 1;
        pub const SAMPLED: u8 = 3;
    }
}

/// Memory as long as the process.
pub fn leak<T>(value: T) -> usize {
    Box::into_raw(Box::new(value)).expose_provenance()
}

/// The process has one key, whose destructor the models call themselves.
///
/// # Safety
/// `key` is writable.
pub unsafe fn pthread_key_create(
    key: *mut libc::pthread_key_t,
    _: Option<unsafe extern "C" fn(*mut libc::c_void)>,
) -> libc::c_int {
    // SAFETY: the caller's.
    unsafe { *key = 1 };
    0
}

loom::thread_local! {
    static SPECIFIC: Cell<*mut libc::c_void> = Cell::new(ptr::null_mut());
}
std::thread_local! {
    static REFUSING: Cell<bool> = const { Cell::new(false) };
}

/// # Safety
/// None here.
pub unsafe fn pthread_setspecific(
    _: libc::pthread_key_t,
    value: *const libc::c_void,
) -> libc::c_int {
    if REFUSING.get() {
        return libc::ENOMEM;
    }
    SPECIFIC.with(|s| s.set(value.cast_mut()));
    0
}

/// From now on there is no memory for a thread's value, or there is.
pub fn refuse_values(on: bool) {
    REFUSING.set(on);
}

/// What the destructor of the ending thread's key is given, if it is called.
pub fn value_at_end() -> Option<*mut libc::c_void> {
    let value = SPECIFIC.with(|s| s.replace(ptr::null_mut()));
    (!value.is_null()).then_some(value)
}

/// # Safety
/// None here.
pub unsafe fn pthread_getspecific(_: libc::pthread_key_t) -> *mut libc::c_void {
    SPECIFIC.with(|s| s.get())
}

type Handler = Option<unsafe extern "C" fn()>;
/// The models call the handlers themselves.
///
/// # Safety
/// None here.
pub unsafe fn pthread_atfork(_: Handler, _: Handler, _: Handler) -> libc::c_int {
    0
}

pub mod relax {
    pub trait RelaxStrategy {
        fn relax();
    }
    pub struct Spin;
    impl RelaxStrategy for Spin {
        fn relax() {
            loom::thread::yield_now();
        }
    }
}

pub mod tls {
    use std::cell::Cell;
    loom::thread_local! {
        static WORD: Cell<usize> = Cell::new(super::statics::empty());
        static TO_PUT: Cell<usize> = Cell::new(super::statics::empty());
        static NAME: Box<u64> = Box::new(0);
    }
    pub fn to_take() -> usize {
        super::signal::may_come();
        WORD.with(Cell::get)
    }
    pub fn set_to_take(value: usize) {
        super::signal::may_come();
        WORD.with(|w| w.set(value));
    }
    pub fn to_put() -> usize {
        super::signal::may_come();
        TO_PUT.with(Cell::get)
    }
    pub fn set_to_put(value: usize) {
        super::signal::may_come();
        TO_PUT.with(|w| w.set(value));
    }
    /// Unlike every other thread's that lives.
    pub fn thread() -> usize {
        NAME.with(|n| std::ptr::from_ref(&**n).addr())
    }
}

/// Loom's atomics, before each use of which a signal may come.
pub mod atomic {
    pub use loom::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering, fence};

    use super::signal::may_come;

    macro_rules! watched {
        ($name:ident, $loom:ty, $value:ty $(, $t:ident)?) => {
            pub struct $name$(<$t>)?($loom);
            impl$(<$t>)? $name$(<$t>)? {
                pub fn new(value: $value) -> Self {
                    Self(<$loom>::new(value))
                }
                #[track_caller]
                pub fn load(&self, order: Ordering) -> $value {
                    may_come();
                    self.0.load(order)
                }
                #[track_caller]
                pub fn store(&self, value: $value, order: Ordering) {
                    may_come();
                    self.0.store(value, order);
                }
                #[track_caller]
                pub fn swap(&self, value: $value, order: Ordering) -> $value {
                    may_come();
                    self.0.swap(value, order)
                }
                #[track_caller]
                pub fn compare_exchange(
                    &self,
                    old: $value,
                    new: $value,
                    done: Ordering,
                    failed: Ordering,
                ) -> Result<$value, $value> {
                    may_come();
                    self.0.compare_exchange(old, new, done, failed)
                }
            }
        };
    }
    watched!(AtomicUsize, loom::sync::atomic::AtomicUsize, usize);
    watched!(AtomicBool, loom::sync::atomic::AtomicBool, bool);
    watched!(AtomicPtr, loom::sync::atomic::AtomicPtr<T>, *mut T, T);

    impl AtomicUsize {
        #[track_caller]
        pub fn fetch_add(&self, n: usize, order: Ordering) -> usize {
            may_come();
            self.0.fetch_add(n, order)
        }
        #[track_caller]
        pub fn fetch_sub(&self, n: usize, order: Ordering) -> usize {
            may_come();
            self.0.fetch_sub(n, order)
        }
    }
}

/// A signal whose handler forks, before any one use of an atomic or of the thread's word. The
/// model goes on as the child.
pub mod signal {
    use std::cell::Cell;
    std::thread_local! {
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }
    /// The signal comes when `uses` more have passed.
    pub fn comes_after(uses: usize) {
        LEFT.set(Some(uses));
    }
    /// No signal any more; whether it came.
    pub fn has_come() -> bool {
        LEFT.take().is_none()
    }
    pub fn may_come() {
        match LEFT.get() {
            Some(0) => {
                LEFT.set(None);
                crate::routes::fork::before();
                crate::routes::fork::in_child();
            }
            Some(uses) => LEFT.set(Some(uses - 1)),
            None => {}
        }
    }
}

pub mod fatal {
    pub fn end_if_dying() {}
    pub fn die(message: &'static str, _: usize) -> ! {
        panic!("{message}")
    }
}

pub mod os {
    use super::Relaxed;
    use super::atomic::AtomicUsize;
    use loom::sync::{Condvar, Mutex};
    use std::cell::Cell;

    loom::lazy_static! {
        /// Who sleeps on which word, first come first: the kernel's queue and its lock.
        static ref QUEUE: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
        static ref CALLED: Condvar = Condvar::new();
    }
    std::thread_local! {
        static REFUSING: Cell<bool> = const { Cell::new(false) };
        static ALONE: Cell<bool> = const { Cell::new(false) };
    }

    pub fn page() -> usize {
        4096
    }
    /// # Safety
    /// None here: nothing goes.
    pub unsafe fn purge(_: usize, _: usize) -> bool {
        false
    }
    /// From now on nobody may sleep on a word, as in a sandbox without `futex`, or all may.
    pub fn refuse_sleep(on: bool) {
        REFUSING.set(on);
    }
    /// From now on the calls are those of a fork's child, whose one thread nobody would wake and
    /// who reaches nobody; or of the parent again.
    pub fn be_child(on: bool) {
        ALONE.set(on);
    }
    /// Only the lower half counts, and what is compared is so under the queue's lock.
    pub fn wait(word: &AtomicUsize, value: usize) -> bool {
        if REFUSING.get() {
            return false;
        }
        assert!(!ALONE.get(), "the child waits for a thread that is gone");
        let me = (std::ptr::from_ref(word).addr(), super::tls::thread());
        let mut queue = QUEUE.lock().expect("no panic");
        if word.load(Relaxed) as u32 == value as u32 {
            queue.push(me);
            while queue.contains(&me) {
                queue = CALLED.wait(queue).expect("no panic");
            }
        }
        true
    }
    pub fn wake(word: &AtomicUsize) {
        if REFUSING.get() || ALONE.get() {
            return;
        }
        let at = std::ptr::from_ref(word).addr();
        let mut queue = QUEUE.lock().expect("no panic");
        if let Some(first) = queue.iter().position(|sleeper| sleeper.0 == at) {
            queue.remove(first);
            CALLED.notify_all();
        }
    }
    /// How many threads sleep.
    pub fn sleepers() -> usize {
        QUEUE.lock().expect("no panic").len()
    }
    /// Wakes all, as the parent's own releases would.
    pub fn wake_all() {
        QUEUE.lock().expect("no panic").clear();
        CALLED.notify_all();
    }
    pub fn yield_now() {
        loom::thread::yield_now();
    }
    pub fn sleep(_: i64) {
        loom::thread::yield_now();
    }
    /// Asked for once a start.
    pub fn secret(out: &mut [u64; 2]) {
        super::STARTS.fetch_add(1, super::Relaxed);
        *out = [3, 5];
    }
    pub fn affine() -> usize {
        2
    }
    pub mod handles {
        /// None: the bell has its word alone here.
        pub struct Handle;
        impl Handle {
            pub fn new() -> Self {
                Self
            }
            pub fn is_there(&self) -> bool {
                false
            }
            pub fn write(&self, _: &[u8]) -> bool {
                false
            }
        }
    }
    pub fn serves_malloc() -> bool {
        true
    }
    pub fn quota() -> usize {
        usize::MAX
    }
    pub fn errno() -> i32 {
        0
    }
    pub fn set_errno(_: i32) {}
    /// libc's lock stands before Cairn's protocols, and is no part of them.
    pub mod streams {
        pub fn take() -> bool {
            false
        }
        /// # Safety
        /// As the original's.
        pub unsafe fn give() {}
    }
}

loom::lazy_static! {
    /// How often the start ran.
    pub static ref STARTS: AtomicUsize = AtomicUsize::new(0);
    static ref KEY: Watched<u64> = Watched::new(0);
    static ref IN_FORCE: Watched<bool> = Watched::new(false);
    pub static ref MAPPED: crate::sync::Lock = crate::sync::Lock::new();
    pub static ref SETTINGS: crate::sync::Lock = crate::sync::Lock::new();
    pub static ref SIDE: crate::sync::Lock = crate::sync::Lock::new();
    pub static ref QUARANTINE: crate::sync::Lock = crate::sync::Lock::new();
    pub static ref SAMPLES: crate::sync::Lock = crate::sync::Lock::new();
    pub static ref GUARDS: crate::sync::Lock = crate::sync::Lock::new();
    pub static ref STACKS: crate::sync::Lock = crate::sync::Lock::new();
    pub static ref CACHES: crate::sync::Lock = crate::sync::Lock::new();
}

pub mod chunk {
    /// # Safety
    /// Once, as in the crate.
    pub unsafe fn set_key(secret: [u64; 2]) {
        // SAFETY: loom checks that nobody else is here.
        super::KEY.with_mut(|k| unsafe { *k = secret[0] });
    }
    /// As every header's tag does.
    pub fn key() -> u64 {
        // SAFETY: as above.
        super::KEY.with(|k| unsafe { *k })
    }
}

pub mod class {
    pub const BIN_SHIFT: u32 = 5;
    pub fn configure(_: usize, _: usize) {}
}

pub mod config {
    pub const ALIGN: usize = 16;
    pub const REGION_SHIFT: u32 = 16;
    pub const REGION: usize = 1 << REGION_SHIFT;
    /// One word of a record's map.
    pub const GRANULES: usize = 64;
    pub const HUGE_PAGE: usize = 2 << 20;
    pub const MAX_ARENAS: usize = 3;
    pub const fn round_up(n: usize, unit: usize) -> usize {
        (n + unit - 1) & !(unit - 1)
    }
}

pub mod settings {
    pub use super::SETTINGS as LOCK;
    use super::knobs::Knobs;
    pub fn apply(_: &Knobs) {
        // SAFETY: loom checks that nobody else is here.
        super::IN_FORCE.with_mut(|f| unsafe { *f = true });
    }
    /// As every slow path does.
    pub fn in_force() -> bool {
        // SAFETY: as above.
        super::IN_FORCE.with(|f| unsafe { *f })
    }
    /// Nobody sleeps here; the bell itself has a model of its own.
    pub struct Silent;
    impl Silent {
        pub fn ring_after_store(&self) {}
    }
    pub static BELL: Silent = Silent;
    pub fn arena_max() -> usize {
        0
    }
    pub fn mmap_threshold() -> usize {
        0
    }
    pub fn background() -> bool {
        false
    }
    pub fn trim_threshold() -> usize {
        0
    }
}

pub mod knobs {
    use core::ffi::{c_char, c_int};
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct Knobs {
        pub check: u32,
        pub run_max: usize,
        pub tcache_max: usize,
        pub tcache_count: usize,
        pub perturb: u8,
        pub mmap_threshold: usize,
        pub mmap_threshold_fixed: bool,
        pub trim_threshold: usize,
        pub verbose: bool,
        pub background: bool,
        pub profile: bool,
        pub profile_interval: usize,
        pub profile_pointers: bool,
        pub guard: usize,
    }
    impl Knobs {
        pub const DEFAULT: Self = Self {
            check: 0,
            run_max: 128,
            tcache_max: 1,
            tcache_count: 1,
            perturb: 0,
            mmap_threshold: 0,
            mmap_threshold_fixed: false,
            trim_threshold: 0,
            verbose: false,
            background: false,
            profile: false,
            profile_interval: 0,
            profile_pointers: false,
            guard: 0,
        };
        /// # Safety
        /// None here.
        pub unsafe fn under_environment(self, _: *const *const c_char, _: bool) -> Self {
            self
        }
        pub fn set_option(&mut self, _: c_int, value: c_int) -> c_int {
            self.mmap_threshold = value as usize;
            1
        }
    }
}

pub mod limit {
    pub fn begin(_: &super::knobs::Knobs) {}
    pub fn bytes() -> usize {
        0
    }
}

pub mod relief {
    pub fn set_limit(_: usize, _: bool) {}
}

pub mod background {
    pub fn follow() {}
    /// # Safety
    /// None here.
    pub unsafe fn remember(_: *const *const core::ffi::c_char) {}
    pub fn prepare() {}
    pub fn start_now() {}
    pub fn in_child() {}
}

pub mod watch {
    pub mod checked {
        pub fn begin(_: &super::super::knobs::Knobs) {}
    }
    pub mod guard {
        pub fn begin(_: &super::super::knobs::Knobs) {}
    }
    pub mod looks {
        pub fn in_child() {}
    }
    pub mod quarantine {
        pub use super::super::QUARANTINE as LOCK;
    }
    pub mod report {
        pub fn begin(_: &super::super::knobs::Knobs) {}
    }
    pub mod samples {
        pub use super::super::SAMPLES as LOCK;
        pub fn set_interval(_: usize) {}
        pub fn set_how(_: super::unwind::How) {}
    }
    pub mod stacks {
        pub use super::super::STACKS as LOCK;
    }
    pub mod unwind {
        pub enum How {
            Pointers,
        }
    }
}

pub mod guards {
    pub use super::GUARDS as LOCK;
}

pub mod mapped {
    pub use super::MAPPED as LOCK;
}

/// What a record knows of its granules. Loom says when it is seen before it was made.
pub mod granules {
    use super::atomic::{AtomicU64, Ordering::Relaxed};

    pub struct Granules(AtomicU64);

    impl Granules {
        pub fn new() -> Self {
            Self(AtomicU64::new(0))
        }
        pub fn has(&self, _: usize) -> bool {
            self.0.load(Relaxed) != 0
        }
        pub fn clear(&self) {
            self.0.store(0, Relaxed);
        }
    }
}

/// What is there from the beginning. Loom's types have no constant value, so a piece becomes what
/// its owner takes it for when that is asked for the first time in a schedule.
pub mod statics {
    use super::atomic::AtomicPtr;
    use crate::arena::Arena;
    use crate::region::Leaf;
    use std::cell::OnceCell;

    /// What zeros are.
    pub trait Zero {
        fn zero() -> Self;
    }
    impl<T, const N: usize> Zero for [AtomicPtr<T>; N] {
        fn zero() -> Self {
            core::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut()))
        }
    }
    impl Zero for Arena {
        fn zero() -> Self {
            Self::new()
        }
    }

    pub struct Piece(OnceCell<usize>);
    impl Piece {
        /// # Safety
        /// As the original's.
        pub unsafe fn of<T: Zero>(&self) -> &'static T {
            let at = self.0.get_or_init(|| super::leak(T::zero()));
            // SAFETY: made above; a piece is of one type.
            unsafe { &*std::ptr::with_exposed_provenance(*at) }
        }
    }
    /// The first leaf, which is known by its address alone.
    pub struct LeafPiece(Piece);
    impl LeafPiece {
        pub fn at(&self) -> usize {
            // SAFETY: it is nothing else.
            let leaf: &Leaf = unsafe { self.0.of() };
            std::ptr::from_ref(leaf).expose_provenance()
        }
    }
    pub struct Span;
    impl Span {
        pub fn at(&self) -> usize {
            0
        }
    }

    pub struct Statics {
        pub table: Piece,
        pub leaf: LeafPiece,
        pub main: Piece,
        pub others: Piece,
        pub span: (Span,),
    }
    // SAFETY: loom runs one thread of a model at a time, and `of` lets no other begin.
    unsafe impl Sync for Statics {}
    loom::lazy_static! {
        pub static ref STATICS: Statics = {
            let piece = || Piece(OnceCell::new());
            Statics {
                table: piece(),
                leaf: LeafPiece(piece()),
                main: piece(),
                others: piece(),
                span: (Span,),
            }
        };
    }
    pub const SPAN: usize = 0;
    /// As long as a cache, whose arena is looked for in them.
    static BLANKS: [[u64; 8]; 2] = [[0; 8]; 2];
    const _: () = assert!(size_of::<crate::cache::Cache>() <= size_of::<[u64; 8]>());
    pub fn empty() -> usize {
        std::ptr::from_ref(&BLANKS[0]).expose_provenance()
    }
    pub fn finished() -> usize {
        std::ptr::from_ref(&BLANKS[1]).expose_provenance()
    }
}

pub mod side {
    pub use super::SIDE as LOCK;
    use crate::arena::records;
    use crate::cache::Cache;
    use crate::region::{LEAF_SIZE, blank_leaf};

    /// Memory of some size; what is made of it says the size.
    pub fn take(size: usize) -> Option<usize> {
        let _held = LOCK.acquire();
        Some(if size == LEAF_SIZE {
            blank_leaf()
        } else if size == size_of::<Cache>() {
            super::leak(Cache::new())
        } else {
            super::leak([0_u64; 256])
        })
    }
    /// # Safety
    /// None here.
    pub unsafe fn lend(_: usize, _: usize) {}
    pub fn forever(size: usize) -> Option<usize> {
        Some(records::blank(size))
    }
    /// # Safety
    /// As the original's.
    pub unsafe fn give(at: usize, _: usize) {
        let cache: *mut Cache = std::ptr::with_exposed_provenance_mut(at);
        // SAFETY: only caches come here.
        unsafe { (*cache).use_it() };
    }
}

pub mod arena {
    use super::{AtomicUsize, Watched};
    use crate::sync::Lock;

    pub struct Arena {
        pub lock: Lock,
        pub purging: Lock,
        pub threads: AtomicUsize,
        pub idle: AtomicUsize,
        pub index: usize,
        state: Watched<usize>,
    }

    /// The part of a locked arena that the start asks for.
    pub struct Locked;
    impl Locked {
        pub fn open_first(&self) {}
        pub fn settle(self) {}
    }

    impl Arena {
        /// # Safety
        /// As in the source.
        pub unsafe fn begin(at: *mut Self, index: usize) {
            // SAFETY: the caller's.
            unsafe {
                at.write(Self {
                    index,
                    ..Self::new()
                })
            };
        }

        pub fn new() -> Self {
            Self {
                lock: Lock::new(),
                purging: Lock::new(),
                idle: AtomicUsize::new(0),
                threads: AtomicUsize::new(0),
                index: 0,
                state: Watched::new(0),
            }
        }
        pub fn try_lock(&self) -> Option<Locked> {
            None
        }
        pub fn take_refused_of_others(&self) {}
        pub fn lock(&self) -> Locked {
            let _held = self.lock.acquire();
            // SAFETY: loom checks that nobody else is here.
            self.state.with_mut(|s| unsafe { *s += 1 });
            Locked
        }
    }

    pub mod heap {
        pub struct Heap;
    }

    pub mod page_states {
        pub struct Pages<R>(std::marker::PhantomData<*mut R>);
        impl<R> Pages<R> {
            pub const NONE: Self = Self(std::marker::PhantomData);
        }
    }
}

pub mod cache {
    use super::Watched;
    use crate::arena::Arena;

    /// The list of all caches.
    pub mod all {
        pub use super::super::CACHES as LOCK;
        /// # Safety
        /// None here.
        pub unsafe fn enter(_: *mut super::Cache) {}
        /// # Safety
        /// None here.
        pub unsafe fn leave(_: *mut super::Cache) {}
    }

    /// No thread is sampled here: none has a cover.
    pub mod cover {
        use super::Cache;
        pub fn lift() -> Option<()> {
            None
        }
        /// # Safety
        /// None here.
        pub unsafe fn give(_: *mut ()) {}
    }

    /// A cache whose bins are a cell.
    #[repr(C)]
    pub struct Cache {
        bins: *mut Watched<usize>,
        pub arena: *const Arena,
        pub first: u64,
        pub cover: core::cell::Cell<*mut ()>,
    }

    impl Cache {
        pub fn new() -> Self {
            Self {
                bins: std::ptr::null_mut(),
                arena: std::ptr::null(),
                first: 0,
                cover: core::cell::Cell::new(std::ptr::null_mut()),
            }
        }
        /// Any use of its bins: by one thread at a time, and in an order that all see.
        pub fn use_it(&mut self) {
            if self.bins.is_null() {
                let at = super::leak(Watched::new(0));
                self.bins = std::ptr::with_exposed_provenance_mut(at);
            }
            // SAFETY: made above; loom checks that nobody else is here.
            unsafe { (*self.bins).with_mut(|b| *b += 1) };
        }
        pub fn capacity(&mut self) -> usize {
            self.use_it();
            0
        }
        pub fn drain(&mut self) {
            self.use_it();
        }
        pub fn flush(&mut self) {
            self.use_it();
        }
    }
}
