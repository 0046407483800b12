//! How much memory the heap may hold (`CAIRN_LIMIT`), and how much it does.
//!
//! What is held is what the heap's own sums say: pages of heaps that were handed out and did not go
//! back since, whether the program has touched them or not, and whole mapped chunks. Not counted are
//! what top never used, Cairn's own tables (a hundredth), and what is not the heap's: code, stacks,
//! other mappings. Nothing is counted where there is no limit.

use crate::config::REGION;
use crate::knobs::{Amount, Knobs};
use crate::layout::places::NO_LIMIT;
use crate::os;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes, 0 where there never was a limit, [`NO_LIMIT`] where there is none any more: what is held is
/// counted on, since it could not be counted anew.
pub(crate) static LIMIT: AtomicUsize = AtomicUsize::new(0);
/// Whether nothing is handed out above.
pub(crate) static HARD: AtomicUsize = AtomicUsize::new(0);
/// Bytes held.
static HELD: AtomicUsize = AtomicUsize::new(0);
/// Held bytes from which on something is done before more is handed out.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// The part of the limit, as a shift, that is left when it is near.
const NEAR: u32 = 3;
/// The part of it by which the heap grows before all that is free is looked for again, and the least
/// and the most of that, bytes: to look costs what merging and giving back cost.
const STEP: (u32, usize, usize) = (6, 1 << 20, 64 << 20);

/// Sets the limit that the knobs ask for. Once, before anything is held. Files are read for a share;
/// where there is nothing to take it of there is no limit.
pub(crate) fn begin(knobs: &Knobs) {
    let group = || os::limits::memory().map(|memory| memory.limit);
    let bytes = match knobs.limit {
        Amount::Off => return,
        Amount::Percent(_) => knobs.limit.of(group()),
        Amount::Bytes(_) => knobs.limit.of(None),
    };
    set(bytes.unwrap_or(0), knobs.limit_hard);
}

pub(crate) fn set(bytes: usize, hard: bool) {
    LIMIT.store(bytes, Relaxed);
    HARD.store(usize::from(hard), Relaxed);
    NEXT.store(near(bytes), Relaxed);
}

/// Sets the limit of a process that counts; 0 for none any more.
pub(crate) fn change(bytes: usize, hard: bool) {
    set(if bytes == 0 { NO_LIMIT } else { bytes }, hard);
}

/// The limit, bytes; 0 for none.
pub(crate) fn bytes() -> usize {
    match LIMIT.load(Relaxed) {
        NO_LIMIT => 0,
        bytes => bytes,
    }
}

/// Whether there is a limit, or was one: then what is held is counted.
#[inline]
pub(crate) fn is_on() -> bool {
    LIMIT.load(Relaxed) != 0
}

const fn near(limit: usize) -> usize {
    limit - (limit >> NEAR)
}

fn step(limit: usize) -> usize {
    (limit >> STEP.0).max(STEP.1).min(STEP.2)
}

/// Bytes held: now `now`, before `before`. What goes and was never counted, since it came before there
/// was a limit, is nothing less.
pub(crate) fn count(now: usize, before: usize) {
    let less = before.saturating_sub(now);
    if less == 0 {
        HELD.fetch_add(now - before, Relaxed);
        return;
    }
    let mut held = HELD.load(Relaxed);
    loop {
        let left = held.saturating_sub(less);
        match HELD.compare_exchange_weak(held, left, Relaxed, Relaxed) {
            Ok(_) => return look_after(left),
            Err(now) => held = now,
        }
    }
}

/// The next look for what is free comes a step above what is held.
fn look_after(held: usize) {
    let limit = LIMIT.load(Relaxed);
    let next = near(limit).max(held.saturating_add(step(limit)));
    if next < NEXT.load(Relaxed) {
        NEXT.store(next, Relaxed);
    }
}

/// Bytes held.
#[cfg(test)]
pub(crate) fn held() -> usize {
    HELD.load(Relaxed)
}

/// Whether the heap is near its limit, or above.
pub(crate) fn is_near() -> bool {
    let limit = LIMIT.load(Relaxed);
    limit != 0 && HELD.load(Relaxed) >= near(limit)
}

/// What a request of so many bytes may add: they, whole pages of them; or a slot, since a small one
/// takes part in one, and what lies before the slot's boundary.
const fn need(n: usize) -> usize {
    n.saturating_add(2 * REGION)
}

/// Whether something is to be done before so many bytes are handed out.
pub(crate) fn is_reached(n: usize) -> bool {
    HELD.load(Relaxed).saturating_add(need(n)) > NEXT.load(Relaxed)
}

/// It was done.
pub(crate) fn was_looked_for() {
    let limit = LIMIT.load(Relaxed);
    let next = HELD.load(Relaxed).saturating_add(step(limit));
    NEXT.store(next.max(near(limit)), Relaxed);
}

/// Whether so many bytes may be handed out. Above a limit that is not hard all may.
pub(crate) fn permits(n: usize) -> bool {
    HARD.load(Relaxed) == 0 || HELD.load(Relaxed).saturating_add(need(n)) <= LIMIT.load(Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::scripted;

    fn what_was_not_counted_is_nothing_less() -> bool {
        set(1 << 20, true);
        count(5000, 0);
        count(0, 9000);
        let none = held() == 0 && permits(1);
        count(700, 0);
        none && held() == 700
    }

    #[test]
    fn what_goes_and_was_never_counted_leaves_nothing_below_0() {
        assert!(scripted::holds_in_child(
            what_was_not_counted_is_nothing_less
        ));
    }
}
