//! The explanation as text.

use super::object::{Known, Told, Trace};
use super::{Facts, Why};
use crate::look::Subject;
use cairn_profile::symbols::{Line, Symbols, own_frames};
use cairn_profile::table;
use cairn_reader::place::{Part, Place};
use cairn_reader::samples::{Frame, Module};
use cairn_reader::walk::What;
use std::fmt::Write as _;

/// Functions of a stack that are shown.
const SHOWN: usize = 20;

/// What the message means, and what to look for: the page for who meets it is the one source.
const MESSAGES: &str = include_str!("../../../../docs/messages.md");

/// The cause of a message, and what to look for.
pub(super) fn meaning(message: &str) -> Option<(String, String)> {
    let rows = MESSAGES.lines().filter(|line| line.starts_with("| `"));
    let cells = |row: &'static str| -> Vec<&'static str> {
        row.trim_matches('|').split(" | ").map(str::trim).collect()
    };
    let mut rows = rows.map(cells);
    let row = rows.find(|cells| {
        cells
            .first()
            .is_some_and(|c| c.trim_matches('`') == message)
    })?;
    let cell = |i: usize| row.get(i).map(|c| c.replace('`', ""));
    Some((cell(1)?, cell(2)?))
}

fn stack(out: &mut String, lines: &[Vec<Line>]) {
    let all: Vec<_> = lines.iter().flatten().collect();
    for line in all.iter().take(SHOWN) {
        let _ = writeln!(out, "      {}", table::place(line));
    }
    if all.len() > SHOWN {
        let _ = writeln!(out, "      … {} more", all.len() - SHOWN);
    }
    if all.is_empty() {
        out.push_str("      (not known)\n");
    }
}

/// The functions of frames, without those inside Cairn.
fn functions(modules: &[Module], frames: &[Frame], symbols: &Symbols) -> Vec<Vec<Line>> {
    let lines: Vec<_> = frames.iter().map(|f| symbols.lines(modules, *f)).collect();
    let own = own_frames(modules, frames, &lines);
    lines.into_iter().skip(own).collect()
}

/// "16 bytes behind the beginning of", or nothing for the beginning itself.
fn offset(address: u64, part: &Part) -> String {
    match address.checked_sub(part.payload) {
        Some(0) => String::new(),
        Some(n) => format!("{n} bytes into "),
        None => "the header of ".to_owned(),
    }
}

fn noun(what: What) -> &'static str {
    match what {
        What::Live | What::Cached | What::Quarantined => "an object",
        What::Waiting | What::FreeChunk => "a chunk",
        What::FreeSlot => "a place for objects",
        What::Top | What::Fresh | What::Overhead | What::Unread => "a stretch",
    }
}

fn place(told: &Told) -> String {
    let at = told.address;
    if let (Some(tid), Place::Elsewhere(_)) = (told.stack, &told.place) {
        return format!("on the stack of thread {tid}: no object of the heap");
    }
    match &told.place {
        Place::Heap { part, .. } => format!(
            "{}{} of {} bytes at {:#x}, {}",
            offset(at, part),
            noun(part.piece.what),
            part.room(),
            part.payload,
            part.piece.what.words()
        ),
        Place::Mapped(chunk) => {
            let room = chunk.to.saturating_sub(chunk.payload);
            let inside = match at.checked_sub(chunk.payload) {
                Some(0) => String::new(),
                Some(n) => format!("{n} bytes into "),
                None => format!("{} bytes in front of ", chunk.payload - at),
            };
            let state = if chunk.stuck { "freed" } else { "in use" };
            format!(
                "{inside}an object of up to {room} bytes at {:#x} with a mapping of its own, {state}",
                chunk.payload
            )
        }
        Place::Tables => "in the heap's own tables, which are nobody's object".to_owned(),
        Place::Elsewhere(name) if name.is_empty() => {
            "in memory that the heap does not own: another allocator's, or mapped \
             by the program"
                .to_owned()
        }
        Place::Elsewhere(name) => format!("in {name}: no object of the heap"),
        Place::Nothing if at < told.page => {
            "no address: a number, or a field of a null pointer".to_owned()
        }
        Place::Nothing => "an address where nothing is mapped, or not any more".to_owned(),
    }
}

