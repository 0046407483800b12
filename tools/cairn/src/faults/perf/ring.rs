//! A ring of memory that the kernel writes records into.

use super::record::long;
use anyhow::{Context, Result};
use perf_event_open_sys::bindings as b;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a ring that anybody may have of the kernel's memory.
pub(super) const DATA: usize = 512 << 10;
/// Bytes of the largest, and of all together.
const LARGEST: usize = 8 << 20;
const ALL: usize = 64 << 20;
const PAGE: usize = 4096;

/// What the kernel writes and we read.
pub(super) struct Ring {
    pub(super) fd: i32,
    base: *mut u8,
    pub(super) data: usize,
    page: usize,
}

impl Ring {
    /// Bytes of each of so many that are worth asking for.
    pub(super) fn room(rings: usize) -> usize {
        let share = (ALL / rings.max(1)).max(DATA);
        let mut room = LARGEST;
        while room > share {
            room /= 2;
        }
        room
    }

    pub(super) fn map(fd: i32, room: usize) -> Result<Self> {
        // SAFETY: no precondition.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(PAGE);
        for data in [room, DATA, DATA / 4, DATA / 16] {
            // SAFETY: a new mapping of an event of ours.
            let base = unsafe {
                libc::mmap(
                    ptr::null_mut(),
                    page + data,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_SHARED,
                    fd,
                    0,
                )
            };
            if base != libc::MAP_FAILED {
                let base = base.cast();
                return Ok(Self {
                    fd,
                    base,
                    data,
                    page,
                });
            }
        }
        Err(io::Error::last_os_error())
            .context("no memory for the kernel's records (kernel.perf_event_mlock_kb, ulimit -l)")
    }

    /// Shows what came since.
    pub(super) fn drain(&mut self, mut show: impl FnMut(u32, u16, &[u8])) {
        let control = self.base.cast::<b::perf_event_mmap_page>();
        // SAFETY: the first page is that structure; the kernel writes the head, we write the tail.
        let (head, tail) = unsafe {
            (
                AtomicU64::from_ptr(&raw mut (*control).data_head),
                AtomicU64::from_ptr(&raw mut (*control).data_tail),
            )
        };
        let end = head.load(Ordering::Acquire);
        let mut at = tail.load(Ordering::Relaxed);
        let mut record = Vec::new();
        while at < end {
            let mut header = [0; 8];
            self.copy(at, &mut header);
            let kind = long(&header, 0).unwrap_or(0);
            let misc = u16::from_le_bytes([header[4], header[5]]);
            let size = usize::from(u16::from_le_bytes([header[6], header[7]]));
            if size < 8 {
                at = end;
                break;
            }
            record.resize(size - 8, 0);
            self.copy(at + 8, &mut record);
            show(kind, misc, &record);
            at += size as u64;
        }
        tail.store(at, Ordering::Release);
    }

    fn copy(&self, at: u64, into: &mut [u8]) {
        let from = usize::try_from(at % self.data as u64).unwrap_or(0);
        let first = into.len().min(self.data - from);
        // SAFETY: both parts lie in the ring, which is mapped behind its first page.
        unsafe {
            let data = self.base.add(self.page);
            ptr::copy_nonoverlapping(data.add(from), into.as_mut_ptr(), first);
            ptr::copy_nonoverlapping(data, into.as_mut_ptr().add(first), into.len() - first);
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours.
        unsafe { libc::munmap(self.base.cast(), self.page + self.data) };
    }
}
