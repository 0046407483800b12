//! The lines that add up to the resident memory.

use super::Facts;
use crate::look::{self, Subject};
use cairn_reader::account::{Account, Sum};
use cairn_reader::walk::What;
use serde::Serialize;

/// One line.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    /// What it is about, for programs.
    pub(super) id: &'static str,
    /// The same in words.
    pub(super) name: String,
    /// How deep it stands: 0 sums up, 1 is a part.
    pub(super) level: u8,
    /// Objects, chunks or mappings.
    pub(super) count: Option<u64>,
    /// Bytes, resident or not.
    pub(super) bytes: u64,
    /// How many of those are resident.
    pub(super) resident: u64,
    /// Part of all that is resident.
    pub(super) share: f64,
    /// What would change it.
    pub(super) change: &'static str,
}

impl Line {
    /// As it is printed.
    pub(super) fn text(&self) -> String {
        let indent = if self.level == 0 { "" } else { "  " };
        let name = match self.count {
            Some(count) => format!("{indent}{} ({})", self.name, look::number(count)),
            None => format!("{indent}{}", self.name),
        };
        let share = self.share * 100.0;
        let line = format!(
            "{name:<44} {:>10} {share:>5.1} %",
            look::bytes(self.resident)
        );
        if self.change.is_empty() {
            line
        } else {
            format!("{line}  {}", self.change)
        }
    }
}

/// What is to be said of each kind: its name, in words, and what would change it.
const KINDS: [(What, &str, &str, &str); 10] = [
    (
        What::Live,
        "live",
        "objects in use",
        "the program: it has not freed them",
    ),
    (
        What::Cached,
        "cached",
        "freed, in thread caches",
        "threads that allocate, or end; malloc_trim",
    ),
    (
        What::Quarantined,
        "quarantined",
        "freed, in quarantine",
        "CAIRN_QUARANTINE_BYTES",
    ),
    (
        What::Waiting,
        "waiting",
        "freed, not merged yet",
        "merged before the heap grows; malloc_trim",
    ),
    (
        What::FreeChunk,
        "free_chunks",
        "free chunks",
        "reused, or purged after a while; malloc_trim",
    ),
    (
        What::FreeSlot,
        "free_in_slots",
        "free in slots",
        "the same, where all of a page is free",
    ),
    (
        What::Top,
        "top",
        "end of the heap, used before",
        "reused first; M_TRIM_THRESHOLD",
    ),
    (
        What::Fresh,
        "never_used",
        "never used",
        "huge pages that the heap grew by; CAIRN_HUGE_FROM",
    ),
    (What::Overhead, "overhead", "headers of slots, fences", ""),
    (
        What::Unread,
        "unread",
        "could not be read",
        "a damaged header, or one that changed",
    ),
];

fn add(all: &mut Sum, one: Sum) {
    all.count += one.count;
    all.bytes += one.bytes;
    all.resident += one.resident;
}

/// All lines.
pub(super) fn lines(facts: &Facts, subject: &Subject) -> Vec<Line> {
    let total = facts.resident(subject);
    let line = |id, name: &str, level, count, sum: Sum, change| Line {
        id,
        name: name.to_owned(),
        level,
        count,
        bytes: sum.bytes,
        resident: sum.resident,
        share: if total == 0 {
            0.0
        } else {
            sum.resident as f64 / total as f64
        },
        change,
    };
    let whole = |resident| Sum {
        count: 0,
        bytes: resident,
        resident,
    };
    let sum = |of: &dyn Fn(&Account) -> Sum| {
        let mut all = Sum::default();
        for account in &facts.accounts {
            add(&mut all, of(account));
        }
        all
    };
    let mut out = vec![line("resident", "resident", 0, None, whole(total), "")];
    let own: u64 = facts.accounts.iter().map(Account::resident).sum();
    out.push(line("cairn", "Cairn", 0, None, whole(own), ""));
    for (what, id, name, change) in KINDS {
        let all = sum(&|a| a.what(what));
        let always = matches!(what, What::Live | What::Cached | What::FreeChunk);
        if all.resident == 0 && !always {
            continue;
        }
        let counted = matches!(
            what,
            What::Live | What::Cached | What::Waiting | What::FreeChunk
        );
        out.push(line(id, name, 1, counted.then_some(all.count), all, change));
        if what == What::Live {
            let all = sum(&|a| a.mapped);
            if all.count != 0 {
                let name = "in use, a mapping each";
                let change = "the program; the kernel has them at their free";
                out.push(line("mapped", name, 1, Some(all.count), all, change));
            }
        }
    }
    let guarded = sum(&|a| a.guarded);
    if guarded.count != 0 {
        let name = "the pool of guarded objects";
        let change = "at most 320 KiB; CAIRN_GUARD=0 asks for none";
        out.push(line("guarded", name, 1, None, guarded, change));
    }
    let mut tables = sum(&|a| a.side);
    add(&mut tables, sum(&|a| a.statics));
    let change = "grows with the heap; state pages go with their slots";
    out.push(line(
        "tables",
        "Cairn's own tables",
        1,
        None,
        tables,
        change,
    ));
    let rest = &facts.rest;
    let other = whole(rest.resident());
    out.push(line("elsewhere", "not Cairn's", 0, None, other, ""));
    for (id, name, all, change) in [
        (
            "stacks",
            "stacks",
            rest.stacks,
            "fewer threads; ulimit -s does not",
        ),
        (
            "files",
            "files: programs, libraries, data",
            rest.files,
            "the kernel takes clean pages back",
        ),
        ("shared", "shared memory", rest.shared, ""),
        (
            "anonymous",
            "other anonymous memory",
            rest.anonymous,
            "whoever mapped it: not through malloc",
        ),
    ] {
        if all.resident != 0 {
            out.push(line(id, name, 1, Some(all.count), all, change));
        }
    }
    let unexplained = total.abs_diff(facts.explained());
    out.push(line(
        "unexplained",
        "unexplained",
        0,
        None,
        whole(unexplained),
        "",
    ));
    out
}
