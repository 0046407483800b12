//! Memory that comes from no allocator.

use std::ptr::null_mut;

/// Maps zeroed memory; all of it there at once, if that is asked for.
///
/// # Errors
/// There is none.
pub(crate) fn map(size: usize, at_once: bool) -> Result<*mut u8, String> {
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    let mut flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    if at_once {
        flags |= libc::MAP_POPULATE;
    }
    // SAFETY: a new mapping.
    let at = unsafe { libc::mmap(null_mut(), size.max(1), rights, flags, -1, 0) };
    if at == libc::MAP_FAILED {
        return Err(format!("no memory for {size} bytes"));
    }
    Ok(at.cast())
}
