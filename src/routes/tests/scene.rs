//! What a scenario holds, and every call checked against it.

use crate::{c, check_heap, os};
use core::{ptr, slice};
use libc::c_void;
use std::vec::Vec;

/// A live object, all of whose bytes asked for hold `fill`.
pub(super) struct Object {
    at: usize,
    asked: usize,
    fill: u8,
    /// `free_sized` may take it.
    plain: bool,
}

impl Object {
    fn pointer(&self) -> *mut c_void {
        ptr::with_exposed_provenance_mut(self.at)
    }

    fn bytes(&self, n: usize) -> &[u8] {
        // SAFETY: a live object of at least `n` bytes.
        unsafe { slice::from_raw_parts(self.pointer().cast(), n) }
    }

    #[track_caller]
    pub(super) fn check(&self, n: usize) {
        assert!(
            is_all(self.bytes(n), self.fill),
            "{n} of {} bytes at {:#x} changed",
            self.asked,
            self.at
        );
    }
}

fn is_all(bytes: &[u8], value: u8) -> bool {
    match bytes {
        [] => true,
        [first, rest @ ..] => *first == value && *rest == bytes[..rest.len()],
    }
}

/// What a scenario holds.
pub(super) struct Scene {
    pub live: Vec<Object>,
    /// Nothing is refused: null is a failure.
    pub strict: bool,
}

impl Scene {
    #[track_caller]
    pub(super) fn hold(&mut self, p: *mut c_void, asked: usize, align: usize, plain: bool) -> bool {
        if p.is_null() {
            assert!(!self.strict, "no memory for {asked} bytes at {align}");
            assert_eq!(os::errno(), libc::ENOMEM, "null says why");
            os::set_errno(0);
            return false;
        }
        let object = Object {
            at: p.expose_provenance(),
            asked,
            fill: (self.live.len() % 251) as u8 + 1,
            plain,
        };
        assert_eq!(object.at % align.max(16), 0, "{asked} bytes at {align}");
        // SAFETY: `asked` bytes just given out.
        unsafe { ptr::write_bytes(p.cast::<u8>(), object.fill, asked) };
        self.live.push(object);
        true
    }

    #[track_caller]
    pub(super) fn malloc(&mut self, n: usize) -> bool {
        // SAFETY: no precondition.
        let p = unsafe { c::malloc(n) };
        self.hold(p, n, 16, true)
    }

    #[track_caller]
    pub(super) fn calloc(&mut self, n: usize) {
        // SAFETY: no precondition.
        let p = unsafe { c::calloc(1, n) };
        if self.hold(p, 0, 16, false)
            && let Some(object) = self.live.last_mut()
        {
            object.asked = n;
            object.plain = true;
            assert!(is_all(object.bytes(n), 0), "{n} bytes are not all zero");
            // SAFETY: `n` bytes just given out.
            unsafe { ptr::write_bytes(p.cast::<u8>(), object.fill, n) };
        }
    }

    #[track_caller]
    pub(super) fn memalign(&mut self, align: usize, n: usize) {
        // SAFETY: no precondition.
        let p = unsafe { c::memalign(align, n) };
        self.hold(p, n, align, false);
    }

    /// Resizes the object held last; on failure it is as it was.
    #[track_caller]
    pub(super) fn resize(&mut self, n: usize) {
        let Some(mut object) = self.live.pop() else {
            return;
        };
        // SAFETY: a live object.
        let p = unsafe { c::realloc(object.pointer(), n) };
        if p.is_null() {
            assert!(!self.strict, "no memory for {n} bytes");
            object.check(object.asked);
        } else {
            object.at = p.expose_provenance();
            object.check(object.asked.min(n));
            (object.asked, object.plain) = (n, true);
            // SAFETY: `n` bytes of a live object.
            unsafe { ptr::write_bytes(p.cast::<u8>(), object.fill, n) };
        }
        self.live.push(object);
    }

    #[track_caller]
    pub(super) fn free(&mut self, i: usize) {
        if i >= self.live.len() {
            return; // what was refused is not there
        }
        let object = self.live.swap_remove(i);
        object.check(object.asked);
        // SAFETY: a live object, with the size it was asked for.
        unsafe {
            if object.plain {
                c::free_sized(object.pointer(), object.asked);
            } else {
                c::free(object.pointer());
            }
        }
    }

    #[track_caller]
    pub(super) fn free_every(&mut self, step: usize) {
        for i in (0..self.live.len()).rev().step_by(step) {
            self.free(i);
        }
    }

    #[track_caller]
    pub(super) fn check(&self) {
        for object in &self.live {
            object.check(object.asked);
        }
        assert_eq!(check_heap().err(), None);
    }
}
