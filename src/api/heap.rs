//! A heap of the program's own.

use crate::config::{ALIGN, MAX_NAMED};
use crate::layout::places::named::NAME_MOST;
use crate::named::{self, Name, Named, Refused};
use crate::routes::{self, start};
use crate::stats;
use core::alloc::Layout;
use core::error::Error;
use core::fmt;
use core::ptr::NonNull;

/// A heap of the program's own: memory for one purpose, with a name, perhaps a limit, and an end. C has
/// it as `struct cairn_heap`.
///
/// Its objects lie apart from all others. Any thread may ask for them and give them back, by the heap
/// or by `free`, which needs no heap; `realloc` leaves them in it. When it is dropped all of its memory
/// goes back to the system at once, whatever is still in it: what it costs is a matter of its size,
/// not of how many objects there are. Nobody drops those.
///
/// `malloc_info`, `malloc_stats`, `cairn stats` and `cairn why` show it by its name, and what gives back
/// what is free (`malloc_trim`, [`crate::trim`], `CAIRN_BACKGROUND`) looks at it too. A process can have
/// 4,096 at a time ([`Heap::MOST`]).
///
/// A request and its free take a lock and some 300 instructions more than with the heap of all. Each
/// object has a header, so that the smallest takes 32 bytes, and a heap takes 64 KiB at least. It is for
/// purposes, not for the hottest loop.
///
/// ```
/// use std::alloc::Layout;
///
/// let heap = cairn::Heap::new("documents", Some(16 << 20))?;
/// let layout = Layout::new::<[u64; 100]>();
/// let p = heap.allocate(layout).expect("within its limit");
/// assert!(heap.stats().in_use >= layout.size());
/// // SAFETY: an object of this heap, with its layout, that nobody uses any more.
/// unsafe { heap.deallocate(p, layout) };
///
/// // Beyond the limit there is nothing, while the rest of the program has all it wants.
/// assert!(heap.allocate(Layout::new::<[u8; 17 << 20]>()).is_none());
/// # Ok::<(), cairn::HeapError>(())
/// ```
///
/// The crate `cairn-allocator-api2` has it as an `Allocator`, for collections.
pub struct Heap(&'static Named);

/// The figures of a [`Heap`] at one moment. C has them as `struct cairn_heap_stats`.
///
/// ```
/// let heap = cairn::Heap::new("empty", None)?;
/// assert_eq!(heap.stats(), cairn::HeapStats::default());
/// # Ok::<(), cairn::HeapError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
#[repr(C)]
pub struct HeapStats {
    /// Bytes of all that the program holds of it, headers included, mapped chunks among them.
    pub in_use: usize,
    /// Bytes that no object has. Some of their pages may have gone back to the system.
    pub free: usize,
    /// Bytes of `free` that wait in check mode's quarantine.
    pub cached: usize,
    /// Bytes that it has beside its mapped chunks: what is in use there, and `free`.
    pub heaps: usize,
    /// Bytes of its mapped chunks.
    pub mapped: usize,
    /// The most that `heaps` ever was.
    pub peak_heaps: usize,
    /// Its limit, 0 for none: `heaps` and `mapped` together stay below.
    pub limit: usize,
}

/// Why there is no new [`Heap`].
///
/// ```
/// use cairn::{Heap, HeapError};
///
/// assert_eq!(Heap::new("", None).err(), Some(HeapError::Name));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HeapError {
    /// The name is empty, longer than 32 bytes, or has a control character, a quotation mark, a
    /// backslash, `<`, `>` or `&`, with which it could not stand in XML or in the label of a metric.
    Name,
    /// There are 4,096 already ([`Heap::MOST`]).
    TooMany,
    /// There is no memory for what Cairn has to know of it.
    NoMemory,
}

impl fmt::Display for HeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "no name for a heap",
            Self::TooMany => "there are as many heaps as there can be",
            Self::NoMemory => "no memory for a heap",
        })
    }
}

impl Error for HeapError {}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.name();
        f.debug_tuple("Heap").field(&name.text()).finish()
    }
}

impl Heap {
    /// The most heaps that a process can have at a time.
    ///
    /// ```
    /// let heaps: Vec<_> = (0..3).map(|n| cairn::Heap::new(&n.to_string(), None)).collect();
    /// assert!(heaps.len() < cairn::Heap::MOST && heaps.iter().all(Result::is_ok));
    /// ```
    pub const MOST: usize = MAX_NAMED;
    /// Bytes of the longest name.
    ///
    /// ```
    /// let longest = "x".repeat(cairn::Heap::NAME_MOST);
    /// assert!(cairn::Heap::new(&longest, None).is_ok());
    /// assert!(cairn::Heap::new(&(longest + "x"), None).is_err());
    /// ```
    pub const NAME_MOST: usize = NAME_MOST;

