//! The objects of the loader's that frames lie in: each keeps its path, so that what was unloaded since
//! is told from what lies there now.

use crate::layout::places::samples as place;
use crate::watch::unwind::Object;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, Release},
};

const _: () =
    assert!(size_of::<Module>() == place::MODULE && offset_of!(Module, path) == place::PATH);

/// An object of the loader's.
#[repr(C)]
pub(crate) struct Module {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) bias: usize,
    pub(crate) path: [u8; place::MODULE - place::PATH],
}

/// A table of them. Who has one holds the lock that guards it.
pub(crate) struct Modules {
    /// Where it lies: zeros where nothing was written yet.
    pub at: usize,
    /// How many there are.
    pub count: &'static AtomicUsize,
}

impl Modules {
    /// The number of an object, from 1 on; 0 where there is no more room.
    pub(crate) fn number(&self, object: &Object) -> u64 {
        let all = self.count.load(Relaxed);
        let name: *const u8 = ptr::with_exposed_provenance(object.name);
        // The newest first: of two in one place, the older was unloaded.
        for i in (0..all).rev() {
            let m = self.place(i);
            // SAFETY: a module that was written, with the lock held; the loader's string.
            let same = unsafe {
                (*m).start == object.start && (*m).end == object.end && is_named(&(*m).path, name)
            };
            if same {
                return i as u64 + 1;
            }
        }
        if all == place::MOST_MODULES {
            return 0;
        }
        let m = self.place(all);
        // SAFETY: a place of nobody's, with the lock held; the loader's string.
        unsafe {
            ((*m).start, (*m).end, (*m).bias) = (object.start, object.end, object.bias);
            let room = (*m).path.len() - 1;
            for (k, byte) in (*m).path.iter_mut().take(room).enumerate() {
                *byte = name.add(k).read();
                if *byte == 0 {
                    break;
                }
            }
        }
        self.count.store(all + 1, Release);
        all as u64 + 1
    }

    /// A module by its number.
    pub(crate) fn get(&self, number: u64) -> Option<&'static Module> {
        let i = (number as usize).checked_sub(1)?;
        // SAFETY: a module that was written stays as it is.
        (self.at != 0 && i < self.count.load(Relaxed)).then(|| unsafe { &*self.place(i) })
    }

    fn place(&self, i: usize) -> *mut Module {
        ptr::with_exposed_provenance_mut::<Module>(self.at).wrapping_add(i % place::MOST_MODULES)
    }
}

/// Whether what was kept of a path is the beginning of a name, or all of it.
///
/// # Safety
/// A C string.
unsafe fn is_named(path: &[u8], name: *const u8) -> bool {
    for (k, byte) in path.iter().enumerate() {
        if *byte == 0 {
            // SAFETY: the name did not end before.
            return k + 1 == path.len() || unsafe { name.add(k).read() } == 0;
        }
        // SAFETY: as above.
        if *byte != unsafe { name.add(k).read() } {
            return false;
        }
    }
    true
}
