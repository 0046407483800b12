//! How like programs their replays are: the promises of `cairn replay`, by the command itself.

use std::ffi::OsStr;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use launch::libraries::CAIRN;
use launch::likeness::Likeness;
use serde::Deserialize;

use crate::build;
use crate::manifest::Workload;
use crate::run;
use crate::tools::Tools;

/// The least share of the differences between allocators that a replay has to have the same way.
const ALIKE: f64 = 0.9;
/// The farthest that a peak may be from the program's.
const PEAK: f64 = 0.1;
/// The farthest that the same trace may be from itself.
const TWICE: f64 = 0.02;

/// How it is measured.
pub(crate) struct Options {
    /// Allocators, as `cairn replay` takes them.
    pub(crate) libraries: Option<Vec<String>>,
    /// More of them, as `NAME=PATH`.
    pub(crate) more: Vec<String>,
    /// Rounds of each program.
    pub(crate) rounds: u16,
    /// Pairs of replays in each round.
    pub(crate) pairs: u16,
    /// For all programs together.
    pub(crate) time: Duration,
}

/// What `cairn replay --json` writes, in part.
#[derive(Deserialize)]
struct Said {
    rounds: usize,
    likeness: Likeness,
}

/// Records each program once, then replays the trace and runs the program in the same rounds. Says
/// what it found, of each and of all; the promises that do not hold come second.
///
/// # Errors
/// Something fails.
pub(crate) fn all(
    programs: &[Workload],
    options: &Options,
    mut shown: impl FnMut(&str),
) -> Result<(String, Vec<String>)> {
    shown("building");
    let tools = Tools::build()?;
    let mut more = options.more.clone();
    if !more.iter().any(|it| it.starts_with("cairn=")) {
        more.push(format!("{CAIRN}={}", build::cairn(&[])?.display()));
    }
    let start = Instant::now();
    let mut text = String::new();
    let mut whole = Likeness::default();
    for (at, program) in programs.iter().enumerate() {
        let name = &program.name;
        shown(&format!("{} of {}, {name}", at + 1, programs.len()));
        let job = run::job(program, false)?;
        let trace = tools.record(&job, name).with_context(|| name.clone())?;
        let json = trace.file.with_file_name("likeness.json");
        // What is left, shared by those that are.
        let left = options.time.saturating_sub(start.elapsed());
        let left = left / u32::try_from(programs.len() - at).unwrap_or(1);
        let mut command = tools.command(&job);
        command
            .args([OsStr::new("replay"), trace.file.as_os_str()])
            .args(["--rounds", &options.rounds.to_string()])
            .args(["--pairs", &options.pairs.to_string()])
            .args(["--for", &format!("{}s", left.as_secs().max(1))])
            .args([OsStr::new("--json"), json.as_os_str()]);
        for library in &more {
            command.args(["--library", library]);
        }
        if let Some(libraries) = &options.libraries {
            command.args(["--libraries", &libraries.join(",")]);
        }
        if let Some(process) = &job.process {
            command.args(["--process", process]);
        }
        let output = command
            .arg("--")
            .arg(&job.program)
            .args(&job.arguments)
            .output()
            .context("cairn replay does not start")?;
        if output.status.code() != Some(0) {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("{name}: cairn replay: {}", words.trim_end());
        }
        let json = fs::read_to_string(&json).context("what cairn replay wrote")?;
        let Said { rounds, likeness } = serde_json::from_str(&json)?;
        text += &format!(
            "{name}: {} calls in {} threads, {rounds} rounds. {}",
            trace.calls,
            trace.threads,
            likeness.words()
        );
        whole.differences.extend(likeness.differences);
        whole.peaks.extend(likeness.peaks);
        whole.twice.extend(likeness.twice);
    }
    let (said, broken) = promises(&whole);
    text += &format!(
        "\n{} programs in {} s\n{said}",
        programs.len(),
        start.elapsed().as_secs()
    );
    Ok((text, broken))
}

/// What was promised and what holds; and what does not.
fn promises(whole: &Likeness) -> (String, Vec<String>) {
    let count = whole.differences.len();
    let share = whole.alike() as f64 / count.max(1) as f64;
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    let promises = [
        (
            share >= ALIKE && count > 0,
            format!(
                "orders: {} of {count} alike, {}; promised are {}",
                whole.alike(),
                percent(share),
                percent(ALIKE)
            ),
        ),
        (
            whole.peak() <= PEAK && !whole.peaks.is_empty(),
            format!(
                "peak memory: at most {} from the program's; promised are {}",
                percent(whole.peak()),
                percent(PEAK)
            ),
        ),
        (
            whole.twice("CPU").max(whole.twice("peak")) <= TWICE && !whole.twice.is_empty(),
            format!(
                "the same trace twice: CPU time at most {} apart, peak memory {}; promised are {}",
                percent(whole.twice("CPU")),
                percent(whole.twice("peak")),
                percent(TWICE)
            ),
        ),
    ];
    let mut said = String::new();
    let mut broken = Vec::new();
    for (holds, words) in promises {
        said += &format!(
            "{} {words}\n",
            if holds {
                "holds:    "
            } else {
                "does not hold:"
            }
        );
        if !holds {
            broken.push(words);
        }
    }
    (said, broken)
}

#[cfg(test)]
mod tests {
    use launch::likeness::{Difference, Foretold, Likeness, Twice};

    use super::promises;

    fn found(replay: f64, peak: f64, twice: f64) -> Likeness {
        let difference = |replay| Difference {
            figure: "CPU".to_owned(),
            library: "a".to_owned(),
            to: "b".to_owned(),
            program: 0.9,
            replay,
        };
        let mut differences = vec![difference(0.95); 8];
        differences.extend([difference(replay), difference(replay)]);
        Likeness {
            differences,
            peaks: vec![Foretold {
                library: "a".to_owned(),
                program: 100.0,
                replay: peak,
            }],
            twice: vec![Twice {
                figure: "CPU".to_owned(),
                library: "a".to_owned(),
                ratio: twice,
            }],
        }
    }

    #[test]
    fn a_promise_that_does_not_hold_is_said() {
        assert!(promises(&found(0.95, 109.0, 1.01)).1.is_empty());
        for (broken, words) in [
            (found(1.05, 109.0, 1.01), "orders: 8 of 10"),
            (found(0.95, 89.0, 1.01), "peak memory: at most 11.0 %"),
            (found(0.95, 109.0, 0.97), "CPU time at most 3.0 %"),
        ] {
            let (_, broken) = promises(&broken);
            assert!(broken.len() == 1 && broken[0].contains(words), "{broken:?}");
        }
        // Nothing measured, nothing shown.
        assert_eq!(promises(&Likeness::default()).1.len(), 3);
    }
}
