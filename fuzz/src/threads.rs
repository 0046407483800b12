//! Threads that only seem to run: what makes a thread one to Cairn is its thread-local word and
//! the value of its key. Changing both is changing the thread, in an order that the input says.
//! Real ones, with races, are the models' and the sanitizer's business.

use crate::fresh;
use crate::system::{inside, system};
use core::ffi::c_void;
use std::ptr;

/// Most at a time.
const MOST: usize = 5;

#[derive(Clone, Copy)]
struct Thread {
    words: fresh::Words,
    value: *mut c_void,
}

/// All of them, and which runs.
pub struct Threads {
    all: [Thread; MOST],
    now: usize,
}

impl Default for Threads {
    fn default() -> Self {
        Self::new()
    }
}

impl Threads {
    /// One that runs, and others that never called.
    pub fn new() -> Self {
        let new = Thread {
            words: fresh::beginning(),
            value: ptr::null_mut(),
        };
        Self {
            all: [new; MOST],
            now: 0,
        }
    }

    /// Another one runs.
    pub fn switch(&mut self, to: usize) {
        let (now, value) = (&mut self.all[self.now], &mut system().value);
        (now.words, now.value) = (fresh::words(), *value);
        self.now = to % MOST;
        let next = self.all[self.now];
        fresh::set_words(next.words);
        *value = next.value;
    }

    /// The one that runs ends, and another begins in its place.
    pub fn end(&mut self) {
        let value = std::mem::replace(&mut system().value, ptr::null_mut());
        if let Some(destructor) = system().destructor
            && !value.is_null()
        {
            // SAFETY: the key's destructor with the value this thread set.
            inside(|| unsafe { destructor(value) });
        }
        fresh::set_words(fresh::beginning());
    }

    /// This is a fork's child: no other thread is left.
    pub fn only_this(&mut self) {
        let now = self.now;
        *self = Self::new();
        self.now = now;
    }
}
