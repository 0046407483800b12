//! Cases that look for a cliff (`workloads/adversarial`): how the cost of an operation grows as a
//! case grows to 4 and 16 times its size.
//!
//! It needs little of the rest of the bench: a program says itself what its measured part took, and
//! `c-tests/counts/between.c` counts its system calls.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths;
use launch::libraries::Library;

/// Programs below `benches/programs/workloads/adversarial`.
const PROGRAMS: [&str; 5] = ["back", "calls", "fit", "growth", "threads"];
/// Sizes, as multiples of the first one.
const SIZES: [u64; 3] = [1, 4, 16];
/// Runs of which the least CPU time counts.
const RUNS: usize = 3;
/// A run that takes longer is not waited for.
const PATIENCE: &str = "100";
/// Cases that are about check mode.
const CHECKED: [&str; 2] = ["byte_by_byte", "checked_frees"];
/// What is shown: the name, decimals, and what an operation may have at 16 times the size without
/// the row being shown.
const KINDS: [(&str, usize, f64); 4] = [
    ("page faults", 2, 0.1),
    ("system calls about memory", 2, 0.02),
    ("KiB of memory beyond what is live", 2, 0.5),
    ("CPU time", 1, f64::INFINITY),
];

/// What one operation took, in the order of [`KINDS`]: CPU time in microseconds.
type Costs = [f64; 4];

/// A case on a library, at each size; `None` where it does not run.
type Grown = Option<[Costs; 3]>;

/// Measures all cases, or those that are named, from so many times the smallest size on; the tables.
///
/// # Errors
/// When a program does not compile.
pub(crate) fn all(
    libraries: &[Library],
    names: &[String],
    from: u64,
    mut shown: impl FnMut(&str),
) -> Result<String> {
    let between = compile(&paths::root().join("c-tests/counts/between.c"))?;
    let mut rows = Vec::new();
    for program in PROGRAMS {
        let source = paths::bench("workloads/adversarial").join(format!("{program}.c"));
        let program = compile(&source)?;
        for case in cases(&program)? {
            if !names.is_empty() && !names.contains(&case) {
                continue;
            }
            let mut grown: Vec<Grown> = Vec::new();
            for library in libraries {
                shown(&format!("{case} on {}", library.name));
                let at = |size| costs(&between, &program, &case, from * size, library);
                grown.push(match SIZES.map(at) {
                    [Ok(a), Ok(b), Ok(c)] => Some([a, b, c]),
                    failed => {
                        for error in failed.into_iter().filter_map(Result::err) {
                            eprintln!("{case} on {}: {error:#}", library.name);
                        }
                        None
                    }
                });
            }
            rows.push((case, grown));
        }
    }
    Ok(KINDS
        .iter()
        .enumerate()
        .map(|(kind, _)| table(libraries, &rows, kind))
        .collect::<Vec<_>>()
        .join("\n"))
}

/// One kind's table: per operation at each size, of CPU time the growth alone.
fn table(libraries: &[Library], rows: &[(String, Vec<Grown>)], kind: usize) -> String {
    let (name, decimals, little) = KINDS[kind];
    let is_time = little.is_infinite();
    let mut text = format!("| {name} |");
    for library in libraries {
        let _ = write!(text, " {} |", library.name);
    }
    let _ = write!(text, "\n| --- |{}\n", " ---: |".repeat(libraries.len()));
    for (case, grown) in rows {
        let of = |costs: &[Costs; 3]| costs.map(|cost| cost[kind]);
        let is_little = |g: &Grown| g.as_ref().is_none_or(|g| of(g)[2] <= little);
        if !is_time && grown.iter().all(is_little) {
            continue;
        }
        let _ = write!(text, "| `{case}` |");
        for g in grown {
            let cell = match g.as_ref().map(of) {
                None => "–".to_owned(),
                Some([first, ..]) if is_time && first < 0.002 => "–".to_owned(),
                Some([a, b, c]) if is_time => format!("{:.1} {:.1}", b / a, c / a),
                Some(all) => all.map(|cost| format!("{cost:.decimals$}")).join(" "),
            };
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text
}

/// A C program, compiled.
fn compile(source: &Path) -> Result<PathBuf> {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let dir = paths::work()?.join("programs");
    fs::create_dir_all(&dir).context("no directory for programs")?;
    let program = dir.join(format!("adversarial-{stem}"));
    let output = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()))
        // A compiler that knows what malloc means removes the very pairs that are measured.
        .args(["-O2", "-g", "-fno-builtin", "-pthread", "-o"])
        .arg(&program)
        .arg(source)
        .output()
        .context("no C compiler")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(program)
}

