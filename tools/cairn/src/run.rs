//! `cairn run`: a program on the installed library.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use crate::profile;
use crate::profile::taken::{self, Taken};
use cairn_profile::Kind;
use clap::Args;
use launch::program;

/// What a program that was linked with the library asks for, and what packages call its file.
const SONAME: &str = "libcairn.so.1";
/// What cargo calls it.
const BUILT: &str = "libcairn.so";

/// The statuses of `env`, `nice` and their like, which ld_preload.sh has too.
const NO_LIBRARY: u8 = 125;
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Run a program on Cairn.
///
/// The library is preloaded in front of what LD_PRELOAD holds, and this command becomes the program:
/// arguments, standard streams, number of the process and exit status are its own.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn run -- redis-server --port 7000
  cairn run --profile -o heap.pb.gz -- python3 script.py
  cairn run --set CAIRN_VERBOSE=1 --set MALLOC_ARENA_MAX=2 -- python3 server.py

Status if the program was not started: 2 the command line is wrong, 125 no library, 126 the program
cannot run on Cairn or at all, 127 it was not found.")]
pub(crate) struct Arguments {
    /// A variable for the program, as a knob is one; may be repeated
    #[arg(long, value_name = "KNOB=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// The library, instead of the installed one
    #[arg(long, value_name = "PATH")]
    library: Option<PathBuf>,
    /// Sample the heap, and show at the program's end which code holds its memory and where most was
    /// in use; this command stays its parent
    #[arg(long)]
    profile: bool,
    /// Write the profile for pprof into this file
    #[arg(short, long, value_name = "FILE", requires = "profile")]
    output: Option<PathBuf>,
    /// Draw a flame graph of the peak into this file, an SVG
    #[arg(long, value_name = "FILE", requires = "profile")]
    flame: Option<PathBuf>,
    /// Show under each site how long its objects lived
    #[arg(long, requires = "profile")]
    lifetimes: bool,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

/// Why the program was not started, and the status that says so.
struct Refusal(u8, String);

/// The two sides of `KNOB=VALUE`.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("KNOB=VALUE is expected".to_owned()),
    }
}

/// Becomes the program; comes back only if that failed.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match become_program(arguments) {
        Ok(code) => code,
        Err(Refusal(status, why)) => {
            eprintln!("cairn run: {why}");
            ExitCode::from(status)
        }
    }
}

/// A command that starts a program on the library, which is the installed one if none is named.
///
/// # Errors
/// There is no such library or program, or they do not fit.
pub(crate) fn preloaded(library: Option<&Path>, name: &OsStr) -> anyhow::Result<Command> {
    let (library, file) =
        prepare(library, name).map_err(|Refusal(_, why)| anyhow::anyhow!("{why}"))?;
    let mut command = Command::new(file);
    command
        .arg0(name)
        .env("LD_PRELOAD", in_front(library, env::var_os("LD_PRELOAD")));
    Ok(command)
}

fn become_program(arguments: &Arguments) -> Result<ExitCode, Refusal> {
    let Some((name, rest)) = arguments.program.split_first() else {
        return Err(Refusal(2, "no program".to_owned()));
    };
    let (library, file) = prepare(arguments.library.as_deref(), name)?;
    let mut command = Command::new(&file);
    command.arg0(name).args(rest);
    if arguments.profile {
        command.env("CAIRN_PROFILE", "1");
    }
    command
        .envs(arguments.set.iter().map(|(name, value)| (name, value)))
        .env("LD_PRELOAD", in_front(library, env::var_os("LD_PRELOAD")));
    if arguments.profile {
        let see = |taken: &Taken, say: &mut dyn FnMut(&str) -> anyhow::Result<()>| {
            show(taken, say, arguments)
        };
        return taken::at_end(command, "cairn run", see).map_err(|error| refusal(name, &error));
    }
    Err(refusal(name, &command.exec().into()))
}

/// Why a program did not start.
fn refusal(name: &OsStr, error: &anyhow::Error) -> Refusal {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    let status = match kind {
        Some(io::ErrorKind::NotFound) => NOT_FOUND,
        _ => CANNOT_RUN,
    };
    Refusal(status, format!("{}: {error}", name.display()))
}

/// The status of a shell: the program's own, or 128 and the signal that ended it.
pub(crate) fn status_of(ended: ExitStatus) -> u8 {
    let status = ended.code().or_else(|| Some(128 + ended.signal()?));
    status.and_then(|n| u8::try_from(n).ok()).unwrap_or(1)
}

