//! How the system makes pages of memory: at a touch, under protection, for two processes, of a file.

use super::lesson::{Lesson, Way};
use super::program::Running;
use super::show::Show;
use super::sight::{self, Pages};
use crate::look::bytes;
use anyhow::Result;

pub(super) const TOUCH: Lesson = Lesson {
    name: "touch",
    title: "Pages are there once they are touched",
    says: "A new mapping of 1,024 pages is a promise: none of them is in memory. The first write to \
           each makes the processor call the system, which then finds a page: a minor fault, as it \
           waits for nothing. 512 pages are written, so 512 minor faults are counted and half of the \
           mapping is there. A page of a file that no memory holds has to come from the disk: a major \
           fault.",
    source: include_str!("../../tour/touch.c"),
    knobs: &[],
    way: Way::Stops(see_touch),
};

fn see_touch(run: &mut Running, show: &mut Show) -> Result<()> {
    run.to("mapped", show)?;
    let memory = run.fact("memory")?;
    show.line(sight::mapping(run.pid(), memory)?.1);
    let pages = Pages::of(run.pid(), memory, 1024)?;
    show.line(pages.picture("the mapping"));
    show.claim(
        "no page was there before the first touch",
        pages.count('.') == 1024,
    );

    run.to("half of it written", show)?;
    show.line(sight::mapping(run.pid(), memory)?.1);
    let pages = Pages::of(run.pid(), memory, 1024)?;
    show.line(pages.picture("the mapping"));
    show.claim("512 pages are there, and 512 are not", {
        pages.count('#') == 512 && pages.count('.') == 512
    });
    let minor = run.fact("minor")?;
    let what = format!("{minor} minor faults brought them");
    show.claim(what, (512..516).contains(&minor));

    run.to("a page of a file read", show)?;
    if run.fact("cached")? == 1 {
        show.leave_out("the major fault: the temporary folder's files never leave memory");
    } else {
        let major = run.fact("major")?;
        let what = format!("the page of the file was a major fault ({major})");
        show.claim(what, major >= 1);
    }
    show.claim("and holds what was written", run.fact("byte")? == 1);
    Ok(())
}

pub(super) const PROTECT: Lesson = Lesson {
    name: "protect",
    title: "mprotect, and the fault that it causes",
    says: "Of three pages the one in the middle is made read-only. The system keeps one entry for each \
           stretch of equal rights, so the mapping becomes three. A write to the middle is refused: \
           the program gets SIGSEGV with the address and the reason. Its handler allows the write and \
           returns; the processor makes the write once more, and now it succeeds. The three entries \
           are one again.",
    source: include_str!("../../tour/protect.c"),
    knobs: &[],
    way: Way::Stops(see_protect),
};

fn see_protect(run: &mut Running, show: &mut Show) -> Result<()> {
    run.to("the page in the middle is read-only", show)?;
    let pages = run.fact("pages")?;
    let mut rights = Vec::new();
    for i in 0..3 {
        let (map, line) = sight::mapping(run.pid(), pages + i * 4096)?;
        show.line(line);
        rights.push((map.from, map.writable));
    }
    let [before, middle, behind] = [rights[0], rights[1], rights[2]];
    let three = before.0 < middle.0 && middle.0 < behind.0;
    show.claim("one mapping became three", three);
    show.claim(
        "the middle cannot be written",
        (before.1, middle.1, behind.1) == (true, false, true),
    );

    run.to("written all the same", show)?;
    let (map, line) = sight::mapping(run.pid(), pages + 4096)?;
    show.line(line);
    show.claim("one fault came", run.fact("faults")? == 1);
    show.claim(
        "with the address of the write",
        run.fact("at")? == pages + 4096 + 5,
    );
    show.claim(
        "because the rights did not allow it",
        run.fact("refused")? == 1,
    );
    show.claim("then the write was made", run.fact("byte")? == 1);
    show.claim(
        "and the three are one again",
        map.from <= pages && map.to >= pages + 3 * 4096,
    );
    Ok(())
}

