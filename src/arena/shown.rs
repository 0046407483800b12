//! What lies in a slot, for who is shown the whole heap.

use super::records;
use super::slots::WHOLE;
use crate::class;
use crate::config::{ALIGN, GRANULES};
use crate::object::{self, FREED};
use crate::region;

/// A piece of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    /// An object that is in use.
    InUse,
    /// An object that a cache holds, or granules ahead in a cache's strip.
    Cached,
    /// Granules that no object has.
    Free,
}

/// Calls `f` with each piece of the slot at `p`, its first byte and its length in bytes.
///
/// `p` is what a walk has shown as a slot, with its arena still locked: its region has a record (I8), and its
/// word leads to its states (I9).
pub(crate) fn pieces(p: usize, f: &mut dyn FnMut(Piece, usize, usize)) {
    let word = region::word(p);
    // SAFETY: as above.
    let map = unsafe { &*(*records::of(p)).map };
    // SAFETY: as above.
    let state = |at: usize| unsafe { object::state_at(word, p + at * ALIGN).get() };
    let mut at = 0;
    while at < WHOLE.len {
        let free = map.from(at, GRANULES).min(WHOLE.len - at);
        let (piece, granules) = match (free, state(at)) {
            (0, 0) => {
                let ahead = |i: &usize| state(*i) == 0 && !map.has(*i);
                (Piece::Cached, (at..WHOLE.len).take_while(ahead).count())
            }
            (0, state) => {
                let class = usize::from(state & !FREED);
                let granules = class::size_of(class) / ALIGN;
                if state & FREED == 0 {
                    (Piece::InUse, granules)
                } else {
                    (Piece::Cached, granules)
                }
            }
            (free, _) => (Piece::Free, free),
        };
        f(piece, p + at * ALIGN, granules * ALIGN);
        at += granules.max(1);
    }
}
