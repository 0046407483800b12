//! A chunk's header, foot and neighbours, and what a second `free` finds.

use super::lesson::{Lesson, Way};
use super::program::Running;
use super::show::Show;
use super::sight::{self, Home, Seen};
use anyhow::{Context, Result};
use cairn_reader::walk::What;
use std::os::unix::process::ExitStatusExt;

pub(super) const CHUNK: Lesson = Lesson {
    name: "chunk",
    title: "A chunk: header, foot and neighbours",
    says: "In front of an object of the heap lies its header: eight bytes, of which four say the size \
           and what the chunk is (the lowest bit: the chunk before it is not free), and four are a tag \
           that nobody can guess. Chunks lie one behind the other. A freed one that the thread's cache \
           hands on waits in a fastbin with its header as it was, and its neighbours do not know. When what waits is merged the chunk \
           goes into a bin: its last word, the foot, then says its size, and the lowest bit of the \
           header behind it is off, so that who is freed next finds its beginning. So two free \
           neighbours become one, of both sizes.",
    source: include_str!("../../tour/chunk.c"),
    knobs: &[
        ("CAIRN_RUN_MAX", "0"),
        ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=1"),
    ],
    way: Way::Stops(see_chunk),
};

/// The four chunks at a stop.
fn four(run: &mut Running, show: &mut Show, name: &str) -> Result<[Seen; 4]> {
    run.to(name, show)?;
    let names = ["a", "b", "c", "d"];
    let mut payloads = Vec::new();
    for name in names {
        payloads.push(run.fact(name)?);
    }
    let found = sight::pieces(run.pid(), &payloads)?;
    let mut all = Vec::new();
    for (i, (seen, name)) in found.iter().zip(names).enumerate() {
        let seen = seen.with_context(|| format!("the heap knows nothing of {name}"))?;
        let is_told = all.iter().any(|s: &Seen| s.piece.from == seen.piece.from);
        if is_told {
            show.line(format!("  cairn: {name} is part of that"));
        } else {
            show.line(seen.line(names[i]));
        }
        all.push(seen);
    }
    Ok([all[0], all[1], all[2], all[3]])
}

fn see_chunk(run: &mut Running, show: &mut Show) -> Result<()> {
    let [a, b, c, d] = four(run, show, "chunks in use")?;
    let used = |seen: &Seen| seen.piece.what == What::Live && seen.is_chunk;
    show.claim("four chunks are in use", [a, b, c, d].iter().all(used));
    let behind = |first: &Seen, next: &Seen| first.piece.to == next.piece.from;
    let row = behind(&a, &b) && behind(&b, &c) && behind(&c, &d);
    show.claim("one behind the other", row);
    let payload = run.fact("b")?;
    show.claim(
        "the header is the eight bytes before the object",
        b.piece.from + 8 == payload,
    );
    let size = b.piece.bytes();
    let says = |seen: &Seen| seen.word & 0xffff_fff0;
    show.claim(format!("and says the size, {size} bytes"), says(&b) == size);
    let is_before_free = |seen: &Seen| seen.word & 1 == 0;

    let [_, b, c, _] = four(
        run,
        show,
        "b is freed, and then another: b waits in a fastbin",
    )?;
    show.claim("freed, b waits in a fastbin", b.piece.what == What::Waiting);
    show.claim("and c's header does not know", !is_before_free(&c));

    let [_, b, c, _] = four(run, show, "trimmed: b is in a bin")?;
    show.claim(
        "merged, b is free in a bin",
        b.piece.what == What::FreeChunk,
    );
    show.claim("its foot, before c's header, says its size", {
        is_before_free(&c) && c.foot == b.piece.bytes()
    });

    let [_, merged, c, d] = four(run, show, "c is freed too: merged with b")?;
    let both = merged.piece.bytes();
    show.claim(format!("b and c are one free chunk of {both} bytes"), {
        merged.piece.from == c.piece.from
            && merged.piece.what == What::FreeChunk
            && both == 2 * size
    });
    show.claim(
        "whose foot lies before d's header",
        is_before_free(&d) && d.foot == both,
    );
    Ok(())
}

pub(super) const TWICE: Lesson = Lesson {
    name: "twice",
    title: "A double free, and its message",
    says: "Freed once, the object lies in the thread's cache, and the heap's tables have it as free. A \
           second `free` of the same pointer finds that, says so and ends the program by SIGABRT, \
           before the object could be handed out to two owners.",
    source: include_str!("../../tour/twice.c"),
    knobs: &[],
    way: Way::Stops(see_twice),
};

fn see_twice(run: &mut Running, show: &mut Show) -> Result<()> {
    run.to("freed once", show)?;
    let object = run.fact("object")?;
    if let (Home::Heap(seen, _), _) = sight::home(run.pid(), object)? {
        show.line(seen.line(""));
        show.claim(
            "freed once, it lies in the thread's cache",
            seen.piece.what == What::Cached,
        );
    }
    let (status, said) = run.finish()?;
    show.stop("freed twice");
    show.line(format!("| {}", said.trim_end()));
    let message = "free(): double free detected";
    show.claim("the second free said so", said.starts_with(message));
    show.claim(
        "and ended the program by SIGABRT",
        status.signal() == Some(libc::SIGABRT),
    );
    Ok(())
}
