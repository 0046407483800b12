//! Cairn as an [`Allocator`] of the crate `allocator-api2`, for collections that take one on stable
//! Rust.
//!
//! It has a crate of its own, so that `cairn-malloc` keeps its three dependencies.
//!
//! ```
//! use allocator_api2::boxed::Box;
//! use cairn_allocator_api2::InCairn;
//!
//! let page = Box::new_in([0_u8; 4096], InCairn);
//! // SAFETY: a live object.
//! assert!(unsafe { cairn::usable_size(page.as_ptr()) } >= 4096);
//! ```

#![no_std]

mod heap;

pub use heap::Heap;

use allocator_api2::alloc::{AllocError, Allocator};
use cairn::Cairn;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

/// The heap of the process that Cairn serves: what one of these gave out any other takes back, and so
/// does [`cairn::Cairn`] as the global allocator.
///
/// Every error is that there is no memory. A layout that does not fit what was allocated ends the
/// process, as with [`cairn::Cairn`].
///
/// ```
/// use allocator_api2::vec::Vec;
/// use cairn_allocator_api2::InCairn;
///
/// let words: Vec<&str, InCairn> = Vec::with_capacity_in(3, InCairn);
/// assert_eq!(words.capacity(), 3);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InCairn;

/// What a request for this layout got; nothing is asked for no bytes.
fn got(p: *mut u8, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
    let p = NonNull::new(p).ok_or(AllocError)?;
    Ok(NonNull::slice_from_raw_parts(p, layout.size()))
}

/// What stands for an object of no bytes.
fn nothing(layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
    let p = core::ptr::without_provenance_mut(layout.align());
    got(p, layout)
}

/// Resizes.
///
/// # Safety
/// As of [`Allocator::grow`] or [`Allocator::shrink`].
unsafe fn resize(p: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
    if old.align() == new.align() && old.size() != 0 && new.size() != 0 {
        // SAFETY: the caller's; the size is a layout's with this alignment.
        return got(unsafe { Cairn.realloc(p.as_ptr(), old, new.size()) }, new);
    }
    let moved = InCairn.allocate(new)?;
    // SAFETY: two objects of these sizes; the caller gives the old one up.
    unsafe {
        let bytes = old.size().min(new.size());
        moved.cast::<u8>().copy_from_nonoverlapping(p, bytes);
        InCairn.deallocate(p, old);
    }
    Ok(moved)
}

// SAFETY: objects stay where they are until they are given back, whichever copy gave them out.
unsafe impl Allocator for InCairn {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return nothing(layout);
        }
        // SAFETY: the layout has a size.
        got(unsafe { Cairn.alloc(layout) }, layout)
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            return nothing(layout);
        }
        // SAFETY: the layout has a size.
        got(unsafe { Cairn.alloc_zeroed(layout) }, layout)
    }

    unsafe fn deallocate(&self, p: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            // SAFETY: the caller's.
            unsafe { Cairn.dealloc(p.as_ptr(), layout) }
        }
    }

    unsafe fn grow(
        &self,
        p: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's.
        unsafe { resize(p, old, new) }
    }

    unsafe fn grow_zeroed(
        &self,
        p: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's; what is behind the old bytes is the new object's.
        unsafe {
            let grown = resize(p, old, new)?;
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
        unsafe { resize(p, old, new) }
    }
}

/// The README's example compiles, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// So do those of the page on heaps of one's own.
#[cfg(doctest)]
#[doc = include_str!("../../docs/heap.md")]
struct Heaps;
