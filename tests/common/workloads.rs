//! The bench's own workloads, as its manifest has them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An entry of the manifest, as far as it matters here.
pub struct Workload {
    pub name: String,
    pub program: String,
    /// What it is given, and what in its short form.
    pub arguments: Vec<String>,
    /// See `arguments`.
    pub short: Vec<String>,
    /// A program of others, started by a script.
    pub real: bool,
}

/// What stands in quotes, in the order in which it stands there.
fn quoted(text: &str) -> Vec<String> {
    text.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

pub fn manifest() -> Vec<Workload> {
    let text = fs::read_to_string(super::root().join("benches/programs/manifest.toml"))
        .expect("no manifest");
    let entries = text.split("[[workload]]").skip(1);
    entries
        .map(|entry| {
            let value = |key: &str| {
                entry
                    .lines()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))
                    .unwrap_or_else(|| panic!("no {key} in {entry}"))
            };
            Workload {
                name: quoted(value("name")).concat(),
                program: quoted(value("program")).concat(),
                arguments: quoted(value("args")),
                short: quoted(value("short")),
                real: source(&quoted(value("program")).concat()).is_none(),
            }
        })
        .collect()
}

/// The source of a workload below `benches/programs/workloads`.
pub fn source(program: &str) -> Option<PathBuf> {
    ["c", "cc", "rs"]
        .map(|ending| {
            super::root()
                .join("benches/programs/workloads")
                .join(program)
                .with_extension(ending)
        })
        .into_iter()
        .find(|path| path.is_file())
}

pub fn compile(program: &str) -> PathBuf {
    let source = source(program).unwrap_or_else(|| panic!("{program} has no source"));
    let ending = source.extension().and_then(|ending| ending.to_str());
    let relative = |ending| format!("../benches/programs/workloads/{program}.{ending}");
    match ending {
        Some("c") => super::compile_c(&relative("c"), &["-O2"]),
        Some("cc") => super::compile_cxx(&relative("cc"), &["-O2"]),
        _ => compile_rust(&source, program),
    }
}

fn compile_rust(source: &Path, program: &str) -> PathBuf {
    let compiled = super::scratch().join(format!("workload-{program}"));
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition", "2024", "-O", "-o"])
        .arg(&compiled)
        .arg(source)
        .output()
        .expect("no rustc");
    assert!(output.status.success(), "{}", super::describe(&output));
    compiled
}
