//! The C and C++ programs, each compiled once: by the first test that wants it, for all test
//! binaries and until it or a header is another.

use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{glibc, root, scratch};

/// Compiles `c-tests/<source>` and returns the program.
///
/// Without optimisation and without builtins: a compiler that knows what
/// `malloc` means removes the very pairs a test is about.
pub fn compile_c(source: &str, flags: &[&str]) -> PathBuf {
    compile("CC", "cc", source, flags)
}

/// Compiles `c-tests/<source>`, which is C++.
pub fn compile_cxx(source: &str, flags: &[&str]) -> PathBuf {
    compile("CXX", "c++", source, flags)
}

type Programs = Mutex<HashMap<u64, Arc<OnceLock<PathBuf>>>>;

fn compile(variable: &str, default: &str, source: &str, flags: &[&str]) -> PathBuf {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();

    let compiler = env::var_os(variable).unwrap_or_else(|| default.into());
    let key = hash(&(&compiler, source, flags));
    // One cell per program: the tests of one binary run in parallel and may
    // ask for the same program, which the first of them compiles.
    let cell = PROGRAMS
        .get_or_init(Programs::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(key)
        .or_default()
        .clone();
    let made = || {
        let dir = scratch().join("c-tests");
        fs::create_dir_all(&dir).expect("no directory for the C programs");
        let name = format!("{}-{key:016x}", source.replace(['/', '.'], "-"));
        let program = dir.join(format!("{name}-{:016x}", content(&compiler, source, flags)));
        // The one that another test binary made, or an earlier run.
        if !program.is_file() {
            remove_older(&dir, &name, &program);
            make(&compiler, default == "cc", source, flags, &program);
        }
        program
    };
    cell.get_or_init(made).clone()
}

fn make(compiler: &OsStr, is_c: bool, source: &str, flags: &[&str], program: &Path) {
    // Another test binary may run the same program now: the new one
    // takes its name in one step.
    let fresh = program.with_extension(process::id().to_string());
    let compiled = Command::new(compiler)
        .args(["-O0", "-g", "-fno-builtin", "-Wall", "-Werror", "-pthread"])
        .arg("-I")
        .arg(root().join("c-tests"))
        .args(language(is_c))
        .args(before_2_33(is_c && !flags.contains(&"-nostdlib")))
        .arg(root().join("c-tests").join(source))
        .args(["-x", "none"])
        .args(flags)
        .args(before_2_34(flags))
        .arg("-o")
        .arg(&fresh)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", compiler.display()));
    assert!(
        compiled.status.success(),
        "{source} does not compile:\n{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    fs::rename(&fresh, program).expect("the program cannot take its name");
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// What a program hangs on: its source, all headers there are, what the flags name, the compiler
/// and the library it is for. The way it is compiled is in this file.
fn content(compiler: &OsStr, source: &str, flags: &[&str]) -> u64 {
    static AROUND: OnceLock<u64> = OnceLock::new();

    let around = AROUND.get_or_init(|| {
        let mut headers = Vec::new();
        for folder in ["c-tests", "benches/programs"] {
            headers_below(&root().join(folder), &mut headers);
        }
        headers.sort();
        hash(&(headers, glibc(), include_str!("compile.rs")))
    });
    let version = Command::new(compiler).arg("--version").output();
    let version = version.map(|output| output.stdout).unwrap_or_default();
    let text = fs::read(root().join("c-tests").join(source)).unwrap_or_default();
    let named: Vec<_> = flags
        .iter()
        .map(|flag| fs::metadata(flag).and_then(|file| file.modified()).ok())
        .collect();
    hash(&(around, version, text, named))
}

fn headers_below(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("its entry").path();
        if path.is_dir() {
            headers_below(&path, found);
        } else if path.extension().is_some_and(|end| end == "h") {
            let text = fs::read(&path).expect("a header");
            found.push((path, text));
        }
    }
}

/// The same program of another content.
fn remove_older(dir: &Path, name: &str, program: &Path) {
    for entry in fs::read_dir(dir).expect("the folder of the programs") {
        let path = entry.expect("its entry").path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        // Not one that others make now.
        if file.starts_with(name) && !file.contains('.') && path != program {
            let _ = fs::remove_file(&path);
        }
    }
}

/// The programs' language, whatever the compiler takes for it by itself.
fn language(is_c: bool) -> &'static [&'static str] {
    if is_c {
        return &["-x", "c"];
    }
    &["-x", "c++", "-std=gnu++17"]
}

/// What the compiler is told first where glibc has no `mallinfo2` yet.
fn before_2_33(is_c: bool) -> Vec<OsString> {
    if !is_c || glibc() >= (2, 33) {
        return Vec::new();
    }
    let header = root().join("c-tests/older_glibc.h");
    vec!["-D_GNU_SOURCE=".into(), "-include".into(), header.into()]
}

/// What it is told last where `dlsym` is in a library of its own.
fn before_2_34(flags: &[&str]) -> Option<&'static str> {
    (glibc() < (2, 34) && !flags.contains(&"-nostdlib")).then_some("-ldl")
}