/// Shows the profile of a program that stands at its end.
fn show(
    taken: &Taken,
    say: &mut dyn FnMut(&str) -> anyhow::Result<()>,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let (title, kinds) = (
        format!("cairn run: {}", taken.title),
        [Kind::InUse, Kind::Peak],
    );
    say(&profile::tables(
        &taken.profile,
        &title,
        &kinds,
        5,
        arguments.lifetimes,
    ))?;
    let files = profile::Files {
        output: arguments.output.clone(),
        flame: arguments.flame.clone(),
    };
    profile::write(&taken.profile, Kind::Peak, &files)
}

/// What to preload and the program's file, once they are known to fit.
fn prepare(library: Option<&Path>, name: &OsStr) -> Result<(OsString, PathBuf), Refusal> {
    let file = find_program(name)?;
    let library = match library {
        Some(path) => named(path)?,
        None => installed()?,
    };
    // Executable and not readable: the loader will say what is wrong, if anything is.
    if fs::File::open(&file).is_ok() {
        program::check(&file).map_err(|why| Refusal(CANNOT_RUN, format!("{why:#}")))?;
    }
    Ok((library, file))
}

/// The file of a program. What is found and cannot be run is another status than what is not found.
fn find_program(name: &OsStr) -> Result<PathBuf, Refusal> {
    program::find(name).map_err(|why| {
        let path = Path::new(name);
        let is_there = if name.as_bytes().contains(&b'/') {
            path.exists()
        } else {
            program::on_path(path).is_some()
        };
        let status = if is_there { CANNOT_RUN } else { NOT_FOUND };
        Refusal(status, format!("{why:#}"))
    })
}

/// The library of a command line, by a path that holds after a change of directory too.
fn named(path: &Path) -> Result<OsString, Refusal> {
    let whole = path.canonicalize().map_err(|error| {
        Refusal(
            NO_LIBRARY,
            format!("no library {}: {error}", path.display()),
        )
    })?;
    by_path(whole)
}

/// The installed library: by its bare name where that is the one the loader finds.
fn installed() -> Result<OsString, Refusal> {
    let triple = format!("{}-linux-gnu", env::consts::ARCH);
    let system = ["/usr/lib", "/lib"].map(|dir| Path::new(dir).join(&triple).join(SONAME));
    let system = system.iter().find_map(|file| file.canonicalize().ok());
    let own = env::current_exe().ok();
    let own = own.as_deref().and_then(Path::parent);
    let beside = own.and_then(|dir| {
        let below = dir.join("../lib");
        let places = [
            below.join(&triple).join(SONAME),
            below.join(SONAME),
            dir.join(BUILT),
        ];
        places.iter().find_map(|file| file.canonicalize().ok())
    });
    match (beside, system) {
        // The directory is the loader's own: another architecture's is another, so the programs
        // that this one starts get theirs by the same name, if there is one.
        (None, Some(_)) => Ok(SONAME.into()),
        (Some(beside), Some(system)) if beside == system => Ok(SONAME.into()),
        (Some(beside), _) => by_path(beside),
        (None, None) => Err(Refusal(
            NO_LIBRARY,
            format!(
                "no {SONAME} is installed: install the package libcairn1, or name the file by --library"
            ),
        )),
    }
}

/// A path as `LD_PRELOAD` can hold it.
fn by_path(path: PathBuf) -> Result<OsString, Refusal> {
    let shown = path.display();
    if fs::metadata(&path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o444 > 0)
    {
        let bytes = path.as_os_str().as_bytes();
        // Both separate the entries there, and nothing quotes them.
        return if bytes
            .iter()
            .any(|byte| *byte == b':' || byte.is_ascii_whitespace())
        {
            Err(Refusal(
                NO_LIBRARY,
                format!("{shown}: LD_PRELOAD cannot hold a path with a space or a colon"),
            ))
        } else {
            Ok(path.into_os_string())
        };
    }
    Err(Refusal(NO_LIBRARY, format!("{shown} is no library")))
}

/// The library, and behind it what was preloaded already.
fn in_front(library: OsString, held: Option<OsString>) -> OsString {
    let mut bytes = library.into_vec();
    if let Some(held) = held.filter(|held| !held.is_empty()) {
        bytes.push(b':');
        bytes.extend_from_slice(held.as_bytes());
    }
    OsString::from_vec(bytes)
}
