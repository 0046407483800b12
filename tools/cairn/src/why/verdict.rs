//! What the lines mean, in words.

use super::Facts;
use crate::look::{Subject, bytes, number};
use cairn_reader::account::Account;
use cairn_reader::walk::What;
use std::collections::BTreeMap;

/// Part of what Cairn has from which something is worth a sentence.
const WORTH: f64 = 0.05;
/// Sizes of pinning objects that are named.
const SIZES: usize = 4;

/// Sizes of the objects that keep pages which are free otherwise, and how many there are of each,
/// the most frequent first.
pub(super) fn pinning(facts: &Facts) -> Vec<(u64, u64)> {
    let mut all: BTreeMap<u64, u64> = BTreeMap::new();
    for account in &facts.accounts {
        for (size, count) in &account.sparse.objects {
            *all.entry(*size).or_default() += count;
        }
    }
    let mut sorted: Vec<_> = all.into_iter().collect();
    sorted.sort_by_key(|(size, count)| (std::cmp::Reverse(*count), *size));
    sorted
}

/// The verdict, sentence by sentence.
pub(super) fn verdict(facts: &Facts, subject: &Subject) -> Vec<String> {
    let own: u64 = facts.accounts.iter().map(Account::resident).sum();
    let all = facts.resident(subject).max(1);
    let part = |n: u64| n as f64 / own.max(1) as f64;
    let live = facts.sum(|a| a.what(What::Live).resident + a.mapped.resident);
    let mut out = Vec::new();
    if (own as f64) < 0.5 * all as f64 {
        out.push(format!(
            "Most of it is not Cairn's: {} of {} lies elsewhere.",
            bytes(facts.rest.resident()),
            bytes(all)
        ));
    }
    if part(live) >= 0.8 {
        out.push(format!(
            "The memory is simply in use: {:.0} % of what Cairn holds are objects that the program \
             has not freed.",
            part(live) * 100.0
        ));
    }
    trim(facts, own, &mut out);
    pinned(facts, own, &mut out);
    caches(facts, own, &mut out);
    knobs(facts, subject, own, &mut out);
    if out.is_empty() {
        out.push("Nothing stands out.".to_owned());
    }
    out
}

fn trim(facts: &Facts, own: u64, out: &mut Vec<String>) {
    if !facts.known() {
        return;
    }
    let (now, later) = (facts.sum(|a| a.trim), facts.sum(|a| a.trim_later));
    let more = later.saturating_sub(now);
    let mut sentence = format!(
        "malloc_trim(0) by the first thread would give back {} at once",
        bytes(now)
    );
    if more as f64 > 0.01 * own as f64 {
        sentence += &format!(
            ", and {} more once the other threads have emptied their caches, which each does when \
             it next asks an arena",
            bytes(more)
        );
    }
    out.push(sentence + ".");
}

fn pinned(facts: &Facts, own: u64, out: &mut Vec<String>) {
    let free = facts.sum(|a| a.sparse.free);
    if (free as f64) < WORTH * own as f64 {
        return;
    }
    let all = pinning(facts);
    let count: u64 = all.iter().map(|(_, count)| count).sum();
    let named = |(size, count): &(u64, u64)| format!("{} of {size} bytes", number(*count));
    let sizes: Vec<_> = all.iter().take(SIZES).map(named).collect();
    out.push(format!(
        "{} is pinned: it lies free on {} pages that {} objects in use keep, which fill a quarter \
         of each at most ({}{}). It can be reused, and goes back when those are freed.",
        bytes(free),
        number(facts.sum(|a| a.sparse.pages)),
        number(count),
        sizes.join(", "),
        if all.len() > SIZES { ", …" } else { "" }
    ));
}

fn caches(facts: &Facts, own: u64, out: &mut Vec<String>) {
    let held = facts.sum(|a| a.what(What::Cached).resident);
    if held as f64 >= WORTH * own as f64 {
        out.push(format!(
            "{} thread caches hold {}: glibc.malloc.tcache_count makes them smaller, fewer threads \
             make them fewer.",
            facts.caches.len(),
            bytes(held)
        ));
    }
}

fn knobs(facts: &Facts, subject: &Subject, own: u64, out: &mut Vec<String>) {
    let s = &facts.settings;
    let worth = |n: u64| n as f64 >= WORTH * own as f64;
    let top = facts.sum(|a| a.what(What::Top).resident);
    if worth(top) && facts.top_used <= s.trim_threshold.saturating_mul(facts.arenas) {
        let whose = if s.fixed {
            "set by hand"
        } else {
            "it follows the sizes of freed mappings"
        };
        out.push(format!(
            "The end of the heap stays because of M_TRIM_THRESHOLD, which is {} ({whose}).",
            bytes(s.trim_threshold)
        ));
    }
    if worth(s.top_pad) && s.top_pad > 1 << 20 {
        out.push(format!(
            "M_TOP_PAD is {}: each arena keeps as much at its end.",
            bytes(s.top_pad)
        ));
    }
    let fresh = facts.sum(|a| a.what(What::Fresh).resident);
    if worth(fresh) {
        out.push(format!(
            "{} was never used and is resident since the kernel made huge pages of it: \
             CAIRN_HUGE_FROM=0 or glibc.malloc.hugetlb=0 keeps Cairn from asking for them.",
            bytes(fresh)
        ));
    }
    let free = facts.sum(|a| a.what(What::FreeChunk).resident + a.what(What::FreeSlot).resident);
    if worth(free) && s.purge_delay > 1000 {
        out.push(format!(
            "Free memory stays for {} ms (CAIRN_PURGE_DELAY).",
            s.purge_delay
        ));
    }
    let cpus = subject.cpus as u64;
    let shared = facts.arenas.saturating_sub(facts.own.len() as u64);
    if cpus != 0 && shared > cpus {
        out.push(format!(
            "{shared} arenas serve a process that may use {cpus} CPUs: M_ARENA_MAX makes them fewer."
        ));
    }
    if s.check != 0 {
        out.push(format!(
            "Check mode {} is on: it adds to every object, and from level 2 on freed ones wait.",
            s.check
        ));
    }
}
