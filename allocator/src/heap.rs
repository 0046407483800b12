//! A heap of the program's own as an allocator.

use super::nothing;
use allocator_api2::alloc::{AllocError, Allocator};
use cairn::HeapError;
use core::alloc::Layout;
use core::ops::Deref;
use core::ptr::NonNull;

/// A heap of the program's own, [`cairn::Heap`], a reference to which is an [`Allocator`]: what lies in
/// it borrows it, so that nothing outlives it.
///
/// ```
/// use allocator_api2::{boxed::Box, vec::Vec};
/// use cairn_allocator_api2::Heap;
///
/// let heap = Heap::new("documents", Some(64 << 20))?;
/// let mut words = Vec::new_in(&heap);
/// words.push(Box::new_in(7, &heap));
/// assert!(heap.stats().in_use != 0);
/// # drop(words);
/// # Ok::<(), cairn::HeapError>(())
/// ```
///
/// ```compile_fail
/// let heap = cairn_allocator_api2::Heap::new("gone", None).unwrap();
/// let words: allocator_api2::vec::Vec<u8, _> = allocator_api2::vec::Vec::new_in(&heap);
/// drop(heap);
/// drop(words);
/// ```
#[derive(Debug)]
pub struct Heap(cairn::Heap);

impl Heap {
    /// As [`cairn::Heap::new`].
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// assert!(cairn_allocator_api2::Heap::new("", None).is_err());
    /// ```
    pub fn new(name: &str, limit: Option<usize>) -> Result<Self, HeapError> {
        cairn::Heap::new(name, limit).map(Self)
    }
}

impl From<cairn::Heap> for Heap {
    fn from(heap: cairn::Heap) -> Self {
        Self(heap)
    }
}

impl Deref for Heap {
    type Target = cairn::Heap;

    fn deref(&self) -> &cairn::Heap {
        &self.0
    }
}

fn got(p: Option<NonNull<u8>>, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
    super::got(p.map_or(core::ptr::null_mut(), NonNull::as_ptr), layout)
}

impl Heap {
    /// Resizes; nothing is asked for no bytes.
    ///
    /// # Safety
    /// As of [`Allocator::grow`] or [`Allocator::shrink`].
    unsafe fn resize(
        &self,
        p: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() == 0 {
            return Allocator::allocate(&self, new);
        }
        if new.size() == 0 {
            // SAFETY: the caller's.
            unsafe { Allocator::deallocate(&self, p, old) };
            return nothing(new);
        }
        // SAFETY: the caller's.
        got(unsafe { self.0.reallocate(p, old, new) }, new)
    }
}

// SAFETY: objects stay where they are until they are given back or the heap is dropped, which the
// reference outlives; a copy of the reference means the same heap.
unsafe impl Allocator for &Heap {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return nothing(layout);
        }
        got(self.0.allocate(layout), layout)
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return nothing(layout);
        }
        got(self.0.allocate_zeroed(layout), layout)
    }

    unsafe fn deallocate(&self, p: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            // SAFETY: the caller's.
            unsafe { self.0.deallocate(p, layout) }
        }
    }

    unsafe fn grow(
        &self,
        p: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's.
        unsafe { self.resize(p, old, new) }
    }

    unsafe fn grow_zeroed(
        &self,
        p: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's; what is behind the old bytes is the new object's.
        unsafe {
            let grown = self.resize(p, old, new)?;
            let rest = grown.cast::<u8>().add(old.size());
            rest.write_bytes(0, new.size() - old.size());
            Ok(grown)
        }
    }

    unsafe fn shrink(
        &self,
        p: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's.
        unsafe { self.resize(p, old, new) }
    }
}