    /// Makes one that is empty and has no memory yet. C has it by `cairn_heap_new()`.
    ///
    /// Two may have the same name. The limit, in bytes, is of what the heap has from the system: it
    /// grows by 64 KiB, and what is large (`M_MMAP_THRESHOLD`) by whole pages. Below 64 KiB it can hold
    /// large objects alone.
    ///
    /// # Errors
    /// See [`HeapError`].
    ///
    /// ```
    /// let cache = cairn::Heap::new("thumbnails", Some(256 << 20))?;
    /// let scratch = cairn::Heap::new("request 4711", None)?;
    /// assert_eq!(cache.limit(), Some(256 << 20));
    /// # Ok::<(), cairn::HeapError>(())
    /// ```
    pub fn new(name: &str, limit: Option<usize>) -> Result<Self, HeapError> {
        start::ensure();
        if !named::is_name(name) {
            return Err(HeapError::Name);
        }
        // 0 is for none.
        let bound = limit.map_or(0, |limit| limit.max(1));
        match named::make(name, bound) {
            Ok(heap) => Ok(Self(heap)),
            Err(Refused::TooMany) => Err(HeapError::TooMany),
            Err(Refused::NoMemory) => Err(HeapError::NoMemory),
        }
    }

    /// Memory for this layout, or nothing where there is none, or the limit would be passed. C has it
    /// by `cairn_heap_alloc()` and `cairn_heap_aligned_alloc()`.
    ///
    /// A layout of no bytes gets an object too.
    ///
    /// ```
    /// use std::alloc::Layout;
    ///
    /// let heap = cairn::Heap::new("words", None)?;
    /// let line = heap.allocate(Layout::from_size_align(80, 64).unwrap()).unwrap();
    /// assert!(line.as_ptr().addr().is_multiple_of(64));
    /// # Ok::<(), cairn::HeapError>(())
    /// ```
    pub fn allocate(&self, layout: Layout) -> Option<NonNull<u8>> {
        NonNull::new(self.get(layout.size(), layout.align(), false))
    }

    /// As [`Self::allocate`], all zero. C has it by `cairn_heap_calloc()`.
    ///
    /// ```
    /// use std::alloc::Layout;
    ///
    /// let heap = cairn::Heap::new("tables", None)?;
    /// let table = heap.allocate_zeroed(Layout::new::<[u64; 1000]>()).unwrap().cast::<[u64; 1000]>();
    /// // SAFETY: an object of this type, all zero.
    /// assert!(unsafe { table.as_ref() }.iter().all(|word| *word == 0));
    /// # Ok::<(), cairn::HeapError>(())
    /// ```
    pub fn allocate_zeroed(&self, layout: Layout) -> Option<NonNull<u8>> {
        NonNull::new(self.get(layout.size(), layout.align(), true))
    }

    /// Gives an object back. If it is another heap's, or no live object, the process ends with a line
    /// that says so. C has it by `cairn_heap_free()`.
    ///
    /// # Safety
    /// `p` is a live object with this layout, and nobody uses it any more.
    ///
    /// ```
    /// use std::alloc::Layout;
    ///
    /// let heap = cairn::Heap::new("words", None)?;
    /// let layout = Layout::new::<u64>();
    /// let p = heap.allocate(layout).unwrap();
    /// // SAFETY: just allocated with this layout.
    /// unsafe { heap.deallocate(p, layout) };
    /// assert_eq!(heap.stats().in_use, 0);
    /// # Ok::<(), cairn::HeapError>(())
    /// ```
    pub unsafe fn deallocate(&self, p: NonNull<u8>, layout: Layout) {
        self.check_owner(p.as_ptr());
        routes::release_sized(p.as_ptr(), layout.size(), layout.align());
    }