pub(super) const FORK: Lesson = Lesson {
    name: "fork",
    title: "Copy on write after fork, page by page",
    says: "`fork` makes a second process with the same memory, and copies none of it: both have the \
           same pages, which may only be read. Who writes to one has a fault, and gets a copy of that \
           page alone. The child writes every fourth of 64 pages: 16 faults, 16 copies. The parent's \
           pages still hold what they did, and when the child has ended they are its own again.",
    source: include_str!("../../tour/fork.c"),
    knobs: &[],
    way: Way::Stops(see_fork),
};

fn see_fork(run: &mut Running, show: &mut Show) -> Result<()> {
    let parent = run.pid();
    run.to("before the fork", show)?;
    let at = run.fact("pages")?;
    let mut own = Vec::new();
    let mut picture = |show: &mut Show, pid: i32, name: &str| -> Result<Pages> {
        let pages = Pages::of(pid, at, 64)?;
        show.line(pages.picture(name));
        own.push(pages.count('#'));
        Ok(pages)
    };
    picture(show, parent, "the parent's pages")?;
    run.to("after the fork", show)?;
    let child = i32::try_from(run.fact("child")?)?;
    picture(show, parent, "the parent's pages")?;
    picture(show, child, "the child's pages")?;
    run.to("the child wrote every fourth page", show)?;
    picture(show, parent, "the parent's pages")?;
    let pages = picture(show, child, "the child's pages")?;
    run.to("the child has ended", show)?;
    picture(show, parent, "the parent's pages")?;

    show.claim(
        "before the fork all 64 pages were the parent's alone",
        own[0] == 64,
    );
    show.claim("after it both had all of them", own[1] == 0 && own[2] == 0);
    let copied = run.fact("copied")?;
    let what = format!("16 writes were {copied} faults");
    show.claim(what, (16..20).contains(&copied));
    show.claim("each fourth page of the child's is a copy", {
        pages.text() == "#===".repeat(16)
    });
    show.claim(
        "what it left is the parent's alone again",
        own[3] == 16 && own[5] == 64,
    );
    show.claim(
        "and the parent saw none of the writes",
        run.fact("byte")? == 1,
    );
    Ok(())
}

pub(super) const FILE: Lesson = Lesson {
    name: "file",
    title: "A file in memory: MAP_SHARED, MAP_PRIVATE and msync",
    says: "One file is mapped twice. What is written through MAP_SHARED is the file: `read` finds it at \
           once, who maps the file sees it, and `msync` waits until the disk has it. What is written \
           through MAP_PRIVATE is a copy of that page for this process alone: it becomes anonymous \
           memory, and `msync` has nothing to write.",
    source: include_str!("../../tour/file.c"),
    knobs: &[],
    way: Way::Stops(see_file),
};

fn see_file(run: &mut Running, show: &mut Show) -> Result<()> {
    run.to("written through MAP_SHARED", show)?;
    let (shared, private) = (run.fact("shared")?, run.fact("private")?);
    show.line(sight::mapping(run.pid(), shared)?.1);
    show.line(sight::mapping(run.pid(), private)?.1);
    let letter = u64::from(b's');
    show.claim("msync succeeded", run.fact("msync")? == 0);
    show.claim(
        "the file has the byte written through MAP_SHARED",
        run.fact("file-has")? == letter,
    );
    show.claim(
        "and the other mapping sees it",
        run.fact("private-sees")? == letter,
    );

    run.to("written through MAP_PRIVATE", show)?;
    let (map, line) = sight::mapping(run.pid(), private)?;
    show.line(line);
    let anonymous = bytes(map.anonymous);
    show.line(format!("  system: of that anonymous {anonymous}"));
    show.claim("msync had nothing to complain of", run.fact("msync")? == 0);
    show.claim(
        "the file knows nothing of the byte written through MAP_PRIVATE",
        run.fact("file-has")? == 0 && run.fact("shared-sees")? == 0,
    );
    show.claim(
        "its page is a copy: 4 KiB of anonymous memory",
        map.anonymous == 4096,
    );
    Ok(())
}
