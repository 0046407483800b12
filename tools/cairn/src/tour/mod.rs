//! `cairn tour`: how memory works, step by step, on programs that run before the reader's eyes.

mod chunks;
mod heap;
mod lesson;
mod pages;
mod program;
mod show;
mod sight;
mod tlb;

use crate::look::number;
use anyhow::{Result, bail};
use clap::Args;
use lesson::Lesson;
use program::Place;
use show::Show;
use std::fmt::Write as _;
use std::io::{IsTerminal, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

/// A lecture on memory that runs: each step shows a short program, says what will happen, runs it on
/// Cairn, and shows what the system and the heap's tables say.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn tour
  cairn tour --list
  cairn tour fork
  cairn tour --all

In a terminal each part waits for Enter. The programs are in C, lie in tools/cairn/tour, and are compiled
by `cc` (or what CC names) into a temporary folder. Status 1: something that was said did not happen.")]
pub(crate) struct Arguments {
    /// One step, by its name or number
    step: Option<String>,
    /// Name the steps
    #[arg(long)]
    list: bool,
    /// Go through all without waiting
    #[arg(long)]
    all: bool,
    /// Write the tour as a text in Markdown, as docs/tour.md is
    #[arg(long, conflicts_with = "list")]
    markdown: bool,
    /// The library for the programs, instead of the installed one
    #[arg(long, value_name = "PATH")]
    library: Option<PathBuf>,
}

/// In the order in which one follows on another.
const LESSONS: [Lesson; 11] = [
    heap::BREAK,
    heap::VECTOR,
    pages::TOUCH,
    heap::CALLOC,
    pages::PROTECT,
    pages::FORK,
    pages::FILE,
    heap::MOVE,
    tlb::TLB,
    chunks::CHUNK,
    chunks::TWICE,
];

/// # Errors
/// There is no such step, no compiler or no library.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let all = LESSONS;
    if arguments.list {
        let mut out = String::new();
        for (i, lesson) in all.iter().enumerate() {
            let _ = writeln!(out, "{:>2}  {:<9} {}", i + 1, lesson.name, lesson.title);
        }
        crate::print(&out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let chosen: Vec<(usize, &Lesson)> = match &arguments.step {
        None => all.iter().enumerate().collect(),
        Some(step) => {
            let is =
                |(i, lesson): &(usize, &Lesson)| lesson.name == step || step.parse() == Ok(i + 1);
            all.iter().enumerate().filter(is).collect()
        }
    };
    if chosen.is_empty() {
        let step = arguments.step.as_deref().unwrap_or_default();
        bail!("the tour has no step {step}: `cairn tour --list` names them");
    }
    let place = Place::new(arguments.library.clone())?;
    let waits = stdin().is_terminal() && stdout().is_terminal() && !arguments.all;
    let (mut claims, mut failed) = (0, 0);
    if arguments.markdown {
        crate::print(OPENING)?;
    }
    for (i, lesson) in chosen {
        let mut show = Show::new();
        let head = if arguments.markdown {
            lesson.markdown_head(i + 1)
        } else {
            lesson.head(i + 1)
        };
        crate::print(&head)?;
        if waits && !enter("Enter runs it, q ends")? {
            break;
        }
        lesson.run(&place, &mut show)?;
        crate::print(&if arguments.markdown {
            show.markdown()
        } else {
            show.text()
        })?;
        claims += show.claims.len();
        failed += show.claims.iter().filter(|claim| !claim.holds).count();
        if waits && arguments.step.is_none() && !enter("Enter goes on, q ends")? {
            break;
        }
    }
    if arguments.markdown {
        crate::print("\n")?;
    } else {
        let came = number((claims - failed) as u64);
        crate::print(&format!(
            "\n{came} of {} things that were said came true\n",
            number(claims as u64)
        ))?;
    }
    Ok(ExitCode::from(u8::from(failed != 0)))
}

/// Waits for a line; whether to go on.
fn enter(what: &str) -> Result<bool> {
    crate::print(&format!("\n-- {what} --"))?;
    let mut line = String::new();
    let n = stdin().read_line(&mut line)?;
    Ok(n != 0 && !line.trim().starts_with('q'))
}

const OPENING: &str = "\
# A tour of memory

How a program gets its memory, step by step. Each step is a short program in C that runs on Cairn; each
says first what will happen, and shows what the system and `cairn`, which reads the heap's tables from
outside, saw. `cairn tour` runs the same in a terminal, and fails where something that was said does not
happen. The programs lie in `tools/cairn/tour`, and run alone as well:

```sh
cc tools/cairn/tour/fork.c -o fork && cairn run -- ./fork
```

This page is the output of `cairn tour --markdown`; addresses and times are those of one machine. In the
pictures of pages `#` is a page in memory, `=` one that another process has as well, `0` the kernel's page
of zeros, and `.` a page that is not there. In those of heaps `#` is in use, `-` hardly, `c` freed and not
yet merged, `.` free, `n` never used, and blank what is not in memory. Lines with `|` are what the program
says.
";
