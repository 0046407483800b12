//! `malloc_trim`: what is free goes back.

use super::check;
use crate::{arenas, cache, mapped};

/// Gives back everything free; this thread's cache first. Whether anything went to the system.
pub(crate) fn trim(pad: usize) -> bool {
    check::before_trim();
    cache::thread::flush();
    arenas::all().fold(mapped::trim(), |any, arena| arena.trim(pad) | any)
}
