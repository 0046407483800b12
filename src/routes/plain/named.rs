//! Requests of heaps of the program's own, and what plain `realloc` does with their objects.

use super::free;
use crate::arena::split::Fresh;
use crate::config::{ALIGN, MAX_REQUEST};
use crate::named::{self, Named};
use crate::vet::{Found, found};
use crate::watch::perturb;
use crate::{class, fatal, relief, settings};
use core::ptr;

/// Memory for `n` bytes at a multiple of `align`, a power of two, all zero if that is asked for; or
/// null.
pub(in crate::routes) fn plainly(
    heap: &'static Named,
    n: usize,
    align: usize,
    zero: bool,
) -> *mut u8 {
    if n > MAX_REQUEST || !relief::permits(n) {
        return ptr::null_mut();
    }
    let got = heap.take(n, align).unwrap_or(Fresh {
        p: 0,
        clean_from: 0,
    });
    let p: *mut u8 = ptr::with_exposed_provenance_mut(got.p);
    if zero && got.p != 0 {
        let dirty = got.clean_from.saturating_sub(got.p).min(n);
        // SAFETY: at most the `n` bytes just allocated.
        unsafe { p.write_bytes(0, dirty) };
    } else {
        perturb(p, n, !settings::perturb());
    }
    p
}

/// The object at `p` of such a heap, live, for `n` bytes (not 0) at a multiple of `align`; null leaves
/// it as it was. It stays in its heap.
#[cold]
#[inline(never)]
pub(in crate::routes) fn resize_plainly(p: *mut u8, align: usize, n: usize) -> *mut u8 {
    let at = p.expose_provenance();
    let what = found(at);
    let Some(heap) = named::of(at) else {
        // Another thread freed it meanwhile.
        fatal::die("realloc(): invalid pointer", at);
    };
    let have = match what {
        Found::Chunk(_, size) => class::usable(size),
        Found::Mapped(have) => have,
        Found::Object(_) | Found::Guarded(_) | Found::Bad(_) => return ptr::null_mut(),
    };
    if n > MAX_REQUEST || (n > have && !relief::permits(n - have)) {
        return ptr::null_mut();
    }
    if let Some(p) = in_place(heap, what, at, align, n) {
        return ptr::with_exposed_provenance_mut(p);
    }
    let new = plainly(heap, n, align, false);
    if new.is_null() {
        // What has become small and has no other place stays, with fewer pages.
        let stays = matches!(what, Found::Mapped(_)) && n <= have && align <= ALIGN;
        let to = stays
            .then(|| named::resize_mapped(heap, at, n, 0))
            .flatten();
        return ptr::with_exposed_provenance_mut(to.unwrap_or(0));
    }
    // SAFETY: two live objects; the old one has `have` bytes, the new one `n`.
    unsafe { new.copy_from_nonoverlapping(p, have.min(n)) };
    free::plainly(at);
    new
}

fn in_place(heap: &Named, what: Found, p: usize, align: usize, n: usize) -> Option<usize> {
    // Neither a move by pages nor a cut keeps an alignment that a sized free could be told from.
    if align > ALIGN {
        return None;
    }
    match what {
        Found::Chunk(c, size) => named::resize(c, size, n).then_some(p),
        Found::Mapped(_) => named::resize_mapped(heap, p, n, settings::mmap_threshold() / 2),
        Found::Object(_) | Found::Guarded(_) | Found::Bad(_) => None,
    }
}
