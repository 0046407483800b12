//! Makes the calls of a script again, in as many threads: `cairn-replay SCRIPT [null] [paced]
//! [sampled]`.
//!
//! Nothing here allocates between the first call and the last: the steps are read into the threads'
//! stacks, the slots of objects and the samples are mapped. What it prints is one line of JSON, of
//! the time between: CPU and wall time, seconds; page faults; what was resident before, and the
//! most and the last beyond that, KiB; and samples of that, as milliseconds and KiB.

mod cast;
mod measure;
mod memory;

use std::env;
use std::fs::File;
use std::process::ExitCode;

const USAGE: &str = "SCRIPT [null] [paced] [sampled]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cairn-replay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut arguments = env::args_os().skip(1);
    let path = arguments.next().ok_or(USAGE)?;
    let (mut null, mut paced, mut sampled) = (false, false, false);
    for word in arguments {
        match word.to_str() {
            Some("null") => null = true,
            Some("paced") => paced = true,
            Some("sampled") => sampled = true,
            _ => return Err(USAGE.to_owned()),
        }
    }
    let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let cast = cast::Cast::of(&file, null, paced)?;
    // The recorder's and the allocators' own are not to be opened once more.
    let measured = measure::all(sampled, || cast.play())?;
    println!("{measured}");
    Ok(())
}