fn cases(program: &Path) -> Result<Vec<String>> {
    let output = Command::new(program)
        .arg("list")
        .output()
        .context("the cases cannot be listed")?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.lines().map(str::to_owned).collect())
}

/// The numbers that a run wrote, of a program's own and of what counts its calls.
fn run(command: &mut Command) -> Result<(Vec<f64>, Vec<f64>)> {
    let output = command.output().context("timeout is not installed")?;
    let numbers = |text: &[u8]| -> Vec<f64> {
        let text = String::from_utf8_lossy(text);
        text.split_whitespace()
            .map_while(|n| n.parse().ok())
            .collect()
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}", output.status, said.trim());
    }
    Ok((numbers(&output.stdout), numbers(&output.stderr)))
}

/// What an operation of a case takes.
fn costs(
    between: &Path,
    program: &Path,
    case: &str,
    factor: u64,
    library: &Library,
) -> Result<Costs> {
    let command = |of: &Path| {
        let mut command = Command::new("timeout");
        command.arg(PATIENCE).arg(of).env_remove("LD_PRELOAD");
        if CHECKED.contains(&case) {
            command.env("MALLOC_CHECK_", "3");
        }
        command
    };
    let arguments = [case.to_owned(), factor.to_string()];
    let mut best: Option<Costs> = None;
    for _ in 0..RUNS {
        // By way of env, so that nothing but the program itself is preloaded.
        let preload = format!("LD_PRELOAD={}", library.preload.display());
        let (own, _) = run(command(Path::new("env"))
            .arg(preload)
            .arg(program)
            .args(&arguments))?;
        let [operations, faults, micros, kib, _space] = own[..] else {
            bail!("not five numbers: {own:?}");
        };
        let each = |count: f64| count.max(0.0) / operations;
        let now = [each(faults), 0.0, each(kib), each(micros)];
        if best.is_none_or(|best| now[3] < best[3]) {
            best = Some(now);
        }
    }
    let mut best = best.context("no run")?;
    let (own, counted) = run(command(between)
        .arg(&library.preload)
        .arg(program)
        .args(&arguments))?;
    let (Some(operations), Some(calls)) = (own.first(), counted.first()) else {
        bail!("no count of system calls");
    };
    best[1] = calls / operations;
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_in_which_nobody_needs_anything_is_left_out() {
        let library = Library {
            name: "one".to_owned(),
            preload: PathBuf::new(),
            version: String::new(),
            env: Vec::new(),
        };
        let cost = |faults: f64, micros: f64| [faults, 0.0, 0.0, micros];
        let rows = [
            (
                "quiet".to_owned(),
                vec![Some([1.0, 1.0, 1.0].map(|t| cost(0.0, t)))],
            ),
            (
                "loud".to_owned(),
                vec![Some([1.0, 2.0, 8.0].map(|t| cost(t, t)))],
            ),
        ];
        let faults = table(std::slice::from_ref(&library), &rows, 0);
        assert!(!faults.contains("quiet") && faults.contains("| `loud` | 1.00 2.00 8.00 |"));
        let time = table(&[library], &rows, 3);
        assert!(time.contains("| `quiet` | 1.0 1.0 |") && time.contains("| `loud` | 2.0 8.0 |"));
    }
}
