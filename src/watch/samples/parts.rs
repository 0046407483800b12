//! What the memory of the samples holds.

use crate::layout::places::samples as place;

const _: () = assert!(size_of::<Record>() == place::RECORD && size_of::<Site>() == place::SITE);

/// A live object that was met.
#[repr(C)]
pub(super) struct Record {
    pub(super) p: usize,
    pub(super) size: usize,
    pub(super) weight: f64,
    pub(super) born: usize,
    pub(super) site: u32,
    pub(super) next: u32,
    pub(super) thread: u32,
    pub(super) _rest: u32,
}

/// Objects, and their bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Sum {
    pub(super) objects: f64,
    pub(super) bytes: f64,
}

impl Sum {
    pub(super) fn add(&mut self, weight: f64, size: usize) {
        self.objects += weight;
        self.bytes += weight * size as f64;
    }
}

/// A stack that asked for memory; its frames follow.
#[repr(C)]
pub(super) struct Site {
    pub(super) hash: u64,
    pub(super) next: u32,
    pub(super) frames: u32,
    pub(super) allocated: Sum,
    pub(super) freed: Sum,
    pub(super) peak: Sum,
    pub(super) taken: u32,
    pub(super) gone: u32,
    pub(super) lives: [u32; place::LIVES],
}

/// The address of the sample with this number, from 0 on, or 0 where that is none any more; nothing
/// behind the last.
pub(crate) fn at(i: usize) -> Option<usize> {
    super::with(super::Memory::existing, |memory| {
        let is_there = i < super::HEAD
            .records
            .load(core::sync::atomic::Ordering::Relaxed);
        // SAFETY: a record that was written, with the lock held.
        is_there.then(|| unsafe { (*memory.record(i as u32 + 1)).p })
    })
    .flatten()
}
