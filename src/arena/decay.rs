//! When memory goes back: what nobody used for a whole epoch the program does not need.
//!
//! An epoch lasts `purge_delay` milliseconds, and longer where the program has not handed out as
//! much meanwhile as lies idle: on a machine that is busy with others it comes to its memory later,
//! and would find it gone. A program that does hardly anything has [`QUIET`] such times.
//!
//! The clock is the kernel's coarse one, and it is looked at on slow paths alone, in an arena that
//! holds enough to give back: there is no thread for it, unless somebody asks for one (`quiet`).

use crate::settings;

/// Idle bytes that are always kept for reuse; an eighth of what is live comes on top.
const KEEP: usize = 1 << 20;
/// Idle bytes, or three quarters of what was live at the peak of late, above which nothing is waited
/// for: large blocks that come and go leave about as much between them.
const KEEP_LARGE: usize = 64 << 20;
/// The least that is worth a look, bytes.
const WORTH: usize = 256 << 10;
/// Delays after which an epoch ends however little was done.
const QUIET: usize = 8;

/// The epoch that is.
pub(super) struct Decay {
    /// When it began, milliseconds.
    began: usize,
    /// Bytes handed out in it.
    work: usize,
    /// Most that was live of late, bytes; it halves with each epoch.
    peak: usize,
    /// The kernel took nothing back, or nothing was found that may go: not again in this epoch.
    refused: bool,
}

/// What may go now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Order {
    /// Whether an epoch has just ended.
    pub ended: bool,
    /// Bytes that stay of what lay idle for a whole epoch.
    pub keep: usize,
    /// Bytes that stay of what lies idle, however short.
    pub most: usize,
}

impl Order {
    /// That all stays.
    pub(super) const NOTHING: Self = Self {
        ended: false,
        keep: usize::MAX,
        most: usize::MAX,
    };
}

impl Decay {
    /// Before the first epoch.
    pub(super) const fn new() -> Self {
        Self {
            began: 0,
            work: 0,
            peak: 0,
            refused: false,
        }
    }

    /// So many bytes are handed out.
    #[inline]
    pub(super) const fn count(&mut self, bytes: usize) {
        self.work = self.work.wrapping_add(bytes);
    }

    /// Bytes handed out in this epoch.
    pub(super) const fn work(&self) -> usize {
        self.work
    }

    /// The kernel would not have what it was offered, or a look for that was in vain.
    pub(super) const fn refuse(&mut self) {
        self.refused = true;
    }

    /// Whether that was so in this epoch.
    pub(super) const fn is_refused(&self) -> bool {
        self.refused
    }

    /// What may go, with so many bytes idle and live; nothing where that is not worth a look.
    pub(super) fn step(
        &mut self,
        idle: usize,
        live: usize,
        now: impl FnOnce() -> usize,
    ) -> Option<Order> {
        self.peak = self.peak.max(live);
        if idle < WORTH + KEEP {
            return None;
        }
        let delay = settings::purge_delay();
        let now = now();
        let elapsed = now.wrapping_sub(self.began);
        let ended = elapsed >= delay && (self.work >= idle || elapsed >= delay * QUIET);
        if ended {
            self.began = now;
            self.work = 0;
            self.peak = live.max(self.peak / 2);
            self.refused = false;
        }
        if self.refused {
            return None;
        }
        Some(Order {
            ended,
            keep: KEEP + live / 8,
            most: KEEP_LARGE.max(self.peak / 4 * 3),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test reports by panicking")]

    use super::*;
    use crate::knobs::Knobs;

    const MIB: usize = 1 << 20;

    fn with_delay(purge_delay: usize) -> Decay {
        settings::apply(&Knobs {
            purge_delay,
            ..Knobs::DEFAULT
        });
        Decay::new()
    }

    #[test]
    fn little_is_not_worth_a_look_at_the_clock() {
        let mut decay = with_delay(10);
        assert_eq!(decay.step(MIB, 0, || unreachable!()), None);
    }

    #[test]
    fn an_epoch_ends_when_enough_was_done_in_it() {
        let mut decay = with_delay(10);
        let now = 1 << 40;
        let ended =
            |decay: &mut Decay, now| decay.step(20 * MIB, 0, || now).expect("an order").ended;
        assert!(ended(&mut decay, now), "the first look begins one");
        decay.count(30 * MIB);
        assert!(!ended(&mut decay, now + 9), "not long enough");
        assert!(ended(&mut decay, now + 10));
        decay.count(10 * MIB);
        assert!(!ended(&mut decay, now + 25), "not enough was done");
        decay.count(10 * MIB);
        assert!(ended(&mut decay, now + 25));
    }

    #[test]
    fn an_epoch_in_which_nothing_is_done_ends_later() {
        let mut decay = with_delay(10);
        let now = 1 << 40;
        let ended =
            |decay: &mut Decay, now| decay.step(20 * MIB, 0, || now).expect("an order").ended;
        assert!(ended(&mut decay, now));
        assert!(!ended(&mut decay, now + 10 * QUIET - 1));
        assert!(ended(&mut decay, now + 10 * QUIET));
    }

    #[test]
    fn what_stays_follows_what_is_live_and_was_at_the_peak() {
        let mut decay = with_delay(10);
        let order = decay
            .step(20 * MIB, 400 * MIB, || 1 << 40)
            .expect("an order");
        assert_eq!((order.keep, order.most), (51 * MIB, 300 * MIB));
        let order = decay.step(20 * MIB, 0, || 1 << 40).expect("an order");
        assert_eq!(
            (order.keep, order.most),
            (MIB, 300 * MIB),
            "the peak is remembered"
        );
        for epoch in 1..9 {
            decay.step(20 * MIB, 0, || (1 << 40) + epoch * 10 * QUIET);
        }
        let order = decay
            .step(20 * MIB, 0, || (1 << 40) + 99 * 10 * QUIET)
            .expect("an order");
        assert_eq!(order.most, 64 * MIB, "and forgotten");
    }

    #[test]
    fn a_kernel_that_takes_nothing_back_is_asked_once_an_epoch() {
        let mut decay = with_delay(25);
        let now = 1 << 40;
        assert!(decay.step(300 * MIB, 0, || now).is_some());
        decay.refuse();
        for later in 0..25 * QUIET {
            assert_eq!(
                decay.step(300 * MIB, 0, || now + later),
                None,
                "after {later} ms"
            );
        }
        assert!(decay.step(300 * MIB, 0, || now + 25 * QUIET).is_some());
    }
}
