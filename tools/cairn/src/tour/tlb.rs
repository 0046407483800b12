//! A vector against a list, and what finding the pages costs: by the machine's counters, or by a
//! simulation.

use super::lesson::{Lesson, Way};
use super::program::Place;
use super::show::Show;
use crate::faults;
use crate::look::number;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::{Command, Stdio};

pub(super) const TLB: Lesson = Lesson {
    name: "tlb",
    title: "A vector, a list and the TLB",
    says: "The processor finds a page's place in memory by a table of the system's, and remembers the \
           last few dozen: the TLB. A vector of 100,000 numbers lies on 196 pages, one after the other: \
           it needs a new entry every 512 numbers. A list of as many nodes of 128 bytes lies on 3,126 \
           pages, and its order leads from any to any: almost every node needs an entry that is gone. \
           So the list misses at least a hundred times as often as the vector, for the same sum.",
    source: include_str!("../../tour/tlb.c"),
    knobs: &[],
    way: Way::Own(see),
};

/// Loads of the program that found no entry, and how that is known.
fn misses(place: &Place, program: &Path, of: &str) -> Result<Option<(u64, &'static str)>> {
    if let Some(n) = counted(program, of) {
        return Ok(Some((n, "the machine's counters")));
    }
    simulated(place, program, of)
}

/// By the machine.
fn counted(program: &Path, of: &str) -> Option<u64> {
    let mut command = Command::new(program);
    command.arg(of).stdout(Stdio::null());
    faults::tlb_misses(command)
}

/// By cachegrind: a cache of 64 lines of which each is a page is a TLB.
fn simulated(place: &Place, program: &Path, of: &str) -> Result<Option<(u64, &'static str)>> {
    let found = Command::new("valgrind").arg("--version").output();
    if !found.is_ok_and(|output| output.status.success()) {
        return Ok(None);
    }
    let out = place.folder().join(format!("cachegrind.{of}"));
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=yes"])
        .args(["--D1=262144,4,4096", "--LL=6291456,12,4096"])
        .arg(format!("--cachegrind-out-file={}", out.display()))
        .arg(program)
        .arg(of)
        .output()
        .context("valgrind does not run")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let number = said.lines().find_map(|line| {
        let (_, rest) = line.split_once("D1  misses:")?;
        let digits = rest.split('(').nth(1)?;
        let first = digits.split_whitespace().next()?;
        first.replace(',', "").parse().ok()
    });
    let number = number.with_context(|| format!("valgrind says no misses: {said}"))?;
    Ok(Some((
        number,
        "a simulation by valgrind of 64 entries, 4 a set",
    )))
}

fn see(place: &Place, lesson: &Lesson, show: &mut Show) -> Result<()> {
    let program = place.compile(lesson)?;
    let mut all = Vec::new();
    // What both do before the sum is what neither of the two does.
    for of in ["nothing", "vector", "list"] {
        let Some((n, how)) = misses(place, &program, of)? else {
            show.line("no counters here (as in most virtual machines), and no valgrind");
            show.leave_out("the misses: this machine counts none, and valgrind is not installed");
            return Ok(());
        };
        if all.is_empty() {
            show.line(format!("loads that missed the TLB, by {how}:"));
        }
        all.push(n);
    }
    let [nothing, vector, list] = [all[0], all[1], all[2]];
    let (vector, list) = (vector.saturating_sub(nothing), list.saturating_sub(nothing));
    for (name, n) in [("vector", vector), ("list", list)] {
        let each = n as f64 / 300_000.0;
        show.line(format!(
            "  {name:<7} {:>9} for 300,000 numbers, {each:.4} each",
            number(n)
        ));
    }
    let what = format!(
        "the list missed {} times as often",
        number(list / vector.max(1))
    );
    show.claim(what, list >= 100 * vector.max(1));
    Ok(())
}
