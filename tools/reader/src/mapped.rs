//! Chunks with a mapping of their own, and what check mode's quarantine holds.

use crate::target::{Target, Window, long, quad};
use cairn::layout::places::{quarantine, registry};
use cairn::layout::sizes::ALIGN;

/// Most places of either table that are looked at.
const PLACES: u64 = 1 << 24;

/// A chunk with a mapping of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedChunk {
    /// Its payload.
    pub payload: u64,
    /// First byte that holds memory.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// It is empty, and the kernel would not take it back.
    pub stuck: bool,
    /// The number of the heap of the program's own that it belongs to, 0 for none.
    pub owner: u32,
}

/// The chunks with mappings of their own, by rising address, and the registry's sums.
pub(crate) fn read(target: &dyn Target, at: u64, torn: &mut u64) -> (Vec<MappedChunk>, [u64; 4]) {
    let mut all = Vec::new();
    let Some(bytes) = target.bytes(at, registry::BYTES) else {
        return (all, [0; 4]);
    };
    let total = |i: usize| quad(&bytes, registry::TOTALS + i * 8);
    let totals = [total(0), total(1), total(2), total(3)];
    let (table, places) = (
        quad(&bytes, registry::TABLE),
        quad(&bytes, registry::PLACES),
    );
    let end = places
        .checked_mul(registry::PLACE as u64)
        .and_then(|len| table.checked_add(len));
    if places == 0 {
        return (all, totals);
    }
    if !places.is_power_of_two()
        || places > PLACES
        || !end.is_some_and(|end| target.is_mapped(table, end))
    {
        *torn += 1;
        return (all, totals);
    }
    let window = Window::new(target);
    let page = target.page();
    for i in 0..places {
        let place = table + i * registry::PLACE as u64;
        let found = window.with(place, registry::PLACE, |m| {
            let (payload, base, len) = (quad(m, registry::PAYLOAD), quad(m, 8), quad(m, 16));
            let last = quad(m, registry::LAST);
            let stuck = m.get(registry::STUCK) == Some(&1);
            let first = payload.saturating_sub(ALIGN as u64) & !(page - 1);
            let (from, to) = if last == 0 {
                (base, base.wrapping_add(len))
            } else {
                (first, last)
            };
            MappedChunk {
                payload,
                from,
                to,
                stuck,
                owner: long(m, registry::OWNER),
            }
        });
        match found {
            Some(m) if m.payload == 0 => {}
            Some(m)
                if m.from.is_multiple_of(page)
                    && m.to.is_multiple_of(page)
                    && (m.from < m.payload || m.stuck)
                    && target.is_mapped(m.from, m.to) =>
            {
                all.push(m);
            }
            // In check mode an object of 0 bytes has no memory.
            Some(m) if m.from == m.to => {}
            _ => *torn += 1,
        }
    }
    all.sort_unstable_by_key(|m| m.from);
    let mut end = 0;
    all.retain(|m| {
        let good = m.from >= end;
        end = end.max(m.to);
        *torn += u64::from(!good);
        good
    });
    (all, totals)
}

/// What check mode's quarantine holds of the heap.
pub(crate) fn quarantined(target: &dyn Target, at: u64) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    let Some(bytes) = target.bytes(at, quarantine::BYTES) else {
        return all;
    };
    let word = |at| quad(&bytes, at);
    let (table, places) = (word(quarantine::TABLE), word(quarantine::PLACES));
    let (first, count) = (word(quarantine::FIRST), word(quarantine::COUNT));
    if places == 0 || places > PLACES || count > places || first >= places {
        return all;
    }
    let window = Window::new(target);
    for i in 0..count {
        let place = table.wrapping_add((first + i) % places * quarantine::PLACE as u64);
        let found = window.with(place, quarantine::PLACE, |held| {
            let mapped = held.get(quarantine::MAPPED) == Some(&1);
            let (payload, len) = (quad(held, quarantine::PAYLOAD), quad(held, 16));
            (!mapped).then_some((payload, len))
        });
        let Some(found) = found else { break };
        all.extend(found);
    }
    all
}
