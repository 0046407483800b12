//! A list of region records, linked through the records: they live in side memory, out of any
//! overflow's reach, so the links are followed without a check.

use super::record::Record;
use core::ptr;

/// A doubly linked list. A record is on one list at most; `Record::listed` says whether.
pub struct List {
    first: *mut Record,
    last: *mut Record,
}

impl List {
    /// No records.
    pub const fn new() -> Self {
        Self {
            first: ptr::null_mut(),
            last: ptr::null_mut(),
        }
    }
    /// The first record, or null.
    pub fn first(&self) -> *mut Record {
        self.first
    }
    /// Puts a record that is on no list to the front.
    pub fn push_front(&mut self, r: *mut Record) {
        // SAFETY: records are side memory (I11) of this locked arena (I10).
        unsafe {
            (*r).prev = ptr::null_mut();
            (*r).next = self.first;
            (*r).listed = true;
            if self.first.is_null() {
                self.last = r;
            } else {
                (*self.first).prev = r;
            }
        }
        self.first = r;
    }
    /// Puts a record that is on no list to the back.
    pub fn push_back(&mut self, r: *mut Record) {
        // SAFETY: records are side memory (I11) of this locked arena (I10).
        unsafe {
            (*r).next = ptr::null_mut();
            (*r).prev = self.last;
            (*r).listed = true;
            if self.last.is_null() {
                self.first = r;
            } else {
                (*self.last).next = r;
            }
        }
        self.last = r;
    }
    /// Takes a record off this list, if it is on it.
    pub fn remove(&mut self, r: *mut Record) {
        // SAFETY: records are side memory (I11) of this locked arena (I10).
        unsafe {
            if !(*r).listed {
                return;
            }
            let (next, prev) = ((*r).next, (*r).prev);
            if prev.is_null() {
                self.first = next;
            } else {
                (*prev).next = next;
            }
            if next.is_null() {
                self.last = prev;
            } else {
                (*next).prev = prev;
            }
            (*r).listed = false;
            (*r).next = ptr::null_mut();
            (*r).prev = ptr::null_mut();
        }
    }
}
