//! After a slow operation: whether anything is to go, and how much.

use super::{Limit, WORTH};
use crate::arena::decay::Order;
use crate::arena::{Arena, Locked, records};
use crate::sync::Guard;
use crate::{os, settings};
use core::sync::atomic::Ordering::Relaxed;

impl Locked<'_> {
    /// After a slow operation: gives back what the program does not need, and the arena.
    pub(crate) fn settle(mut self) {
        let live = self.live();
        let me = self.arena();
        me.live.store(live, Relaxed);
        me.idle
            .store(self.heaps.bytes().saturating_sub(live), Relaxed);
        // A threshold that was set by hand is obeyed at once: the break moves, and of a reservation pages go,
        // if it is this one that was set. (Pages that go and come cost more than the break's bounds.)
        let exceeds = settings::trim_is_fixed() && self.top.used() > settings::kept_of_top();
        let owes = exceeds && !self.trim_break(me) && settings::trim_is_by_hand();
        let idle = self.extents.idle_bytes();
        let asked = self.due(me, idle, live, owes);
        let left = self.heaps.take_many_left();
        // Asked with the arena locked, as the sleeper looks at it.
        let rings = settings::BELL.is_heard_asleep() && self.to_give() >= WORTH;
        match asked {
            Some((limit, asked)) => _ = self.give_some(limit, asked),
            None => drop(self),
        }
        records::forget(left.0, left.1);
        if rings {
            settings::BELL.ring();
        }
    }

    /// Trims top at once, if it lies at the break; whether it did. Where the kernel is being asked for
    /// pages it is for the next call to do.
    fn trim_break(&mut self, me: &Arena) -> bool {
        if !self.top.is_at_break() {
            return false;
        }
        let asked = me.purging.try_acquire();
        asked.is_some() && self.trim_top(settings::top_pad())
    }

    /// What is to go, and the right to ask the kernel for it, if anything is. Where top `owes`, by a
    /// threshold set by hand, all goes but the pad.
    fn due<'a>(
        &mut self,
        me: &'a Arena,
        idle: usize,
        live: usize,
        owes: bool,
    ) -> Option<(Limit, Guard<'a>)> {
        let order = self.decay.step(idle, live, os::now);
        let may = || (owes && !self.decay.is_refused()).then_some(Order::NOTHING);
        let order = order.or_else(may)?;
        let limit = Limit {
            age: if settings::purge_delay() == 0 { 0 } else { 2 },
            keep: order.keep,
            most: order.most,
            top: if owes {
                settings::top_pad()
            } else {
                self.top_keeps()
            },
        };
        self.top.watch(limit.top, order.ended);
        if owes {
            self.top.owe(limit.top);
        }
        if order.ended {
            self.extents.advance();
        } else if self.top.owed() == 0 && !self.is_due(limit) {
            return None;
        }
        // Who waits for the kernel already does what there is to do.
        let asked = me.purging.try_acquire()?;
        if me.refusal.load(Relaxed) {
            return None;
        }
        if order.ended || self.top.owed() != 0 {
            self.shorten(limit.top);
        }
        if !self.heaps.many_left() {
            self.vacate();
        }
        (self.top.owed() != 0 || self.is_due(limit)).then_some((limit, asked))
    }
}
