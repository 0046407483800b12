//! The page as text.

use super::lines::Line;
use super::{Facts, Held, OwnHeap};
use crate::look::{self, Subject};
use crate::pins;
use std::fmt::Write as _;

/// Lines of a list that are shown.
const SHOWN: usize = 8;

/// All of it.
pub(super) fn page(facts: &Facts, subject: &Subject, lines: &[Line], verdict: &[String]) -> String {
    let mut out = String::new();
    let mut put = |text: &str| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    put(&format!("{}, {}", subject.title(), subject.how()));
    for (release, object) in &facts.releases {
        put(&format!("Cairn {release} in {object}"));
    }
    put("");
    if !facts.known() {
        put("What is resident is not known here: the column shows what there is of each.");
        put("");
    }
    for line in lines {
        put(&line.text());
    }
    if facts.rest.huge != 0 {
        put(&format!(
            "\nof Cairn's, in huge pages: {}",
            look::bytes(facts.rest.huge)
        ));
    }
    if facts.rest.swap != 0 {
        put(&format!(
            "\nbeside that in swap: {}",
            look::bytes(facts.rest.swap)
        ));
    }
    let dropped = facts.sum(|a| a.torn);
    if dropped != 0 {
        put(&format!(
            "\n{} links or headers made no sense and were left out: read while they changed, or damaged",
            look::number(dropped)
        ));
    }
    if !facts.known() && subject.rss.is_some() {
        put("\nThe kernel counts as resident, of the mappings that Cairn has a part of:");
        for map in facts.rest.ours.iter().take(SHOWN) {
            let (bytes, all) = (look::bytes(map.resident), look::bytes(map.to - map.from));
            put(&format!("  {bytes:>10}  of {all:>10} at {:#x}", map.from));
        }
    }
    if facts.caches.len() > 1 {
        put("\nThread caches, the fullest first:");
        put(&caches(&facts.caches));
    }
    if !facts.own.is_empty() {
        put(
            "\nHeaps of the program's own, the largest first, with what they have from the system:",
        );
        put(&own_heaps(&facts.own));
    }
    if !facts.rest.named.is_empty() {
        put("\nThe largest beside Cairn:");
        for (name, bytes) in &facts.rest.named {
            put(&format!("  {:>10}  {name}", look::bytes(*bytes)));
        }
    }
    put("");
    for sentence in verdict {
        put(sentence);
    }
    let sites = pins::text(&facts.sites);
    if !sites.is_empty() {
        put(&sites);
    }
    out
}

/// The largest heaps of the program's own, and one line for the others.
fn own_heaps(all: &[OwnHeap]) -> String {
    let size = |own: &OwnHeap| own.system.saturating_add(own.mapped);
    let mut sorted = all.to_vec();
    sorted.sort_by_key(|own| std::cmp::Reverse(size(own)));
    let mut out = String::new();
    for own in sorted.iter().take(SHOWN) {
        let limit = own.limit.map_or(String::new(), |limit| {
            format!(", at most {}", look::bytes(limit))
        });
        let _ = writeln!(
            out,
            "  {:>10}  \"{}\"{limit}",
            look::bytes(size(own)),
            own.name
        );
    }
    if let Some(others) = sorted.get(SHOWN..).filter(|others| !others.is_empty()) {
        let all = others.iter().map(size).sum();
        let _ = writeln!(out, "  {:>10}  {} others", look::bytes(all), others.len());
    }
    out.truncate(out.trim_end().len());
    out
}

/// The fullest caches, and one line for the others.
fn caches(all: &[Held]) -> String {
    let mut sorted = all.to_vec();
    sorted.sort_by_key(|held| std::cmp::Reverse(held.resident));
    let mut out = String::new();
    for held in sorted.iter().take(SHOWN) {
        let whose = match (held.thread, held.parked) {
            (Some(tid), _) => format!("thread {tid}"),
            (None, true) => "waits for a thread".to_owned(),
            (None, false) => "a thread".to_owned(),
        };
        let _ = writeln!(
            out,
            "  {:>10}  {:>9} objects  {whose}",
            look::bytes(held.resident),
            look::number(held.count)
        );
    }
    let others = sorted.get(SHOWN..).unwrap_or_default();
    if !others.is_empty() {
        let all: u64 = others.iter().map(|held| held.resident).sum();
        let _ = writeln!(out, "  {:>10}  {} others", look::bytes(all), others.len());
    }
    out
}
