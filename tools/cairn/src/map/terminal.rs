//! The picture as text.

use super::Picture;
use super::cells::{Cell, Section, TABLE, UNREAD, merged};
use crate::look::{Subject, bytes, number};
use std::fmt::Write as _;

/// Characters of a line.
const WIDTH: usize = 64;
/// Lines of all heaps together, about.
const HEIGHT: usize = 40;
/// Mapped chunks and tables that are listed.
const LISTED: usize = 6;
/// Characters of the longest bar.
const BAR: u64 = 40;

/// The character for a cell.
fn sign(c: Cell) -> char {
    let is = |part: u8| part >= 64;
    if c.more & UNREAD != 0 {
        '?'
    } else if c.more & TABLE != 0 {
        if c.resident == 0 { ' ' } else { 't' }
    } else if c.live >= 192 {
        '#'
    } else if is(c.live) {
        '+'
    } else if c.live >= 16 {
        '-'
    } else if is(c.held) {
        'c'
    } else if c.resident >= 64 {
        if is(c.free) { '.' } else { 'n' }
    } else {
        ' '
    }
}

/// The picture.
pub(super) fn text(picture: &Picture, subject: &Subject) -> String {
    let mut out = format!("{}, {}\n", subject.title(), subject.how());
    if !picture.is_known() {
        out.push_str("what is resident is not known: all of it is shown as if it were\n");
    }
    let is_heap = |s: &&Section| s.name.contains("arena");
    let heaps = || picture.sections.iter().filter(is_heap);
    let cells: usize = heaps().map(|s| s.cells.len()).sum();
    let unit = cells.div_ceil(WIDTH * HEIGHT).next_power_of_two();
    let one = bytes(unit as u64 * picture.page);
    let _ = writeln!(out, "one character: {one}");
    for section in heaps() {
        let size = section.cells.len() as u64 * picture.page;
        let _ = writeln!(
            out,
            "\n{} at {:#x}, {}",
            section.name,
            section.base,
            bytes(size)
        );
        for (i, line) in section.cells.chunks(unit * WIDTH).enumerate() {
            let signs: String = line.chunks(unit).map(|c| sign(merged(c))).collect();
            let offset = (i * unit * WIDTH) as u64 * picture.page;
            let _ = writeln!(out, "{:>14x} |{signs:<WIDTH$}|", section.base + offset);
        }
    }
    let mut others: Vec<_> = picture.sections.iter().filter(|s| !is_heap(s)).collect();
    others.sort_by_key(|s| std::cmp::Reverse(s.cells.len()));
    if !others.is_empty() {
        out.push_str("\nbeside the heaps:\n");
    }
    for section in others.iter().take(LISTED) {
        let resident = section.cells.iter().filter(|c| c.resident != 0).count() as u64;
        let _ = writeln!(
            out,
            "  {:<14} {:#x}, {}, of which {} is resident",
            section.name,
            section.base,
            bytes(section.cells.len() as u64 * picture.page),
            bytes(resident * picture.page)
        );
    }
    if others.len() > LISTED {
        let _ = writeln!(out, "  and {} others", others.len() - LISTED);
    }
    out.push_str(
        "\n# in use   + a quarter and more in use   - less   . free and resident, or nearly\n\
         c in caches or waiting   n never used, resident   ? not read   (blank) not resident\n",
    );
    histogram(picture, &mut out);
    out.push_str(&crate::pins::text(&picture.sites));
    out
}

/// The section around an address in two lines at most.
pub(super) fn strip(sections: &[Section], page: u64, at: u64) -> Option<String> {
    let size = |s: &Section| s.cells.len() as u64 * page;
    let holds = |s: &&Section| s.base <= at && at < s.base + size(s);
    let section = sections.iter().find(holds)?;
    let unit = section.cells.len().div_ceil(WIDTH).max(1);
    let signs: String = section
        .cells
        .chunks(unit)
        .map(|c| sign(merged(c)))
        .collect();
    Some(format!(
        "  cairn map: {} at {:#x}, {}, {} a character\n  [{signs}]",
        section.name,
        section.base,
        bytes(size(section)),
        bytes(unit as u64 * page)
    ))
}

fn histogram(picture: &Picture, out: &mut String) {
    let holes = picture.holes();
    let most = holes.values().map(|hole| hole.1).max().unwrap_or(0);
    if most == 0 {
        return;
    }
    out.push_str("\nfree stretches by size:\n");
    for (log, (count, all)) in &holes {
        let bar = "#".repeat(usize::try_from(all * BAR / most).unwrap_or(0));
        let from = bytes(1_u64.checked_shl(*log).unwrap_or(0));
        let _ = writeln!(
            out,
            "{from:>10} {:>9} {:>10}  {bar}",
            number(*count),
            bytes(*all)
        );
    }
}