    /// The object at `p` with the size and the alignment of `new`, in the same heap, wherever it lies
    /// then; nothing leaves it as it was. Both larger and smaller. C has it by `cairn_heap_realloc()`.
    ///
    /// # Safety
    /// `p` is a live object of the heap with the layout `old`, and after a success nobody uses what was
    /// at `p`.
    ///
    /// ```
    /// use std::alloc::Layout;
    ///
    /// let heap = cairn::Heap::new("text", None)?;
    /// let (old, new) = (Layout::new::<[u8; 10]>(), Layout::new::<[u8; 10_000]>());
    /// let p = heap.allocate_zeroed(old).unwrap();
    /// // SAFETY: just allocated with this layout.
    /// let p = unsafe { heap.reallocate(p, old, new) }.unwrap();
    /// // SAFETY: as above, with the other layout.
    /// unsafe { heap.deallocate(p, new) };
    /// # Ok::<(), cairn::HeapError>(())
    /// ```
    pub unsafe fn reallocate(
        &self,
        p: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Option<NonNull<u8>> {
        self.check_owner(p.as_ptr());
        if old.align() == new.align() && new.size() != 0 {
            return NonNull::new(resize(p.as_ptr(), new));
        }
        let moved = self.allocate(new)?;
        // SAFETY: two objects of these sizes; the caller gives the old one up.
        unsafe {
            moved.copy_from_nonoverlapping(p, old.size().min(new.size()));
            self.deallocate(p, old);
        }
        Some(moved)
    }

    /// Its name.
    ///
    /// ```
    /// let heap = cairn::Heap::new("documents", None)?;
    /// assert_eq!(heap.name().as_str(), "documents");
    /// # Ok::<(), cairn::HeapError>(())
    /// ```
    pub fn name(&self) -> HeapName {
        HeapName(self.0.name())
    }

    /// Bytes that it may have from the system, if that is limited.
    ///
    /// ```
    /// assert_eq!(cairn::Heap::new("endless", None)?.limit(), None);
    /// # Ok::<(), cairn::HeapError>(())
    /// ```
    pub fn limit(&self) -> Option<usize> {
        Some(self.0.bound()).filter(|bound| *bound != 0)
    }

    /// Its figures. C has it by `cairn_heap_stats()`.
    ///
    /// ```
    /// let heap = cairn::Heap::new("documents", None)?;
    /// let stats = heap.stats();
    /// assert!(stats.free <= stats.heaps && stats.heaps <= stats.peak_heaps);
    /// # Ok::<(), cairn::HeapError>(())
    /// ```
    pub fn stats(&self) -> HeapStats {
        let of = stats::of_named(self.0);
        HeapStats {
            in_use: of.in_use + of.mapped,
            free: of.free,
            cached: of.cached,
            heaps: of.heaps,
            mapped: of.mapped,
            peak_heaps: of.peak_heaps,
            limit: self.0.bound(),
        }
    }

    /// Gives back to the system what is free in it; whether anything went.
    ///
    /// ```
    /// let heap = cairn::Heap::new("documents", None)?;
    /// assert!(!heap.trim());
    /// # Ok::<(), cairn::HeapError>(())
    /// ```
    pub fn trim(&self) -> bool {
        self.0.arena.trim(0)
    }

    /// An object of `n` bytes at a multiple of `align`, a power of two; or null.
    pub(super) fn get(&self, n: usize, align: usize, zero: bool) -> *mut u8 {
        routes::named::allocate(self.0, n, align.max(ALIGN), zero)
    }

    pub(super) fn check_owner(&self, p: *mut u8) {
        routes::named::check_owner(self.0, p.expose_provenance());
    }

    /// What C has a pointer to.
    pub(super) const fn of_c(heap: &'static Named) -> core::mem::ManuallyDrop<Self> {
        core::mem::ManuallyDrop::new(Self(heap))
    }

    /// For C, which ends it by itself.
    pub(super) fn into_c(self) -> &'static Named {
        core::mem::ManuallyDrop::new(self).0
    }
}

fn resize(p: *mut u8, new: Layout) -> *mut u8 {
    routes::realloc::by_route(p, new.align(), new.size())
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: what is borrowed from the heap is gone, and what is not is the business of who
        // allocated it (`Heap::allocate`).
        unsafe { routes::named::end(self.0) };
    }
}

/// The name of a [`Heap`].
///
/// ```
/// let heap = cairn::Heap::new("documents", None)?;
/// println!("{} bytes in {}", heap.stats().in_use, heap.name().as_str());
/// # Ok::<(), cairn::HeapError>(())
/// ```
#[derive(Clone, Copy)]
pub struct HeapName(Name);

impl HeapName {
    /// Its text.
    ///
    /// ```
    /// assert_eq!(cairn::Heap::new("a", None)?.name().as_str(), "a");
    /// # Ok::<(), cairn::HeapError>(())
    /// ```
    pub fn as_str(&self) -> &str {
        self.0.text()
    }
}
