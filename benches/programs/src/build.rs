//! What has to be built before anything can run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use launch::libraries::{self, file_name};

use crate::paths;

/// `libcairn.so` with these features, built if its sources changed.
///
/// # Errors
/// When it does not build.
pub(crate) fn cairn(features: &[&str]) -> Result<PathBuf> {
    let target = paths::work()?.join(format!("cairn{}", features.concat()));
    let mut command = cargo();
    command
        .args(["build", "--quiet", "--release", "-p", "cairn-preload"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(paths::root());
    if !features.is_empty() {
        command.arg("--features").arg(features.join(","));
    }
    run(&mut command, "libcairn.so")?;
    Ok(target.join("release/libcairn.so"))
}

/// The folder of the command `cairn`, the recorder's library and the replayer, built if their sources
/// changed.
///
/// # Errors
/// When they do not build.
pub(crate) fn tools() -> Result<PathBuf> {
    let target = paths::work()?.join("..").canonicalize()?;
    let packages = [
        "-p",
        "cairn-tools",
        "-p",
        "cairn-record",
        "-p",
        "cairn-replay",
    ];
    let mut command = cargo();
    command
        .args(["build", "--quiet", "--release"])
        .args(packages)
        .arg("--target-dir")
        .arg(&target)
        .current_dir(paths::root());
    run(&mut command, "the command cairn")?;
    Ok(target.join("release"))
}

/// Where a forwarder's library is once it is built.
///
/// # Errors
/// When there is no place for it.
pub(crate) fn peer_file(name: &str) -> Result<PathBuf> {
    Ok(paths::work()?
        .join("peers")
        .join(name)
        .join(format!("release/lib{name}.so")))
}

/// Builds all forwarders in `benches/programs/peers`.
///
/// # Errors
/// When one does not build: they need a C and a C++ compiler.
pub(crate) fn peers() -> Result<()> {
    for name in libraries::peers() {
        println!("{name}: building");
        let target = paths::work()?.join("peers").join(name);
        run(
            cargo()
                .args(["build", "--quiet", "--release", "--locked", "--target-dir"])
                .arg(&target)
                // The flags for the C compiler are in a configuration that cargo finds from here.
                .current_dir(paths::bench("peers").join(name)),
            name,
        )?;
        println!("{name}: {}", peer_file(name)?.display());
    }
    Ok(())
}

/// The program of a workload: compiled if it has to be.
///
/// # Errors
/// When there is no such source, or it does not compile.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let source = source(name)?;
    let kind = source
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if kind == "sh" {
        return Ok(source);
    }
    let dir = paths::work()?.join("programs");
    fs::create_dir_all(&dir).context("no directory for programs")?;
    let place = source.parent().map(file_name).unwrap_or_default();
    let stem = source
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let program = dir.join(format!("{place}-{stem}-{kind}"));
    let fresh = dir.join(format!("{place}-{stem}-{kind}.{}", std::process::id()));
    let compiler = |variable: &str, default: &str| {
        let mut command = Command::new(env::var_os(variable).unwrap_or_else(|| default.into()));
        // A compiler that knows what malloc means removes the very pairs that are measured.
        command
            .args(["-O2", "-g", "-fno-builtin", "-pthread", "-I"])
            .arg(paths::bench("workloads"));
        command
    };
    let mut command = match kind.as_str() {
        "c" => compiler("CC", "cc"),
        "cc" => {
            let mut command = compiler("CXX", "c++");
            command.arg("-std=gnu++17");
            command
        }
        "rs" => {
            let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
            command.args(["--edition", "2024", "-O", "-C", "panic=abort"]);
            command
        }
        _ => bail!("{}: neither C, C++, Rust nor a script", source.display()),
    };
    command.arg("-o").arg(&fresh).arg(&source);
    if kind != "rs" {
        command.args(["-lm"]);
    }
    run(&mut command, name)?;
    fs::rename(&fresh, &program).context("the program cannot take its name")?;
    Ok(program)
}

/// A library without any code.
///
/// # Errors
/// When it does not compile.
pub(crate) fn empty() -> Result<PathBuf> {
    let library = paths::work()?.join("libempty.so");
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    run(
        Command::new(compiler)
            .args(["-shared", "-nostartfiles", "-x", "c", "/dev/null", "-o"])
            .arg(&library),
        "libempty.so",
    )?;
    Ok(library)
}

/// A file below this crate, `workloads/` if nothing else is said.
fn source(name: &str) -> Result<PathBuf> {
    for dir in ["workloads", "workloads/real", "probes"] {
        for ending in ["", ".c", ".cc", ".rs", ".sh"] {
            let path = paths::bench(dir).join(format!("{name}{ending}"));
            if path.is_file() {
                return Ok(path);
            }
        }
    }
    bail!("benches/programs/workloads has no {name}.c, .cc, .rs or .sh")
}

/// Runs a workload's `prepare` script, once for each version of it.
///
/// # Errors
/// When it fails.
pub(crate) fn prepare(script: &str, inputs: &Path) -> Result<()> {
    let path = source(script)?;
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let done = inputs.join(format!(".{}-done", file_name(&path)));
    if fs::read(&done).is_ok_and(|before| before == text) {
        return Ok(());
    }
    let mut command = Command::new("sh");
    run(
        command
            .arg(&path)
            .env("BENCH_DIR", inputs)
            .current_dir(inputs),
        script,
    )?;
    fs::write(&done, text).context("cannot note that the inputs are there")
}

fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo tells this program about its own package is not meant for another cargo.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text == "CARGO_TARGET_DIR"
        {
            command.env_remove(&name);
        }
    }
    command
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("LD_PRELOAD");
    command
}

/// Runs a command that must succeed; says what it printed if it does not.
fn run(command: &mut Command, what: &str) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("{what}: {} does not start", command.get_program().display()))?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        bail!("{what} could not be made: {}", output.status);
    }
    Ok(())
}
