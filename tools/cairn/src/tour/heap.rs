//! Where a heap's memory comes from: the break, mappings, and what `calloc` and `realloc` make of them.

use super::lesson::{Lesson, Way};
use super::program::Running;
use super::show::Show;
use super::sight::{self, Home, Pages};
use crate::look::{bytes, number};
use anyhow::Result;

pub(super) const BREAK: Lesson = Lesson {
    name: "break",
    title: "The break, and how it moves",
    says: "Behind the program's data lies memory that ends at the break, and `sbrk(0)` says where that \
           is. `malloc` takes its first heap there. It asks the system for more than it needs, so \
           most objects leave the break where it is. A hundred objects of 32,000 bytes are more than \
           that, and the break moves up. When all are freed and `malloc_trim` is called it moves down \
           again. What the system shows as `[heap]` ends at the break all the while.",
    source: include_str!("../../tour/break.c"),
    knobs: &[],
    way: Way::Stops(see_break),
};

fn see_break(run: &mut Running, show: &mut Show) -> Result<()> {
    let mut breaks = Vec::new();
    let mut agrees = true;
    for name in ["one object", "a hundred objects", "all freed and trimmed"] {
        run.to(name, show)?;
        let at = run.fact("break")?;
        let map = sight::heap_mapping(run.pid())?;
        let (size, there) = (bytes(map.to - map.from), bytes(map.rss));
        show.line(format!(
            "  system: [heap] {:#x}-{:#x}, {size}, resident {there}",
            map.from, map.to
        ));
        agrees &= map.to == at;
        breaks.push(at);
        if name == "a hundred objects" {
            let last = run.fact("last")?;
            let (home, picture) = sight::home(run.pid(), last)?;
            show.line(picture.unwrap_or_default());
            let lies = matches!(home, Home::Heap(_, true)) && last < at;
            show.claim("the last object lies in the heap that the break ends", lies);
        }
    }
    let (up, down) = (breaks[1] - breaks[0], breaks[1].saturating_sub(breaks[2]));
    let moved = up >= 99 * 32_000 - (256 << 10);
    show.claim(format!("the break moved up, by {}", bytes(up)), moved);
    show.claim(format!("and down, by {}", bytes(down)), down >= up / 2);
    show.claim("[heap] ends at the break each time", agrees);
    Ok(())
}

pub(super) const VECTOR: Lesson = Lesson {
    name: "vector",
    title: "When a vector leaves the heap for a mapping",
    says: "A vector that is full takes twice the memory, copies itself and frees the old. While it is \
           small its memory is part of the heap. From 128 KiB on (M_MMAP_THRESHOLD) `malloc` asks the \
           system for a mapping of its own, which goes back whole when it is freed. So the vector \
           leaves the heap at 128 KiB, and each longer one lies elsewhere again: when a mapping is \
           freed the threshold rises to its size, and twice that is above it.",
    source: include_str!("../../tour/vector.c"),
    knobs: &[],
    way: Way::Stops(see_vector),
};

fn see_vector(run: &mut Running, show: &mut Show) -> Result<()> {
    let (mut left_at, mut came_back) = (0, false);
    let mut size = 16 << 10;
    while size <= 1 << 20 {
        run.to("grown", show)?;
        let (home, _) = sight::home(run.pid(), run.fact("vector")?)?;
        size = run.fact("size")?;
        show.line(match home {
            Home::Heap(seen, _) => seen.line(""),
            Home::Mapped(from, to) => format!(
                "  cairn: mapped chunk {from:#x}-{to:#x}, {}",
                bytes(to - from)
            ),
            Home::Nowhere => "  cairn: not the heap's".to_owned(),
        });
        match home {
            Home::Mapped(..) if left_at == 0 => left_at = size,
            Home::Heap(..) => came_back |= left_at != 0,
            _ => {}
        }
        size *= 2;
    }
    let what = format!("it left the heap at {}", bytes(left_at));
    show.claim(what, left_at == 128 << 10);
    show.claim("and did not come back", !came_back);
    Ok(())
}

pub(super) const CALLOC: Lesson = Lesson {
    name: "calloc",
    title: "What calloc need not clear",
    says: "`calloc` gives zeros. Memory that comes fresh from the system is zeros already: 64 MiB cost \
           no write, and almost no page is there. To read it brings no memory either: every page that \
           is only read is the kernel's one page of zeros. A small object takes the memory of one that \
           was freed a moment ago, full of 0xff, so `calloc` has to clear it.",
    source: include_str!("../../tour/calloc.c"),
    knobs: &[],
    way: Way::Stops(see_calloc),
};

fn see_calloc(run: &mut Running, show: &mut Show) -> Result<()> {
    const PAGES: u64 = (64 << 20) / 4096;
    run.to("calloc of 64 MiB", show)?;
    let large = run.fact("large")?;
    show.line(sight::mapping(run.pid(), large)?.1);
    let pages = Pages::of(run.pid(), large, PAGES)?;
    show.line(pages.picture("its pages"));
    let there = PAGES - pages.count('.');
    let what = format!(
        "of {} pages {there} is there, with the header",
        number(PAGES)
    );
    show.claim(what, there <= 1);

    run.to("read, a byte a page", show)?;
    let (map, line) = sight::mapping(run.pid(), large)?;
    show.line(line);
    let pages = Pages::of(run.pid(), large, PAGES)?;
    show.line(pages.picture("its pages"));
    show.claim("every byte that was read is 0", run.fact("not-zero")? == 0);
    let zeros = pages.count('0') >= PAGES - 1 || map.huge != 0;
    show.claim("what was read is the page of zeros", zeros);
    show.claim("and none of the process's memory", map.rss <= 2 << 20);

    run.to("calloc of memory that was used", show)?;
    let (before, after) = (run.fact("before")?, run.fact("after")?);
    show.claim(
        "the small object has the memory of the freed one",
        before == after,
    );
    show.claim("and was cleared", run.fact("not-zero")? == 0);
    Ok(())
}

pub(super) const MOVE: Lesson = Lesson {
    name: "move",
    title: "mremap: longer without a copy",
    says: "A mapped chunk of 16 MiB becomes 32 MiB, and right behind it is no room. To copy it would \
           touch 4,096 new pages, each with a fault. `realloc` asks the system to move the mapping \
           instead (mremap): the same pages get other addresses. Hardly a fault is counted, no byte is \
           touched, and all are where they have to be.",
    source: include_str!("../../tour/move.c"),
    knobs: &[],
    way: Way::Stops(see_move),
};

fn see_move(run: &mut Running, show: &mut Show) -> Result<()> {
    let mut places = Vec::new();
    let mut mapped = true;
    for name in ["16 MiB, all written", "realloc to 32 MiB"] {
        run.to(name, show)?;
        let at = run.fact("chunk")?;
        let (map, line) = sight::mapping(run.pid(), at)?;
        show.line(line);
        let (home, _) = sight::home(run.pid(), at)?;
        let count = (map.to - at) / 4096;
        show.line(Pages::of(run.pid(), at, count)?.picture("its pages"));
        mapped &= matches!(home, Home::Mapped(..));
        places.push(at);
    }
    show.claim("it is a mapped chunk before and after", mapped);
    show.claim("there was no room behind it", run.fact("wall")? == 1);
    show.claim("it lies elsewhere now", places[0] != places[1]);
    let faults = run.fact("faults")?;
    let what = format!("{faults} faults, not 4,096");
    show.claim(what, faults < 64);
    show.claim(
        "and every byte that was looked at is right",
        run.fact("wrong")? == 0,
    );
    Ok(())
}