fn beside(out: &mut String, told: &Told) {
    let Place::Heap { beside, .. } = &told.place else {
        return;
    };
    for (name, part) in [("in front of it", beside[0]), ("behind it", beside[1])] {
        // A header of the heap's own is no neighbour.
        if let Some(part) = part.filter(|p| p.piece.what != What::Overhead) {
            let _ = writeln!(
                out,
                "  {name}: {} of {} bytes at {:#x}, {}",
                noun(part.piece.what),
                part.room(),
                part.payload,
                part.piece.what.words()
            );
        }
    }
}

fn trace(out: &mut String, what: &str, trace: &Trace, known: &Known, symbols: &Symbols) {
    let _ = writeln!(out, "\n  {what} by thread {}:", trace.thread);
    stack(out, &functions(&known.modules, &trace.frames, symbols));
}

fn object(out: &mut String, told: &Told, symbols: &Symbols) {
    let is_guarded = told
        .known
        .as_ref()
        .is_some_and(|k| k.by == "a guarded slot");
    if let Some(known) = told.known.as_ref().filter(|_| is_guarded) {
        let misuse = known
            .misuse
            .as_deref()
            .unwrap_or("an address of the object");
        let state = if known.freed.is_some() {
            "freed"
        } else {
            "in use"
        };
        let _ = writeln!(
            out,
            "{:#x}: {misuse}; a guarded object of {} bytes at {:#x}, {state}",
            told.address, known.size, known.at
        );
    } else {
        let _ = writeln!(out, "{:#x} is {}", told.address, place(told));
        beside(out, told);
    }
    let Some(known) = &told.known else {
        return;
    };
    if !is_guarded {
        let _ = writeln!(out, "  {} bytes were asked for ({})", known.size, known.by);
    }
    trace(out, "allocated", &known.allocated, known, symbols);
    if let Some(freed) = &known.freed {
        trace(out, "freed", freed, known, symbols);
    }
}

/// The page.
pub(super) fn page(facts: &Facts, subject: &Subject, symbols: &Symbols) -> String {
    let mut out = format!("{}\n", subject.title());
    match &facts.why {
        Why::Said(last) => {
            let _ = writeln!(out, "Cairn ended it: {}", last.message);
            if let Some((cause, look_for)) = meaning(&last.message) {
                let _ = writeln!(out, "\n{cause}\nLook for: {look_for}");
            }
        }
        Why::Fault(address) => {
            let _ = writeln!(out, "It touched {address:#x}, which it may not");
        }
        Why::Signal(number) => {
            let _ = writeln!(out, "Signal {number} ended it");
        }
        Why::Runs => {}
    }
    for told in &facts.told {
        out.push('\n');
        object(&mut out, told, symbols);
    }
    if !matches!(facts.why, Why::Runs) {
        let _ = writeln!(out, "\nthread {} stood in:", facts.thread);
        let lines: Vec<_> = (facts.frames.iter())
            .map(|f| symbols.lines(&facts.stacks.modules, *f))
            .collect();
        stack(&mut out, &lines);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test reports by panicking")]

    use super::meaning;

    #[test]
    fn every_message_of_the_page_has_a_meaning() {
        let (cause, look_for) = meaning("free(): invalid pointer").expect("its row");
        assert!(
            cause.starts_with("No object starts at this address"),
            "{cause}"
        );
        assert!(look_for.contains("free(p + n)"), "{look_for}");
        assert!(meaning("double free or corruption (fasttop)").is_some());
        assert!(meaning("nothing of the sort").is_none());
    }
}
