//! `cairn explain`: why Cairn ended a program, by its core file.

mod object;
mod text;

use crate::look;
use anyhow::{Result, bail};
use cairn_profile::stack::Stacks;
use cairn_profile::symbols::Symbols;
use cairn_reader::Target;
use cairn_reader::core::Core;
use cairn_reader::find::LastWords;
use cairn_reader::process::Process;
use cairn_reader::registers::Registers;
use cairn_reader::report::Report;
use cairn_reader::samples::Frame;
use cairn_reader::stop::Stopped;
use clap::Args;
use object::Told;
use std::path::{Path, PathBuf};

/// Says what Cairn ended a program for: what the pointer was, what lies beside it, and who did it.
///
/// Of a core file, or of a process that a debugger or the program's own handler keeps at its end: the
/// message, what the address is that it is about (docs/messages.md), its neighbours, who asked for it
/// and freed it as far as a sample, a guarded slot or check mode knows, and the stack of the thread that
/// met it. Of a program that ended by a fault, the same of the address that it touched.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn explain core.1234
  cairn explain core.1234 --address 0x55d0c5a012a0
  cairn explain $(pidof server) --address 0x7f21c0a0")]
pub(crate) struct Arguments {
    /// Path of a core file, or number of a process
    #[arg(value_name = "CORE|PID", allow_negative_numbers = true)]
    target: String,
    /// Say what this address is, instead of the one that the program ended for; may be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = crate::map::address)]
    address: Vec<u64>,
}

/// Why a program ended.
#[derive(Clone, Debug)]
enum Why {
    /// Cairn ended it.
    Said(LastWords),
    /// It touched an address that it may not.
    Fault(u64),
    /// By another signal.
    Signal(i32),
    /// It has not ended.
    Runs,
}

/// Everything that was found out.
struct Facts {
    why: Why,
    /// What each address is that is asked about.
    told: Vec<Told>,
    /// The thread that met it.
    thread: i32,
    /// Its frames, innermost first.
    frames: Vec<Frame>,
    /// Modules of those, and what unwound them.
    stacks: Stacks,
    program: PathBuf,
}

/// Explains.
///
/// # Errors
/// The file or process cannot be looked at, or ended for a reason that is not the heap's.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let what = arguments.target.as_str();
    let pid: Option<i32> = what.parse().ok();
    if pid.is_none() && Report::is_report(Path::new(what)) {
        bail!(
            "{what} is a report, which holds no stack and no last words: cairn why and cairn profile read it"
        );
    }
    let (subject, facts) = match pid {
        None => {
            // Once more for what a look has no use for: who ended it, and where its threads stood.
            let core = Core::open(Path::new(what))?;
            let first = core.threads.first().copied();
            let stacks: Vec<_> = core.threads.iter().map(|t| (t.tid, t.sp)).collect();
            look::look(what, false, |scene| {
                gather(
                    scene,
                    core.signal,
                    first,
                    &stacks,
                    Path::new("/"),
                    &arguments.address,
                )
            })?
        }
        Some(pid) => {
            let root = PathBuf::from(format!("/proc/{pid}/root"));
            let at = standing(pid)?;
            look::look(what, false, |scene| {
                let all = scene.threads.iter();
                let stacks: Vec<_> = all.map(|t| (t.tid, t.stack)).collect();
                gather(scene, None, at, &stacks, &root, &arguments.address)
            })?
        }
    };
    if facts.told.is_empty() {
        match facts.why {
            Why::Signal(number) => bail!(
                "{what}: Cairn did not end this program, signal {number} did: name an address by \
                 --address to see what it is"
            ),
            _ => bail!(
                "{what}: Cairn has not ended this program: name an address by --address to see what \
                 it is"
            ),
        }
    }
    let symbols = match pid {
        Some(pid) => Symbols::of(pid),
        None => Symbols::of_file(facts.program.clone()),
    };
    crate::print(&text::page(&facts, &subject, &symbols))
}

/// Where the thread stands that a process ends in: the first one, if nobody knows better.
fn standing(pid: i32) -> Result<Option<Registers>> {
    let process = Process::open_lightly(pid)?;
    let stopped = Stopped::stop(&process)?;
    let all = stopped.threads().iter();
    let mut all: Vec<_> = all.filter_map(|t| stopped.registers(t.tid)).collect();
    all.sort_by_key(|r| r.tid != pid);
    Ok(all.first().copied())
}

fn gather(
    scene: &look::Scene<'_>,
    signal: Option<(i32, u64)>,
    at: Option<Registers>,
    stacks_at: &[(i32, u64)],
    root: &Path,
    asked: &[u64],
) -> Facts {
    let last = (scene.heaps.iter()).find_map(|h| h.instance.last_words(scene.target));
    let why = match (last, signal) {
        (Some(last), _) => Why::Said(last),
        (None, Some((libc::SIGSEGV | libc::SIGBUS, address))) => Why::Fault(address),
        (None, Some((number, _))) => Why::Signal(number),
        (None, None) => Why::Runs,
    };
    let of_itself = match &why {
        Why::Said(last) if last.address != 0 => vec![last.address],
        Why::Fault(address) => vec![*address],
        _ => Vec::new(),
    };
    let addresses = if asked.is_empty() { &of_itself } else { asked };
    let is_call = matches!(why, Why::Said(_)) && asked.is_empty();
    let told = addresses.iter();
    let told = told.map(|p| Told {
        stack: on_stack(scene.target, *p, stacks_at),
        ..Told::of(scene.target, scene.heaps, *p, is_call)
    });
    let stacks = Stacks::of(scene.target, root);
    let frames = at.map(|at| stacks.walk(scene.target, &at));
    Facts {
        told: told.collect(),
        thread: at.map_or(0, |at| at.tid),
        frames: frames.unwrap_or_default(),
        program: program(scene.target),
        stacks,
        why,
    }
}

/// The thread on whose stack an address lies.
fn on_stack(target: &dyn Target, at: u64, stacks: &[(i32, u64)]) -> Option<i32> {
    let map = target.map_of(at)?;
    let holds = |(_, sp): &&(i32, u64)| map.from <= *sp && *sp < map.to;
    stacks.iter().find(holds).map(|stack| stack.0)
}

/// The program's own file: it is mapped lowest, or as the first of all.
fn program(target: &dyn Target) -> PathBuf {
    let named = target.maps().iter().find(|m| m.name.starts_with('/'));
    named.map_or_else(PathBuf::new, |map| PathBuf::from(&map.name))
}
