//! An arena that nobody uses: all of it that is free goes back, by who has nothing else to do.
//!
//! The background thread looks at each arena from time to time. Where it finds one as it left it,
//! the program has no use for what lies there, and nothing is waited for any longer: what waits is
//! merged, empty slots dissolve, and all idle pages go, a bounded part at a time, without the lock
//! where the kernel is asked.

use super::trim::WORTH;
use super::{Arena, State};
use crate::settings;
use core::sync::atomic::Ordering::Relaxed;

/// Regions of waiting chunks that are merged, and slots that dissolve, under one lock: 4 MiB each.
const AT_ONCE: usize = 64;
/// In what was seen of an arena: all that may go has gone.
const DONE: usize = 1;

impl State {
    /// A number that is another one once the program has used the arena, and stays what it is when
    /// what is free there is merged and goes.
    fn print(&self) -> usize {
        let mix = |all: usize, part: usize| (all ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mix(mix(0, self.live()), self.decay.work()) & !DONE
    }
}

impl Arena {
    /// Whether a look at it may be worth it.
    pub(crate) fn may_give(&self) -> bool {
        let state = self.lock();
        state.to_give() >= WORTH && self.seen.load(Relaxed) != state.print() | DONE
    }

    /// The background thread's look: as the program's own calls if it was used since the last one,
    /// else all that is free goes back. Whether all of it has by now.
    pub(crate) fn rest(&self) -> bool {
        let state = self.lock();
        let (print, seen) = (state.print(), self.seen.load(Relaxed));
        if seen == print | DONE || state.to_give() < WORTH {
            return true;
        }
        if seen != print {
            state.settle();
            let print = self.lock().print();
            self.seen.store(print, Relaxed);
            return false;
        }
        drop(state);
        let all = self.give_all(print);
        let now = self.lock().print();
        // What came meanwhile has its time, too.
        let done = all && now == print;
        self.seen.store(now | (usize::from(done) * DONE), Relaxed);
        done
    }

    /// All that is free goes back, but for what top keeps; false where somebody else is about it, or
    /// the program is here again: it may free as fast as is merged.
    fn give_all(&self, print: usize) -> bool {
        while !self.merge_a_part() {
            if self.lock().print() != print {
                return false;
            }
        }
        let top = settings::kept_of_top();
        let (_, all) = self.give_idle(top, false);
        if !all {
            return false;
        }
        self.shrink(top);
        true
    }

    /// Merges a part of what waits; whether it was the last.
    fn merge_a_part(&self) -> bool {
        let mut state = self.lock();
        state.merge_resting();
        let more = (0..AT_ONCE).all(|_| state.sweep_first());
        let empties = state.slots.empties();
        let keep = empties.saturating_sub(AT_ONCE);
        state.dissolve_empty(keep);
        !more && keep == 0 && state.resting.bytes() == 0
    }
}
